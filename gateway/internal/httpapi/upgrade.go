package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
)

// wantsWebSocket tells whether a request asks for a WebSocket.
func wantsWebSocket(r *http.Request) bool {
	for _, value := range r.Header.Values("Upgrade") {
		for protocol := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

// refuseUpgrade answers who wants a WebSocket where requests are posted: clients that know both
// ways then take the other one at once, while any other refusal is tried again first.
func refuseUpgrade(c *gin.Context) {
	c.Header("Upgrade", "HTTP/1.1")
	c.Header("Connection", "Upgrade")
	c.Status(http.StatusUpgradeRequired)
	_ = c.Error(chat.Errorf(chat.MethodNotAllowed, "WebSocket is not spoken here: POST the request to %s, and with `\"stream\": true` the answer comes as server-sent events",
		quoted(c.Request.URL.Path)))
}
