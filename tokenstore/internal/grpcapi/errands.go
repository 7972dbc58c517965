package grpcapi

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	// longestWait bounds how long a caller waits for an errand.
	longestWait = 5 * time.Second
	// lookAgain is the least time between two looks for errands for one caller, unless somebody
	// waits for one.
	lookAgain = time.Second
)

// How a refresh has ended, for RefreshObserver.
const (
	granted   = "granted"
	refused   = "refused"
	postponed = "postponed"
	stale     = "stale"
)

// RefreshObserver is told of each refresh that has ended: granted, refused, postponed or
// stale.
type RefreshObserver interface {
	Refreshed(result string)
}

// ErrandServer implements ErrandService.
type ErrandServer struct {
	tokenstorev1.UnsafeErrandServiceServer
	store   *redisstore.Store
	changed func()
	// due tells that somebody waits for an errand, stirred that one may have become due.
	due      *Changes
	stirred  *Changes
	observer RefreshObserver
	stopping <-chan struct{}
	// awaited is until when, in Unix ns, nothing is handed out: see AwaitHolders.
	awaited atomic.Int64
}

// NewErrandServer makes the server. changed is called whenever a login has changed the pool;
// it must not block. When stopping is closed nobody waits any more.
func NewErrandServer(store *redisstore.Store, changed func(), observer RefreshObserver, stopping <-chan struct{}) *ErrandServer {
	return &ErrandServer{store: store, changed: changed, due: NewChanges(), stirred: NewChanges(), observer: observer, stopping: stopping}
}

// Due has those look for errands who wait for one. It does not block.
func (s *ErrandServer) Due() { s.due.Announce() }

// Stirred has those look for errands before long who wait for one: a token may have come, or have
// come back. It does not block.
func (s *ErrandServer) Stirred() { s.stirred.Announce() }

// AwaitHolders hands nothing out for as long as an errand stays in hand without word. It is
// for when nobody could say a word: who has errands in hand is to say so before others get
// them, because an upstream may take a refresh token once.
func (s *ErrandServer) AwaitHolders(hold time.Duration) {
	s.awaited.Store(time.Now().Add(hold).UnixNano())
}

// room is how many errands a caller is given that has room for so many.
func (s *ErrandServer) room(asked uint32) int {
	if time.Now().UnixNano() < s.awaited.Load() {
		return 0
	}
	return int(min(asked, redisstore.MaxErrands))
}

// questionsOf is how many of the errands may be questions for accounts.
func questionsOf(request *tokenstorev1.TakeErrandsRequest, room int) int {
	if request.AccountRoom == nil {
		return room
	}
	return int(min(request.GetAccountRoom(), redisstore.MaxErrands))
}

// TakeErrands implements ErrandService. Errands that a caller has taken and does not hear of
// go to the next one, as those of one that died.
func (s *ErrandServer) TakeErrands(ctx context.Context, request *tokenstorev1.TakeErrandsRequest) (*tokenstorev1.TakeErrandsResponse, error) {
	if request.GetRoom() > redisstore.MaxErrands {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "room: 0 to %d", redisstore.MaxErrands)
	}
	held := make([]redisstore.ErrandRef, len(request.GetHeld()))
	for i, each := range request.GetHeld() {
		held[i] = redisstore.ErrandRef{ID: each.GetId(), Epoch: each.GetEpoch()}
	}
	patience := min(max(request.GetMaxWait().AsDuration(), 0), longestWait)
	end, over := time.Now().Add(patience), time.NewTimer(patience)
	defer over.Stop()
	for {
		wake := s.alarm() // before the look: what becomes due during it is another reason to look
		room := s.room(request.GetRoom())
		errands, lost, err := s.store.TakeErrands(ctx, room, questionsOf(request, room), held)
		if err != nil {
			return nil, err
		}
		if len(errands)+len(lost) > 0 {
			return errandsOnWire(errands, lost), nil
		}
		next := lookAgain
		if end.Sub(wake.set) > lookAgain { // else the time is over before there is another look
			if next, err = s.store.NextErrand(ctx); err != nil {
				return nil, err
			}
		}
		waited, err := wake.wait(ctx, next, over.C, s.stopping)
		if err != nil {
			return nil, err
		}
		if waited {
			return &tokenstorev1.TakeErrandsResponse{}, nil
		}
	}
}

// alarm is what ends a wait for errands.
type alarm struct {
	due, stirred <-chan struct{}
	set          time.Time
}

func (s *ErrandServer) alarm() alarm {
	return alarm{due: s.due.wait(), stirred: s.stirred.wait(), set: time.Now()}
}

// wait waits until it is time to look for errands again, the next of which is due after some
// time. It reports whether the caller's time was over before.
func (a alarm) wait(ctx context.Context, next time.Duration, over <-chan time.Time, stopping <-chan struct{}) (waited bool, err error) {
	// What is due now and was not handed out is not for this caller, or not yet.
	look := time.NewTimer(max(next, lookAgain-time.Since(a.set)))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-stopping:
			return false, errStopping
		case <-over:
			return true, nil
		case <-a.due:
			return false, nil
		case <-look.C:
			return false, nil
		case <-a.stirred:
			a.stirred = nil
			look.Reset(lookAgain - time.Since(a.set))
		}
	}
}

