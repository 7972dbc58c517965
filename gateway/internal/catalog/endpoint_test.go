package catalog

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// passing is a driver that passes requests to side endpoints on.
type passing struct{ *fakeDriver }

// Pass implements upstream.Passer.
func (passing) Pass(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
	return nil, nil
}

// Side endpoints are asked of upstreams that have them, whoever else lists the model.
func TestResolveEndpoint(t *testing.T) {
	t.Parallel()
	c := New(map[string]upstream.Constructor{
		"cursor": func(config upstream.Config) (upstream.Driver, error) { return &fakeDriver{config: config}, nil },
		"openai": func(config upstream.Config) (upstream.Driver, error) {
			return passing{&fakeDriver{config: config}}, nil
		},
	}, nil, slog.New(slog.DiscardHandler))
	c.Update([]upstream.Config{
		{Name: "cursor", Driver: "cursor", Models: []string{"both", "theirs"}},
		{Name: "a", Driver: "openai", Models: []string{"both", "e"}},
		{Name: "b", Driver: "openai", Models: []string{"e", "x/y"}},
	}, nil)
	for _, test := range []struct {
		name, model string
		stocked     []string
		upstream    string
		sent        string
		says        string
	}{
		{"one that a chat would find elsewhere", "both", []string{"cursor"}, "a", "both", ""},
		{"the one with tokens", "e", []string{"b"}, "b", "e", ""},
		{"by its name", "b/anything", []string{"a"}, "b", "anything", ""},
		{"an id with a slash", "x/y", nil, "b", "x/y", ""},
		{"an upstream without the endpoint", "cursor/both", nil, "", "", `upstream "cursor", which has no /v1/embeddings: name a model of an OpenAI-compatible upstream`},
		{"a model of an upstream without the endpoint", "theirs", nil, "", "", `upstream "cursor", which has no /v1/embeddings`},
		{"a model that nobody has", "claude-9", nil, "", "", "GET /v1/models lists"},
		{"a name too long", strings.Repeat("x", 201), nil, "", "", "more than 200 bytes"},
		{"no model, and several upstreams", "", []string{"a", "b"}, "", "", "`model` is missing"},
		{"no model, and one upstream with tokens", "", []string{"cursor", "b"}, "b", "", ""},
		{"no model, and no tokens", "", []string{"cursor"}, "", "", "`model` is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.SetStocked(test.stocked)
			got, err := c.Resolve(Wish{Model: test.model, AnyClaude: true, Endpoint: "embeddings"})
			failure := chat.AsError(err)
			switch {
			case test.says == "" && (err != nil || got.First.Upstream != test.upstream || got.First.Model != test.sent):
				t.Errorf("%q of %q, %v", got.First.Model, got.First.Upstream, err)
			case test.says != "" && (failure == nil || failure.Param != "model" || !strings.Contains(failure.Message, test.says)):
				t.Errorf("%v", err)
			}
		})
	}
}

// Which upstream takes requests without a model can be said.
func TestTakesUnnamed(t *testing.T) {
	t.Parallel()
	c := New(map[string]upstream.Constructor{
		"openai": func(config upstream.Config) (upstream.Driver, error) {
			return passing{&fakeDriver{config: config}}, nil
		},
	}, nil, slog.New(slog.DiscardHandler))
	one := upstream.Config{Name: "a", Driver: "openai"}
	c.Update([]upstream.Config{one}, nil)
	if got, err := c.Resolve(Wish{Endpoint: "moderations"}); err != nil || got.First.Upstream != "a" {
		t.Errorf("the only one there is: %q, %v", got.First.Upstream, err)
	}
	c.Update([]upstream.Config{one, {Name: "b", Driver: "openai", Settings: map[string]string{"takes_unnamed": "true"}}}, nil)
	if got, err := c.Resolve(Wish{Endpoint: "moderations"}); err != nil || got.First.Upstream != "b" {
		t.Errorf("the one that is named: %q, %v", got.First.Upstream, err)
	}
	one.Settings = map[string]string{"takes_unnamed": "perhaps"}
	if err := c.Validate(one); err == nil || !strings.Contains(err.Error(), "settings.takes_unnamed") {
		t.Errorf("%v", err)
	}
}
