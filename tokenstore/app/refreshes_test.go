package app_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/app"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/testredis"
)

// upstream takes each refresh token once.
type upstream struct {
	mu sync.Mutex
	// current is the refresh token of each account, used those that it has had.
	current map[string]string
	used    map[string]bool
	again   []string
	given   int
	// renewed are the accounts that were since the last word.
	renewed map[string]bool
}

func accessToken(subject string, life time.Duration) string {
	claims := fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, subject, time.Now().Add(life).Unix())
	return "h." + base64.RawURLEncoding.EncodeToString(claims) + ".s"
}

// renew is a refresh; false: the token is not the account's any more.
func (u *upstream) renew(refresh string) (*tokenstorev1.Granted, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for account, current := range u.current {
		if current != refresh {
			continue
		}
		u.given++
		u.used[refresh], u.renewed[account] = true, true
		u.current[account] = fmt.Sprintf("%s-%d", account, u.given)
		return &tokenstorev1.Granted{AccessToken: accessToken(account, 12*time.Second), RefreshToken: u.current[account]}, true
	}
	if u.used[refresh] {
		u.again = append(u.again, refresh)
	}
	return nil, false
}

// courier carries errands out, as a gateway does, at whichever tokenstore answers.
type courier struct {
	stores   []tokenstorev1.ErrandServiceClient
	upstream *upstream

	mu   sync.Mutex
	held []*tokenstorev1.ErrandRef
	// said is when it asked last, and silence the longest time in which no store may have heard of it.
	said    time.Time
	silence time.Duration
}

// heard notes that a store has heard of the courier, some time since it asked.
func (c *courier) heard(asks time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.said.IsZero() {
		c.silence = max(c.silence, time.Since(c.said))
	}
	c.said = asks
}

// silent tells whether the courier was silent for so long that its errands went to others.
func (c *courier) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silence >= redisstore.ErrandHold || !c.said.IsZero() && time.Since(c.said) >= redisstore.ErrandHold
}

// ask asks one store after the other until one answers.
func (c *courier) ask(ctx context.Context, call func(context.Context, tokenstorev1.ErrandServiceClient) error) {
	for i := 0; ctx.Err() == nil; i++ {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := call(attempt, c.stores[i%len(c.stores)])
		cancel()
		if err == nil {
			return
		}
	}
}

func (c *courier) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		c.ask(ctx, func(ctx context.Context, store tokenstorev1.ErrandServiceClient) error {
			c.mu.Lock()
			held := slices.Clone(c.held)
			c.mu.Unlock()
			asks := time.Now()
			taken, err := store.TakeErrands(ctx, &tokenstorev1.TakeErrandsRequest{Room: 8, Held: held, MaxWait: durationpb.New(200 * time.Millisecond)})
			if err == nil {
				c.heard(asks)
			}
			for _, errand := range taken.GetErrands() {
				if errand.GetRefresh() == nil {
					continue
				}
				ref := &tokenstorev1.ErrandRef{Id: errand.GetId(), Epoch: errand.GetEpoch()}
				c.mu.Lock()
				c.held = append(c.held, ref)
				c.mu.Unlock()
				work.Go(func() { c.carryOut(context.WithoutCancel(ctx), errand, ref) })
			}
			return err
		})
	}
}

func (c *courier) carryOut(ctx context.Context, errand *tokenstorev1.Errand, ref *tokenstorev1.ErrandRef) {
	ctx, cancel := context.WithTimeout(ctx, testredis.Timeout)
	defer cancel()
	request := &tokenstorev1.SettleRefreshRequest{Id: ref.GetId(), Epoch: ref.GetEpoch()}
	if granted, ok := c.upstream.renew(errand.GetRefresh().GetRefreshToken()); ok {
		request.Result = &tokenstorev1.SettleRefreshRequest_Granted{Granted: granted}
	} else {
		request.Result = &tokenstorev1.SettleRefreshRequest_Refused{Refused: &tokenstorev1.Refused{Detail: "unknown"}}
	}
	c.ask(ctx, func(ctx context.Context, store tokenstorev1.ErrandServiceClient) error {
		_, err := store.SettleRefresh(ctx, request)
		return err
	})
	c.mu.Lock()
	c.held = slices.DeleteFunc(c.held, func(each *tokenstorev1.ErrandRef) bool { return each == ref })
	c.mu.Unlock()
}

