package routing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pools are a tokenstore's, which tells of models unless it is of before.
type pools struct {
	states []*tokenstorev1.PoolState
	before bool
	err    error
}

func (p pools) SummarizePools(_ context.Context, r *tokenstorev1.SummarizePoolsRequest, _ ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error) {
	return &tokenstorev1.SummarizePoolsResponse{Pools: p.states, ModelsTold: r.GetModels() && !p.before}, p.err
}

// far is a time that no test reaches, and farther one after it.
var (
	far     = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
	farther = far.Add(time.Hour)
)

// chainTo is a chain without a route.
func chainTo(targets ...routing.Target) routing.Chain { return routing.Chain{Targets: targets} }

func TestLook(t *testing.T) {
	t.Parallel()
	store := pools{states: []*tokenstorev1.PoolState{
		{Upstream: "well", Ready: 5, Quarantined: 1, Disabled: 2},
		{Upstream: "resting", Cooling: 3, Parked: 1, NextBack: timestamppb.New(farther)},
		{
			Upstream: "mixed", Ready: 4, Probing: 1, Full: 2, NextBack: timestamppb.New(far), Cooling: 1,
			Models: []*tokenstorev1.ModelRests{{Model: "m", Cooling: 1, Probing: 1, NextBack: timestamppb.New(far)}, {Model: "none", Cooling: 9, Estimated: true}},
			Causes: []*tokenstorev1.SharedCause{
				{Class: "upstream", Model: "broken", NextProbe: timestamppb.New(far)}, {Class: "upstream", Model: "tried", NextProbe: timestamppb.New(time.Unix(1, 0))},
			},
		},
	}}
	full := routing.Reason{Name: "capped", Accounts: 2}
	cooling := routing.Reason{Name: "cooling", Accounts: 1, Back: far}
	for name, c := range map[string]struct {
		chain routing.Chain
		want  routing.Standing
		back  time.Time
	}{
		"all can": {chainTo(routing.Target{Upstream: "well", Model: "m"}), routing.Standing{
			Upstreams: []string{"well"}, Accounts: 8, Able: 6, Reasons: []routing.Reason{{Name: "disabled", Accounts: 2}},
		}, time.Time{}},
		"none can": {chainTo(routing.Target{Upstream: "resting", Model: "m"}), routing.Standing{
			Upstreams: []string{"resting"}, Accounts: 4, Reasons: []routing.Reason{{Name: "cooling", Accounts: 3, Back: farther}, {Name: "parked", Accounts: 1}},
		}, farther},
		"some rest for the model alone": {chainTo(routing.Target{Upstream: "mixed", Model: "m"}), routing.Standing{
			Upstreams: []string{"mixed"}, Accounts: 6, Able: 1,
			Reasons: []routing.Reason{full, cooling, {Name: "cooling_model", Accounts: 1, Back: far}, {Name: "probing_model", Accounts: 1}},
		}, far},
		"another model": {chainTo(routing.Target{Upstream: "mixed", Model: "other"}), routing.Standing{
			Upstreams: []string{"mixed"}, Accounts: 6, Able: 3, Reasons: []routing.Reason{full, cooling},
		}, far},
		"more rest than there can be": {chainTo(routing.Target{Upstream: "mixed", Model: "none"}), routing.Standing{
			Upstreams: []string{"mixed"}, Accounts: 6, Estimated: true, Reasons: []routing.Reason{{Name: "cooling_model", Accounts: 3}, full, cooling},
		}, far},
		"all fail alike": {chainTo(routing.Target{Upstream: "mixed", Model: "broken"}), routing.Standing{
			Upstreams: []string{"mixed"}, Accounts: 6, Reasons: []routing.Reason{{Name: "cause", Class: "upstream", Accounts: 3, Back: far}, full, cooling},
		}, far},
		"failed alike, and is tried again": {chainTo(routing.Target{Upstream: "mixed", Model: "tried"}), routing.Standing{
			Upstreams: []string{"mixed"}, Accounts: 6, Able: 3, Reasons: []routing.Reason{full, cooling},
		}, far},
		"several upstreams, one twice": {
			routing.Chain{Route: &routing.Route{Name: "quick"}, Targets: []routing.Target{
				{Upstream: "mixed", Model: "broken"},
				{Upstream: "resting", Model: "m"},
				{Upstream: "mixed", Model: "other"},
				{Upstream: "gone", Why: "there is no such upstream"},
			}}, routing.Standing{
				Route: "quick", Upstreams: []string{"mixed", "resting", "gone"}, Accounts: 10, Able: 3,
				Reasons:  []routing.Reason{{Name: "cooling", Accounts: 4, Back: far}, full, {Name: "parked", Accounts: 1}},
				Excluded: []routing.Exclusion{{Upstream: "gone", Why: "there is no such upstream"}},
			}, far,
		},
		"no tokens": {chainTo(routing.Target{Upstream: "empty", Model: "m"}), routing.Standing{Upstreams: []string{"empty"}}, time.Time{}},
	} {
		survey, err := routing.Look(t.Context(), store, []string{"a"}, func(string, string) (routing.Chain, error) { return c.chain, nil })
		if err != nil || len(survey.Names) != 1 || !survey.ModelsTold {
			t.Errorf("%s: %+v, %v", name, survey, err)
			continue
		}
		c.want.Name = "a"
		if diff := cmp.Diff(c.want, survey.Names[0]); diff != "" || !survey.Names[0].Back().Equal(c.back) {
			t.Errorf("%s: back %v, %s", name, survey.Names[0].Back(), diff)
		}
	}
}

