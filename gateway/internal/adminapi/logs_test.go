package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A list has no prompts unless it was asked for them; an entry has its own.
func TestPromptsAreShownWhenAsked(t *testing.T) {
	t.Parallel()
	list := object(t, send(t, newStore(), http.MethodGet, "/admin/api/logs", key, "").Body.Bytes())
	if list["newest"] != "7-1" || list["next"] != "n" {
		t.Errorf("the list ends with %v, %v", list["newest"], list["next"])
	}
	entry := object(t, send(t, newStore(), http.MethodGet, "/admin/api/logs/chatcmpl-1", key, "").Body.Bytes())
	if entry["token"] != "eyJh…Zx9Q" || entry["prompt"] != "<|BEGIN_USER|>" || entry["prompt_cut"] != true || entry["first_byte_ms"] != nil {
		t.Errorf("entry %v", entry)
	}
}

func TestUnknownLogEntry(t *testing.T) {
	t.Parallel()
	s := &store{answers: append(newStore().answers, &tokenstorev1.QueryResponse{})}
	for i, answer := range s.answers {
		if _, is := answer.(*tokenstorev1.QueryResponse); is {
			s.answers[i] = &tokenstorev1.QueryResponse{}
		}
	}
	w := send(t, s, http.MethodGet, "/admin/api/logs/nope", key, "")
	code, message, _ := errorCode(t, w.Body.Bytes())
	if w.Code != http.StatusNotFound || code != "not_found" || !strings.Contains(message, `"nope"`) {
		t.Errorf("%d %s: %s", w.Code, code, message)
	}
}

// Without parameters: the last hour by minutes, the present one included.
func TestStats(t *testing.T) {
	t.Parallel()
	s := newStore()
	before := time.Now()
	got := object(t, send(t, s, http.MethodGet, "/admin/api/stats", key, "").Body.Bytes())
	asked := s.asked.(*tokenstorev1.SummarizeRequest)
	to := asked.GetTo().AsTime()
	if asked.GetStep().AsDuration() != time.Minute || to.Sub(asked.GetFrom().AsTime()) != time.Hour ||
		!to.After(before) || to.After(time.Now().Add(time.Minute)) || !to.Equal(to.Truncate(time.Minute)) {
		t.Errorf("asked %v", asked)
	}
	buckets := got["buckets"].([]any)
	busy, idle := buckets[0].(map[string]any), buckets[1].(map[string]any)
	if busy["requests"] != 3.0 || busy["failures"] != 1.0 || busy["total_p50_ms"] != 1000.0 || busy["total_p95_ms"] != 2000.0 || busy["first_byte_p50_ms"] != 1.5 {
		t.Errorf("busy %v", busy)
	}
	if busy["prompt_tokens"] != 7.0 || busy["cache_read_tokens"] != 4.0 || busy["cache_write_tokens"] != 3.0 || busy["cache_write_hour_tokens"] != 2.0 ||
		busy["completion_tokens"] != 5.0 || busy["reasoning_tokens"] != 1.0 {
		t.Errorf("tokens %v", busy)
	}
	if idle["requests"] != 0.0 || idle["total_p50_ms"] != nil || len(idle) != len(busy) || len(idle) != 13 {
		t.Errorf("idle %v", idle)
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	got := object(t, send(t, newStore(), http.MethodGet, "/admin/api/fleet", key, "").Body.Bytes())
	replicas, pools := got["replicas"].([]any), got["pools"].([]any)
	if got["total_requests"] != 9.0 || got["active_requests"] != 2.0 || len(replicas) != 2 || len(pools) != 1 {
		t.Errorf("got %v", got)
	}
	for name, want := range map[string]map[string]any{
		"all": {"accepted": 8.0, "stored": 5.0, "pending": 2.0, "dropped": 1.0},
		"g1":  {"accepted": 5.0, "stored": 2.0, "pending": 2.0, "dropped": 1.0},
	} {
		log := got["log"]
		if name == "g1" {
			log = replicas[0].(map[string]any)["log"]
		}
		for key, value := range want {
			if log.(map[string]any)[key] != value {
				t.Errorf("%s: %s is %v, want %v", name, key, log.(map[string]any)[key], value)
			}
		}
	}
	at := moment.AsTime().Format(time.RFC3339Nano)
	want := map[string]any{
		"upstream": "cursor", "ready": 1.0, "cooling": 2.0, "expired": 3.0, "disabled": 4.0, "in_flight": 5.0, "expiring": 6.0,
		"probing": 7.0, "parked": 8.0, "quarantined": 9.0, "needs_login": 8.0,
		"next_back_at": at, "next_back_class": "rate_limit", "next_expiry_at": at,
		"causes": []any{map[string]any{"acknowledged_at": nil, "class": "upstream", "model": "gpt-4o", "since": at, "next_probe": at}},
	}
	if diff := cmp.Diff(want, pools[0]); diff != "" {
		t.Error(diff)
	}
}
