package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// legacy writes data as schema 1 had it, command by command.
type legacy struct {
	t      testing.TB
	client redis.UniversalClient
	store  *Store
	n      int
}

func (l *legacy) do(args ...any) {
	l.t.Helper()
	if err := l.client.Do(l.t.Context(), args...).Err(); err != nil {
		l.t.Fatal(args, err)
	}
}

// token adds one of schema 1; fields are pairs that differ from the default.
func (l *legacy) token(upstream, alias string, fields ...any) string {
	l.t.Helper()
	l.n++
	id := fmt.Sprintf("t%016d", l.n)
	created := 1_700_000_000_000_000 + l.n
	text := "secret-of-" + id
	rec, err := encodeRecord(l.store.keys, id, principal{Secret: secret.New(text)}, token.Fields{Weight: 1, Tags: []string{"old"}})
	if err != nil {
		l.t.Fatal(err)
	}
	fingerprint := l.store.keys.Fingerprint(secret.New(text))
	l.do("ZADD", "c1:{pool}:ids", created, id)
	l.do(append([]any{
		"HSET", "c1:{pool}:token:" + id, "rec", rec, "ver", 3, "epoch", 5, "upstream", upstream, "alias", alias,
		"fingerprint", fingerprint, "created", created, "enabled", 1, "cap", 0, "weight", 1, "expires", 0, "requests", l.n, "failures", 1,
	}, fields...)...)
	l.do("HSET", "c1:{pool}:fingerprint", upstream+" "+fingerprint, id)
	if alias != "" {
		l.do("HSET", "c1:{pool}:alias", alias, id)
	}
	l.do("ZADD", "c1:{pool}:order:"+upstream, l.n, id)
	return id
}

// aside takes a token out of the order.
func (l *legacy) aside(upstream, id string) { l.do("ZREM", "c1:{pool}:order:"+upstream, id) }

// legacyData is what a tokenstore of schema 1 may have left.
type legacyData struct {
	open, parked, cooling, disabled, capped, named, held, deleted string
	tokens                                                        int
}

func (l *legacy) write() legacyData {
	l.t.Helper()
	now := time.Now()
	soon := now.Add(time.Hour).UnixMilli()
	l.do("SET", "c1:{pool}:schema", "1")
	for i, name := range []string{"cursor", "openai", "empty"} {
		l.do("HSET", "c1:{pool}:upstreams", name, `{"name":"`+name+`","driver":"openai","baseUrl":"https://example.com"}`)
		l.do("HSET", "c1:{pool}:upstream_versions", name, i+1)
	}
	d := legacyData{}
	d.open = l.token("cursor", "", "account", l.store.keys.Seal(secret.New(""), accountBinding("t0000000000000001")))
	d.parked = l.token("cursor", "", "phase", "parked", "cause", "auth", "streak", 3)
	l.aside("cursor", d.parked)
	d.cooling = l.token("openai", "", "phase", "1", "cooling", soon, "streak", 2, "cause", "quota")
	l.aside("openai", d.cooling)
	l.do("ZADD", "c1:{pool}:cooling:openai", soon, d.cooling)
	d.disabled = l.token("openai", "", "enabled", 0)
	l.aside("openai", d.disabled)
	d.capped = l.token("openai", "", "cap", 2, "m:dear", fmt.Sprint(soon, " 2"))
	l.do("ZADD", "c1:{pool}:inflight:"+d.capped, soon, "5-1700000000000000-1")
	d.named = l.token("openai", "work")
	d.held = l.token("cursor", "", "cap", 2, "holder", "g1", "held", 1, "held_until", soon)
	l.do("ZADD", "c1:{pool}:inflight:"+d.held, soon, "hold-1")
	l.do("SADD", "c1:{pool}:holds:g1", d.held)
	l.do("HSET", "c1:{pool}:holders", "g1", fmt.Sprint(now.UnixMilli(), " instance"))
	l.do("SET", "c1:{pool}:reconciled:g1", 7, "PX", 1_000_000)
	l.do("XADD", "c1:{pool}:history:"+d.cooling, "*", "kind", "cooling", "class", "quota", "model", "", "until", soon)
	d.tokens = l.n

	d.deleted = l.token("cursor", "")
	l.do("RENAME", "c1:{pool}:token:"+d.deleted, "c1:{pool}:trash:"+d.deleted)
	l.do("PEXPIRE", "c1:{pool}:trash:"+d.deleted, 3_000_000)
	l.do("XADD", "c1:{pool}:history:"+d.deleted, "*", "kind", "cooling", "class", "auth", "model", "")
	l.do("ZREM", "c1:{pool}:ids", d.deleted)
	l.aside("cursor", d.deleted)
	l.do("HDEL", "c1:{pool}:fingerprint", "cursor "+l.store.keys.Fingerprint(secret.New("secret-of-"+d.deleted)))

	l.do("HSET", "c1:{pool}:clock", "cursor", "12.5", "openai", "40", "guard:openai", soon)
	l.do("HSET", "c1:{pool}:causes:openai", "upstream m", fmt.Sprint(now.UnixMilli(), " ", now.UnixMilli(), " ", soon, " 1 0 0"))
	l.do("PEXPIRE", "c1:{pool}:causes:openai", 600_000)
	l.do("HSET", "c1:{config}:settings", "ver", 4)
	return d
}

