package adminapi_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the board shows; what is not known is null.
func TestQuotas(t *testing.T) {
	t.Parallel()
	got := object(t, send(t, newStore(), "GET", "/admin/api/quotas", key, "").Body.Bytes())
	at := moment.AsTime().Format(time.RFC3339Nano)
	account := map[string]any{"alias": "", "as_of": nil, "email": "", "error": nil, "membership": "", "quotas": []any{}, "resets_at": nil, "state": "", "token_id": ""}
	of := func(changes map[string]any) map[string]any {
		all := maps.Clone(account)
		maps.Copy(all, changes)
		return all
	}
	want := []any{map[string]any{
		// The one that tells has begun anew since it was asked: nothing is known of it now.
		"upstream": "cursor", "left": 0.0, "limit": 0.0, "unlimited": 0.0, "unknown": 2.0, "rate_per_hour": 1.0, "dry_at": nil, "next_reset": nil,
		"accounts": []any{
			of(map[string]any{
				"token_id": "t1", "state": "ready", "email": "a@b.example", "membership": "pro", "as_of": at, "resets_at": at, "error": "no answer",
				"quotas": []any{map[string]any{"name": "premium", "unit": "requests", "used": 12.0, "limit": 150.0, "left": 138.0}},
			}),
			of(map[string]any{"token_id": "t2", "alias": "work", "state": "cooling"}),
		},
	}}
	pool := got["pools"].([]any)[0].(map[string]any)
	if rate, ok := pool["rate_per_hour"].(float64); !ok || rate <= 0 {
		t.Errorf("rate %v", pool["rate_per_hour"])
	}
	pool["rate_per_hour"] = 1.0
	if diff := cmp.Diff(want, got["pools"]); diff != "" {
		t.Error(diff)
	}
}
