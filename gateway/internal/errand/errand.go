// Package errand runs the errands that the tokenstore hands out to one gateway of the fleet
// at a time: access tokens to be renewed, logins to be asked about, accounts to be looked at.
// It keeps what it has in hand renewed, and asks no upstream for an errand that may be
// somebody else's by now.
package errand

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxInHand bounds the errands that are run at a time, maxQuestions those of them that ask
	// for accounts: nobody waits for these, and they may hang.
	maxInHand    = 16
	maxQuestions = 4
	// idleWait is how long the store waits for the first errand, and hastyWait how long a store of
	// before, after which it is asked again.
	idleWait  = 5 * time.Second
	hastyWait = time.Second
	// renewEvery is how often what is in hand is renewed; an errand that has not been for
	// heldFor is somebody else's.
	renewEvery = 400 * time.Millisecond
	heldFor    = 2 * time.Second
	// takeSlack is how much longer than its wait a call may take. Two calls in a row must fit
	// into heldFor, since a tokenstore may hang.
	takeSlack = 500 * time.Millisecond
	// askTimeout bounds one question to an upstream.
	askTimeout = 15 * time.Second
)

// Store is the tokenstore's side, as the generated gRPC client has it.
type Store interface {
	TakeErrands(context.Context, *tokenstorev1.TakeErrandsRequest, ...grpc.CallOption) (*tokenstorev1.TakeErrandsResponse, error)
	SettleRefresh(context.Context, *tokenstorev1.SettleRefreshRequest, ...grpc.CallOption) (*tokenstorev1.SettleRefreshResponse, error)
	SettleLogin(context.Context, *tokenstorev1.SettleLoginRequest, ...grpc.CallOption) (*tokenstorev1.SettleLoginResponse, error)
}

// Params are what a Runner works with.
type Params struct {
	Store   Store
	Replica string
	// Driver answers the driver of an upstream; false when there is none.
	Driver func(upstreamName string) (upstream.Driver, bool)
	// Account asks about the account behind a token, and records what comes of it. An error
	// tells that nothing was recorded.
	Account func(ctx context.Context, tokenID string) error
	// Grace is how long Run goes on with what it has in hand when it is to end.
	Grace time.Duration
	Log   *slog.Logger
}

// Runner runs errands.
type Runner struct {
	Params
	hand hand
	// working are the errands' goroutines.
	working sync.WaitGroup
}

// New makes a Runner; Run does its work.
func New(params Params) *Runner {
	return &Runner{Params: params, hand: hand{works: map[key]*work{}, freed: make(chan struct{}, 1)}}
}

// Run takes errands and runs them until ctx ends. Then it takes no more and finishes those
// that it has in hand, within the grace.
func (r *Runner) Run(ctx context.Context) {
	works, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer r.working.Wait()
	defer cutOff()
	r.rounds(ctx, works, maxInHand)
	ending, cancel := context.WithTimeout(works, r.Grace)
	defer cancel()
	r.rounds(ending, works, 0)
}

// rounds takes errands, up to so many at a time, and renews what is in hand, until ctx
// ends; where none are to be taken, until none is in hand. works is what the errands run in.
func (r *Runner) rounds(ctx, works context.Context, most int) {
	pause, heard := backoff{}, true
	for ctx.Err() == nil && (most > 0 || r.hand.size() > 0) {
		err := r.round(ctx, works, most)
		if err == nil {
			pause, heard = backoff{}, true
			continue
		}
		if heard && ctx.Err() == nil {
			r.Log.LogAttrs(ctx, slog.LevelWarn, "the tokenstore hands out no errands", slog.Any("error", err))
		}
		heard = false
		pause.wait(ctx)
	}
}

// round is one call of the store. It takes as long as there is nothing to do.
func (r *Runner) round(ctx, works context.Context, most int) error {
	held := r.hand.refs()
	room, pace := max(most-r.hand.size(), 0), idleWait
	questions := uint32(max(min(room, maxQuestions-r.hand.questions()), 0)) //nolint:gosec // 0 to maxQuestions
	if len(held) > 0 {
		pace = renewEvery
	}
	wait := pace
	if room == 0 {
		wait = 0
	}
	began := time.Now()
	calling, cancel := context.WithTimeout(ctx, wait+takeSlack)
	defer cancel()
	answer, err := r.Store.TakeErrands(calling, &tokenstorev1.TakeErrandsRequest{
		Replica: r.Replica, Room: uint32(room), AccountRoom: &questions, Held: held, MaxWait: durationpb.New(wait), //nolint:gosec // 0 to maxInHand
	})
	if err != nil {
		return err
	}
	r.hand.renewed(held, answer.GetLost(), began)
	taken := answer.GetErrands()[:min(len(answer.GetErrands()), room)]
	for _, errand := range taken {
		r.begin(works, errand, began)
	}
	if len(taken) == 0 {
		r.hand.rest(ctx, began.Add(min(pace, hastyWait)))
	}
	return nil
}

// begin runs an errand. What asks its upstream ends when the errand is lost.
func (r *Runner) begin(works context.Context, errand *tokenstorev1.Errand, since time.Time) {
	held, leave := context.WithCancel(works)
	w := &work{errand: errand, until: since.Add(heldFor), leave: leave}
	if !r.hand.take(w) {
		leave()
		return
	}
	r.working.Go(func() {
		defer leave()
		defer r.hand.drop(w)
		r.do(works, held, w)
	})
}

// do runs an errand: ctx is the runner's, held lasts as long as the errand is this gateway's.
// One of a kind that this version does not know is left to others.
func (r *Runner) do(ctx, held context.Context, w *work) {
	switch kind := w.errand.GetWork().(type) {
	case *tokenstorev1.Errand_Refresh:
		r.refresh(ctx, held, w, kind.Refresh)
	case *tokenstorev1.Errand_Login:
		r.login(ctx, held, w, kind.Login)
	case *tokenstorev1.Errand_Account:
		r.account(held, w)
	}
}

// account asks about a token's account. What is recorded of it ends the errand.
func (r *Runner) account(held context.Context, w *work) {
	if err := r.Account(held, w.errand.GetId()); err != nil && held.Err() == nil {
		r.Log.LogAttrs(held, slog.LevelInfo, "account not asked about", slog.String("token_id", w.errand.GetId()), slog.Any("error", err))
	}
}
