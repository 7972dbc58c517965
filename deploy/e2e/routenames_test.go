package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// settleLimit is how long a change may take to be everywhere, on a busy machine.
const settleLimit = 20 * time.Second

// target is one of a route.
func target(upstream, model string, priority, weight int) map[string]any {
	return map[string]any{"upstream": upstream, "model": model, "priority": priority, "weight": weight}
}

// putRoute configures a route and waits until every gateway has it.
func putRoute(t *testing.T, s *stack.Stack, name string, route map[string]any, probe string) {
	t.Helper()
	answer := s.Gateways[0].Admin(t, http.MethodPut, "/admin/api/routes/"+name, route)
	if answer.Status >= 300 {
		t.Fatalf("put route %s: %d %s", name, answer.Status, answer.Body)
	}
	for _, gateway := range s.Gateways {
		stack.Eventually(t, "every gateway knows the route "+name, settleLimit, func() bool {
			var told struct {
				Route *struct{ Name string } `json:"route"`
			}
			answer := gateway.Admin(t, http.MethodGet, "/admin/api/explain?model="+probe, nil)
			if answer.Status != http.StatusOK {
				return false
			}
			answer.JSON(t, &told)
			return told.Route != nil && told.Route.Name == name
		})
	}
}

// threeTargets has an alias `fast` with two targets of the first priority, 3:1, and one of the
// second.
func threeTargets(t *testing.T) *stack.Stack {
	t.Helper()
	s := stack.Start(t, stack.Options{Gateways: 3})
	for _, name := range []string{"heavy", "light", "spare"} {
		s.PutUpstream(name, map[string]any{"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-" + name}})
		s.AddTokens(name, name, 3, 0)
	}
	putRoute(t, s, "fast", map[string]any{"targets": []any{
		target("heavy", "gpt-heavy", 0, 3), target("light", "gpt-light", 0, 1), target("spare", "gpt-spare", 1, 1),
	}}, "fast")
	bothServe(t, s)
	return s
}

// bothServe waits until every gateway knows that both targets of the first priority have tokens.
func bothServe(t *testing.T, s *stack.Stack) {
	t.Helper()
	s.Eventually("both targets of the first priority serve", settleLimit, func() bool {
		counts := shares(t, s, "fast", 48)
		return counts["gpt-heavy"] == 36 && counts["gpt-light"] == 12
	})
}

// shares asks for a name so often, through all gateways, and counts by the upstream's model.
func shares(t *testing.T, s *stack.Stack, name string, n int) map[string]int64 {
	t.Helper()
	before := s.Sim.Ledger().Models
	if failed := chats(t, s.Gateways, name, n, 24); failed > 0 {
		t.Fatalf("%d of %d requests failed", failed, n)
	}
	counts := map[string]int64{}
	for model, now := range s.Sim.Ledger().Models {
		if by := now.Completed - before[model].Completed; by > 0 {
			counts[model] = by
		}
	}
	return counts
}

// Traffic goes by weight; the second priority serves only when the first can't, and the first
// again when it can.
func TestAnAliasWithThreeTargets(t *testing.T) {
	t.Parallel()
	s := threeTargets(t)
	const n = 2000
	counts := shares(t, s, "fast", n)
	t.Logf("by weight: %v", counts)
	if heavy, light := counts["gpt-heavy"], counts["gpt-light"]; heavy+light != n || heavy < n*73/100 || heavy > n*77/100 {
		t.Errorf("%v of %d, want 3:1 within 2 %%", counts, n)
	}
	enable := func(upstream string, enabled bool) {
		for _, token := range s.Gateways[0].Tokens(t) {
			if token.Upstream == upstream {
				s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+token.ID, map[string]any{"enabled": enabled})
			}
		}
	}
	settled := func(what, name string) {
		s.Eventually(what, settleLimit, func() bool {
			counts := shares(t, s, "fast", 30)
			return len(counts) == 1 && counts[name] == 30
		})
	}
	enable("heavy", false)
	settled("the other target of the first priority serves all", "gpt-light")
	enable("light", false)
	settled("the second priority serves all", "gpt-spare")
	if counts := shares(t, s, "fast", 300); counts["gpt-spare"] != 300 {
		t.Errorf("no target of the first priority can serve: %v", counts)
	}
	enable("heavy", true)
	enable("light", true)
	bothServe(t, s)
	counts = shares(t, s, "fast", n)
	t.Logf("again: %v", counts)
	if heavy := counts["gpt-heavy"]; counts["gpt-spare"] != 0 || heavy < n*73/100 || heavy > n*77/100 {
		t.Errorf("%v of %d, want 3:1 within 2 %%", counts, n)
	}
}

