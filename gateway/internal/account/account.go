// Package account asks upstreams about the accounts behind tokens: the plan, and how
// much of it is used. It never does so on a chat's path, keeps what was told in the
// tokenstore, so that all replicas share it, and asks no more often than needed. A
// question that fails is recorded as that; it says nothing of the token's health.
package account

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// fresh is how long an answer counts as current.
	fresh = 10 * time.Minute
	// refreshEvery is how often one who insists gets a new one.
	refreshEvery = 10 * time.Second
	// workers is how many tokens are asked about at once.
	workers = 4
	// maxQueued bounds the questions that wait.
	maxQueued = 256
	// askTimeout bounds the questions to the upstream about one token, storeTimeout
	// a call of the tokenstore.
	askTimeout   = 15 * time.Second
	storeTimeout = 5 * time.Second
	// maxNoted bounds the tokens of which it is noted when they were used.
	maxNoted = 10_000
)

// Store is the tokenstore's side, as the generated gRPC client has it.
type Store interface {
	RevealToken(context.Context, *tokenstorev1.RevealTokenRequest, ...grpc.CallOption) (*tokenstorev1.RevealTokenResponse, error)
	GetTokenAccount(context.Context, *tokenstorev1.GetTokenAccountRequest, ...grpc.CallOption) (*tokenstorev1.GetTokenAccountResponse, error)
	RecordTokenAccount(context.Context, *tokenstorev1.RecordTokenAccountRequest, ...grpc.CallOption) (*tokenstorev1.RecordTokenAccountResponse, error)
}

// Params are what a Service works with.
type Params struct {
	Store Store
	// Driver answers the driver of an upstream; false when there is none.
	Driver func(upstreamName string) (upstream.Driver, bool)
	// Options are the hot settings.
	Options func() upstream.Options
	Log     *slog.Logger
	// Now is time.Now where nil.
	Now func() time.Time
}

// Service is safe for concurrent use; Run does its work.
type Service struct {
	Params
	queue chan *question

	mu sync.Mutex
	// open has the questions that were not answered, by token: whoever asks the same
	// waits for the same answer.
	open map[string]*question
	// used is when a chat last had a token asked about.
	used map[string]time.Time
}

// question is one token's, from when it is asked to when done is closed.
type question struct {
	tokenID string
	// age is how old an answer may be that is good enough. The Service's mutex
	// guards it.
	age     time.Duration
	done    chan struct{}
	account *tokenstorev1.TokenAccount
	err     error
}

// New makes a service.
func New(params Params) *Service {
	if params.Now == nil {
		params.Now = time.Now
	}
	return &Service{Params: params, queue: make(chan *question, maxQueued), open: map[string]*question{}, used: map[string]time.Time{}}
}

// Run answers questions until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case q := <-s.queue:
					s.answer(ctx, q)
				}
			}
		})
	}
	working.Wait()
}

// Account answers what is recorded of a token's account, and asks the upstream where
// nothing is, where it is older than ten minutes, or, with refresh, than ten seconds.
// Errors are *chat.Error, or the tokenstore's.
func (s *Service) Account(ctx context.Context, tokenID string, refresh bool) (*tokenstorev1.TokenAccount, error) {
	age := fresh
	if refresh {
		age = refreshEvery
	}
	recorded, err := s.recorded(ctx, tokenID)
	if err != nil || s.current(recorded, age) {
		return recorded, err
	}
	q, ok := s.ask(tokenID, age)
	if !ok {
		return nil, &chat.Error{Kind: chat.StoreUnavailable, Message: "too many accounts are being asked about; try again later", RetryAfter: refreshEvery}
	}
	select {
	case <-q.done:
		return q.account, q.err
	case <-ctx.Done():
		return nil, chat.AsError(context.Cause(ctx))
	}
}

// Used notes that a chat has used a token, and has it asked about in the background,
// at most once in ten minutes. It does not block.
func (s *Service) Used(tokenID string) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.used[tokenID]) < fresh {
		return
	}
	if len(s.used) >= maxNoted {
		clear(s.used)
	}
	s.used[tokenID] = now
	s.enqueue(tokenID, fresh)
}

// ask joins the question that is open about a token, or opens one; false when too
// many wait.
func (s *Service) ask(tokenID string, age time.Duration) (*question, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enqueue(tokenID, age)
}

// enqueue is ask; mu is held.
func (s *Service) enqueue(tokenID string, age time.Duration) (*question, bool) {
	if q := s.open[tokenID]; q != nil {
		q.age = min(q.age, age)
		return q, true
	}
	q := &question{tokenID: tokenID, age: age, done: make(chan struct{})}
	select {
	case s.queue <- q:
		s.open[tokenID] = q
		return q, true
	default:
		return nil, false
	}
}

// answer answers a question, whatever comes.
func (s *Service) answer(ctx context.Context, q *question) {
	s.mu.Lock()
	age := q.age
	s.mu.Unlock()
	q.account, q.err = s.look(ctx, q.tokenID, age)
	s.mu.Lock()
	delete(s.open, q.tokenID)
	s.mu.Unlock()
	close(q.done)
	if q.err != nil && chat.AsError(q.err).Kind != chat.NotFound { // many upstreams tell nothing
		s.Log.LogAttrs(ctx, slog.LevelInfo, "account not asked about", slog.String("token_id", q.tokenID), slog.Any("error", q.err))
	}
}

func (s *Service) recorded(ctx context.Context, tokenID string) (*tokenstorev1.TokenAccount, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	answer, err := s.Store.GetTokenAccount(ctx, &tokenstorev1.GetTokenAccountRequest{Id: tokenID})
	return answer.GetAccount(), err
}

// current tells whether an account was asked about not longer ago than age.
func (s *Service) current(account *tokenstorev1.TokenAccount, age time.Duration) bool {
	return account != nil && s.Now().Sub(account.GetAsOf().AsTime()) < age
}
