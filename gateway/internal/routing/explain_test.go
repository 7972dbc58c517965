package routing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// store lends tokens of the upstreams that are named in it, and remembers what it was asked.
type store struct {
	mu    sync.Mutex
	ready map[string]string
	asked []string
	err   error
}

func (s *store) Explain(_ context.Context, r *tokenstorev1.ExplainRequest, _ ...grpc.CallOption) (*tokenstorev1.ExplainResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.GetUpstream()+"/"+r.GetModel())
	return &tokenstorev1.ExplainResponse{ChosenTokenId: s.ready[r.GetUpstream()]}, s.err
}

func TestTheOrderOfTargets(t *testing.T) {
	t.Parallel()
	chain := routing.Chain{Targets: []routing.Target{
		{Upstream: "c", Model: "m", Priority: 1, Weight: 1},
		{Upstream: "gone", Model: "m", Weight: 5, Why: "there is no such upstream"},
		{Upstream: "off", Model: "m", Weight: 9, Idle: true}, // what keeps its tokens out, they tell
		{Upstream: "a", Model: "m", Weight: 3},
		{Upstream: "b", Model: "m", Weight: 1},
		{Upstream: "a", Model: "m", Priority: 2, Weight: 1}, // the same once more
	}}
	s := &store{ready: map[string]string{"b": "t2", "c": "t3"}}
	prospects, err := routing.Explain(t.Context(), s, chain)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, each := range prospects {
		got = append(got, fmt.Sprintf("%d %s of %d: %.2f %s", each.Order, each.Upstream, each.Priority, each.Share, each.Tokens.GetChosenTokenId()))
	}
	want := []string{"1 a of 0: 0.75 ", "2 b of 0: 0.25 t2", "3 c of 1: 1.00 t3", "4 a of 2: 1.00 ", "5 off of 0: 0.00 ", "6 gone of 0: 0.00 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	slices.Sort(s.asked)
	if diff := cmp.Diff([]string{"a/m", "b/m", "c/m", "off/m"}, s.asked); diff != "" {
		t.Errorf("asked: %s", diff)
	}
	if next, err := routing.Next(prospects); err != nil || next.Upstream != "b" {
		t.Errorf("next is %s, %v", next.Upstream, err)
	}
}

func TestNextWhereNoneIsReady(t *testing.T) {
	t.Parallel()
	prospects, err := routing.Explain(t.Context(), &store{}, routing.Chain{Targets: []routing.Target{{Upstream: "a"}, {Upstream: "b"}}})
	if next, none := routing.Next(prospects); err != nil || none != nil || next.Upstream != "a" {
		t.Errorf("next is %s, %v, %v", next.Upstream, err, none)
	}
	if _, err := routing.Next(nil); err == nil {
		t.Error("there is a next of none")
	}
}

func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	var chain routing.Chain
	for i := range 40 {
		chain.Targets = append(chain.Targets, routing.Target{Upstream: fmt.Sprint("u", i)})
	}
	s := &store{}
	if prospects, err := routing.Explain(t.Context(), s, chain); err != nil || len(prospects) != 32 || len(s.asked) != 32 {
		t.Errorf("%d targets, %d questions, %v", len(prospects), len(s.asked), err)
	}
	s.err = errors.New("away")
	if _, err := routing.Explain(t.Context(), s, chain); !errors.Is(err, s.err) {
		t.Errorf("%v", err)
	}
}