func TestLookAtManyNames(t *testing.T) {
	t.Parallel()
	store := pools{states: []*tokenstorev1.PoolState{{Upstream: "well", Ready: 1}, {Upstream: "off", Disabled: 1}}, before: true}
	prospects := func(name, _ string) (routing.Chain, error) {
		switch name {
		case "Good", "fine":
			return chainTo(routing.Target{Upstream: "well", Model: name}), nil
		case "off":
			return chainTo(routing.Target{Upstream: "off", Model: name}), nil
		case "nobody's":
			return routing.Chain{}, chat.Errorf(chat.ModelNotSupported, "nobody serves it")
		default:
			return chainTo(routing.Target{Upstream: "empty", Model: name}), nil
		}
	}
	survey, err := routing.Look(t.Context(), store, []string{"Good", "one", "nobody's", "fine", "off"}, prospects)
	if err != nil || survey.ModelsTold || survey.Unserved() != 3 {
		t.Errorf("%+v, %v", survey, err)
	}
	for i, c := range []struct {
		text     string
		noneOnly bool
		want     []string
	}{
		{"", false, []string{"off", "one", "nobody's", "Good", "fine"}},
		{"", true, []string{"off", "one", "nobody's"}},
		{"O", false, []string{"off", "one", "nobody's", "Good"}},
		{"good", true, nil},
	} {
		var names []string
		for _, each := range survey.Search(c.text, c.noneOnly) {
			names = append(names, each.Name)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%d: %v, want %v", i, names, c.want)
		}
	}
	if _, err := routing.Look(t.Context(), pools{err: errors.New("away")}, nil, prospects); err == nil {
		t.Error("no error of the store")
	}
	untold := func(string, string) (routing.Chain, error) {
		return routing.Chain{}, chat.Errorf(chat.StoreUnavailable, "not told yet")
	}
	if _, err := routing.Look(t.Context(), store, []string{"a"}, untold); err == nil {
		t.Error("no error of the names")
	}
}

// BenchmarkLook is what the names cost beside the tokenstore's answer.
func BenchmarkLook(b *testing.B) {
	store := pools{states: []*tokenstorev1.PoolState{{Upstream: "well", Ready: 10_000}}}
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprint("model-", i))
		store.states[0].Models = append(store.states[0].Models, &tokenstorev1.ModelRests{Model: names[i], Cooling: 3})
	}
	for b.Loop() {
		_, err := routing.Look(b.Context(), store, names, func(name, _ string) (routing.Chain, error) {
			return chainTo(routing.Target{Upstream: "well", Model: name}), nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
