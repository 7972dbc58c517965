package codex_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/codex"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

func TestMain(m *testing.M) { stack.Main(m) }

// upstream is one of the four over which everything is played.
type upstream struct {
	name string
	// model is what the scenario's name stands behind.
	model string
	// native: the client's own bytes go on.
	native bool
	// brings is in a request for each thought that it brings back, and back are how many of a
	// task's five: Chat has those since the user's last message, which may be a picture's.
	brings string
	back   int
}

var (
	native     = upstream{"native", "gpt-5-sim-", true, `"encrypted_content":"`, 5}
	translated = upstream{"translated", "deepseek-style-sim-", false, `"reasoning_content":"`, 2}
	messages   = upstream{"messages", "claude-sonnet-5-sim-", false, `"signature":"`, 5}
	cursor     = upstream{"cursor", "composer-2.5-sim-", false, "", 0}
	upstreams  = []upstream{native, translated, messages, cursor}
)

// stage is a running stack with the four upstreams, behind a balancer.
type stage struct {
	*stack.Stack
	front *stack.Gateway
	count atomic.Int64
	// forgiven is what an upstream may say against a request; empty: nothing.
	forgiven string

	mu      sync.Mutex
	arrived map[string][]string // bodies that the upstreams got over plain HTTP, by model
}

func start(t *testing.T, options stack.Options, tokens int) *stage {
	t.Helper()
	s := &stage{arrived: map[string][]string{}}
	options.Gateways = 3
	options.Seen = s.see
	s.Stack = stack.Start(t, options)
	for name, responses := range map[string]string{native.name: "on", translated.name: "off"} {
		s.PutUpstream(name, map[string]any{
			"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-5"},
			"settings": map[string]string{"responses": responses, "reasoning_efforts": "low,medium,high"},
		})
	}
	s.PutUpstream(messages.name, map[string]any{"driver": "anthropic", "base_url": s.SimURL, "models": []string{"claude-sonnet-5"}})
	s.PutUpstream(cursor.name, map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": map[string]string{"protocol": "agent", "site_url": s.SimURL}})
	for _, each := range upstreams {
		s.AddTokens(each.name, each.name, tokens, 0)
	}
	s.front = stack.Balance(t, s.Gateways...)
	t.Cleanup(func() {
		for _, violation := range s.Sim.Ledger().Violations {
			if told := strings.Join(violation.Problems, "; "); s.forgiven == "" || !strings.Contains(told, s.forgiven) {
				t.Errorf("%s: the upstream says %q", violation.Model, told)
			}
		}
	})
	return s
}

// see keeps the bodies of requests over plain HTTP.
func (s *stage) see(r *http.Request) {
	if r.Method != http.MethodPost || r.ProtoMajor > 1 {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, rest, found := bytes.Cut(body, []byte(`"model":"`))
	model, _, _ := bytes.Cut(rest, []byte(`"`))
	if found {
		s.mu.Lock()
		s.arrived[string(model)] = append(s.arrived[string(model)], string(body))
		s.mu.Unlock()
	}
}

// got are the bodies for a model so far.
func (s *stage) got(model string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.arrived[model])
}

// session begins one with a model of its own that plays a scenario. An echo ends with
// what the user has said: where the API joins it with the session's context, that comes before.
func (s *stage) session(t *testing.T, over upstream, scenario string) (_ *codex.Session, model string) {
	t.Helper()
	n := s.count.Add(1)
	name, kind, _ := strings.Cut(over.model, "sim-")
	model = fmt.Sprintf("%sno%d-sim-%s%s", name, n, kind, scenario)
	return &codex.Session{
		URL: s.front.URL + "/v1", Key: stack.AdminToken, Model: over.name + "/" + model, Thread: fmt.Sprintf("019a-thread-%d", n), Effort: "high",
		HTTP:    stack.Client(t),
		Retries: codex.Retries{Request: codex.Usual.Request, Stream: codex.Usual.Stream, First: 20 * time.Millisecond, Idle: 20 * time.Second},
		Workspace: codex.NewWorkspace(map[string]string{
			"main.go": "package main\n\nfunc main() {\n\tprintln(\"red\")\n}\n", "red.png": red,
		}),
	}, model
}

// judged is a context for a session over an upstream.
func judged(t *testing.T, over upstream) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return stack.Allow(ctx, "the upstream says how it is judged", grammar.Options{Native: over.native})
}

// answered counts the requests of a session that have had an answer. The balancer closes
// connections that are idle, also while a request is on its way, which is sent again then.
func answered(s *codex.Session) int {
	n := 0
	for _, sent := range s.Sent {
		if sent.Status != 0 {
			n++
		}
	}
	return n
}

// readWell fails where the client has lost anything of what it read.
func readWell(t *testing.T, s *codex.Session) {
	t.Helper()
	for _, answer := range s.Answers {
		if len(answer.Dropped) > 0 || len(answer.Stray) > 0 || answer.Lingered > 10*time.Second { // of a busy machine
			t.Errorf("dropped %q, stray %q, lingered %s", answer.Dropped, answer.Stray, answer.Lingered)
		}
	}
}

// red is a PNG of one pixel.
const red = "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x0d\x49\x44\x41\x54\x78\xda\x63\xfc\xcf\xc0\x50\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c\x21\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82"

// script is a text with a script in it.
func script(rounds ...[]upstreamsim.Move) string {
	return "Do what is to be done. " + upstreamsim.Script(rounds...)
}
