package relay

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// renewerFunc is a Renewer.
type renewerFunc func(ctx context.Context, tokenID string, refused secret.Value) secret.Value

func (f renewerFunc) Renew(ctx context.Context, tokenID string, refused secret.Value) secret.Value {
	return f(ctx, tokenID, refused)
}

const renewedSecret = "the access token that has taken the place of another"

// renews makes the tokens' secrets renewable, and returns what is asked for.
func (r *rig) renews(another string) (asked *[]string) {
	asked = &[]string{}
	r.pool.renewable = true
	r.relay.Renewer = renewerFunc(func(_ context.Context, tokenID string, refused secret.Value) secret.Value {
		*asked = append(*asked, tokenID+": "+refused.Reveal())
		return secret.New(another)
	})
	return asked
}

// secrets are what the calls were made with.
func (r *rig) secrets() []string {
	var secrets []string
	for _, call := range r.calls {
		secrets = append(secrets, call.Credential.Secret.Reveal())
	}
	return secrets
}

func TestARefusedAccessTokenIsRenewedBeforeTheTokenIsBlamed(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Auth, begin), good(say("Hello"))))
	asked := r.renews(renewedSecret)
	got := r.chat(t.Context(), t, whole)
	if got.err != nil || got.text() != "Hello" {
		t.Fatalf("got %+v", got)
	}
	if want := []string{"secret of a", renewedSecret}; !slices.Equal(r.secrets(), want) || !slices.Equal(*asked, []string{"a: secret of a"}) {
		t.Errorf("sent with %q, asked for %q", r.secrets(), *asked)
	}
	r.countedFirst(t, upstream.Auth)
	e := r.ended(t, "")
	if e.Attempts != 2 || e.TokenID != "a" || e.MaskedSecret != secret.New(renewedSecret).Masked() || r.count.retries != 1 {
		t.Errorf("entry %+v, %d retries", e, r.count.retries)
	}
	refused := reqlog.Attempt{
		Upstream: "up", Model: "inner m", TokenID: "a", TokenAlias: "alias of a", TokenFingerprint: "f-a", MaskedSecret: "masked a",
		Class: "auth", Message: "it said so", Effect: reqlog.NoEffect,
	}
	served := refused
	served.Class, served.Message, served.MaskedSecret = "", "", secret.New(renewedSecret).Masked()
	if diff := cmp.Diff([]reqlog.Attempt{refused, served}, e.AttemptLog, untimed); diff != "" {
		t.Error(diff)
	}
}

func TestWhoIsBlamedForAnAccessToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []script
		another string
		secrets []string
		classes []upstream.Class
		asked   int
	}{
		"the next one is refused too": {
			[]script{bad(upstream.Auth), bad(upstream.Auth), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", renewedSecret, "secret of b"},
			[]upstream.Class{upstream.Auth, ""},
			1,
		},
		"the next one fails otherwise": {
			[]script{bad(upstream.Auth), bad(upstream.RateLimit), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", renewedSecret, "secret of b"},
			[]upstream.Class{upstream.RateLimit, ""},
			1,
		},
		"there is no other": {
			[]script{bad(upstream.Auth), good(say("Hello"))},
			"",
			[]string{"secret of a", "secret of b"},
			[]upstream.Class{upstream.Auth, ""},
			1,
		},
		"each token has one renewal": {
			[]script{bad(upstream.Auth), bad(upstream.Auth), bad(upstream.Auth), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", renewedSecret, "secret of b", renewedSecret},
			[]upstream.Class{upstream.Auth, ""},
			2,
		},
		"a seal is refused, and then the access token": {
			[]script{refusedSeal(), bad(upstream.Auth), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", "secret of a", renewedSecret},
			[]upstream.Class{""},
			1,
		},
		"the access token is refused, and then a seal": {
			[]script{bad(upstream.Auth), refusedSeal(), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", renewedSecret, renewedSecret},
			[]upstream.Class{""},
			1,
		},
		"another failure asks for none": {
			[]script{bad(upstream.Quota), good(say("Hello"))},
			renewedSecret,
			[]string{"secret of a", "secret of b"},
			[]upstream.Class{upstream.Quota, ""},
			0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(c.answers...))
			asked := r.renews(c.another)
			if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "Hello" {
				t.Fatalf("got %+v", got)
			}
			classes, err := r.pool.classes()
			if err != nil || !slices.Equal(classes, c.classes) || !slices.Equal(r.secrets(), c.secrets) || len(*asked) != c.asked {
				t.Errorf("leases ended as %q (%v), sent with %q, %d renewals", classes, err, r.secrets(), len(*asked))
			}
			if e := r.log.entries[0]; e.Attempts != len(c.answers) || len(e.AttemptLog) != len(c.answers) || len(r.count.attempts) != len(c.answers) {
				t.Errorf("entry %+v, counted %q", e, r.count.attempts)
			}
		})
	}
}

func TestNothingIsRenewed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		renewable bool
		answer    script
	}{
		"after the first byte":      {true, bad(upstream.Auth, say("Hel"))},
		"that is no access token":   {false, bad(upstream.Auth)},
		"for the fault of a caller": {true, bad(upstream.CallerFault)},
	} {
		r := newRig(play(c.answer, bad(upstream.CallerFault)))
		asked := r.renews(renewedSecret)
		r.pool.renewable = c.renewable
		if got := r.chat(t.Context(), t, whole); got.err == nil || len(*asked) != 0 {
			t.Errorf("%s: got %+v, asked for %q", name, got, *asked)
		}
	}
}

