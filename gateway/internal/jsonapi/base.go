package jsonapi

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	defaultBodyLimit = 16 << 20
	defaultTimeout   = 5 * time.Second
	// bulk is how much longer a call may take that is about a whole file of tokens.
	bulk = 12
)

// Base is what all admin routes work with, whichever room they are in.
type Base struct {
	Gate *auth.Gate
	// Log gets one audit line for each change and each look at secrets.
	Log *slog.Logger
	// Keep stores the audit lines.
	Keep Keep
	// BodyLimit bounds a request's body, in bytes; 0 means 16 MiB.
	BodyLimit int64
	// Timeout bounds a call of the tokenstore; 0 means 5 s. Imports and exports get
	// twelve times as long.
	Timeout time.Duration
}

// WithDefaults returns the base with its limits set.
func (b Base) WithDefaults() Base {
	b.BodyLimit = cmp.Or(max(b.BodyLimit, 0), defaultBodyLimit)
	b.Timeout = cmp.Or(max(b.Timeout, 0), defaultTimeout)
	return b
}

// Authorize lets in what bears the admin token, or comes from an admin's page.
func (b Base) Authorize(c *gin.Context) {
	// Answers hold what only the admin may see: no cache keeps them.
	c.Header("Cache-Control", "no-store")
	if err := b.Gate.Admit(c.Request); err != nil {
		_ = c.Error(err)
		c.Abort()
	}
}

// Call gives a call of the tokenstore its deadline.
func (b Base) Call(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request.Context(), b.Timeout)
}

// BulkCall is Call for a whole file of tokens.
func (b Base) BulkCall(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request.Context(), bulk*b.Timeout)
}

// NoteUndoable is Note for what can be undone by the request's id; nil: it can't.
func (b Base) NoteUndoable(c *gin.Context, undo *tokenstorev1.AuditUndo, action string, attrs ...any) {
	AuditUndoable(c, b.Log, b.Keep, undo, action, attrs...)
}

// Note notes who did what to what: see Audit.
func (b Base) Note(c *gin.Context, action string, attrs ...any) {
	Audit(c, b.Log, b.Keep, action, attrs...)
}
