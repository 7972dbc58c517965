package web

import (
	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// POST /admin/alarms/acknowledge: `upstream`, `class`, `model` and `csrf`. An alarm that is over
// needs no acknowledgement.
func (s *Site) acknowledgeAlarm(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	request := &tokenstorev1.AcknowledgeCauseRequest{Upstream: c.PostForm("upstream"), Class: c.PostForm("class"), Model: c.PostForm("model")}
	ctx, cancel := s.Call(c)
	defer cancel()
	known, err := s.Tokens.AcknowledgeCause(ctx, request)
	if err != nil {
		s.fail(c, err)
		return
	}
	if known.GetAcknowledged() {
		s.Note(c, "alarm acknowledged", "upstream", request.GetUpstream(), "class", request.GetClass(), "model", request.GetModel())
	}
	seeOther(c, "/admin/")
}
