package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Actions are listed newest first, page by page, each once.
func TestAudit(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if entries, next, err := store.ListAudit(ctx, 10, ""); err != nil || len(entries) != 0 || next != "" {
			t.Errorf("without actions: %v, %q, %v", entries, next, err)
		}
		const n = 7
		for i := range n {
			err := store.RecordAudit(ctx, &tokenstorev1.AuditEntry{
				Action: fmt.Sprint("action ", i), Actor: "api 192.0.2.1", RemoteIp: "192.0.2.1", RequestId: "r", Replica: "g1",
				Details: map[string]string{"token_id": "t1", "long": strings.Repeat("x", 2*maxAuditText)},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		var actions []string
		cursor := ""
		for range n {
			page, next, err := store.ListAudit(ctx, 3, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range page {
				actions = append(actions, entry.GetAction())
				if entry.GetActor() != "api 192.0.2.1" || entry.GetDetails()["token_id"] != "t1" || len(entry.GetDetails()["long"]) != maxAuditText ||
					time.Since(entry.GetAt().AsTime()).Abs() > time.Minute {
					t.Errorf("%v", entry)
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if got := strings.Join(actions, ","); got != "action 6,action 5,action 4,action 3,action 2,action 1,action 0" {
			t.Errorf("listed %s", got)
		}
		_, _, err := store.ListAudit(ctx, 3, "x")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		wantReason(t, store.RecordAudit(ctx, &tokenstorev1.AuditEntry{}), tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}
