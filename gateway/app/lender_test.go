package app

import (
	"context"
	"errors"
	"testing"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// oneLease is a pool of one token.
type oneLease struct {
	held    lease.Lease
	settled []lease.Outcome
}

func (o *oneLease) Acquire(context.Context, lease.Demand) (*lease.Lease, error) { return &o.held, nil }

func (o *oneLease) SetAside(context.Context, *lease.Charge) bool { return true }

func (o *oneLease) Pay(*lease.Charge, lease.Amounts) {}

func (o *oneLease) Settle(_ *lease.Lease, outcome lease.Outcome) {
	o.settled = append(o.settled, outcome)
}

// renewsTo is a Renewer that has this secret for every token.
type renewsTo string

func (r renewsTo) Renew(context.Context, string, secret.Value) secret.Value {
	return secret.New(string(r))
}

func TestWhatAQuestionSaysOfItsToken(t *testing.T) {
	t.Parallel()
	auth := &upstream.Failure{Class: upstream.Auth, Message: "who?"}
	for name, c := range map[string]struct {
		err       error
		renewable bool
		another   string
		want      lease.Outcome
	}{
		"it was answered":            {nil, true, "new", lease.Outcome{}},
		"it was not understood":      {errors.New("no JSON"), true, "new", lease.Outcome{Class: upstream.Truncated}},
		"its token is refused":       {auth, false, "new", lease.Outcome{Class: upstream.Auth, Detail: "who?"}},
		"its access token has ended": {auth, true, "new", lease.Outcome{Class: upstream.Interrupted}},
		"there is no other one":      {auth, true, "", lease.Outcome{Class: upstream.Auth, Detail: "who?"}},
		"its proxy is dead":          {&upstream.Failure{Class: upstream.Proxy}, true, "new", lease.Outcome{Class: upstream.Proxy}},
	} {
		pool := &oneLease{held: lease.Lease{Credential: upstream.Credential{Proxy: secret.New("http://proxy"), Renewable: c.renewable}}}
		credential, release, err := lender{pool, renewsTo(c.another)}.borrow(t.Context(), "up")
		if err != nil || credential.Proxy.Reveal() != "http://proxy" {
			t.Fatal(err, credential)
		}
		release(c.err)
		if len(pool.settled) != 1 || pool.settled[0] != c.want {
			t.Errorf("%s: settled %+v", name, pool.settled)
		}
	}
}
