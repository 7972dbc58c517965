package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
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
