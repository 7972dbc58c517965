package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/remembered"
)

// Requests about an answer, below its path.
const (
	cancelPath = "/cancel"
	inputPath  = "/input_items"
)

// shelf is where the answers of a dialect are kept. What an upstream keeps is asked of it, with
// the token that made it, and answered as it is.
type shelf struct {
	*server
	api    dialect.Dialect
	keeper dialect.Rememberer
}

// routeAt is the upstream's route for the requests of a dialect that it speaks too.
func routeAt(api dialect.Dialect) *carried.Route {
	return &carried.Route{Name: strings.TrimPrefix(api.Path(), "/v1/"), Unnamed: true, SameModel: true}
}

// about makes the handler of a request about one answer. ours answers it for one that is kept
// here.
func (s *shelf) about(ours func(c *gin.Context, kept *remembered.Answer) error, method, below string) handler {
	return func(c *gin.Context) error {
		kept, err := s.asked(c)
		if err != nil {
			return err
		}
		if kept.Native() {
			return s.pass(c, kept, method, below, nil)
		}
		return ours(c, kept)
	}
}

// asked finds the answer that a request is about.
func (s *shelf) asked(c *gin.Context) (*remembered.Answer, error) {
	sender, err := s.admit(c, s.api)
	if err != nil {
		return nil, err
	}
	kept, err := s.find(c.Request.Context(), s.keeper, c.Param("id"), "", sender.Owner)
	if err != nil {
		return nil, err
	}
	exchangeOf(c).asks(kept.Model, false)
	return kept, nil
}

// pass asks the upstream that keeps an answer.
func (s *shelf) pass(c *gin.Context, kept *remembered.Answer, method, below string, agreed func() error) error {
	request := carried.Bare(routeAt(s.api), method, "/"+kept.ID+below, kept.Model, c.Request.Header)
	request.Stream = wantsStream(c)
	return s.deliver(c, s.api, &passing{request: request, caller: exchangeOf(c).sender.Caller, choice: pinnedTo(kept), agreed: agreed, explain: func(err error) error {
		if isLost(err) {
			return unknown(s.keeper, kept.ID, "", err)
		}
		return err
	}})
}

func wantsStream(c *gin.Context) bool {
	wants, _ := strconv.ParseBool(c.Query("stream")) // another word is no wish
	return wants
}

// GET PATH/{id}
func (s *shelf) show(c *gin.Context, kept *remembered.Answer) error {
	if wantsStream(c) {
		err := chat.Errorf(chat.InvalidRequest, "`stream`: this answer was complete when it was kept, and is not streamed again: ask for it without")
		err.Param = "stream"
		return err
	}
	s.writeJSON(c, http.StatusOK, kept.JSON)
	return nil
}

// GET PATH/{id}/input_items
func (s *shelf) showInput(c *gin.Context, kept *remembered.Answer) error {
	page, err := s.keeper.InputPage(kept.Input, c.Request.URL.Query())
	if err != nil {
		return err
	}
	s.writeJSON(c, http.StatusOK, page)
	return nil
}

// POST PATH/{id}/cancel
func (*shelf) cancel(_ *gin.Context, kept *remembered.Answer) error {
	return chat.Errorf(chat.InvalidRequest, "%s can't be cancelled: it was not made in the background, and is complete", kept.ID)
}

// DELETE PATH/{id}
func (s *shelf) remove(c *gin.Context) error {
	kept, err := s.asked(c)
	if err != nil {
		return err
	}
	forget := func() error { return s.forget(c.Request.Context(), kept) }
	if kept.Native() {
		err := s.pass(c, kept, http.MethodDelete, "", forget)
		if err != nil && isGone(err) {
			return errors.Join(err, forget())
		}
		return err
	}
	if err := forget(); err != nil {
		return err
	}
	s.writeJSON(c, http.StatusOK, s.keeper.Deleted(kept.ID))
	return nil
}

// isGone tells whether an upstream says that it keeps no such answer.
func isGone(err error) bool {
	own := chat.AsError(err).Upstream
	return own != nil && own.Status == http.StatusNotFound
}

func (s *shelf) forget(ctx context.Context, kept *remembered.Answer) error {
	err := s.Remembered.Forget(ctx, kept.ID, kept.Owner)
	if errors.Is(err, remembered.ErrNone) { // somebody else has been faster
		return nil
	}
	return err
}

// passOn sends a turn's body, as it came, to the upstream that keeps what it goes on with: to
// the path that the dialect has for such a body.
func (s *server) passOn(c *gin.Context, t *turn, path string) error {
	route := routeAt(t.api)
	route.Slow = true
	request, err := carried.ReadJSON(route, c.Request.Header, t.came)
	if err != nil {
		return err
	}
	request.Below = strings.TrimPrefix(path, t.api.Path())
	return s.deliver(c, t.api, &passing{request: request, caller: t.caller, choice: t.choice, explain: t.thread.explain})
}
