package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// rooms are the keys of a pool, but for those of its tokens, that have the id in them.
func rooms(t *testing.T, client redis.UniversalClient, upstream, id string) (found []string) {
	t.Helper()
	ctx := t.Context()
	for _, key := range client.Keys(ctx, "c1:{pool:"+upstream+"}:*").Val() {
		var members []string
		switch client.Type(ctx, key).Val() {
		case "zset":
			members = client.ZRange(ctx, key, 0, -1).Val()
		case "set":
			members = client.SMembers(ctx, key).Val()
		}
		if strings.Contains(fmt.Sprint(members), id) {
			found = append(found, key)
		}
	}
	return found
}

// Tokens come and go: one that is deleted is in no order, whatever the strategy, in nobody's
// reserve and among no leases, also where nobody meets it there any more.
func TestADeletedTokenIsNowhere(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				ctx := t.Context()
				store.rotation.Store(&strategy)
				for day := range 3 {
					d := draft("openai", jwtUntil(time.Now().Add(time.Duration(day+1)*24*time.Hour)))
					d.Cap = 4
					id := trusted(t, store, create(t, store, d))
					taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 2, TTL: time.Minute, Affinity: "k"})
					if err != nil || len(taken) != 2 {
						t.Fatal(taken, err)
					}
					if _, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute}); err != nil {
						t.Fatal(err)
					}
					if len(rooms(t, store.client, "openai", id)) < 3 {
						t.Fatal("the test finds nothing")
					}
					if err := store.DeleteToken(ctx, id, 0); err != nil {
						t.Fatal(err)
					}
					if left := rooms(t, store.client, "openai", id); len(left) > 0 {
						t.Errorf("it is in %v", left)
					}
					create(t, store, draft("openai", fmt.Sprint("another-", day))) // who expires later, and is not used
				}
			})
		})
	}
}

// Slots that a reserve held of a token end with its deletion: when it is restored, they
// are others'.
func TestARestoredTokenIsInNobodysReserve(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("openai", "T1")
		d.Cap = 4
		id := trusted(t, store, create(t, store, d))
		held, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute})
		if err != nil || len(held.Added) != 1 || held.Added[0].Slots == 0 {
			t.Fatal(held, err)
		}
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := store.RestoreToken(ctx, id); err != nil {
			t.Fatal(err)
		}
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 4, TTL: time.Minute})
		if err != nil || len(taken) != 4 {
			t.Fatal(taken, err)
		}
		again, err := store.Reserve(ctx, leasing.Reservation{
			Replica: "g1", Instance: "i1", TTL: time.Minute, Holds: []leasing.Hold{held.Added[0].Hold},
		})
		if err != nil || len(again.Dropped) != 1 || len(again.Added) != 0 {
			t.Errorf("the replica goes on with slots that others have: %+v, %v", again, err)
		}
	})
}

// A gateway that has not heard of it asks for slots of an upstream that is gone.
func TestAReserveOfADeletedUpstream(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if _, err := store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "third", Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}, 0); err != nil {
			t.Fatal(err)
		}
		id := trusted(t, store, create(t, store, draft("third", "T1")))
		holds := []leasing.Hold{{TokenID: id}}
		if _, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteUpstream(ctx, "third", 0); err != nil {
			t.Fatal(err)
		}
		reserve, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute, Holds: holds})
		if err != nil || len(reserve.Dropped) != 1 {
			t.Fatal(reserve, err)
		}
		for _, key := range store.client.Keys(ctx, "*{pool:third}*").Val() {
			if key != trashKey("third", id) {
				t.Errorf("%s is left", key)
			}
		}
	})
}

// Tokens that have expired by a clock which was ahead are back when it is put right.
func TestExpiriesOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	p := &leasePool{Store: store, t: t, client: client}
	for _, id := range []string{"met", "swept", "disabled"} {
		p.add(id, "expires", now.Add(2*time.Hour).UnixMilli())
	}
	p.add("expired", "expires", now.Add(time.Second).UnixMilli())
	setTime(now.Add(3 * time.Hour))
	if taken, short := p.ask(leasing.Wanted{}); len(taken) > 0 || short.Expired != 4 {
		t.Fatalf("%v, %+v", taken, short)
	}
	if pools, err := p.SummarizePools(t.Context()); err != nil {
		t.Fatal(pools, err)
	}
	wantStocked(t, store, "all have expired")
	p.must(client.HSet(t.Context(), tokenKey(somewhere, "disabled"), "enabled", 0).Err())
	setTime(now.Add(time.Minute))
	wantStocked(t, store, "the clock is put right", somewhere)
	if got := tally(p.pick(4)); got["met"] != 2 || got["swept"] != 2 {
		t.Errorf("picked: %v", got)
	}
	if taken, short := p.ask(leasing.Wanted{Count: 3, Exclude: []string{"met", "swept"}}); len(taken) > 0 || short.Expired != 1 || short.Disabled != 1 {
		t.Errorf("%v, %+v", taken, short)
	}
}

// What a clock that was ahead says was claimed, or was heard of, in a time to come holds
// nobody back until then.
func TestClaimsOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now.Add(3*time.Hour))
	store := newStore(t, client)
	d := draft("openai", "T1")
	c := &claim{id: newTokenID(), upstream: "openai", fingerprint: store.keys.Fingerprint(d.Secret), comes: true}
	if err := store.claimed(t.Context(), []*claim{c}); err != nil || c.refused != nil {
		t.Fatal(err, c.refused)
	}
	setTime(now)
	create(t, store, d)
	agree(t, store)
}

func TestReplicasOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now.Add(48*time.Hour))
	store := newStore(t, client)
	for i := range 8 {
		trusted(t, store, create(t, store, draft("openai", fmt.Sprint("T", i))))
	}
	reserve := func(replica string) int {
		t.Helper()
		got, err := store.Reserve(t.Context(), leasing.Reservation{Replica: replica, Instance: replica, TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Added)
	}
	reserve("gone")
	setTime(now)
	reserve("here")
	setTime(now.Add(25 * time.Hour))
	reserve("here")
	if n := reserve("here"); n != 8 {
		t.Errorf("it has %d of 8, the rest is still another's", n)
	}
}

func TestGatewaysOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now.Add(48*time.Hour))
	store := newStore(t, client)
	running := func(name string) string {
		t.Helper()
		fleet, err := store.Beat(t.Context(), &tokenstorev1.Replica{Name: name, StartedAt: timestamppb.New(now)})
		if err != nil {
			t.Fatal(err)
		}
		return names(fleet)
	}
	running("gone")
	for _, at := range []time.Duration{0, time.Minute} {
		setTime(now.Add(at))
		if got, want := running("here"), map[bool]string{true: "gone here", false: "here"}[at == 0]; got != want {
			t.Errorf("after %v: %s run", at, got)
		}
	}
}