// Accounts whose access tokens live for seconds are refreshed by three gateways while
// tokenstores stop and start: no refresh token is used twice, and no account is lost.
func TestNoRefreshTokenIsUsedTwice(t *testing.T) {
	t.Parallel()
	for range 5 {
		if refreshWhileStoresStop(t) {
			return
		}
	}
	t.Fatal("each time this machine kept a gateway silent for so long that its errands were others', which says nothing")
}

// refreshWhileStoresStop returns false where a gateway was silent for too long: then nothing can be
// said.
func refreshWhileStoresStop(t *testing.T) (heard bool) {
	t.Helper()
	server := testredis.NewServer(t)
	cfg := load(t, "", map[string]string{"SHUTDOWN_GRACE": "100ms"})
	begin := func() *running {
		r := run(t, app.Options{Config: cfg, Redis: server.Client(t)})
		until(t, "the store is usable", func() bool { return r.Ready(t.Context()) == nil })
		return r
	}
	stays := begin()
	goes := begin()
	tokens := tokenstorev1.NewTokenServiceClient(stays.conn)
	up := &upstream{current: map[string]string{}, used: map[string]bool{}, renewed: map[string]bool{}}
	const accounts = 60
	for i := range accounts {
		account := fmt.Sprint("account-", i)
		up.current[account] = account + "-0"
		request := &tokenstorev1.CreateTokenRequest{Upstream: "cursor", Secret: accessToken(account, 8*time.Second), RefreshToken: up.current[account]}
		if _, err := tokens.CreateToken(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The second address is of whichever store has started last.
	second := &latest{}
	second.to(t, goes)
	var running sync.WaitGroup
	couriers := make([]*courier, 3)
	for i := range couriers {
		couriers[i] = &courier{upstream: up, stores: []tokenstorev1.ErrandServiceClient{second, tokenstorev1.NewErrandServiceClient(stays.conn)}}
		running.Go(func() { couriers[i].run(ctx) })
	}
	silent := func() bool { return slices.ContainsFunc(couriers, (*courier).silent) }
	// renewed waits until so many accounts are renewed since the last time.
	renewed := func(n int) {
		up.mu.Lock()
		clear(up.renewed)
		up.mu.Unlock()
		until(t, "accounts are renewed", func() bool {
			up.mu.Lock()
			defer up.mu.Unlock()
			return len(up.renewed) >= n || silent()
		})
	}
	for range 3 {
		renewed(accounts / 2)
		if err := goes.stop(); err != nil {
			t.Fatal(err)
		}
		goes = begin()
		second.to(t, goes)
	}
	renewed(accounts) // so none is lost
	heard = !silent()
	cancel()
	running.Wait()
	defer func() { _ = errors.Join(goes.stop(), stays.stop()) }() // their clean-up tells what came of it
	if !heard {
		return false
	}
	if len(up.again) > 0 {
		t.Errorf("used twice: %v", up.again)
	}
	listed, err := tokens.ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{Limit: 1000})
	if err != nil || len(listed.GetTokens()) != accounts {
		t.Fatal(len(listed.GetTokens()), err)
	}
	for _, each := range listed.GetTokens() {
		if each.GetNeedsLogin() {
			t.Errorf("lost: %v", each)
		}
	}
	return true
}

// latest is a client of the store that has started last.
type latest struct {
	tokenstorev1.ErrandServiceClient
	client atomic.Pointer[tokenstorev1.ErrandServiceClient]
}

func (l *latest) to(t *testing.T, r *running) {
	t.Helper()
	conn, err := grpc.NewClient(r.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l.client.Store(new(tokenstorev1.NewErrandServiceClient(conn)))
}

func (l *latest) TakeErrands(ctx context.Context, request *tokenstorev1.TakeErrandsRequest, options ...grpc.CallOption) (*tokenstorev1.TakeErrandsResponse, error) {
	return (*l.client.Load()).TakeErrands(ctx, request, options...)
}

func (l *latest) SettleRefresh(ctx context.Context, request *tokenstorev1.SettleRefreshRequest, options ...grpc.CallOption) (*tokenstorev1.SettleRefreshResponse, error) {
	return (*l.client.Load()).SettleRefresh(ctx, request, options...)
}
