package redisstore

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

// callsTTL outlives a test.
const callsTTL = time.Minute

// The cap holds on both sides: for those who have the leases, and in Redis. Who got nothing
// asks again when a lease has ended, and more of them do than there is room for: to ask all
// the time would only keep Redis from those whose turn it is.
func TestCapsAreNeverExceeded(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		caps := map[string]int{"a": 1, "b": 2, "c": 3}
		held := map[string]*atomic.Int32{}
		for id, capacity := range caps {
			p.add(id, "cap", capacity)
			held[id] = &atomic.Int32{}
		}
		const clients, woken = 30, 2
		ended := make(chan struct{}, clients) // full, it wakes all
		client := func(turns int) {
			for done := 0; done < turns; {
				taken, _, err := p.Acquire(t.Context(), leasing.Wanted{Upstream: somewhere, Count: 1 + done%3, TTL: callsTTL, Ahead: done%2 == 1})
				if err != nil {
					t.Error("gave up", err)
					return
				}
				if len(taken) == 0 {
					select {
					case <-ended:
					case <-time.After(testredis.Timeout):
						t.Error("no lease has ended for long")
						return
					}
					continue
				}
				for _, lease := range taken {
					if now := held[lease.TokenID].Add(1); int(now) > caps[lease.TokenID] || !lease.Slot {
						t.Errorf("%d leases on %+v", now, lease)
					}
					if open := p.open(lease.TokenID); open > caps[lease.TokenID] {
						t.Errorf("Redis has %d leases on %s", open, lease.TokenID)
					}
				}
				runtime.Gosched()
				for _, lease := range taken {
					held[lease.TokenID].Add(-1)
				}
				p.end(leasing.Succeeded, taken...)
				done++
				for range woken {
					select {
					case ended <- struct{}{}:
					default:
					}
				}
			}
		}
		var running sync.WaitGroup
		for range clients {
			running.Go(func() { client(4) })
		}
		running.Wait()
		for id := range caps {
			if p.open(id) != 0 {
				t.Errorf("%d leases of %s are still open", p.open(id), id)
			}
		}
	})
}

func TestABatchFillsTheCapsAndNoMore(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "cap", 2)
		p.add("b", "cap", 5)
		if got := strings.Join(tokensOf(p.take(leasing.Wanted{Count: 100})), ""); got != "ababbbb" {
			t.Errorf("took %s", got)
		}
		if _, shortage := p.ask(leasing.Wanted{Count: 100}); shortage.Capped != 2 {
			t.Errorf("%+v", shortage)
		}
	})
}

// The leases of a gateway that died return by themselves, on Redis's clock.
func TestExpiredLeasesFreeTheCap(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		const ttl = 80 * time.Millisecond
		p.add("a", "cap", 2)
		began := time.Now()
		first := p.take(leasing.Wanted{Count: 2, TTL: ttl})
		waitUntil(t, "the leases expire", func() bool {
			taken, _ := p.ask(leasing.Wanted{Count: 2})
			return len(taken) == 2
		})
		if took := time.Since(began); took < ttl-time.Millisecond { // Redis counts whole ones
			t.Errorf("free after %v", took)
		}
		// Should it live after all, its requests count, once, and free nobody else's place.
		if !p.end(leasing.Failed, first...)[0].Live || p.end(leasing.Failed, first...)[0].Live || p.field("a", "failures") != "2" {
			t.Errorf("late reports: %s failures, want 2", p.field("a", "failures"))
		}
		if p.open("a") != 2 {
			t.Errorf("%d leases, the expired ones should be gone", p.open("a"))
		}
	})
}

