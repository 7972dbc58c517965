package foreign_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/proto/service/secret"
)

// aPool has what the formats have a place for, and a login of Cursor.
func aPool() foreign.Pool {
	relay := &foreign.Upstream{Name: "relay", Driver: "openai", BaseURL: "https://relay.example/v1", Models: []string{"gpt-5", "gpt-5-mini"}}
	claude := &foreign.Upstream{Name: "anthropic", Driver: "anthropic", BaseURL: "https://api.anthropic.com", Models: []string{"claude-sonnet-4-5"}}
	cursor := &foreign.Upstream{Name: "cursor", Driver: "cursor", BaseURL: "https://api2.cursor.sh"}
	return foreign.Pool{
		Tokens: []*foreign.Token{
			{Upstream: relay, Secret: secret.New("sk-1"), Alias: "first", Weight: 3, Cap: 2, Proxy: secret.New("socks5://user:hunter2@proxy.example:1080")},
			{Upstream: relay, Secret: secret.New("sk-2"), Weight: 1},
			{Upstream: relay, Secret: secret.New("sk-off"), Weight: 1, Disabled: true},
			{Upstream: claude, Secret: secret.New("sk-ant-1"), Alias: "claude", Weight: 1},
			{Upstream: cursor, Secret: secret.New("eyJ-of-cursor-0123456789abcdef"), Alias: "me", Weight: 1},
			{Upstream: cursor, Secret: secret.New("eyJ-of-cursor-0123456789abcdef-2"), Weight: 1},
		},
		Routes: []*foreign.Route{{Name: "cheap", Match: "cheap", Targets: []foreign.Target{{Upstream: relay, Model: "gpt-5-mini", Weight: 1}}}},
	}
}

// What is written in a format is read again from it.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][]string{
		"litellm":     {"relay sk-1 cap 2", "relay sk-2 cap 0", "anthropic sk-ant-1 cap 0"},
		"cliproxyapi": {"relay sk-1 cap 0 by socks5://user:hunter2@proxy.example:1080 weight 3", "relay sk-2 cap 0", "anthropic sk-ant-1 cap 0"},
		"sub2api":     {"relay sk-1 cap 2 by socks5://user:hunter2@proxy.example:1080", "relay sk-2 cap 0", "anthropic sk-ant-1 cap 0"},
	} {
		file, left, err := foreign.Write(format, aPool())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"cursor me", "cursor eyJ-…ef-2"}, left); diff != "" {
			t.Errorf("%s: left %s", format, diff)
		}
		plan, err := foreign.ReadFiles([]foreign.File{{Name: "file", Content: file}}, "")
		if err != nil || plan.Files[0].Format != format {
			t.Fatalf("%s: read as %v, %v:\n%s", format, plan.Files, err, file)
		}
		var got []string
		routes := map[string]string{}
		models := map[string][]string{}
		for _, item := range plan.Items {
			switch {
			case item.Token != nil && item.Verdict != foreign.Same:
				k := item.Token
				said := fmt.Sprintf("%s %s cap %d", k.Upstream.Name, k.Secret.Reveal(), k.Cap)
				if proxy := k.Proxy.Reveal(); proxy != "" {
					said += " by " + proxy
				}
				if k.Weight != 1 {
					said += fmt.Sprintf(" weight %d", k.Weight)
				}
				got = append(got, said)
			case item.Upstream != nil:
				models[item.Upstream.Name] = slices.Sorted(slices.Values(item.Upstream.Models))
			case item.Route != nil:
				routes[item.Route.Match] = item.Route.Targets[0].Upstream.Name + "/" + item.Route.Targets[0].Model
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		if routes["cheap"] != "relay/gpt-5-mini" || !slices.Equal(models["relay"], []string{"gpt-5", "gpt-5-mini"}) {
			t.Errorf("%s: routes %v, models %v", format, routes, models)
		}
	}
}

func TestFormatsThatAreNotWritten(t *testing.T) {
	t.Parallel()
	_, _, err := foreign.Write("one-api", aPool())
	if problem, is := errors.AsType[*foreign.FileError](err); !is || !strings.Contains(problem.Problem, "cliproxyapi, litellm, sub2api") {
		t.Errorf("%v", err)
	}
}
