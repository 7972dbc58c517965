package tokenfile

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// Without files the pool can be read as one, and is not changed by one. No folder is
// touched, so that none has to be writable.
func TestFilesThatAreNotUsed(t *testing.T) {
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		with := newPlace(t, client)
		if _, err := with.Write(t.Context(), "T1,"+fresh()+"\n", nil, ""); err != nil {
			t.Fatal(err)
		}
		log := &strings.Builder{}
		without := New(with.store, "", "", slog.New(slog.NewTextHandler(log, nil)))
		if err := without.Start(t.Context()); err != nil || log.Len() > 0 {
			t.Errorf("a start: %v %s", err, log)
		}
		shown, err := without.Read(t.Context())
		if err != nil || shown.Count != 1 || shown.Tokens != "" || !strings.Contains(shown.List, "T1") {
			t.Errorf("shown: %+v, %v", shown, err)
		}
		if report, err := without.Reload(t.Context()); err != nil || report.Count != 1 || report.Deleted != 0 {
			t.Errorf("a reload: %+v, %v", report, err)
		}
		_, err = without.Write(t.Context(), "T2\n", nil, "")
		if !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) || !strings.Contains(err.Error(), "TOKEN_FILES") {
			t.Errorf("a write: %v", err)
		}
		without.Changed()
		without.Run(context.WithoutCancel(t.Context())) // ends at once: there is no list to keep
	})
}