// check looks at everything that must have come over.
func (d legacyData) check(t *testing.T, store *Store) {
	t.Helper()
	ctx := t.Context()
	listed, _, err := store.ListTokens(ctx, TokenFilter{}, 100, "")
	if err != nil || len(listed) != d.tokens {
		t.Fatalf("%d tokens of %d, %v", len(listed), d.tokens, err)
	}
	states := map[string]tokenstorev1.TokenState{
		d.open: tokenstorev1.TokenState_TOKEN_STATE_READY, d.parked: tokenstorev1.TokenState_TOKEN_STATE_PARKED,
		d.cooling: tokenstorev1.TokenState_TOKEN_STATE_COOLING, d.disabled: tokenstorev1.TokenState_TOKEN_STATE_DISABLED,
		d.capped: tokenstorev1.TokenState_TOKEN_STATE_READY,
	}
	for i, shown := range listed {
		if want, said := states[shown.GetId()]; said && shown.GetState() != want {
			t.Errorf("%s is %v, not %v", shown.GetId(), shown.GetState(), want)
		}
		if shown.GetVersion() != 3 || shown.GetRequests() != uint64(i+1) || shown.GetTags()[0] != "old" {
			t.Errorf("not as it was: %v", shown)
		}
		credential, err := store.Credential(ctx, shown.GetId(), 0)
		if err != nil || credential.Secret.Reveal() != "secret-of-"+shown.GetId() {
			t.Errorf("%s: its secret is lost: %v", shown.GetId(), err)
		}
	}
	if history, err := store.Transitions(ctx, d.cooling); err != nil || len(history) != 1 || history[0].GetClass() != "quota" {
		t.Errorf("history %v, %v", history, err)
	}
	pools, err := store.SummarizePools(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []*tokenstorev1.PoolState{
		{Upstream: "cursor", Ready: 2, Parked: 1},
		{Upstream: "openai", Ready: 2, Cooling: 1, NextBackClass: "quota", Disabled: 1, InFlight: 1},
	}
	if diff := cmp.Diff(want, pools, protocmp.Transform(), protocmp.IgnoreFields(&tokenstorev1.PoolState{}, "causes", "next_back")); diff != "" {
		t.Error("pools (-want +got):\n", diff)
	}
	if len(pools) != 2 || len(pools[1].GetCauses()) != 1 {
		t.Errorf("causes %v", pools)
	}
	// The cap counts what is out.
	lost, err := store.Renew(ctx, []leasing.LeaseRef{{TokenID: d.capped, LeaseID: "5-1700000000000000-1"}}, time.Minute)
	if err != nil || len(lost) != 0 {
		t.Errorf("an open lease was lost: %v, %v", lost, err)
	}
	if n := store.client.ZCard(ctx, leasesKey("openai")).Val(); n != 1 {
		t.Errorf("%d leases of the pool", n)
	}
	if n := store.client.HGet(ctx, sizesKey(), "cursor").Val(); n != "3" {
		t.Errorf("size of a pool: %s", n)
	}
	if clock := store.client.HGet(ctx, clockKey("cursor"), "at").Val(); clock != "12.5" {
		t.Errorf("clock %s", clock)
	}
	if held := store.client.SMembers(ctx, holdsKey("cursor", "g1")).Val(); len(held) != 1 || held[0] != d.held {
		t.Errorf("holds %v", held)
	}
	if n := store.client.Get(ctx, reconciledKey("openai", "g1")).Val(); n != "7" {
		t.Errorf("reconciled %s", n)
	}
	again := draft("openai", "secret-of-"+d.named)
	again.Alias = "other"
	_, err = store.CreateToken(ctx, again)
	wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
	again = draft("cursor", "another")
	again.Alias = "work"
	_, err = store.CreateToken(ctx, again)
	wantReason(t, err, tokenstorev1.Reason_REASON_ALIAS_TAKEN)
	if restored, err := store.RestoreToken(ctx, d.deleted); err != nil || restored.GetUpstream() != "cursor" {
		t.Errorf("the trash is lost: %v, %v", restored, err)
	}
	for _, key := range store.client.Keys(ctx, "c1:{pool}:*").Val() {
		switch name := strings.TrimPrefix(key, directoryPrefix); name {
		case "schema", "ids", "tokens", "sizes", "alias", "fingerprint", "upstreams", "upstream_versions", "discarded", "barrier":
		default:
			t.Errorf("%s is left", key)
		}
	}
}

func legacyStore(t testing.TB, client redis.UniversalClient) *Store {
	t.Helper()
	return New(client, Options{
		Keys: testKeys(t, keyLine1("k1", 'a')), Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler),
		Barrier: BarrierFunc(func(context.Context) error { return nil }),
	})
}

