package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestRoutesOfTheStore(t *testing.T) {
	t.Parallel()
	got := routesOf([]*tokenstorev1.Route{
		{Name: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "u", Model: "m", Priority: 2, Weight: 3}, {Upstream: "v", Weight: 1}}},
		{Name: "claudes", Match: "claude-*", Parameters: []*tokenstorev1.RouteParameter{
			{Name: "reasoning_effort", Value: `"low"`, OnlyDefault: true}, {Name: "temperature", Value: "0.5"},
		}},
	})
	want := []catalog.Route{
		{Name: "fast", Match: "fast", Targets: []catalog.RouteTarget{{Upstream: "u", Model: "m", Priority: 2, Weight: 3}, {Upstream: "v", Weight: 1}}},
		{Name: "claudes", Match: "claude-*", Parameters: []chat.Parameter{
			{Name: chat.SetEffort, Value: `"low"`, OnlyDefault: true}, {Name: chat.SetTemperature, Value: "0.5"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A route's parameters are said in the request's own dialect, or it is refused.
func TestTuneIsTheDialects(t *testing.T) {
	t.Parallel()
	low := []chat.Parameter{{Name: chat.SetEffort, Value: `"low"`}}
	for name, body := range map[string]string{
		"openai":    `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
		"anthropic": `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		tuned, err := tune(asked(t, name, body), low)
		if err != nil || tuned.Thinking.Effort != "low" || !strings.Contains(string(tuned.Source.JSON), `"low"`) {
			t.Errorf("%s: %+v, %v", name, tuned, err)
		}
	}
	_, err := tune(&chat.Request{Source: chat.Source{Dialect: "klingon"}}, low)
	if refused := chat.AsError(err); refused == nil || refused.Kind != chat.Unsupported || refused.Param != "model" {
		t.Errorf("got %v", err)
	}
}

// asked is a body as its dialect decodes it.
func asked(t *testing.T, name, body string) *chat.Request {
	t.Helper()
	api, _ := dialectNamed(name)
	request, err := api.Decode(dialect.Incoming{Body: []byte(body), RequestID: "1", Received: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// mixed is a catalog of the three drivers, with names that lead to all of them, to two, and to
// one.
func mixed() *catalog.Catalog {
	c := catalog.New(drivers(Config{}), nil, slog.New(slog.DiscardHandler))
	var configs []upstream.Config
	for _, driver := range []string{"openai", "anthropic", "cursor"} {
		settings := map[string]string{"first_byte_timeout": "1m", "idle_timeout": "1m"}
		if driver == "cursor" {
			settings["protocol"] = "agent"
		}
		configs = append(configs, upstream.Config{Name: driver, Driver: driver, BaseURL: "https://upstream.test", Settings: settings})
	}
	to := func(upstreams ...string) (targets []catalog.RouteTarget) {
		for i, name := range upstreams {
			targets = append(targets, catalog.RouteTarget{Upstream: name, Model: "m", Priority: i, Weight: 1})
		}
		return targets
	}
	c.Update(configs, []catalog.Route{
		{Name: "any", Match: "any", Targets: to("cursor", "anthropic", "openai")},
		{Name: "two", Match: "two", Targets: to("cursor", "anthropic")},
		{Name: "one", Match: "one", Targets: to("cursor")},
	})
	return c
}

// What a target's upstream can't carry is no more asked of it, along a route either; what none of
// them can is refused with the field's name, before any token is asked for.
func TestARouteToSeveralDialectsCarriesWhatAnyOfThemCan(t *testing.T) {
	t.Parallel()
	c := mixed()
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	const pdf = `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"}}`
	for name, test := range map[string]struct {
		dialect, body string
		any, two, one string // who can, or the field that nobody can be asked for
	}{
		"a question": {
			"openai", hi, "cursor, anthropic, openai", "cursor, anthropic", "cursor",
		},
		"log probabilities": {
			"openai", hi + `,"logprobs":true`, "openai", "`logprobs`", "`logprobs`",
		},
		"two choices": {
			"openai", hi + `,"n":2`, "openai", "`n`", "`n`",
		},
		"functions": {
			"openai", hi + `,"tools":[{"type":"function","function":{"name":"f"}}]`, "cursor, anthropic, openai", "cursor, anthropic", "cursor",
		},
		"a tool that takes free text": {
			"openai", hi + `,"tools":[{"type":"custom","custom":{"name":"f"}}]`, "cursor, anthropic, openai", "cursor, anthropic", "cursor",
		},
		"a PDF": {
			"anthropic", `"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"read"},` + pdf + `]}]`,
			"anthropic", "anthropic", "messages.0.content.1",
		},
		"a tool that the vendor runs": {
			"anthropic", hi + `,"max_tokens":9,"tools":[{"type":"web_search_20250305","name":"web_search"}]`, "anthropic", "anthropic", "`tools.0`",
		},
	} {
		for model, want := range map[string]string{"any": test.any, "two": test.two, "one": test.one} {
			request := asked(t, test.dialect, `{"model":"`+model+`",`+test.body+`}`)
			plan, err := c.Resolve(catalog.Wish{Model: model, Request: request})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for target, more := plan.First, true; more; target, more = plan.Next() {
				got = append(got, target.Upstream)
			}
			said := refusal(t, c, request)
			if said == nil && strings.Join(got, ", ") != want {
				t.Errorf("%s: %s leads to %v, want %s", name, model, got, want)
			}
			if said != nil && (!strings.Contains(said.Message, want) || said.Param == "" || strings.Contains(want, ",") || slices.Contains([]string{"openai", "anthropic", "cursor"}, want)) {
				t.Errorf("%s: %s is refused: %+v, want %s", name, model, said, want)
			}
		}
	}
}

// errNoToken is what a request gets that would have been sent.
var errNoToken = chat.Errorf(chat.StoreUnavailable, "no token")

// noTokens is a store without tokens, and a log that nobody reads.
type noTokens struct{ asked int }

func (n *noTokens) Acquire(context.Context, lease.Demand) (*lease.Lease, error) {
	n.asked++
	return nil, errNoToken
}
func (*noTokens) SetAside(context.Context, *lease.Charge) bool { return true }

func (*noTokens) Pay(*lease.Charge, lease.Amounts) {}

func (*noTokens) Settle(*lease.Lease, lease.Outcome)   {}
func (*noTokens) Record(context.Context, reqlog.Entry) {}
func (*noTokens) Attempt(string, upstream.Class)       {}
func (*noTokens) Retried(string)                       {}
func (*noTokens) RetryDenied(string)                   {}
func (*noTokens) FellBack(string)                      {}
func (*noTokens) Ignored(string, string)               {}
func (*noTokens) Ended(string, *reqlog.Entry)          {}

// refusal is what the relay refuses a request with before it asks for a token; nil: it asks.
func refusal(t *testing.T, c *catalog.Catalog, request *chat.Request) *chat.Error {
	t.Helper()
	store := &noTokens{}
	r := relay.New(relay.Params{
		Catalog: c, Leases: store, Recorder: store, Counter: store, Policy: func() relay.Policy { return relay.Policy{MaxAttempts: 1} },
		Tune: tune, StatusOf: statusOf, Replicas: func() int { return 1 }, Logger: slog.New(slog.DiscardHandler),
	})
	for _, err := range r.Chat(t.Context(), request, caller.Caller{}, lease.Choice{}) {
		refused := chat.AsError(err)
		if (store.asked > 0) != (refused.Message == errNoToken.Message) {
			t.Fatalf("%d tokens asked for, and %v", store.asked, err)
		}
		if store.asked > 0 {
			return nil
		}
		return refused
	}
	return nil
}
