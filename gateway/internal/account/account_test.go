package account

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/leaktest"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// store keeps accounts as the tokenstore does: with an error, what was known stays.
type store struct {
	mu       sync.Mutex
	accounts map[string]*tokenstorev1.TokenAccount
	revealed int
}

func (s *store) RevealToken(_ context.Context, r *tokenstorev1.RevealTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.RevealTokenResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revealed++
	name := "cursor"
	if strings.HasPrefix(r.GetId(), "plain") {
		name = "openai"
	}
	return &tokenstorev1.RevealTokenResponse{Upstream: name, Secret: "secret of " + r.GetId(), DeviceId: "device", MacHash: "mac", Proxy: "http://me:pass@proxy"}, nil
}

func (s *store) GetTokenAccount(_ context.Context, r *tokenstorev1.GetTokenAccountRequest, _ ...grpc.CallOption) (*tokenstorev1.GetTokenAccountResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.GetId() == "unknown" {
		return nil, errUnknown
	}
	return &tokenstorev1.GetTokenAccountResponse{Account: s.accounts[r.GetId()]}, nil
}

func (s *store) RecordTokenAccount(_ context.Context, r *tokenstorev1.RecordTokenAccountRequest, _ ...grpc.CallOption) (*tokenstorev1.RecordTokenAccountResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := proto.CloneOf(r.GetAccount())
	if before := s.accounts[r.GetId()]; account.GetError() != "" && before != nil {
		before = proto.CloneOf(before)
		before.Error, before.AsOf = account.GetError(), account.GetAsOf()
		account = before
	}
	s.accounts[r.GetId()] = account
	return &tokenstorev1.RecordTokenAccountResponse{}, nil
}

// of answers what is recorded of a token's account.
func (s *store) of(id string) *tokenstorev1.TokenAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id]
}

var errUnknown = errors.New("no such token")

// teller is a driver that tells of accounts.
type teller struct {
	upstream.Driver
	mu    sync.Mutex
	asked []string
	// most is how many were asked about at once.
	now, most int
	takes     time.Duration
	tell      func(n int) (upstream.Account, error)
}

func (d *teller) Account(ctx context.Context, credential upstream.Credential, options upstream.Options) (upstream.Account, error) {
	d.mu.Lock()
	d.asked = append(d.asked, credential.Secret.Reveal()+" "+credential.DeviceID+" "+credential.Proxy.Reveal()+" "+options.ClientVersion)
	n := len(d.asked)
	d.now++
	d.most = max(d.most, d.now)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now--
		d.mu.Unlock()
	}()
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return upstream.Account{}, errors.New("no answer in time")
	}
	return d.tell(n)
}

func (d *teller) times() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

type rig struct {
	*Service
	store  *store
	driver *teller
}

// run tests a running service on a clock that stands still while it works.
func run(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			store: &store{accounts: map[string]*tokenstorev1.TokenAccount{}},
			driver: &teller{takes: time.Second, tell: func(n int) (upstream.Account, error) {
				return pro(uint64(n)), nil
			}},
		}
		r.Service = New(Params{
			Store: r.store,
			Driver: func(name string) (upstream.Driver, bool) {
				if name != "cursor" {
					return nil, false
				}
				return r.driver, true
			},
			Options: func() upstream.Options { return upstream.Options{ClientVersion: "1.2.3"} },
			Log:     slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		test(t, r)
		cancel()
		running.Wait()
	})
}

