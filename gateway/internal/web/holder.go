package web

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// holderData is what the holder of a key is shown. The key itself is not kept anywhere: it is
// asked for each time.
type holderData struct {
	// Known: a key was shown, and the rest is about it.
	Known   bool
	Key     keyRow
	Use     keyUse
	Connect connectPanel
}

// holderPath is the only address of these pages that is not the admin's.
const holderPath = "/key"

// GET /key
func (s *Site) holderPage(c *gin.Context) {
	s.showHolder(c, http.StatusOK, holderData{Use: keyUse{Ranges: keyRangeNames()}}, "")
}

// POST /key: `key`, and `range`.
func (s *Site) holder(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	data := holderData{Use: keyUse{Range: c.PostForm("range"), Ranges: keyRangeNames()}}
	texts := s.texts(c.Request)
	if err := auth.SameOrigin(c.Request); err != nil {
		s.showHolder(c, http.StatusForbidden, data, texts["problem.origin"])
		return
	}
	secret := strings.TrimSpace(c.PostForm("key"))
	if secret == "" {
		s.showHolder(c, http.StatusUnprocessableEntity, data, texts["problem.holder_empty"])
		return
	}
	held, err := s.KeyHolder(c.Request, secret)
	if err != nil {
		s.refuseHolder(c, data, err)
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	answer, err := s.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: held.ID})
	if err != nil {
		s.refuseHolder(c, data, err)
		return
	}
	listed := &tokenstorev1.ListedKey{Key: answer.GetKey(), Standing: answer.GetStanding()}
	data.Known, data.Key, data.Connect = true, keyRowOf(listed, time.Now()), s.connectPanel(c, answer.GetKey(), "")
	problem := ""
	if data.Use, err = s.keyUse(ctx, held.ID, data.Use.Range); err != nil {
		problem = s.sentence(c.Request, err)
	}
	s.showHolder(c, http.StatusOK, data, problem)
}

// refuseHolder says why a key is not taken.
func (s *Site) refuseHolder(c *gin.Context, data holderData, err error) {
	texts := s.texts(c.Request)
	if own, told := errors.AsType[*chat.Error](err); told && own.RetryAfter > 0 {
		seconds := strconv.Itoa(int(math.Ceil(own.RetryAfter.Seconds())))
		c.Header("Retry-After", seconds)
		s.showHolder(c, http.StatusTooManyRequests, data, strings.ReplaceAll(texts["login.slow"], "%s", seconds))
		return
	}
	problem := s.sentence(c.Request, err)
	if refusal, told := errors.AsType[*caller.Refusal](err); told {
		problem = cmp.Or(texts["problem.holder_"+string(refusal.Reason)], problem)
	}
	s.showHolder(c, statusOf(err), data, problem)
}

func (s *Site) showHolder(c *gin.Context, status int, data holderData, problem string) {
	p := s.newPage(c, "holder")
	p.Path = holderPath
	p.Data, p.Problem, p.Degraded = data, problem, s.outage()
	s.show(c, status, p, nil)
}
