package adminapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// POST /admin/api/alarms/acknowledge
func (a *API) acknowledgeAlarm(c *gin.Context) error {
	var body struct {
		Upstream string `json:"upstream"`
		Class    string `json:"class"`
		// Model is the cause's; empty where it has none.
		Model string `json:"model"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	switch {
	case body.Upstream == "":
		return jsonapi.Invalid("upstream", "the name of the upstream is missing")
	case body.Class == "":
		return jsonapi.Invalid("class", "the class of the failures is missing, such as auth")
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	known, err := a.Tokens.AcknowledgeCause(ctx, &tokenstorev1.AcknowledgeCauseRequest{Upstream: body.Upstream, Class: body.Class, Model: body.Model})
	if err != nil {
		return storeerr.Translate(err)
	}
	if !known.GetAcknowledged() {
		return chat.Errorf(chat.NotFound, "there is no such alarm: the tokens of %s don't fail alike so now", body.Upstream)
	}
	a.Note(c, "alarm acknowledged", "upstream", body.Upstream, "class", body.Class, "model", body.Model)
	c.Status(http.StatusNoContent)
	return nil
}
