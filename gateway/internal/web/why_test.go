package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var candidates = []*tokenstorev1.Candidate{
	{TokenId: "t4", Alias: "resting", ExcludedBy: "cooling", Until: timestamppb.New(later)},
	{TokenId: "t3", ExcludedBy: "a new reason"},
	{TokenId: "t5", ExcludedBy: "cooling", Until: moment},
	{TokenId: "t1", Score: 2},
	{TokenId: "t2", Alias: hostile, Score: 3}, // the turn is another's by its score
}

// prospects is how the site's names are served.
func prospects(model, dialect string) (routing.Chain, error) {
	if dialect == "anthropic" {
		return routing.Chain{Targets: []routing.Target{{Upstream: "theirs", Model: model, Weight: 1}}}, nil
	}
	switch model {
	case "nope":
		return routing.Chain{}, chat.Errorf(chat.ModelNotSupported, "Model %q is not supported", model)
	case "fast":
		return routing.Chain{
			Route: &routing.Route{Name: "quick", Match: "fa*", Parameters: []chat.Parameter{{Name: chat.SetEffort, Value: `"low"`}}},
			Targets: []routing.Target{
				{Upstream: "cursor", Model: hostile, Weight: 3},
				{Upstream: "vendor", Model: "m", Weight: 1},
				{Upstream: "gone", Model: "m", Priority: 1, Weight: 1, Why: "there is no such upstream"},
				{Upstream: "x", Weight: 1, Why: hostile},
			},
			Fallbacks: []string{"spare", hostile},
		}, nil
	}
	return routing.Chain{Targets: []routing.Target{{Upstream: "cursor", Model: model, Weight: 1}}}, nil
}

// The page tells the route, the targets in order, and what excludes each token.
func TestWhy(t *testing.T) {
	t.Parallel()
	s := &store{answers: []proto.Message{&tokenstorev1.ExplainResponse{ChosenTokenId: "t2", Candidates: candidates}}}
	page := parse(t, newSite(t, s).get(t, "/admin/why?model=fast").Body)
	main := text(page.named("main")[0])
	for _, shown := range []string{
		"fast is shared by 2 targets now", "It goes by the route quick (for fa*).", "Reasoning effort low",
		"priority 0, weight 3 · 75 % of what its priority gets", "priority 0, weight 1 · 25 % of what its priority gets",
		"No request goes there: there is no such upstream.", "No request goes there: " + hostile,
		"It can serve: 2 of 5 tokens could be chosen.", "2 × cooling", "1 × a new reason",
		"When none of these can serve, requests go on with spare, " + hostile + ".",
	} {
		if !strings.Contains(main, shown) {
			t.Errorf("%q is not in it: %s", shown, main)
		}
	}
	var rows []string
	for _, row := range page.named("tr")[1:6] {
		rows = append(rows, text(row))
	}
	for i, want := range []string{hostile + " is chosen next", "t1 could be chosen", "resting cooling 2026-01-31 13:00:00 UTC", "t3 a new reason", "t5 cooling 2026-01-31 12:00:00 UTC"} {
		if !strings.HasPrefix(rows[i], want) {
			t.Errorf("row %d is %q, want %q", i, rows[i], want)
		}
	}
}

// An upstream that speaks the client's API comes first, so it matters which one that is.
func TestWhyToClientsOfADialect(t *testing.T) {
	t.Parallel()
	s := &store{answers: []proto.Message{&tokenstorev1.ExplainResponse{ChosenTokenId: "t1"}}}
	page := parse(t, newSite(t, s).get(t, "/admin/why?model=m1&dialect=anthropic").Body)
	if said := text(page.byID("why-verdict")); said != "m1 goes to theirs now, as m1" {
		t.Errorf("said %q", said)
	}
	chosen := page.all(func(n *html.Node) bool {
		return n.Data == "option" && slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "selected" })
	})
	if len(chosen) != 1 || text(chosen[0]) != "Anthropic" {
		t.Errorf("%d options chosen", len(chosen))
	}
}

func TestWhyVerdicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		explained *tokenstorev1.ExplainResponse
		model     string
		says      []string
	}{
		"nobody serves it": {nil, "nope", []string{"Nobody serves nope", "404"}},
		"all cool": {
			&tokenstorev1.ExplainResponse{Candidates: candidates[:3]}, "m1",
			[]string{"Nothing can serve m1 now", "The first comes back 2026-01-31 12:00:00 UTC", "None of its 3 tokens can serve now.", "It goes by no route"},
		},
		"all fail alike": {
			&tokenstorev1.ExplainResponse{Cause: "outdated_client", CauseUntil: moment, Candidates: candidates[:1]}, "m1",
			[]string{"Nothing can serve m1 now", "All its tokens fail alike: Client version outdated.", "The next attempt is 2026-01-31 12:00:00 UTC"},
		},
		"served by one": {&tokenstorev1.ExplainResponse{ChosenTokenId: "t1"}, "m1", []string{"m1 goes to cursor now, as m1"}},
		"no tokens":     {&tokenstorev1.ExplainResponse{}, "m1", []string{"Nothing can serve m1 now", "cursor has no tokens."}},
	} {
		s := &store{answers: []proto.Message{c.explained}}
		w := newSite(t, s).get(t, "/admin/why?model="+c.model)
		main := text(parse(t, w.Body).named("main")[0])
		for _, shown := range c.says {
			if w.Code != 200 || !strings.Contains(main, shown) {
				t.Errorf("%s: %d, %q is not in it: %s", name, w.Code, shown, main)
			}
		}
	}
}

// A large pool does not make a large page.
func TestWhyIsBounded(t *testing.T) {
	t.Parallel()
	many := &tokenstorev1.ExplainResponse{}
	for i := range 80 {
		many.Candidates = append(many.Candidates, &tokenstorev1.Candidate{TokenId: fmt.Sprint("t", i), ExcludedBy: "disabled"})
	}
	page := parse(t, newSite(t, &store{answers: []proto.Message{many}}).get(t, "/admin/why?model=m1").Body)
	if rows := len(page.named("tr")); rows != 51 || !strings.Contains(text(page.byID("target-1")), "And 30 more") {
		t.Errorf("%d rows", rows)
	}
}

// For a client key the page says what it may not do, and what is left of its limits.
func TestWhyForAKey(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.ExplainResponse{ChosenTokenId: "t1"}}, s.answers...)
	page := parse(t, newSite(t, s).get(t, "/admin/why?model=other&key=k1").Body)
	if said := text(page.byID("why-targets")); !strings.Contains(said, "the key may not use this model") {
		t.Errorf("said %q", said)
	}
	if said := text(page.byID("why-key-title")); !strings.Contains(said, hostile) {
		t.Errorf("the key is %q", said)
	}
	if asked := last[*tokenstorev1.GetKeyRequest](t, s); asked.GetId() != "k1" {
		t.Errorf("asked for %v", asked)
	}
}
