package web_test

import (
	"slices"
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