// A request may end while it waits for the other access token, which may be on its way.
func TestWhoLeavesDuringARenewalBlamesNobody(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Auth)))
	r.pool.renewable = true
	ctx, hangUp := context.WithCancelCause(t.Context())
	r.relay.Renewer = renewerFunc(func(context.Context, string, secret.Value) secret.Value {
		hangUp(context.Canceled)
		return secret.New(renewedSecret)
	})
	got := r.chat(ctx, t, whole)
	if got.err == nil || got.err.Kind != chat.Canceled || len(r.calls) != 1 {
		t.Errorf("%d calls, got %+v", len(r.calls), got)
	}
	r.ended(t, upstream.ClientGone)
}

// This process may be frozen while it waits: then the lease is somebody else's.
func TestNothingIsSentWithALeaseThatIsOverAfterARenewal(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Auth), bad(upstream.CallerFault)))
	inner := *r.pool
	inner.renewable = true
	r.pool.acquire = func(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
		held, err := inner.Acquire(ctx, demand)
		held.Term = &lease.Term{}
		held.Term.Extend(time.Now().Add(time.Hour))
		r.pool.granted = append(r.pool.granted, held)
		return held, err
	}
	r.relay.Renewer = renewerFunc(func(context.Context, string, secret.Value) secret.Value {
		r.pool.granted[0].Term.Extend(time.Now())
		return secret.New(renewedSecret)
	})
	r.chat(t.Context(), t, whole)
	if want := []string{"secret of a", "secret of b"}; !slices.Equal(r.secrets(), want) {
		t.Errorf("sent with %q", r.secrets())
	}
	r.ended(t, upstream.Auth, upstream.CallerFault)
}

func TestCarryRenewsOnce(t *testing.T) {
	t.Parallel()
	answers := []error{&upstream.Failure{Class: upstream.Auth, Message: "who?"}, nil}
	r, calls := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
		answer := answers[0]
		answers = answers[1:]
		if answer != nil {
			return nil, answer
		}
		return answering("[1]", nil, nil, nil, new(int)), nil
	})
	r.renews(renewedSecret)
	got := r.carry(t, carriedRequest(t, "images/generations", `{"model":"m","prompt":"x"}`), whole)
	if got.err != nil || got.body != "[1]" || len(*calls) != 2 || (*calls)[1][:len(renewedSecret)] != renewedSecret {
		t.Fatalf("got %+v, calls %q", got, *calls)
	}
	r.countedFirst(t, upstream.Auth)
	if e := r.ended(t, ""); e.Attempts != 2 || len(e.AttemptLog) != 2 {
		t.Errorf("entry %+v", e)
	}
}

func TestCarryRenewsNothingAfterTheHead(t *testing.T) {
	t.Parallel()
	r, calls := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
		refused := &upstream.Failure{Class: upstream.Auth, Message: "who?"}
		return answering("[", nil, nil, refused, new(int)), nil
	})
	asked := r.renews(renewedSecret)
	r.carry(t, carriedRequest(t, "embeddings", `{"model":"m","input":"x"}`), whole)
	if len(*calls) != 1 || len(*asked) != 0 {
		t.Errorf("calls %q, asked for %q", *calls, *asked)
	}
	r.ended(t, upstream.Auth)
}

func TestCountTokensRenewsOnce(t *testing.T) {
	t.Parallel()
	refused := &upstream.Failure{Class: upstream.Auth, Message: "who?"}
	for name, c := range map[string]struct {
		answers []error
		classes []upstream.Class
	}{
		"and is told":               {[]error{refused, nil}, []upstream.Class{""}},
		"and asks another token":    {[]error{refused, refused, nil}, []upstream.Class{upstream.Auth, ""}},
		"each of the tokens, if so": {[]error{refused, refused, refused, nil}, []upstream.Class{upstream.Auth, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(nil)
			r.renews(renewedSecret)
			driver := &counterDriver{dialect: "spoken", answers: c.answers}
			r.relay.Catalog = servedBy{driver}
			request := newRequest()
			request.Source = chat.Source{Dialect: "spoken", JSON: []byte("{}")}
			tokens, err := r.relay.CountTokens(t.Context(), request, caller.Caller{}, lease.Choice{})
			if err != nil || tokens != 77 || driver.asked != len(c.answers) {
				t.Errorf("%d tokens, %v, asked %d times", tokens, err, driver.asked)
			}
			classes, err := r.pool.classes()
			if err != nil || !slices.Equal(classes, c.classes) {
				t.Errorf("leases ended as %q (%v)", classes, err)
			}
		})
	}
}
