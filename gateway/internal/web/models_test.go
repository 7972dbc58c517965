package web_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The names that nothing can serve come first, with what keeps the accounts out, and until when.
func TestModelsPage(t *testing.T) {
	t.Parallel()
	back := timestamppb.New(time.Date(2999, 1, 31, 12, 0, 0, 0, time.UTC))
	s := &store{answers: []proto.Message{&tokenstorev1.SummarizePoolsResponse{ModelsTold: true, Pools: []*tokenstorev1.PoolState{
		{Upstream: "cursor", Ready: 2, Disabled: 1, Models: []*tokenstorev1.ModelRests{{Model: "m1", Cooling: 2, NextBack: back}}},
	}}}}
	page := parse(t, newSite(t, s).get(t, "/admin/models").Body)
	if asked, ok := s.asked[0].(*tokenstorev1.SummarizePoolsRequest); !ok || !asked.GetModels() {
		t.Errorf("asked %v", s.asked[0])
	}
	if said := text(page.byID("models-sum")); said != "Nothing can serve 1 of 4 names now." {
		t.Errorf("said %q", said)
	}
	rows := page.named("tr")
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range map[int]string{
		1: "m1 Nothing can serve it cursor 2 × cooling for this model 1 × disabled 2999-01-31 12:00:00 UTC Why none? : m1",
		2: "gpt-4o 2 of 3 accounts cursor 1 × disabled – Why : gpt-4o",
	} {
		if got := text(rows[i]); got != want {
			t.Errorf("row %d is %q, want %q", i, got, want)
		}
	}
	if only := parse(t, newSite(t, s).get(t, "/admin/models?state=none").Body); len(only.named("tr")) != 2 {
		t.Errorf("%d rows of those that nothing can serve", len(only.named("tr"))-1)
	}
	if found := parse(t, newSite(t, s).get(t, "/admin/models?q=GPT").Body); len(found.named("tr")) != 2 {
		t.Errorf("%d rows found", len(found.named("tr"))-1)
	}
}

// A tokenstore of before does not tell all: the page says so.
func TestModelsOfAnOlderTokenstore(t *testing.T) {
	t.Parallel()
	s := &store{answers: []proto.Message{&tokenstorev1.SummarizePoolsResponse{}}}
	page := parse(t, newSite(t, s).get(t, "/admin/models").Body)
	if said := text(page.named("main")[0]); !strings.Contains(said, "The tokenstore is of an earlier version") || !strings.Contains(said, "no account") {
		t.Errorf("said %q", said)
	}
}
