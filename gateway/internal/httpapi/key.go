package httpapi

import (
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/keyform"
)

// keyPath is where the holder of a client key finds what that may do, below the route prefix.
const keyPath = "/v1/key"

// GET /v1/key
func (s *server) showKey(c *gin.Context) error {
	sender, err := s.admit(c, s.dialectOf(c.Request))
	switch {
	case err != nil:
		return err
	case sender.Kind == caller.OwnToken:
		return chat.Errorf(chat.InvalidRequest, "this tells what a client key may do, and a token of your own was sent, which nothing here limits")
	case sender.Key == nil:
		return chat.Errorf(chat.InvalidRequest, "this tells what a client key may do, and the admin token was sent, which may do everything; GET /admin/api/keys lists the client keys")
	}
	c.Header("Cache-Control", "no-store")
	got, err := s.Key(c.Request.Context(), sender.Key.ID)
	if err != nil {
		return err
	}
	return s.writeValue(c, keyform.Of(got.GetKey(), got.GetStanding(), time.Now()))
}
