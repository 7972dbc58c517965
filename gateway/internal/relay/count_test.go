package relay

import (
	"context"
	"testing"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// counterDriver counts tokens of requests in one dialect.
type counterDriver struct {
	upstream.Driver
	dialect string
	answers []error // nil: 77 tokens
	asked   int
}

func (d *counterDriver) Speaks(name string) bool { return name == d.dialect }

func (d *counterDriver) CountTokens(context.Context, *upstream.Call) (int, error) {
	d.asked++
	return 77, d.answers[d.asked-1]
}

type servedBy struct{ driver upstream.Driver }

func (s servedBy) Resolve(catalog.Wish) (catalog.Plan, error) {
	return catalog.InOrder(catalog.Target{Upstream: "up", Driver: s.driver, Model: "inner", Discipline: discipline}), nil
}

func (s servedBy) Current(target catalog.Target) catalog.Target { return target }

func TestCountTokens(t *testing.T) {
	t.Parallel()
	limited, wrong := &upstream.Failure{Class: upstream.RateLimit, Message: "slow", GroupWide: true}, &upstream.Failure{Class: upstream.CallerFault, Message: "no"}
	for name, test := range map[string]struct {
		dialect string
		answers []error
		tokens  int // -1: as estimated
		kind    chat.Kind
		asked   int
	}{
		"by the upstream":      {"spoken", []error{nil}, 77, "", 1},
		"with another token":   {"spoken", []error{limited, nil}, 77, "", 2},
		"in another dialect":   {"other", nil, -1, "", 0},
		"the request is wrong": {"spoken", []error{wrong}, 0, chat.UpstreamRejected, 1},
		"nobody can count":     {"spoken", []error{limited, limited, limited}, -1, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			driver := &counterDriver{dialect: "spoken", answers: test.answers}
			r.relay.Catalog = servedBy{driver}
			request := newRequest()
			request.Source = chat.Source{Dialect: test.dialect, JSON: []byte("{}")}
			tokens, err := r.relay.CountTokens(t.Context(), request, caller.Caller{}, lease.Choice{})
			want := test.tokens
			if want < 0 {
				want = tokencount.Prompt(request)
			}
			for i, each := range test.answers {
				if got := r.pool.settled[r.pool.granted[i]][0]; each != nil && (got.Class != upstream.CallerFault || got.GroupWide) {
					t.Errorf("what counting meets is no token's: %+v", got)
				}
			}
			if tokens != want || driver.asked != test.asked || test.kind != "" && (err == nil || chat.AsError(err).Kind != test.kind) || test.kind == "" && err != nil {
				t.Errorf("%d tokens, %v, asked %d times", tokens, err, driver.asked)
			}
		})
	}
}