// Tokens that were set aside at their cap are picked again once there is room,
// in their turn, whichever way the room came about.
func TestSettingAside(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		const many = "abcdefghijklmnopqrst"
		for _, id := range strings.Split(many, "") {
			p.add(id, "cap", 1)
		}
		leases := p.take(leasing.Wanted{Count: 100})
		p.add("z")
		p.must(p.client.ZAdd(t.Context(), orderKey(somewhere), redis.Z{Member: "z", Score: 1}).Err()) // behind them
		p.take(leasing.Wanted{})
		aside, err := p.client.ZRange(t.Context(), coolingKey(somewhere), 0, -1).Result()
		p.must(err)
		if strings.Join(aside, "") != many {
			t.Fatalf("aside: %v", aside)
		}
		p.end(leasing.Succeeded, leases[3])
		p.end(leasing.Unused, leases[5])
		p.must(p.client.ZAdd(t.Context(), inflightKey(somewhere, "k"), redis.Z{Member: leases[10].LeaseID, Score: never}).Err())
		p.wakeUp("k")
		// f never had its turn; the others have had it, as has z.
		if got := strings.Join(p.pick(4), ""); got != "fdkz" {
			t.Errorf("picked %s", got)
		}
		// One that cools while it is aside comes back when it has cooled, not when
		// its lease ends.
		p.take(leasing.Wanted{Count: 2})
		p.cool(leases[0], "")
		if p.field("a", "due") != "" {
			t.Error("a cools and is to come back where it was")
		}
		p.end(leasing.Failed, leases[0])
		p.end(leasing.Succeeded, leases[1])
		if got := p.pick(2); slices.Contains(got, "a") || !slices.Contains(got, "b") {
			t.Errorf("picked %v while a cools and b is free", got)
		}
		p.wakeUp("a")
		if got := p.pick(3); !slices.Contains(got, "a") {
			t.Errorf("picked %v when a was back", got)
		}
		for _, id := range []string{"a", "b", "k"} {
			if due := p.field(id, "due"); due != "" {
				t.Errorf("%s is in the order and has due %s", id, due)
			}
		}
	})
}

func TestRenew(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		// before does something to a token with cap 2 and one lease.
		before func(p *leasePool, lease leasing.Taken)
		lost   bool
	}{
		"live":                              {before: func(*leasePool, leasing.Taken) {}},
		"live, though its epoch has passed": {before: func(p *leasePool, _ leasing.Taken) { p.set("a", "epoch", 9) }},
		"live, though the cap was lowered": {before: func(p *leasePool, _ leasing.Taken) {
			p.take(leasing.Wanted{})
			p.set("a", "cap", 1)
		}},
		"expired, with room": {before: expire},
		"forgotten by Redis": {before: func(p *leasePool, _ leasing.Taken) {
			p.must(p.client.Del(p.t.Context(), inflightKey(somewhere, "a")).Err())
		}},
		"expired, and others have its place": {before: func(p *leasePool, lease leasing.Taken) {
			expire(p, lease)
			p.take(leasing.Wanted{Count: 2})
		}, lost: true},
		"expired, and its epoch has passed": {before: func(p *leasePool, lease leasing.Taken) {
			expire(p, lease)
			p.set("a", "epoch", 9)
		}, lost: true},
		"its token is gone": {before: func(p *leasePool, _ leasing.Taken) {
			p.must(p.client.Del(p.t.Context(), tokenKey(somewhere, "a"), inflightKey(somewhere, "a")).Err())
		}, lost: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.add("a", "cap", 2)
				lease := p.take(leasing.Wanted{TTL: callsTTL})[0]
				c.before(p, lease)
				foreign := leasing.LeaseRef{TokenID: "a", LeaseID: "not ours"}
				lost, err := p.Renew(t.Context(), []leasing.LeaseRef{foreign, lease.LeaseRef}, time.Hour)
				p.must(err)
				want := []leasing.LeaseRef{foreign}
				if c.lost {
					want = append(want, lease.LeaseRef)
				}
				if !slices.Equal(lost, want) {
					t.Errorf("lost %v, want %v", lost, want)
				}
				expiry, err := p.client.ZScore(t.Context(), inflightKey(somewhere, "a"), lease.LeaseID).Result()
				if prolonged := err == nil && time.UnixMilli(int64(expiry)).After(time.Now().Add(30*time.Minute)); prolonged == c.lost {
					t.Errorf("expires %f, %v", expiry, err)
				}
			})
		})
	}
}

func expire(p *leasePool, lease leasing.Taken) {
	p.must(p.client.ZAddXX(p.t.Context(), inflightKey(somewhere, lease.TokenID), redis.Z{Member: lease.LeaseID, Score: never}).Err())
	p.must(p.client.ZAddXX(p.t.Context(), leasesKey(somewhere), redis.Z{Member: lease.TokenID + " " + lease.LeaseID, Score: never}).Err())
}

