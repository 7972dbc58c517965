package pairs_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	openaioption "github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

func TestMain(m *testing.M) { stack.Main(m) }

// world is a running pair of services with a simulated upstream of each kind, tapped.
type world struct {
	*stack.Stack
	tap   *tap
	count atomic.Int64
}

// TestPairs runs everything over one running pair of services.
func TestPairs(t *testing.T) {
	t.Parallel()
	w := &world{Stack: stack.Start(t, stack.Options{GatewayEnv: []string{"STREAM_HEARTBEAT=1s"}})}
	w.tap = newTap(t, w.Sim)
	w.PutUpstream("openai", map[string]any{
		"driver": "openai", "base_url": w.tap.url + "/v1", "models": []string{"gpt-5"},
		"settings": map[string]string{"documents": "file", "reasoning_efforts": "low,medium,high", "responses": "on"},
	})
	w.PutUpstream("openai-chat", map[string]any{
		"driver": "openai", "base_url": w.tap.url + "/v1", "models": []string{"gpt-5"},
		"settings": map[string]string{"documents": "file", "reasoning_efforts": "low,medium,high", "responses": "off"},
	})
	w.PutUpstream("anthropic", map[string]any{"driver": "anthropic", "base_url": w.tap.url, "models": []string{"claude-sonnet-5"}})
	cursor := map[string]any{"driver": "cursor", "base_url": w.SimURL, "settings": map[string]string{
		"protocol": "agent", "site_url": w.SimURL, "structured_tools": "claude-sonnet-5",
	}}
	w.PutUpstream("cursor", cursor)
	pool := map[string]int{"openai": 3, "openai-chat": 3, "anthropic": 3, "cursor": 12}
	for _, pair := range []pairs.Pair{pairs.ChatCursor, pairs.MessagesCursor, pairs.ResponsesCursor} {
		w.PutUpstream(apart(pair), cursor)
		pool[apart(pair)] = 6
	}
	for upstream, tokens := range pool {
		w.AddTokens(upstream, upstream, tokens, 0)
		w.use(t, upstream, tokens)
	}
	t.Cleanup(func() { w.noRunIsWrong(t) })
	t.Run("scenes", w.scenes)
	t.Run("fields", w.fields)
	t.Run("settings", w.settings)
	t.Run("Claude Code", w.claudeCode)
	t.Run("native", w.native)
	t.Run("rotation", w.rotation)
}

// use has every token of an upstream serve, one after the other: until then it may have one request
// at a time, and conversations that run side by side would not stay where they began.
func (w *world) use(t *testing.T, upstream string, tokens int) {
	t.Helper()
	asks := w.client(t, pairs.Chat, &sent{})
	for range tokens {
		if _, err := asks.ask(t.Context(), upstream+"/"+w.name("", "echo"), []turn{{question: question{text: hello}}}, false); err != nil {
			t.Fatal(err)
		}
	}
	w.Eventually("no token is new", 5*time.Second, func() bool {
		return !slices.ContainsFunc(w.Gateways[0].Tokens(t), func(token stack.Token) bool { return token.Upstream == upstream && token.State != "ready" })
	})
}

// noRunIsWrong sees to it that no run of any test has broken a check of the upstream, and that
// none is left open.
func (w *world) noRunIsWrong(t *testing.T) {
	for _, violation := range w.Sim.Ledger().Violations {
		if violation.API == upstreamsim.CursorAgent {
			t.Errorf("%s: the upstream says %q", violation.Model, violation.Problems)
		}
	}
	stack.Eventually(t, "no run is open", 10*time.Second, func() bool { return w.Sim.AgentRuns().Open == 0 })
}

// name makes a model's name for one test alone, of which the simulator knows a scenario.
// What the upstream is to be like may stand before it, as in "deepseek-style".
func (w *world) name(manner, scenario string) string {
	if manner != "" {
		manner += "-"
	}
	return fmt.Sprintf("%sclaude-sonnet-5-no%d-sim-%s", manner, w.count.Add(1), scenario)
}

// client is the official client of an API; asked keeps the bodies that it sends.
func (w *world) client(t *testing.T, api pairs.API, asked *sent) client {
	t.Helper()
	gateway := w.Gateways[0]
	transport := stack.Client(t)
	asked.RoundTripper, transport.Transport = transport.Transport, asked
	switch api {
	case pairs.Chat:
		return chatClient{gateway.SDK(openaioption.WithHTTPClient(transport))}
	case pairs.Responses:
		return responsesClient{gateway.SDK(openaioption.WithHTTPClient(transport))}
	}
	return messagesClient{anthropic.NewClient(anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithAPIKey(stack.AdminToken),
		anthropicoption.WithBaseURL(gateway.URL), anthropicoption.WithMaxRetries(0), anthropicoption.WithHTTPClient(transport))}
}

// sent is a transport that keeps the bodies of requests.
type sent struct {
	http.RoundTripper
	mu     sync.Mutex
	bodies [][]byte
}

func (s *sent) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.bodies = append(s.bodies, body)
	s.mu.Unlock()
	request = request.Clone(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	return s.RoundTripper.RoundTrip(request)
}

// path is where an API's requests come to its upstream.
func path(pair pairs.Pair) string {
	switch {
	case pair == pairs.ResponsesOpenAI:
		return "/v1/responses"
	case pair.Driver == "openai":
		return "/v1/chat/completions"
	}
	return "/v1/messages"
}

// upstream is the name of a pair's upstream.
func upstream(pair pairs.Pair) string {
	if pair.ByChat {
		return pair.Driver + "-chat"
	}
	return pair.Driver
}

// apart is the name of the upstream that a pair's scenes ask which break connections. Over cursor a
// connection carries many answers at a time, and all of them break with it: an upstream of its own
// has connections of its own. Over the others a request has its connection to itself.
func apart(pair pairs.Pair) string {
	if pair.Driver != "cursor" {
		return upstream(pair)
	}
	return pair.Driver + "-" + strings.ToLower(string(pair.Client))
}

// blame are the assertions of the upstream that requests for a model have broken.
func (w *world) blame(model string) (problems []string) {
	for _, violation := range w.Sim.Ledger().Violations {
		if violation.Model == model {
			problems = append(problems, violation.Problems...)
		}
	}
	return problems
}

// ownModel undoes the only change of a native body.
func ownModel(body []byte, upstream, model string) string {
	return strings.Replace(string(body), `"model":"`+upstream+"/"+model+`"`, `"model":"`+model+`"`, 1)
}