func TestDataOfSchemaOneIsMoved(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := legacyStore(t, client)
		data := (&legacy{t: t, client: client, store: store}).write()
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal("once more:", err)
		}
		data.check(t, store)
	})
}

// dying fails every command after the first n, as the store of a process does that is
// killed between two.
type dying struct {
	mu   sync.Mutex
	left int
}

var errKilled = errors.New("killed")

func (d *dying) spend() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	return d.left >= 0
}

func (d *dying) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (d *dying) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !d.spend() {
			cmd.SetErr(errKilled)
			return errKilled
		}
		return next(ctx, cmd)
	}
}

// A pipeline may have been carried out in part.
func (d *dying) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for i := range cmds {
			if d.spend() {
				continue
			}
			if i > 0 {
				_ = next(ctx, cmds[:i]) // the caller is dead
			}
			for _, cmd := range cmds[i:] {
				cmd.SetErr(errKilled)
			}
			return errKilled
		}
		return next(ctx, cmds)
	}
}

// A move of the data that is killed between any two commands is gone on with by the
// next start: nothing is lost, nothing is there twice.
func TestAMoveThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	survivor := server.Client(t)
	store := legacyStore(t, survivor)
	for n, done := 1, false; !done; n++ {
		if err := survivor.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		data := (&legacy{t: t, client: survivor, store: store}).write()
		victim := redis.NewClient(server.Options())
		victim.AddHook(&dying{left: n})
		err := legacyStore(t, victim).Prepare(t.Context())
		_ = victim.Close()
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatal(n, err)
		}
		done = err == nil
		survivor.Del(t.Context(), migratorKey()) // its time passes
		store.homes = homes{}
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(n, err)
		}
		data.check(t, store)
		if t.Failed() {
			t.Fatalf("killed after %d commands", n)
		}
	}
}

// A move goes on beyond the deadline of the look that began it.
func TestAMoveTakesItsTime(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	hurried, cancel := context.WithDeadline(ctx, time.Now())
	defer cancel()
	patient, done := unhurried(hurried)
	defer done()
	<-hurried.Done()
	if err := patient.Err(); err != nil {
		t.Errorf("it ends with the look: %v", err)
	}
	stopped, end := context.WithCancel(ctx)
	defer end()
	second, done := unhurried(stopped)
	defer done()
	stop()
	select {
	case <-second.Done():
	case <-time.After(testredis.Timeout):
		t.Error("it goes on when the tokenstore stops")
	}
}

// Of several tokenstores that start at a time one moves the data, and the others wait.
func TestTokenstoresThatStartTogether(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		data := (&legacy{t: t, client: client, store: legacyStore(t, client)}).write()
		stores := make([]*Store, 4)
		failed := make([]error, len(stores))
		var running sync.WaitGroup
		for i := range stores {
			stores[i] = legacyStore(t, client)
		}
		for i := range stores {
			running.Go(func() { failed[i] = stores[i].Prepare(t.Context()) })
		}
		running.Wait()
		if err := errors.Join(failed...); err != nil {
			t.Fatal(err)
		}
		data.check(t, stores[3])
	})
}