func TestSettle(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "streak", 3, "last_error", "old")
		leases := p.take(leasing.Wanted{Count: 7})
		expect := func(doing, requests, failures, streak, lastError string) {
			t.Helper()
			for name, want := range map[string]string{
				"requests": requests, "failures": failures, "streak": streak, "last_error": lastError,
			} {
				if got := p.field("a", name); got != want {
					t.Errorf("%s: %s is %q, want %q", doing, name, got, want)
				}
			}
		}
		settled := p.end(leasing.Failed, leases[0])[0]
		if want := (leasing.Settled{Live: true, Upstream: somewhere}); settled != want {
			t.Errorf("%+v, want %+v", settled, want)
		}
		expect("a failure", "1", "1", "3", "evidence")
		p.end(leasing.Neutral, leases[1])
		expect("neither", "2", "1", "3", "evidence")
		p.end(leasing.Succeeded, leases[2])
		expect("a success", "3", "1", "0", "")
		if p.field("a", "last_used") == "" {
			t.Error("no time of the last use")
		}

		before := p.dump()
		for _, effect := range []leasing.Effect{leasing.Failed, leasing.Succeeded, leasing.Unused, leasing.Neutral} {
			if p.end(effect, leases[0])[0].Live {
				t.Errorf("%s: settled twice", effect)
			}
		}
		unknown := leasing.LeaseRef{TokenID: "nobody", LeaseID: "1-1"}
		if p.end(leasing.Failed, leasing.Taken{LeaseRef: unknown})[0] != (leasing.Settled{}) {
			t.Error("an unknown token's lease is live")
		}
		if after := p.dump(); !equalDumps(before, after) {
			t.Errorf("late settlements changed %v into %v", before, after)
		}

		// A lease of an older epoch frees its place and is counted; it says nothing.
		p.set("a", "epoch", 2, "streak", 1, "last_error", "new")
		score := p.client.ZScore(t.Context(), orderKey(somewhere), "a").Val()
		p.end(leasing.Failed, leases[3])
		p.end(leasing.Succeeded, leases[4])
		p.end(leasing.Unused, leases[5])
		expect("an older epoch", "5", "2", "1", "new")
		if now := p.client.ZScore(t.Context(), orderKey(somewhere), "a").Val(); now != score || p.open("a") != 1 {
			t.Errorf("score %v -> %v, %d leases open", score, now, p.open("a"))
		}
	})
}

func equalDumps(a, b map[string]any) bool { return reflect.DeepEqual(a, b) }

// One call settles leases of several tokens, as if one after the other.
func TestSettleInBatches(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "streak", 2)
		p.add("b", "streak", 2)
		leases := p.take(leasing.Wanted{Count: 6}) // a b a b a b
		effects := []leasing.Effect{leasing.Failed, leasing.Succeeded, leasing.Succeeded, leasing.Failed, leasing.Failed, leasing.Unused}
		var settlements []leasing.Settlement
		for i, effect := range effects {
			settlements = append(settlements, leasing.Settlement{LeaseRef: leases[i].LeaseRef, Effect: effect, Error: "at " + leases[i].TokenID})
		}
		settled, err := p.Settle(t.Context(), append(settlements, settlements[0]))
		p.must(err)
		for i, each := range settled {
			if each.Live != (i < 6) {
				t.Errorf("%d: %+v", i, each)
			}
		}
		for key, want := range map[[2]string]string{
			{"a", "requests"}: "3", {"a", "failures"}: "2", {"a", "last_error"}: "at a", {"a", "streak"}: "0",
			{"b", "requests"}: "2", {"b", "failures"}: "1", {"b", "last_error"}: "at b",
		} {
			if got := p.field(key[0], key[1]); got != want {
				t.Errorf("%v is %q, want %q", key, got, want)
			}
		}
		if got := p.pick(1); got[0] != "b" {
			t.Errorf("%v is next, the unused lease was b's", got)
		}
	})
}

