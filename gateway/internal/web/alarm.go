package web

import (
	"context"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// alarmsKept is how long the number of alarms is not asked for again: every page has it.
	alarmsKept = 5 * time.Second
	// alarmsPatience is how long a page waits for it.
	alarmsPatience = 500 * time.Millisecond
)

// alarmCount is the number of alarms that nobody has acknowledged, as it was lately.
type alarmCount struct {
	mu    sync.Mutex
	n     int
	asked time.Time
}

// count returns the number; 0 while it is not known. No two ask at a time.
func (a *alarmCount) count(ctx context.Context, tokens Tokens) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.asked) < alarmsKept {
		return a.n
	}
	// It is for all pages: a reader who leaves does not take it away from the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), alarmsPatience)
	defer cancel()
	answer, err := tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{})
	a.n, a.asked = 0, time.Now()
	if err != nil {
		return 0 // the page itself says what is wrong
	}
	for _, pool := range answer.GetPools() {
		for _, cause := range pool.GetCauses() {
			if cause.GetAcknowledgedAt() == nil {
				a.n++
			}
		}
	}
	return a.n
}

// forget has the next page ask anew.
func (a *alarmCount) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = time.Time{}
}

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
	s.alarms.forget()
	seeOther(c, "/admin/")
}
