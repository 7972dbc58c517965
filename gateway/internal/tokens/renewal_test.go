package tokens

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// renewing is a RenewalClient that answers the nth call by the nth answer.
type renewing struct {
	asked   []*tokenstorev1.RenewCredentialRequest
	answers []renewalAnswer
}

type renewalAnswer struct {
	secret     string
	needsLogin bool
	inVain     string
	err        error
	// takes is how long it takes; -1: as long as it may wait.
	takes time.Duration
}

func (r *renewing) RenewCredential(ctx context.Context, request *tokenstorev1.RenewCredentialRequest, _ ...grpc.CallOption) (*tokenstorev1.RenewCredentialResponse, error) {
	r.asked = append(r.asked, request)
	answer := r.answers[min(len(r.asked), len(r.answers))-1]
	if answer.takes < 0 {
		answer.takes = request.GetMaxWait().AsDuration()
	}
	select {
	case <-time.After(answer.takes):
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if answer.err != nil {
		return nil, answer.err
	}
	return &tokenstorev1.RenewCredentialResponse{
		Secret: answer.secret, Token: &tokenstorev1.Token{NeedsLogin: answer.needsLogin, RefreshError: answer.inVain},
	}, nil
}

func TestRenew(t *testing.T) {
	t.Parallel()
	away := status.Error(codes.Unavailable, "away")
	for name, c := range map[string]struct {
		answers []renewalAnswer
		within  time.Duration // of the request; 0: it has no end
		want    string
		asked   int
		took    time.Duration // at most
	}{
		"at once":         {answers: []renewalAnswer{{secret: "new"}}, want: "new", asked: 1},
		"after a while":   {answers: []renewalAnswer{{secret: "new", takes: 2 * time.Second}}, want: "new", asked: 1, took: 2 * time.Second},
		"after some more": {answers: []renewalAnswer{{takes: -1}, {takes: -1}, {secret: "new"}}, want: "new", asked: 3, took: 5 * time.Second},
		"none in time":    {answers: []renewalAnswer{{takes: -1}}, asked: 5, took: renewalWait},
		"none within the request's time": {
			answers: []renewalAnswer{{takes: -1}}, within: 3 * time.Second, asked: 1, took: 3 * time.Second,
		},
		"a tokenstore that hangs, and another": {
			answers: []renewalAnswer{{takes: time.Hour}, {secret: "new"}}, want: "new", asked: 2, took: 4 * time.Second,
		},
		"the store is away for a moment": {
			answers: []renewalAnswer{{err: away}, {err: away}, {secret: "new"}}, want: "new", asked: 3, took: time.Second,
		},
		"a try was in vain":         {answers: []renewalAnswer{{inVain: "the proxy is dead", takes: time.Second}}, asked: 1, took: time.Second},
		"only a login helps":        {answers: []renewalAnswer{{needsLogin: true}}, asked: 1},
		"there is nothing to renew": {answers: []renewalAnswer{{err: status.Error(codes.InvalidArgument, "no")}}, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &renewing{answers: c.answers}
				ctx := t.Context()
				if c.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.within)
					defer cancel()
				}
				began := time.Now()
				got := NewRenewals(store, slog.New(slog.DiscardHandler)).Renew(ctx, "a", secret.New("old"))
				if got.Reveal() != c.want || len(store.asked) != c.asked || time.Since(began) > c.took {
					t.Errorf("%q after %d calls and %s", got.Reveal(), len(store.asked), time.Since(began))
				}
				hash := sha256.Sum256([]byte("old"))
				if first := store.asked[0]; first.GetId() != "a" || string(first.GetRefusedHash()) != string(hash[:]) {
					t.Errorf("asked %v", first)
				}
			})
		})
	}
}

func TestRenewGivesUpAStoreThatStaysAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &renewing{answers: []renewalAnswer{{err: status.Error(codes.Unavailable, "away")}}}
		began := time.Now()
		got := NewRenewals(store, slog.New(slog.DiscardHandler)).Renew(t.Context(), "a", secret.New("old"))
		if took := time.Since(began); !got.Empty() || took < renewalPatience || took > renewalPatience+2*time.Second || len(store.asked) > 12 {
			t.Errorf("%q after %d calls and %s", got.Reveal(), len(store.asked), took)
		}
	})
}