func errandsOnWire(errands []redisstore.Errand, lost []redisstore.ErrandRef) *tokenstorev1.TakeErrandsResponse {
	answer := &tokenstorev1.TakeErrandsResponse{}
	for _, errand := range errands {
		each := &tokenstorev1.Errand{Id: errand.ID, Epoch: errand.Epoch, Upstream: errand.Upstream, Proxy: errand.Proxy.Reveal()}
		switch {
		case errand.Refresh != nil:
			each.Work = &tokenstorev1.Errand_Refresh{Refresh: &tokenstorev1.RefreshErrand{
				RefreshToken: errand.Refresh.Token.Reveal(), FormerRefreshToken: errand.Refresh.Former.Reveal(),
			}}
		case errand.Login != nil:
			each.Work = &tokenstorev1.Errand_Login{Login: &tokenstorev1.LoginErrand{
				Uuid: errand.Login.UUID, Verifier: errand.Login.Verifier.Reveal(),
			}}
		default:
			each.Work = &tokenstorev1.Errand_Account{Account: &tokenstorev1.AccountErrand{}}
		}
		answer.Errands = append(answer.Errands, each)
	}
	for _, each := range lost {
		answer.Lost = append(answer.Lost, &tokenstorev1.ErrandRef{Id: each.ID, Epoch: each.Epoch})
	}
	return answer
}

var errNoResult = errors.New("result: granted, refused or postponed is wanted")

// SettleRefresh implements ErrandService.
func (s *ErrandServer) SettleRefresh(ctx context.Context, request *tokenstorev1.SettleRefreshRequest) (*tokenstorev1.SettleRefreshResponse, error) {
	errand := redisstore.ErrandRef{ID: request.GetId(), Epoch: request.GetEpoch()}
	var late bool
	var err error
	var result string
	switch end := request.GetResult().(type) {
	case *tokenstorev1.SettleRefreshRequest_Granted:
		result = granted
		late, err = s.store.GrantRefresh(ctx, errand, grantedFrom(end.Granted))
	case *tokenstorev1.SettleRefreshRequest_Refused:
		result = refused
		late, err = s.store.RefuseRefresh(ctx, errand, end.Refused.GetDetail())
	case *tokenstorev1.SettleRefreshRequest_Postponed:
		result = postponed
		late, err = s.store.PostponeRefresh(ctx, errand, end.Postponed.GetDetail(), end.Postponed.GetRetryAfter().AsDuration())
	default:
		return nil, invalid(errNoResult)
	}
	if err != nil {
		return nil, err
	}
	if late {
		result = stale
	}
	s.observer.Refreshed(result)
	now, err := s.store.Token(ctx, errand.ID)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.SettleRefreshResponse{Token: now, Stale: late}, nil
}

func grantedFrom(given *tokenstorev1.Granted) redisstore.Granted {
	result := redisstore.Granted{Access: secret.New(given.GetAccessToken()), Refresh: secret.New(given.GetRefreshToken())}
	if given.GetExpiresAt().IsValid() {
		result.Expires = given.GetExpiresAt().AsTime()
	}
	return result
}

// SettleLogin implements ErrandService.
func (s *ErrandServer) SettleLogin(ctx context.Context, request *tokenstorev1.SettleLoginRequest) (*tokenstorev1.SettleLoginResponse, error) {
	poll := redisstore.ErrandRef{ID: request.GetId(), Epoch: request.GetEpoch()}
	var late bool
	var err error
	switch end := request.GetResult().(type) {
	case *tokenstorev1.SettleLoginRequest_Granted:
		late, err = s.store.GrantLogin(ctx, poll, grantedFrom(end.Granted))
		s.changed()
	case *tokenstorev1.SettleLoginRequest_Refused:
		late, err = s.store.RefuseLogin(ctx, poll, end.Refused.GetDetail())
	case *tokenstorev1.SettleLoginRequest_Postponed:
		late, err = s.store.PostponeLogin(ctx, poll, end.Postponed.GetDetail(), end.Postponed.GetRetryAfter().AsDuration(), end.Postponed.GetCounts())
	default:
		return nil, invalid(errNoResult)
	}
	if err != nil {
		return nil, err
	}
	login, err := s.store.Login(ctx, poll.ID)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.SettleLoginResponse{Login: login, Stale: late}, nil
}

// RenewCredential implements ErrandService.
func (s *ErrandServer) RenewCredential(ctx context.Context, request *tokenstorev1.RenewCredentialRequest) (*tokenstorev1.RenewCredentialResponse, error) {
	value, now, err := s.store.RenewCredential(ctx, request.GetId(), request.GetRefusedHash(), request.GetMaxWait().AsDuration())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.RenewCredentialResponse{Secret: value.Reveal(), Token: now}, nil
}
