package cases

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func init() {
	holds["a02"] = strategiesInALargePool
	holds["a07"] = aClockThatWasWrong
}

// strategiesInALargePool: among 10,000 tokens every strategy picks at once, and explain
// keeps nobody waiting. Where a pick reads the whole pool it takes a second and more, which
// no noise of a machine hides: the bound is generous.
func strategiesInALargePool(t *testing.T) {
	const (
		many   = 10_000
		chats  = 4
		bound  = 500 * time.Millisecond
		script = 100 * time.Millisecond // of Redis, for nobody else
	)
	p := newRedisPair(t)
	gateway := p.Gateways[0]
	server := httptest.NewServer(goodDay)
	t.Cleanup(server.Close)
	p.PutUpstream("large", map[string]any{"driver": "openai", "base_url": server.URL + "/v1", "models": []string{"large"}})
	var content strings.Builder
	for i := range many {
		fmt.Fprintf(&content, "sk-key-of-a-large-pool-%06d\n", i)
	}
	if report := importFile(t, gateway, "token", "large", content.String()); report.Accepted != many {
		t.Fatalf("%d accepted", report.Accepted)
	}
	p.do("CONFIG", "SET", "slowlog-log-slower-than", script.Microseconds())
	// quick tells what was not. Another program may have the processor meanwhile.
	quick := func(strategy string) (problem string) {
		p.do("SLOWLOG", "RESET")
		fastest := time.Hour
		for i := range chats {
			body := fmt.Appendf(nil, `{"model":"large","user":"user %d","messages":[{"role":"user","content":"a"}]}`, i)
			began := time.Now()
			got := postTo(t, gateway, body)
			fastest = min(fastest, time.Since(began))
			if got.Status != http.StatusOK {
				t.Errorf("%s: %d %s", strategy, got.Status, got.Body)
			}
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/explain?model=large", nil)
		if fastest > bound {
			return fmt.Sprintf("the fastest of %d chats took %v", chats, fastest)
		}
		slow, err := p.operator.Do(t.Context(), "SLOWLOG", "GET", "10").Slice()
		if err != nil || len(slow) > 0 {
			return fmt.Sprintf("Redis was kept from everybody else for over %v: %v, %v", script, slow, err)
		}
		return ""
	}
	for _, strategy := range []string{"least_in_flight", "fill_first", "sticky", "round_robin"} {
		gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"rotation_strategy": strategy})
		p.Eventually(strategy+" is quick", 30*time.Second, func() bool {
			problem := quick(strategy)
			if problem != "" {
				t.Logf("%s: %s", strategy, problem)
			}
			return problem == ""
		})
	}
}

// aClockThatWasWrong: a token that was put to rest while Redis's clock was three hours ahead
// rests no longer than any may, and no client is told to wait for hours. The clock is put
// right by moving what was written forward by as much.
func aClockThatWasWrong(t *testing.T) {
	const ahead, longest = 3 * time.Hour, 30 * time.Minute
	p := newRedisPair(t)
	gateway := p.Gateways[0]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"error":{"message":"too many requests","type":"rate_limit_error","code":"rate_limit_exceeded"}}`))
	}))
	t.Cleanup(server.Close)
	p.PutUpstream("limited", map[string]any{"driver": "openai", "base_url": server.URL + "/v1", "models": []string{"limited"}})
	token := p.AddTokens("limited", "l", 1, 0)[0]
	ask := func() answer {
		return postTo(t, gateway, []byte(`{"model":"limited","messages":[{"role":"user","content":"a"}]}`))
	}
	if got := ask(); got.Status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	rest := func() time.Time {
		var shown struct {
			CoolingUntil time.Time `json:"cooling_until"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+token.ID, nil).JSON(t, &shown)
		return shown.CoolingUntil
	}
	p.Eventually("the token rests", 5*time.Second, func() bool { return !rest().IsZero() })

	const pool = "c1:{pool:limited}:"
	p.do("HINCRBY", pool+"token:"+token.ID, "cooling", ahead.Milliseconds())
	p.do("ZINCRBY", pool+"cooling", ahead.Milliseconds(), token.ID)
	moved, err := p.operator.ZScore(t.Context(), pool+"cooling", token.ID).Result()
	if err != nil || time.UnixMilli(int64(moved)).Before(time.Now().Add(ahead-time.Minute)) {
		t.Fatalf("the clock is not as if it had been ahead: %v, %v", moved, err)
	}

	got := ask()
	seconds, _ := strconv.Atoi(got.Header.Get("Retry-After"))
	if wait := time.Duration(seconds) * time.Second; got.Status != http.StatusTooManyRequests || wait > longest {
		t.Errorf("%d, and the client is to wait for %v: %s", got.Status, wait, got.Body)
	}
	if until := rest(); until.After(time.Now().Add(longest + time.Minute)) {
		t.Errorf("the token rests until %v", until)
	}
}