func TestTransition(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.add("b")
		leases := p.take(leasing.Wanted{Count: 4})
		if !p.cool(leases[0], "") {
			t.Fatal("does not cool")
		}
		if p.field("a", "epoch") != "2" || p.field("a", "streak") != "1" {
			t.Errorf("epoch %s, streak %s", p.field("a", "epoch"), p.field("a", "streak"))
		}
		before := p.dump()
		if p.cool(leases[2], "") || p.cool(leases[2], someModel) {
			t.Error("a report of an older epoch changed the token")
		}
		if !equalDumps(before, p.dump()) {
			t.Error("it did change something")
		}
		// What would end earlier than the present cooling changes nothing either.
		changed, err := p.apply(t.Context(), transition{TokenID: "a", Epoch: 2, CoolFor: time.Second})
		p.must(err)
		if changed || !equalDumps(before, p.dump()) {
			t.Error("a cooling was shortened")
		}
		if gone := (leasing.Taken{LeaseRef: leasing.LeaseRef{TokenID: "nobody", LeaseID: "1-1"}}); p.cool(gone, "") {
			t.Error("a token cools that does not exist")
		}
	})
}

// A token that cools leaves the order; when its time has come it is back, with
// nobody doing anything.
func TestCoolingEndsByItself(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		cool := func(id string, cooling time.Duration) {
			t.Helper()
			changed, err := p.apply(t.Context(), transition{TokenID: id, Epoch: 1, CoolFor: cooling})
			if !changed || err != nil {
				t.Fatal(changed, err)
			}
		}
		const long, short = 20 * time.Minute, 80 * time.Millisecond
		p.add("a")
		cool("a", long)
		if n := p.client.ZCard(t.Context(), orderKey(somewhere)).Val(); n != 0 {
			t.Errorf("%d tokens in the order", n)
		}
		_, shortage := p.ask(leasing.Wanted{})
		if shortage.Cooling != 1 || shortage.Soonest <= 0 || shortage.Soonest > long {
			t.Errorf("%+v", shortage)
		}
		p.add("b")
		began := time.Now()
		cool("b", short)
		waitUntil(t, "the token is back", func() bool {
			taken, _ := p.ask(leasing.Wanted{})
			return len(taken) == 1 && taken[0].TokenID == "b" && taken[0].Epoch() == 2
		})
		if took := time.Since(began); took < short-time.Millisecond { // Redis counts whole ones
			t.Errorf("back after %v", took)
		}
		if p.field("b", "streak") != "1" {
			t.Error("the streak ended without a success")
		}
	})
}

func TestCoolingForAModel(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "streak", 5)
		p.cool(p.take(leasing.Wanted{})[0], someModel)
		if _, shortage := p.ask(leasing.Wanted{}); shortage.Cooling != 1 {
			t.Errorf("%+v", shortage)
		}
		if lease := p.take(leasing.Wanted{Model: "other"})[0]; lease.Epoch() != 2 {
			t.Errorf("%+v", lease)
		}
		if p.field("a", "streak") != "5" || p.field("a", "cooling") != "" {
			t.Error("the whole token was touched")
		}
	})
}

// Replicas hear of what they must know, and of nothing else.
func TestWhatIsPublished(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		subscription := p.client.Subscribe(t.Context(), poolChannel)
		t.Cleanup(func() { _ = subscription.Close() })
		_, err := subscription.Receive(t.Context())
		p.must(err)
		messages := subscription.Channel()
		expect := func(doing string, want ...string) {
			t.Helper()
			p.must(p.client.Publish(t.Context(), poolChannel, "end").Err())
			var got []string
			for {
				select {
				case message := <-messages:
					if message.Payload != "end" {
						got = append(got, message.Payload)
						continue
					}
				case <-time.After(testredis.Timeout):
					t.Fatal(doing, "nothing comes")
				}
				break
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: published %q, want %q", doing, got, want)
			}
		}
		p.add("capped", "cap", 2)
		p.add("uncapped", "epoch", 41)
		leases := p.take(leasing.Wanted{Count: 5})
		expect("acquire")
		p.end(leasing.Succeeded, leases[1])
		expect("the end of a lease without a cap")
		p.end(leasing.Succeeded, leases[0], leases[2])
		expect("the end of two with one", "freed "+somewhere)
		p.end(leasing.Succeeded, leases[0])
		expect("a repetition")
		p.cool(leases[3], "")
		expect("cooling", "recall uncapped 42")
		p.cool(leases[4], "")
		expect("cooling for a lease of before")
		p.cool(p.take(leasing.Wanted{})[0], someModel)
		expect("cooling for a model", "recall capped 2")
	})
}
