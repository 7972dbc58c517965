package httpapi_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
)

type healthStats struct {
	Started        string `json:"started"`
	TotalRequests  uint64 `json:"total_requests"`
	ActiveRequests uint64 `json:"active_requests"`
}

func statsOf(t *testing.T, e *edge) healthStats {
	t.Helper()
	var got struct{ Stats healthStats }
	body := do(t, e, request(t, "GET", "/health", key, "")).Body.Bytes()
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"stats":  {"active_requests", "started", "system", "total_requests"},
		"system": {"cpu", "memory"},
	} {
		steps := []string{"stats", "system"}
		if path == "stats" {
			steps = steps[:1]
		}
		if keys := keysOf(t, body, steps...); !slices.Equal(keys, want) {
			t.Errorf("%s has %v", path, keys)
		}
	}
	return got.Stats
}

// The stats are those of all gateways; while the tokenstore does not tell them,
// this one's own.
func TestHealthCountsAllGateways(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 4, 0, 0, 123456000, time.UTC)
	told := true
	e := newEdge(t, says(nil, greeting...), func(deps *httpapi.Deps) {
		deps.Fleet = func() (httpapi.FleetChats, bool) {
			return httpapi.FleetChats{StartedAt: began, Total: 1000, Active: 7}, told
		}
	})
	want := healthStats{began.Local().Format("2006-01-02 15:04:05.000000000 -07:00"), 1000, 7}
	if got := statsOf(t, e); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	told = false
	do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	if got := statsOf(t, e); got.TotalRequests != 1 || got.ActiveRequests != 0 || got.Started == want.Started {
		t.Errorf("without a tokenstore: %+v", got)
	}
}

// A request counts as active from its begin to its end, however it ends.
func TestActiveRequests(t *testing.T) {
	t.Parallel()
	count := &httpapi.ChatCount{}
	for _, during := range []relay{says(nil, greeting...), says(chat.Errorf(chat.Internal, "broken")), says(chat.Errorf(chat.Internal, "broken"), greeting[:3]...)} {
		answer := relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
			if _, active := count.Now(); active != 1 {
				t.Errorf("%d active while one is answered", active)
			}
			during(ctx, req, yield)
		})
		e := newEdge(t, answer, func(deps *httpapi.Deps) { deps.Chats = count })
		do(t, e, request(t, "POST", "/v1/chat/completions", key, helloStream))
	}
	if total, active := count.Now(); total != 3 || active != 0 {
		t.Errorf("%d in all, %d active", total, active)
	}
}
