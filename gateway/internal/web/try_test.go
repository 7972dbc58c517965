package web_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What is chosen at first works: a model that has tokens and, where one is known, that
// has answered. What has none is shown as such.
func TestTryItOffersFirstWhatWorks(t *testing.T) {
	t.Parallel()
	answered := func(models ...string) *store {
		log := &tokenstorev1.QueryResponse{}
		for _, model := range models {
			log.Entries = append(log.Entries, &tokenstorev1.LogEntry{Model: model})
		}
		return &store{answers: []proto.Message{log}}
	}
	for name, c := range map[string]struct {
		store *store
		want  []string
	}{
		"nothing has answered":   {answered(), []string{hostile, "m1"}},
		"one has":                {answered("m2", "m1", hostile), []string{"m1", hostile}},
		"the log can't be asked": {&store{}, []string{hostile, "m1"}},
	} {
		page := parse(t, newSite(t, c.store).get(t, "/admin/try").Body)
		var offered, others []string
		for _, option := range page.named("option") {
			if option.Parent.Data == "optgroup" {
				others = append(others, text(option))
			} else {
				offered = append(offered, option.FirstChild.Data)
			}
		}
		if !slices.Equal(offered, c.want) || !slices.Equal(others, []string{"gpt-4o", "m2"}) {
			t.Errorf("%s: offered %q, others %q", name, offered, others)
		}
		groups := page.all(func(n *html.Node) bool { return n.Data == "optgroup" })
		if len(groups) != 1 || attribute(groups[0], "label") != "No token serves these now" {
			t.Errorf("%s: groups %v", name, groups)
		}
	}
}

// A logged request can be repeated: what it said is there, its last word to be sent, and its model
// is chosen, whether somebody serves it now or not.
func TestTryItRepeatsARequest(t *testing.T) {
	t.Parallel()
	const prompt = "<|BEGIN_SYSTEM|>\nBe brief.\n<|END_SYSTEM|>\n<|BEGIN_USER|>\n" + hostile + "\n<|END_USER|>\n<|BEGIN_ASSISTANT|>\nyes\n<|END_ASSISTANT|>\n<|BEGIN_USER|>\nAgain?\n<|END_USER|>\n"
	for name, c := range map[string]struct {
		entries []*tokenstorev1.LogEntry
		code    int
		said    []string
		text    string
		model   string
		problem string
	}{
		"a conversation":   {[]*tokenstorev1.LogEntry{{Model: "m1", Prompt: prompt}}, 200, []string{"system Be brief.", "user " + hostile, "assistant yes"}, "Again?", "m1", ""},
		"a model of late":  {[]*tokenstorev1.LogEntry{{Model: "gone", Prompt: "<|BEGIN_USER|>\nHi\n<|END_USER|>\n"}}, 200, nil, "Hi", "gone", ""},
		"no text was kept": {[]*tokenstorev1.LogEntry{{Model: "m2"}}, 404, nil, "", "m2", "has not kept"},
		"it is gone":       {nil, 404, nil, "", hostile, "no request with this id"},
	} {
		w := newSite(t, &store{answers: []proto.Message{&tokenstorev1.QueryResponse{Entries: c.entries}}}).get(t, "/admin/try?request=chatcmpl-1")
		page := parse(t, w.Body)
		var said []string
		for _, turn := range page.all(func(n *html.Node) bool { return attribute(n, "data-role") != "" }) {
			said = append(said, attribute(turn, "data-role")+" "+text(turn))
		}
		chosen := page.all(func(n *html.Node) bool {
			return n.Data == "option" && slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "selected" })
		})
		if w.Code != c.code || !slices.Equal(said, c.said) || text(page.byID("try-text")) != c.text {
			t.Errorf("%s: %d, said %q, %q is to be sent", name, w.Code, said, text(page.byID("try-text")))
		}
		if len(chosen) != 1 || text(chosen[0]) != c.model {
			t.Errorf("%s: %d models are chosen", name, len(chosen))
		}
		if problem := page.byID("problem"); (problem != nil) != (c.problem != "") || problem != nil && !strings.Contains(text(problem), c.problem) {
			t.Errorf("%s: the problem is not %q", name, c.problem)
		}
	}
}
