package web

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var keyPage = view{"key", "keys", (*Site).loadKey}

type keyData struct {
	Key     keyRow
	Use     keyUse
	Connect connectPanel
	Edit    keyFields
	// Editing: the form is open, because it was sent.
	Editing bool
	// Done is what was just done, as the texts name it; empty: nothing.
	Done string
	// Keeps are for how long the secret before a new one may go on.
	Keeps []string
}

// keptSecrets are for how long the secret before a new one may go on, by the names of the texts.
var keptSecrets = map[string]time.Duration{"now": 0, "1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour}

// keeps are their names in order.
var keeps = []string{"now", "1h", "24h", "7d"}

// deeds are what a key's page can say that was done.
var deeds = map[string]bool{"saved": true, "disabled": true, "enabled": true, "restored": true}

func (s *Site) loadKey(ctx context.Context, c *gin.Context) (any, error) {
	data, err := s.keyData(ctx, c, c.Param("id"))
	if data == nil {
		return nil, err
	}
	if done := c.Query("done"); deeds[done] {
		data.Done = done
	}
	return *data, err
}

// keyData is what a key's page shows; nil where there is no such key. Data with an error lacks the
// use.
func (s *Site) keyData(ctx context.Context, c *gin.Context, id string) (*keyData, error) {
	answer, err := s.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
	if err != nil {
		return nil, err
	}
	listed := &tokenstorev1.ListedKey{Key: answer.GetKey(), Standing: answer.GetStanding()}
	data := &keyData{
		Key: keyRowOf(listed, time.Now()), Edit: keyFieldsOf(answer.GetKey()), Keeps: keeps,
		Connect: s.connectPanel(c, answer.GetKey(), ""),
	}
	data.Use, err = s.keyUse(ctx, id, c.Query("range"))
	data.Use.leadTo(id, c.Request.URL)
	return data, err
}
