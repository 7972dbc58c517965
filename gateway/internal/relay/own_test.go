package relay

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// ownTaker is a driver whose upstream takes tokens of callers.
type ownTaker struct{ upstream.Driver }

func (ownTaker) TakesOwnTokens() {}

// bringsOwn makes the rig's caller one with a token of its own.
func (r *rig) bringsOwn() {
	r.choice = lease.Choice{Own: &upstream.Credential{Secret: secret.New("the caller's own token, which is long"), DeviceID: "device"}}
	resolve := r.relay.Catalog
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		plan, err := resolve.Resolve(wish)
		target := plan.First
		target.Driver = ownTaker{target.Driver}
		return target, err
	})
}

func TestOwnTokenIsSentWithoutALease(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(say("Hello"))))
	r.bringsOwn()
	got := r.chat(t.Context(), t, whole)
	if got.err != nil || got.text() != "Hello" {
		t.Fatalf("got %+v", got)
	}
	if len(r.pool.demands) != 0 {
		t.Error("the pool was asked")
	}
	if own := r.calls[0].Credential; own.Secret.Reveal() != "the caller's own token, which is long" || own.DeviceID != "device" {
		t.Error("another credential was used")
	}
	e := r.log.entries[0]
	if len(r.log.entries) != 1 || e.TokenID != "" || e.TokenAlias != "" || e.TokenFingerprint != "" || e.MaskedSecret != "the …long" || e.Attempts != 1 || e.End != reqlog.Done {
		t.Errorf("entry %+v", e)
	}
}

func TestOwnTokenIsNeverReplacedByOneOfThePool(t *testing.T) {
	t.Parallel()
	for class, want := range map[upstream.Class]struct {
		kind chat.Kind
		says string
	}{
		upstream.Auth:            {chat.OwnTokenRefused, "that you brought as the key is not accepted"},
		upstream.ModelNotAllowed: {chat.UpstreamRejected, "the plan of the token that you brought"},
		upstream.Quota:           {chat.RateLimited, "that you brought as the key is at its limit"},
		upstream.RateLimit:       {chat.RateLimited, "that you brought as the key is at its limit"},
		upstream.Broken:          {chat.UpstreamUnavailable, "it said so"},
		upstream.CallerFault:     {chat.UpstreamRejected, "it said so"},
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			r := newRig(play(bad(class)))
			r.bringsOwn()
			got := r.chat(t.Context(), t, whole)
			if got.err == nil || got.err.Kind != want.kind || !strings.Contains(got.err.Message, want.says) || !strings.Contains(got.err.Message, "it said so") {
				t.Fatalf("got %v", got.err)
			}
			if len(r.calls) != 1 || len(r.pool.demands) != 0 || fmt.Sprint(r.count.attempts) != fmt.Sprint([]upstream.Class{class}) {
				t.Errorf("%d calls, %d demands, counted %v", len(r.calls), len(r.pool.demands), r.count.attempts)
			}
		})
	}
}

func TestOwnTokenOfAnotherUpstreamIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.choice.Own = &upstream.Credential{Secret: secret.New("the caller's")}
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.InvalidRequest || !strings.Contains(got.err.Message, "Cursor upstream") || len(r.calls) != 0 {
		t.Errorf("got %v", got.err)
	}
	if r.log.entries[0].End != reqlog.Refused {
		t.Errorf("entry %+v", r.log.entries[0])
	}
}

func TestChosenAliasIsNotRetriedOnOtherTokens(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Broken), good(say("Hello"))))
	r.choice = lease.Choice{Alias: "work"}
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.UpstreamUnavailable {
		t.Errorf("got %+v", got)
	}
	if len(r.pool.demands) != 1 || r.pool.demands[0].Alias != "work" {
		t.Errorf("demands %+v", r.pool.demands)
	}
	r.ended(t, upstream.Broken)
}

// preparing is a driver that looks at requests first.
type preparing struct {
	upstream.Driver
	prepare func(*chat.Request, upstream.Options) (*chat.Request, error)
}

func (p preparing) Prepare(_ context.Context, request *chat.Request, options upstream.Options) (*chat.Request, error) {
	return p.prepare(request, options)
}

func (r *rig) prepares(prepare func(*chat.Request, upstream.Options) (*chat.Request, error)) {
	resolve := r.relay.Catalog
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		plan, err := resolve.Resolve(wish)
		target := plan.First
		target.Driver = preparing{target.Driver, prepare}
		return target, err
	})
}

func TestWhatADriverRefusesCostsNoToken(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.policy.Vision = "none"
	r.prepares(func(_ *chat.Request, options upstream.Options) (*chat.Request, error) {
		return nil, chat.Errorf(chat.VisionDisabled, "vision is %s", options.Vision)
	})
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.VisionDisabled || got.err.Message != "vision is none" || len(r.pool.demands) != 0 {
		t.Errorf("got %v after %d demands", got.err, len(r.pool.demands))
	}
	if e := r.ended(t); e.End != reqlog.Refused {
		t.Errorf("entry %+v", e)
	}
}

func TestARequestIsPreparedOnceForAllTokens(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Broken), good(say("Hello"))))
	times := 0
	r.prepares(func(request *chat.Request, _ upstream.Options) (*chat.Request, error) {
		times++
		prepared := *request
		prepared.User = "prepared"
		return &prepared, nil
	})
	if got := r.chat(t.Context(), t, whole); got.err != nil {
		t.Fatal(got.err)
	}
	if times != 1 || len(r.calls) != 2 || r.calls[0].Request.User != "prepared" || r.calls[1].Request.User != "prepared" {
		t.Errorf("prepared %d times for %d calls", times, len(r.calls))
	}
}

func TestHangUpWhilePreparing(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.prepares(func(*chat.Request, upstream.Options) (*chat.Request, error) {
		cancel()
		return nil, chat.Errorf(chat.InvalidImage, "the image could not be fetched")
	})
	if got := r.chat(ctx, t, whole); got.err == nil || got.err.Kind != chat.Canceled {
		t.Errorf("got %v", got.err)
	}
	if e := r.ended(t); e.End != reqlog.ClientGone {
		t.Errorf("entry %+v", e)
	}
}