// pro is a paid account that has used n requests of 500.
func pro(n uint64) upstream.Account {
	most := uint64(500)
	return upstream.Account{
		UserID: "user_1", Email: "a@example.com", Membership: "pro",
		Quotas:     []upstream.AccountQuota{{Name: "premium", Requests: n, MaxRequests: &most}},
		QuotaStart: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (r *rig) account(t *testing.T, id string, refresh bool) *tokenstorev1.TokenAccount {
	t.Helper()
	got, err := r.Account(t.Context(), id, refresh)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnAccountIsAskedAboutOnceInTenMinutes(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		got := r.account(t, "a", false)
		if got.GetUserId() != "user_1" || got.GetMembership() != "pro" || got.GetQuotas()[0].GetRequests() != 1 ||
			got.GetQuotas()[0].GetMaxRequests() != 500 || !got.GetAsOf().AsTime().Equal(time.Now()) || got.GetError() != "" {
			t.Errorf("%v", got)
		}
		if asked := r.driver.asked[0]; asked != "secret of a device http://me:pass@proxy 1.2.3" {
			t.Errorf("asked with %s", asked)
		}
		if !proto.Equal(r.store.of("a"), got) {
			t.Error("something else was recorded")
		}
		time.Sleep(fresh - time.Second)
		r.account(t, "a", false)
		if r.driver.times() != 1 || r.store.revealed != 1 {
			t.Errorf("asked %d times", r.driver.times())
		}
		time.Sleep(2 * time.Second)
		if got := r.account(t, "a", false); got.GetQuotas()[0].GetRequests() != 2 {
			t.Errorf("%v", got)
		}
	})
}

func TestWhoInsistsGetsANewAnswerEveryTenSeconds(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {0, 1}, {9 * time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(step.wait)
			r.account(t, "a", true)
			if r.driver.times() != step.want {
				t.Errorf("asked %d times, want %d", r.driver.times(), step.want)
			}
		}
	})
}

func TestAllWhoAskAtOnceShareOneAnswer(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		var asking sync.WaitGroup
		for range 20 {
			asking.Go(func() {
				if got, err := r.Account(t.Context(), "a", true); err != nil || got.GetMembership() != "pro" {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		asking.Wait()
		if r.driver.times() != 1 {
			t.Errorf("asked %d times", r.driver.times())
		}
	})
}

func TestFewAreAskedAboutAtOnce(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		var asking sync.WaitGroup
		for i := range 12 {
			asking.Go(func() { _, _ = r.Account(t.Context(), string(rune('a'+i)), false) })
		}
		asking.Wait()
		if r.driver.times() != 12 || r.driver.most != workers {
			t.Errorf("%d asked about, %d at once", r.driver.times(), r.driver.most)
		}
	})
}

func TestAFailureIsRecordedBesideWhatWasKnown(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.account(t, "a", false)
		r.driver.tell = func(int) (upstream.Account, error) {
			return upstream.Account{}, errors.Join(errors.New("usage: refused secret of a at http://me:pass@proxy"), errors.New("profile: <b>down</b>"))
		}
		time.Sleep(time.Minute)
		got := r.account(t, "a", true)
		if got.GetMembership() != "pro" || got.GetError() != "usage: refused [hidden] at [hidden]; profile: down" || !got.GetAsOf().AsTime().Equal(time.Now()) {
			t.Errorf("%v", got)
		}
		if !proto.Equal(r.store.of("a"), got) {
			t.Errorf("recorded %v", r.store.of("a"))
		}
		// One that was never told of.
		if got := r.account(t, "b", false); got.GetError() == "" || got.GetMembership() != "" {
			t.Errorf("%v", got)
		}
	})
}

func TestWhatIsToldInPartIsRecorded(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.account(t, "a", false)
		r.driver.tell = func(int) (upstream.Account, error) {
			return upstream.Account{Membership: "free"}, errors.New("usage: refused")
		}
		time.Sleep(time.Minute)
		got := r.account(t, "a", true)
		if got.GetMembership() != "free" || got.GetEmail() != "a@example.com" || len(got.GetQuotas()) != 1 || got.GetError() != "usage: refused" {
			t.Errorf("%v", got)
		}
		if !proto.Equal(r.store.of("a"), got) {
			t.Errorf("recorded %v", r.store.of("a"))
		}
	})
}

func TestAnUpstreamThatIsSilentIsGivenUp(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.driver.takes = time.Hour
		began := time.Now()
		if got := r.account(t, "a", false); got.GetError() != "no answer in time" || time.Since(began) != askTimeout {
			t.Errorf("%v after %v", got, time.Since(began))
		}
	})
}

func TestUpstreamsThatTellNothing(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		_, err := r.Account(t.Context(), "plain-1", false)
		if failure := chat.AsError(err); failure == nil || failure.Kind != chat.NotFound {
			t.Errorf("%v", err)
		}
		if _, err := r.Account(t.Context(), "unknown", false); !errors.Is(err, errUnknown) {
			t.Errorf("%v", err)
		}
	})
}