// An upstream that fails is passed over within the request: no client sees it.
func TestAnAliasPassesOverWhatFails(t *testing.T) {
	t.Parallel()
	s := threeTargets(t)
	for _, model := range []string{"gpt-heavy", "gpt-light"} {
		if err := s.Sim.SetRule(upstreamsim.Rule{Model: model, Scenario: "http-503"}); err != nil {
			t.Fatal(err)
		}
	}
	const n, clients = 60, 6
	began := time.Now()
	if failed := chats(t, s.Gateways, "fast", n, clients); failed > 0 {
		t.Errorf("%d requests failed", failed)
	}
	each := time.Since(began) / (n / clients)
	t.Logf("a request takes %s while two of three upstreams fail", each)
	if each > 2*time.Second {
		t.Errorf("requests wait %s for upstreams that fail", each)
	}
	s.Sim.ClearRules()
	bothServe(t, s)
}

// A pattern stands for a family; the star of a target is what it stood for. What an alias says of
// parameters reaches the upstream, in every API, a default only where the client says nothing.
func TestPatternsAndParameters(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	bodies := map[string]string{}
	s := stack.Start(t, stack.Options{Gateways: 3, Seen: func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		_, rest, _ := strings.Cut(string(body), `"model":"`)
		model, _, _ := strings.Cut(rest, `"`)
		mu.Lock()
		defer mu.Unlock()
		bodies[model] = string(body)
	}})
	for name, serves := range map[string]string{"plain": "off", "vendor": "on"} {
		s.PutUpstream(name, map[string]any{
			"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"none"}, "settings": map[string]string{"reasoning_efforts": "low,medium,high", "responses": serves},
		})
		s.AddTokens(name, name, 2, 0)
	}
	parameters := map[string]any{"reasoning_effort": "low", "max_output_tokens": map[string]any{"default": 200}}
	putRoute(t, s, "family", map[string]any{"match": "team-*", "targets": []any{target("plain", "gpt-5-*", 0, 1)}, "parameters": parameters}, "team-any")
	putRoute(t, s, "native", map[string]any{"match": "native-*", "targets": []any{target("vendor", "gpt-5-*", 0, 1)}, "parameters": parameters}, "native-any")
	putRoute(t, s, "longer", map[string]any{"match": "team-special-*", "targets": []any{target("plain", "special-*", 0, 1)}}, "team-special-any")
	for name, c := range map[string]struct {
		path, body string
		arrives    string   // the model's name
		has, not   []string // of the upstream's request
	}{
		"chat":              {"/v1/chat/completions", `{"model":"team-a","messages":[{"role":"user","content":"Hi"}]}`, "gpt-5-a", []string{`"reasoning_effort":"low"`, `:200`}, nil},
		"chat says itself":  {"/v1/chat/completions", `{"model":"team-b","reasoning_effort":"high","max_tokens":99,"messages":[{"role":"user","content":"Hi"}]}`, "gpt-5-b", []string{`"reasoning_effort":"low"`, `:99`}, []string{`:200`, "high"}},
		"messages":          {"/v1/messages", `{"model":"team-c","max_tokens":99,"messages":[{"role":"user","content":"Hi"}]}`, "gpt-5-c", []string{`"reasoning_effort":"low"`, `:99`}, []string{`:200`}},
		"responses":         {"/v1/responses", `{"model":"team-d","input":"Hi"}`, "gpt-5-d", []string{`"reasoning_effort":"low"`, `:200`}, nil},
		"native responses":  {"/v1/responses", `{"model":"native-e","input":"Hi","reasoning":{"effort":"high"}}`, "gpt-5-e", []string{`"effort":"low"`, `"max_output_tokens":200`}, []string{"high"}},
		"the longer match":  {"/v1/chat/completions", `{"model":"team-special-f","messages":[{"role":"user","content":"Hi"}]}`, "special-f", nil, []string{"reasoning_effort", ":200"}},
		"native, untouched": {"/v1/responses", `{"model":"native-g","input":"Hi","max_output_tokens":99}`, "gpt-5-g", []string{`"max_output_tokens":99`, `"effort":"low"`}, []string{":200"}},
	} {
		t.Run(name, func(t *testing.T) {
			for i, gateway := range s.Gateways {
				got := send(t, gateway, http.MethodPost, c.path, stack.AdminToken, c.body, nil)
				if got.status != http.StatusOK {
					t.Fatalf("gateway %d: %d %s", i, got.status, got.body)
				}
			}
			mu.Lock()
			arrived := bodies[c.arrives]
			mu.Unlock()
			for _, part := range c.has {
				if !strings.Contains(arrived, part) {
					t.Errorf("arrived without %s: %s", part, arrived)
				}
			}
			for _, part := range c.not {
				if strings.Contains(arrived, part) {
					t.Errorf("arrived with %s: %s", part, arrived)
				}
			}
			if arrived == "" {
				t.Error("nothing has arrived")
			}
		})
	}
}

