package redisstore

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// What undoes a request's actions is found by the request, is no part of the list, and
// is bounded.
func TestAuditUndo(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		record := func(request string, undo *tokenstorev1.AuditUndo) {
			t.Helper()
			if err := store.RecordAudit(ctx, &tokenstorev1.AuditEntry{Action: "tokens deleted", RequestId: request, Undo: undo, Undoable: true}); err != nil {
				t.Fatal(err)
			}
		}
		record("bulk", &tokenstorev1.AuditUndo{Deleted: []string{"t1", "t2"}})
		record("bulk", &tokenstorev1.AuditUndo{Deleted: []string{"t3"}})
		for i := range 2 * undoPage {
			record(fmt.Sprint("other ", i), &tokenstorev1.AuditUndo{Enabled: []string{"t9"}})
		}
		record("none", nil)
		record("large", &tokenstorev1.AuditUndo{Pages: []*tokenstorev1.FormerPage{{Page: &tokenstorev1.Page{Content: strings.Repeat("x", maxUndo)}}}})
		var deleted []string
		undo, err := store.AuditUndo(ctx, "bulk")
		for _, each := range undo.Undo {
			deleted = append(deleted, each.GetDeleted()...)
		}
		if got := strings.Join(deleted, ","); err != nil || got != "t3,t1,t2" {
			t.Errorf("%s, %v", got, err)
		}
		if got := strings.Join(undo.SwitchedSince, ","); got != "t9" || time.Since(undo.At).Abs() > time.Minute {
			t.Errorf("later actions switched %s; at %v", got, undo.At)
		}
		for _, request := range []string{"none", "large", "never"} {
			if undo, err := store.AuditUndo(ctx, request); err != nil || len(undo.Undo) > 0 {
				t.Errorf("%s: %v, %v", request, undo, err)
			}
		}
		entries, _, err := store.ListAudit(ctx, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			kept := entry.GetRequestId() != "none" && entry.GetRequestId() != "large"
			if entry.GetUndo() != nil || entry.GetUndoable() != kept {
				t.Errorf("listed %v", entry)
			}
		}
		if kept := store.client.XLen(ctx, auditUndoKey()).Val(); kept > keepUndos {
			t.Errorf("%d are kept", kept)
		}
	})
}

// What is kept of long before a request is not read to find what undoes it.
func TestAuditUndoIsReadNoFurtherThanItGoes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	at := func(after time.Duration, request string, undo *tokenstorev1.AuditUndo) {
		t.Helper()
		setTime(now.Add(after))
		if err := store.RecordAudit(t.Context(), &tokenstorev1.AuditEntry{Action: "tokens deleted", RequestId: request, Undo: undo, Undoable: true}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 * undoPage {
		at(time.Duration(i)*time.Second, "before", &tokenstorev1.AuditUndo{Deleted: []string{"t9"}})
	}
	at(time.Hour, "bulk", &tokenstorev1.AuditUndo{Deleted: []string{"t1"}})
	at(time.Hour+time.Minute, "other", &tokenstorev1.AuditUndo{Deleted: []string{"t8"}})
	at(time.Hour+2*time.Minute, "bulk", &tokenstorev1.AuditUndo{Deleted: []string{"t2"}})
	reads := &readUndos{}
	client.AddHook(reads)
	if undo, err := store.AuditUndo(t.Context(), "bulk"); err != nil || len(undo.Undo) != 2 || reads.n != 1 {
		t.Errorf("%v, %v after %d reads", undo.Undo, err, reads.n)
	}
}

// readUndos counts how often undos are read.
type readUndos struct{ n int }

func (*readUndos) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *readUndos) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "xrevrange" {
			r.n++
		}
		return next(ctx, cmd)
	}
}

func (*readUndos) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
