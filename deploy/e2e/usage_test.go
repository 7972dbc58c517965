package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// counted are the tokens of a log entry, or of a step of the statistics.
type counted struct {
	Prompt     uint64 `json:"prompt_tokens"`
	CacheRead  uint64 `json:"cache_read_tokens"`
	Completion uint64 `json:"completion_tokens"`
	Reasoning  uint64 `json:"reasoning_tokens"`
}

func (c *counted) add(more counted) {
	c.Prompt += more.Prompt
	c.CacheRead += more.CacheRead
	c.Completion += more.Completion
	c.Reasoning += more.Reasoning
}

// What an upstream tells of its cache and of the model's thinking reaches the client, the
// log, the statistics, the metric and the pages, and all of them agree.
func TestTokensOfCachesAndThinking(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 1, 0)
	tab := login(t, gateway, "/admin/logs")
	var sum counted
	for _, test := range []struct {
		scenario string
		shows    map[string]string
	}{
		{"cached", map[string]string{"#input": "from cache, 50 % of the prompt"}},
		{"cached-over-prompt", map[string]string{"#input": "from cache, 100 % of the prompt"}},
		{"reasoning", map[string]string{"#output": "3 of them thinking"}},
	} {
		if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: test.scenario}); err != nil {
			t.Fatal(err)
		}
		asking := stack.Allow(t.Context(), "one upstream counts more from its cache than it was sent", grammar.Options{
			Except: []grammar.Rule{grammar.UsageDetails},
		})
		answer, err := trySend(asking, t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "one two three four five six", false), nil)
		var told struct {
			Usage struct {
				counted

				In struct {
					Cached uint64 `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
				Out struct {
					Reasoning uint64 `json:"reasoning_tokens"`
				} `json:"completion_tokens_details"`
			} `json:"usage"`
		}
		if err != nil || answer.status != http.StatusOK || json.Unmarshal(answer.body, &told) != nil {
			t.Fatalf("%s: %d %s, %v", test.scenario, answer.status, answer.body, err)
		}
		want := told.Usage.counted
		want.CacheRead, want.Reasoning = min(told.Usage.In.Cached, want.Prompt), told.Usage.Out.Reasoning
		sum.add(want)
		id := answer.header.Get("X-Request-Id")
		var entry struct {
			counted
			Source string `json:"usage_source"`
		}
		s.Eventually("it is logged", 10*time.Second, func() bool {
			logged := gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil)
			if logged.Status == http.StatusOK {
				logged.JSON(t, &entry)
			}
			return logged.Status == http.StatusOK
		})
		if entry.counted != want || entry.Source != "reported" || want.CacheRead+want.Reasoning == 0 {
			t.Errorf("%s: the log has %+v, the client %+v", test.scenario, entry, want)
		}
		tab.Go(gateway.URL + "/admin/logs/" + id)
		for place, text := range test.shows {
			tab.See(place, text)
		}
	}
	checkUsageSums(t, s, sum)
	tab.Go(gateway.URL + "/admin/?chart=tokens")
	tab.See("[data-key=tokens]", "of the input from cache")
	tab.See("#chart-tokens .legend", "Thinking")
	if height := browser.Eval[float64](tab, "document.querySelector('#chart-tokens rect.series-cache_read').getBoundingClientRect().height"); height <= 0 {
		t.Error("the chart does not show the cache")
	}
}

// checkUsageSums compares the statistics and the metric with what the log has.
func checkUsageSums(t *testing.T, s *stack.Stack, want counted) {
	t.Helper()
	gateway := s.Gateways[0]
	var stats struct {
		Buckets []counted `json:"buckets"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/stats", nil).JSON(t, &stats)
	var got counted
	for _, bucket := range stats.Buckets {
		got.add(bucket)
	}
	if got != want {
		t.Errorf("the statistics have %+v, the log %+v", got, want)
	}
	for label, want := range map[string]uint64{
		`direction="prompt"`: want.Prompt, `kind="cache_read"`: want.CacheRead, `kind="fresh"`: want.Prompt - want.CacheRead,
		`direction="completion"`: want.Completion, `kind="reasoning"`: want.Reasoning, `kind="answer"`: want.Completion - want.Reasoning,
	} {
		if got := stack.Metric(t, gateway.Ops, "carousel_gateway_tokens_used_total", label); got != float64(want) {
			t.Errorf("%s: the metric has %v, the log %d", label, got, want)
		}
	}
}