// A name that nobody serves is 404 in every API, asks no upstream, and leaves no trace in Redis.
func TestANameThatNobodyServes(t *testing.T) {
	t.Parallel()
	s := threeTargets(t)
	client := s.RedisClient()
	defer func() { _ = client.Close() }()
	if failed := chats(t, s.Gateways, "fast", 30, 3); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	s.Eventually("the log has them", settleLimit, func() bool { return logTotal(t, s.Gateways[0]) >= 30 })
	round, newKeys := 0, true
	var always map[string]bool // what has changed with each round: gateways' own errands do not
	s.Eventually("a round of them leaves no key, and changes none each time", settleLimit, func() bool {
		round++
		before, logged, asked := keysOf(t, client), logTotal(t, s.Gateways[0]), s.Sim.Ledger().Total.Requests
		askNobody(t, s, fmt.Sprintf("nobody-%d", round))
		if s.Sim.Ledger().Total.Requests != asked || logTotal(t, s.Gateways[0]) != logged {
			return false
		}
		changed, created := map[string]bool{}, false
		for key, dump := range keysOf(t, client) {
			was, known := before[key]
			created = created || !known
			if strings.HasSuffix(key, ":holders") { // gateways renew their reserves all the time
				continue
			}
			if known && dump != was && strings.HasPrefix(key, "c1:{pool:") && (always == nil || always[key]) {
				changed[key] = true
			}
		}
		always, newKeys = changed, newKeys && created
		return !newKeys && len(always) == 0
	})
}

// askNobody asks for 50 names of which nobody serves any, in every API.
func askNobody(t *testing.T, s *stack.Stack, prefix string) {
	t.Helper()
	for i := range 50 {
		name := fmt.Sprintf("%s-%d", prefix, i)
		for path, body := range map[string]string{
			"/v1/chat/completions": chatBody(name, "Hi", i%2 == 0),
			"/v1/messages":         fmt.Sprintf(`{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":%t}`, name, i%2 == 0),
			"/v1/responses":        fmt.Sprintf(`{"model":%q,"input":"Hi","stream":%t}`, name, i%2 == 0),
		} {
			got := send(t, s.Gateways[i%3], http.MethodPost, path, stack.AdminToken, body, nil)
			if got.status != http.StatusNotFound || !strings.Contains(string(got.body), name) {
				t.Fatalf("%s: %d %s", path, got.status, got.body)
			}
		}
	}
}

// keysOf are all keys of Redis, with what they hold.
func keysOf(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	found := map[string]string{}
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		dump, err := client.Dump(t.Context(), keys.Val()).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		found[keys.Val()] = dump
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
