package app

import (
	"context"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/reqlog"
)

// recorder keeps the request log, and tells the access log how requests were served.
type recorder struct {
	entries interface{ Record(entry reqlog.Entry) }
}

// Record implements relay.Recorder.
func (r recorder) Record(ctx context.Context, entry reqlog.Entry) {
	accesslog.Note(ctx, servedOf(&entry))
	r.entries.Record(entry)
}

// servedOf is what the access log says of an entry.
func servedOf(entry *reqlog.Entry) accesslog.Served {
	served := accesslog.Served{Upstream: entry.Upstream, Model: entry.ServedModel, TokenID: entry.TokenID, Attempts: entry.Attempts}
	if last := len(entry.AttemptLog) - 1; last >= 0 {
		served.Class = succeededOr(entry.AttemptLog[last].Class)
	}
	return served
}