func TestWhoHangsUpDoesNotEndTheQuestion(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := r.Account(ctx, "a", false); chat.AsError(err).Kind != chat.Timeout {
			t.Errorf("%v", err)
		}
		time.Sleep(2 * time.Second)
		if r.store.of("a").GetMembership() != "pro" {
			t.Error("the answer is lost")
		}
	})
}

func TestAUsedTokenIsAskedAboutInTheBackgroundOnceInTenMinutes(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		began := time.Now()
		for range 100 {
			r.Used("a")
		}
		if time.Since(began) != 0 {
			t.Error("a chat had to wait")
		}
		time.Sleep(2 * time.Second)
		if r.driver.times() != 1 {
			t.Errorf("asked %d times", r.driver.times())
		}
		time.Sleep(fresh)
		r.Used("a")
		time.Sleep(2 * time.Second)
		if r.driver.times() != 2 {
			t.Errorf("asked %d times", r.driver.times())
		}
	})
}

func TestTooManyQuestionsAreRefused(t *testing.T) {
	s := New(Params{Store: &store{accounts: map[string]*tokenstorev1.TokenAccount{}}, Log: slog.New(slog.DiscardHandler)}) // nobody works
	for i := range maxQueued {
		s.Used(string(rune('a' + i)))
	}
	_, err := s.Account(t.Context(), "one more", false)
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.StoreUnavailable || failure.RetryAfter == 0 {
		t.Errorf("%v", err)
	}
}

func TestAnErrandAsksAtOnceAndRecords(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		for range 2 { // the second one finds what has just been recorded
			if err := r.Ask(t.Context(), "a"); err != nil || r.store.of("a").GetMembership() != "pro" || r.driver.times() != 1 {
				t.Errorf("%v, recorded %v, asked %d times", err, r.store.of("a"), r.driver.times())
			}
		}
		if err := r.Ask(t.Context(), "plain-1"); err != nil || r.store.of("plain-1").GetError() == "" || r.store.of("plain-1").GetAsOf() == nil {
			t.Errorf("of an upstream that tells nothing: %v, recorded %v", err, r.store.of("plain-1"))
		}
		if err := r.Ask(t.Context(), "unknown"); !errors.Is(err, errUnknown) || r.store.of("unknown") != nil {
			t.Errorf("of a token that is gone: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := r.Ask(ctx, "b"); err == nil || r.store.of("b") != nil {
			t.Errorf("of one that was taken away: %v, recorded %v", err, r.store.of("b"))
		}
	})
}

func TestWhenQuotasBeginAnew(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		moment, _ := time.Parse(time.DateTime, text) // zero where there is none
		return moment
	}
	for _, c := range []struct{ start, told, want string }{
		{"2026-11-15 08:30:00", "", "2026-12-15 08:30:00"},
		{"2026-12-15 08:30:00", "", "2027-01-15 08:30:00"},
		{"2027-01-31 08:30:00", "", "2027-02-28 08:30:00"},
		{"2028-01-30 08:30:00", "", "2028-02-29 08:30:00"},
		{"2026-03-31 08:30:00", "", "2026-04-30 08:30:00"},
		{"2026-11-15 08:30:00", "2026-11-20 00:00:00", "2026-11-20 00:00:00"},
		{"", "2026-11-20 00:00:00", "2026-11-20 00:00:00"},
		{"", "", ""},
	} {
		told := pro(1)
		told.QuotaStart, told.QuotaResetsAt = at(c.start), at(c.told)
		got := merged(&tokenstorev1.TokenAccount{}, told)
		if want := timestampOf(at(c.want)); !proto.Equal(got.GetQuotaResetsAt(), want) {
			t.Errorf("%+v: begins anew at %v", c, got.GetQuotaResetsAt())
		}
		if kept := merged(got, upstream.Account{Membership: "pro"}); !proto.Equal(kept.GetQuotaResetsAt(), got.GetQuotaResetsAt()) {
			t.Errorf("%+v: what is not told again is forgotten", c)
		}
	}
}
