package web

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var undoPage = view{"undopreview", "activity", (*Site).loadUndo}

// undoData is what an undo of what failures did would take back.
type undoData struct {
	Class, Upstream string
	From, To        *timestamppb.Timestamp
	Preview         *tokenstorev1.PreviewUndoResponse
}

// More is how many tokens are not named.
func (d undoData) More() int { return int(d.Preview.GetTokenCount()) - len(d.Preview.GetTokens()) }

// Exact is a time as the form sends it.
func (undoData) Exact(at *timestamppb.Timestamp) string { return exact(at.AsTime()) }

// readUndo reads which undo is meant. Without an end it is until now. An error about a time is a
// *termError.
func readUndo(values url.Values) (undoData, error) {
	data := undoData{Class: values.Get("class"), Upstream: values.Get("upstream")}
	var err error
	if data.From, err = moment("from", values.Get("from")); err != nil {
		return data, err
	}
	if data.To, err = moment("to", values.Get("to")); err != nil {
		return data, err
	}
	if data.To == nil {
		data.To = timestamppb.New(time.Now())
	}
	if data.Class == "" || data.From == nil {
		return data, chat.Errorf(chat.InvalidRequest, "a class of failures and a time are wanted, such as class=auth and from=2026-01-31T12:00")
	}
	return data, nil
}

func (s *Site) loadUndo(ctx context.Context, c *gin.Context) (any, error) {
	data, err := readUndo(c.Request.URL.Query())
	if err != nil {
		return data, s.aboutTerm(c.Request, err)
	}
	data.Preview, err = s.Tokens.PreviewUndo(ctx, &tokenstorev1.PreviewUndoRequest{Class: data.Class, Upstream: data.Upstream, From: data.From, To: data.To})
	return data, err
}

// POST /admin/activity/undo: `class`, `upstream`, `from`, `to` and `csrf`.
func (s *Site) undoTransitions(c *gin.Context) {
	if _, ok := s.permittedForm(c, maxForm); !ok {
		return
	}
	data, err := readUndo(c.Request.PostForm)
	if err != nil {
		s.fail(c, s.aboutTerm(c.Request, err))
		return
	}
	ctx, cancel := s.BulkCall(c)
	defer cancel()
	undone, err := s.Tokens.UndoTransitions(ctx, &tokenstorev1.UndoTransitionsRequest{Class: data.Class, Upstream: data.Upstream, From: data.From, To: data.To})
	if err != nil {
		s.fail(c, err)
		return
	}
	at := func(t *timestamppb.Timestamp) string { return t.AsTime().UTC().Format(time.RFC3339) }
	s.Note(c, "transitions undone", "class", data.Class, "from", at(data.From), "to", at(data.To), "count", undone.GetCount(), "upstream", data.Upstream)
	seeOther(c, "/admin/activity?undone="+strconv.FormatUint(uint64(undone.GetCount()), 10))
}
