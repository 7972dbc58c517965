package jsonapi

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// keepTimeout bounds how long an answer waits until its audit entry is stored.
const keepTimeout = 2 * time.Second

// Keep stores an audit entry with the tokenstore.
type Keep func(ctx context.Context, entry *tokenstorev1.AuditEntry) error

// Audit notes who did what to what, in the log and, where keep is not nil, in the
// store. attrs are pairs of a name and a value without secrets. What was done stays
// done when it can't be stored. A failed attempt leaves its trace in the access log.
func Audit(c *gin.Context, log *slog.Logger, keep Keep, action string, attrs ...any) {
	AuditUndoable(c, log, keep, nil, action, attrs...)
}

// AuditUndoable is Audit for what can be undone; nil: it can't.
func AuditUndoable(c *gin.Context, log *slog.Logger, keep Keep, undo *tokenstorev1.AuditUndo, action string, attrs ...any) {
	remote := clientOf(c)
	entry := &tokenstorev1.AuditEntry{
		Action: action, Actor: Actor(c), RemoteIp: remote, Details: details(attrs),
		ForwardedFor: strings.Join(c.Request.Header.Values("X-Forwarded-For"), ", "),
		RequestId:    RequestID(c),
		Undo:         undo,
	}
	ctx := c.Request.Context()
	log.InfoContext(ctx, "audit", append(attrs, "action", action, "actor", entry.GetActor(), "remote_ip", remote,
		"forwarded_for", entry.GetForwardedFor(), "request_id", entry.GetRequestId())...)
	if keep == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout) // a client that hangs up has done it all the same
	defer cancel()
	if err := keep(ctx, entry); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "audit entry is only in this log", slog.String("action", action),
			slog.String("request_id", entry.GetRequestId()), slog.Any("error", err))
	}
}

func details(attrs []any) map[string]string {
	named := map[string]string{}
	for i := 0; i+1 < len(attrs); i += 2 {
		if list, ok := attrs[i+1].([]string); ok {
			named[fmt.Sprint(attrs[i])] = strings.Join(list, ", ")
		} else if text := fmt.Sprint(attrs[i+1]); text != "" {
			named[fmt.Sprint(attrs[i])] = text
		}
	}
	return named
}
