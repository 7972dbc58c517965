package httpapi

import (
	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/dialect"
)

// compactIn makes the handler of a dialect's wishes for a conversation in short. That is composed
// here whichever upstream answers, unless that keeps the conversation; it is not kept itself.
func (s *server) compactIn(api dialect.Dialect, compacter dialect.Compacter) handler {
	return func(c *gin.Context) error {
		sender, err := s.admit(c, api)
		if err != nil {
			return err
		}
		defer s.Chats.begin()()
		t, err := s.hear(c, api, sender)
		if err != nil {
			return err
		}
		if t.thread.pinned {
			return s.answerOnce(c, api, t.came, false, func() error { return s.passOn(c, t, compacter.CompactPath()) })
		}
		request, err := compacter.Compact(t.in)
		if err != nil {
			return err
		}
		t.asks(c, request)
		t.thread.wishes.Keep = false
		return s.answerOnce(c, api, t.came, false, func() error { return s.collect(c, t, compacter.Compacted(request)) })
	}
}
