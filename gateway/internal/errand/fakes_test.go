package errand

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fakeStore hands errands out as the tokenstore does: each to one gateway, until it is settled
// or has not been renewed for two seconds.
type fakeStore struct {
	mu  sync.Mutex
	due []*tokenstorev1.Errand
	// out has those that are handed out, by id.
	out map[string]*handedOut
	// away: it can't be reached. hasty: it answers at once also where there is nothing.
	// hangs: calls are not answered.
	// generous: it hands out more than was asked for. syncs is how long a settlement takes
	// after it was carried out.
	away, hasty, hangs, generous bool
	syncs                        time.Duration
	// refuses is what settlements are answered, where it is set.
	refuses error
	// calls counts TakeErrands, most what was in hand at a time, overdue those that nobody
	// renewed in time.
	calls, most, overdue int
	// login is the state of all logins.
	login     tokenstorev1.LoginState
	refreshes []*tokenstorev1.SettleRefreshRequest
	logins    []*tokenstorev1.SettleLoginRequest
}

type handedOut struct {
	errand  *tokenstorev1.Errand
	renewed time.Time
}

func (s *fakeStore) add(errands ...*tokenstorev1.Errand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = append(s.due, errands...)
}

// set changes how the store is.
func (s *fakeStore) set(change func(s *fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *fakeStore) TakeErrands(ctx context.Context, request *tokenstorev1.TakeErrandsRequest, _ ...grpc.CallOption) (*tokenstorev1.TakeErrandsResponse, error) {
	s.set(func(s *fakeStore) { s.calls++ })
	until := time.Now().Add(request.GetMaxWait().AsDuration())
	answer := &tokenstorev1.TakeErrandsResponse{Lost: s.renew(request.GetHeld())}
	for {
		s.mu.Lock()
		away, hasty, hangs := s.away, s.hasty, s.hangs
		if !away && !hangs {
			answer.Errands = s.hand(int(request.GetRoom()), int(request.GetAccountRoom()))
		}
		s.mu.Unlock()
		switch {
		case hangs:
			<-ctx.Done()
			return nil, status.FromContextError(ctx.Err()).Err()
		case away:
			return nil, status.Error(codes.Unavailable, "away")
		case len(answer.GetErrands()) > 0 || hasty || !time.Now().Before(until):
			return answer, nil
		case ctx.Err() != nil:
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// renew renews what a gateway has, and answers what it has no more.
func (s *fakeStore) renew(held []*tokenstorev1.ErrandRef) (lost []*tokenstorev1.ErrandRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || s.hangs {
		return nil
	}
	s.expire()
	for _, ref := range held {
		if out := s.out[ref.GetId()]; out == nil || out.errand.GetEpoch() != ref.GetEpoch() {
			lost = append(lost, ref)
		} else {
			out.renewed = time.Now()
		}
	}
	return lost
}

// hand hands out what is due, and what has not been renewed; mu is held.
func (s *fakeStore) hand(room, questions int) (handed []*tokenstorev1.Errand) {
	s.expire()
	var left []*tokenstorev1.Errand
	for _, errand := range s.due {
		isQuestion := errand.GetAccount() != nil
		if !s.generous && (len(handed) == room || isQuestion && questions == 0) {
			left = append(left, errand)
			continue
		}
		if isQuestion {
			questions--
		}
		handed = append(handed, errand)
		s.out[errand.GetId()] = &handedOut{errand, time.Now()}
	}
	s.due = left
	s.most = max(s.most, len(s.out))
	return handed
}

// expire takes back what nobody has renewed, to hand it out again; mu is held.
func (s *fakeStore) expire() {
	for id, out := range s.out {
		if time.Since(out.renewed) > heldFor {
			s.overdue++
			delete(s.out, id)
			again := proto.CloneOf(out.errand)
			again.Epoch++
			s.due = append(s.due, again)
		}
	}
}

// settle ends an errand; mu is held.
func (s *fakeStore) settle(id string, epoch uint64) (stale bool, err error) {
	if !s.away {
		s.expire()
	}
	switch out := s.out[id]; {
	case s.away:
		return false, status.Error(codes.Unavailable, "away")
	case s.refuses != nil:
		return false, s.refuses
	case out == nil || out.errand.GetEpoch() != epoch:
		return true, nil
	}
	delete(s.out, id)
	return false, nil
}

// sync waits for the disk.
func (s *fakeStore) sync(ctx context.Context, err error) error {
	select {
	case <-time.After(s.syncs):
		return err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *fakeStore) SettleRefresh(ctx context.Context, request *tokenstorev1.SettleRefreshRequest, _ ...grpc.CallOption) (*tokenstorev1.SettleRefreshResponse, error) {
	s.mu.Lock()
	stale, err := s.settle(request.GetId(), request.GetEpoch())
	if err == nil && !stale {
		s.refreshes = append(s.refreshes, request)
	}
	s.mu.Unlock()
	return &tokenstorev1.SettleRefreshResponse{Stale: stale}, s.sync(ctx, err)
}

func (s *fakeStore) SettleLogin(ctx context.Context, request *tokenstorev1.SettleLoginRequest, _ ...grpc.CallOption) (*tokenstorev1.SettleLoginResponse, error) {
	s.mu.Lock()
	stale, err := s.settle(request.GetId(), request.GetEpoch())
	if err == nil && !stale {
		s.logins = append(s.logins, request)
	}
	s.mu.Unlock()
	return &tokenstorev1.SettleLoginResponse{Login: &tokenstorev1.Login{State: s.login}, Stale: stale}, s.sync(ctx, err)
}

func (s *fakeStore) settledRefreshes() []*tokenstorev1.SettleRefreshRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refreshes)
}

func (s *fakeStore) settledLogins() []*tokenstorev1.SettleLoginRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

// fakeDriver is an upstream that gives access tokens.
type fakeDriver struct {
	upstream.Driver
	mu sync.Mutex
	// asked are the questions.
	asked []string
	// takes is how long an answer takes.
	takes time.Duration
	renew func(refresh string) (upstream.Grant, error)
	poll  func(attempt upstream.LoginAttempt) (upstream.Grant, error)
}

func (d *fakeDriver) note(question string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, question)
}

func (d *fakeDriver) questions() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// answer takes its time.
func (d *fakeDriver) answer(ctx context.Context) error {
	select {
	case <-time.After(d.takes):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *fakeDriver) Renew(ctx context.Context, refresh, proxy secret.Value) (upstream.Grant, error) {
	d.note(refresh.Reveal() + " through " + proxy.Reveal())
	if err := d.answer(ctx); err != nil {
		return upstream.Grant{}, err
	}
	return d.renew(refresh.Reveal())
}

func (d *fakeDriver) NewLogin() (upstream.LoginAttempt, error) { panic("nobody asks for it") }

func (d *fakeDriver) PollLogin(ctx context.Context, attempt upstream.LoginAttempt, proxy secret.Value) (upstream.Grant, error) {
	d.note(attempt.UUID + " with " + attempt.Verifier.Reveal() + " through " + proxy.Reveal())
	if err := d.answer(ctx); err != nil {
		return upstream.Grant{}, err
	}
	return d.poll(attempt)
}

// plainDriver is one that renews nothing.
type plainDriver struct{ upstream.Driver }

// rig is a runner among fakes.
type rig struct {
	*Runner
	store  *fakeStore
	driver *fakeDriver
	// log is what was logged; read it when the runner has ended.
	log *bytes.Buffer
	// stop ends the runner, and waits until it has ended.
	stop func()
}

const grace = 20 * time.Second

// run tests a running runner on a clock that stands still while it works.
func run(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		r.stop = func() {
			cancel()
			running.Wait()
		}
		test(t, r)
		r.stop()
		for _, hidden := range []string{"refresh-1", "refresh-0", "access-1", "verifier-1", "pass"} {
			if bytes.Contains(r.log.Bytes(), []byte(hidden)) {
				t.Errorf("the log tells %q:\n%s", hidden, r.log)
			}
		}
	})
}

func newRig() *rig {
	r := &rig{
		store: &fakeStore{out: map[string]*handedOut{}, login: tokenstorev1.LoginState_LOGIN_STATE_PENDING}, log: &bytes.Buffer{},
		driver: &fakeDriver{
			renew: func(string) (upstream.Grant, error) { return granted, nil },
			poll:  func(upstream.LoginAttempt) (upstream.Grant, error) { return granted, nil },
		},
	}
	r.Runner = New(Params{
		Store: r.store, Replica: "gateway-1", Grace: grace, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Driver: func(name string) (upstream.Driver, bool) {
			switch name {
			case "cursor":
				return r.driver, true
			case "plain":
				return plainDriver{}, true
			default:
				return nil, false
			}
		},
		Account: func(context.Context, string) error { panic("nobody asks for it") },
	})
	return r
}

var granted = upstream.Grant{
	Access: secret.New("access-1"), Refresh: secret.New("refresh-2"), ExpiresAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
}

const proxyURL = "http://me:pass@proxy:3128"

func refreshErrand(id string) *tokenstorev1.Errand {
	return &tokenstorev1.Errand{
		Id: id, Epoch: 1, Upstream: "cursor", Proxy: proxyURL,
		Work: &tokenstorev1.Errand_Refresh{Refresh: &tokenstorev1.RefreshErrand{RefreshToken: "refresh-1"}},
	}
}

func loginErrand(id string) *tokenstorev1.Errand {
	return &tokenstorev1.Errand{
		Id: id, Epoch: 1, Upstream: "cursor", Proxy: proxyURL,
		Work: &tokenstorev1.Errand_Login{Login: &tokenstorev1.LoginErrand{Uuid: "uuid-1", Verifier: "verifier-1"}},
	}
}

func accountErrand(id string) *tokenstorev1.Errand {
	return &tokenstorev1.Errand{Id: id, Epoch: 1, Upstream: "cursor", Work: &tokenstorev1.Errand_Account{Account: &tokenstorev1.AccountErrand{}}}
}
