package app

import (
	"log/slog"
	"testing"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokens"
	"carousel.internal/gateway/internal/upstream"
)

// What explain says is where a request of the dialect goes.
func TestWhereAModelIsServedDependsOnTheDialect(t *testing.T) {
	t.Parallel()
	g := &Gateway{
		catalog: catalog.New(drivers(Config{}), nil, slog.New(slog.DiscardHandler)),
		config:  tokens.NewConfig(nil, "test", nil, slog.New(slog.DiscardHandler)),
	}
	var configs []upstream.Config
	for name, driver := range map[string]string{"a": "anthropic", "o": "openai"} {
		configs = append(configs, upstream.Config{
			Name: name, Driver: driver, BaseURL: "https://upstream.test", Models: []string{"m"},
			Settings: map[string]string{"first_byte_timeout": "1m", "idle_timeout": "1m"},
		})
	}
	g.catalog.Update(configs, nil)
	for dialect, want := range map[string]string{"": "o", "openai": "o", "anthropic": "a"} {
		chain, err := g.prospects("m", dialect)
		if err != nil || len(chain.Targets) == 0 || chain.Targets[0].Upstream != want || chain.Targets[0].Model != "m" {
			t.Errorf("%q: %+v, %v", dialect, chain, err)
		}
	}
	if _, err := g.prospects("m", "klingon"); chat.AsError(err) == nil || chat.AsError(err).Param != "dialect" {
		t.Errorf("%v", err)
	}
}

func TestStatusOfIsTheDialects(t *testing.T) {
	t.Parallel()
	unknown := chat.Errorf(chat.ModelNotSupported, "no such model")
	for dialect, want := range map[string]int{"openai": 404, "anthropic": 404, "": 404} {
		if got := statusOf(dialect, unknown); got != want {
			t.Errorf("%q: %d, want %d", dialect, got, want)
		}
	}
}
