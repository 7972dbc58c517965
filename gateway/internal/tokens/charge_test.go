package tokens

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// plenty is a key with room for all that tests do.
var plenty = amounts{1 << 40, 1 << 40, 1 << 40, 1 << 40}

// one is what a request of the tests may use.
var one = lease.Amounts{Requests: 1, Tokens: 100, Cost: 1000, AtOnce: 1}

func chargeOf(most lease.Amounts) *lease.Charge { return &lease.Charge{KeyID: "k", Most: most} }

// charged is the tests' demand with a charge.
func charged(charge *lease.Charge) lease.Demand {
	with := demand
	with.Charge = charge
	return with
}

// metered runs a test against a store that has a key `k`.
func metered(t *testing.T, key *fakeKey, test func(t *testing.T, r *rig, k *keyed)) {
	t.Helper()
	meteredWith(t, ReserveOptions{}, key, test)
}

func meteredWith(t *testing.T, reserve ReserveOptions, key *fakeKey, test func(t *testing.T, r *rig, k *keyed)) {
	t.Helper()
	runWith(t, reserve, func(t *testing.T, r *rig) {
		k := newKeyed("k", key)
		r.store.mute.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for {
				select {
				case s := <-r.store.sessions:
					k.session.Store(s)
					go k.serve(s)
				case <-ctx.Done():
					return
				}
			}
		}()
		synctest.Wait()
		test(t, r, k)
	})
}

// get acquires a lease with a charge.
func (r *rig) get(charge *lease.Charge) *lease.Lease {
	r.t.Helper()
	got := soon(r.t, r.acquire(r.t.Context(), charged(charge)), "a lease")
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	return got.lease
}

// end ends a request.
func (r *rig) end(held *lease.Lease, charge *lease.Charge, used lease.Amounts) {
	r.Settle(held, lease.Outcome{})
	r.Pay(charge, used)
	synctest.Wait()
}

// expect compares what the store knows of the key.
func (k *keyed) expect(t *testing.T, when string, used, held amounts) {
	t.Helper()
	synctest.Wait()
	k.of("k", func(key *fakeKey) {
		if gotUsed, gotHeld := key.used(); gotUsed != used || gotHeld != held {
			t.Errorf("%s: the store has %v used and %v held, want %v and %v", when, gotUsed, gotHeld, used, held)
		}
	})
}

// atLoad has the key used often enough for an allowance, and takes one.
func (r *rig) atLoad() {
	for range 3 {
		for range 12 {
			charge := chargeOf(one)
			r.end(r.get(charge), charge, lease.Amounts{})
			time.Sleep(keyRateWindow / 12)
		}
	}
	synctest.Wait()
}

// openBooks returns the ids of the books that are open, by key.
func (r *rig) openBooks() map[string]string {
	r.books.mu.Lock()
	defer r.books.mu.Unlock()
	ids := map[string]string{}
	for key, each := range r.books.byKey {
		ids[key] = each.id
	}
	return ids
}

func (r *rig) allowance() amounts {
	r.books.mu.Lock()
	defer r.books.mu.Unlock()
	return r.books.of("k").allowance()
}

// What is used while a key's ledger is away is told when it is back, however long that takes.
func TestUseIsToldWhenTheLedgerIsBack(t *testing.T) {
	metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
		charge := chargeOf(one)
		held := r.get(charge)
		k.of("k", func(*fakeKey) { k.away = true })
		r.end(held, charge, one)
		time.Sleep(2 * keyStill)
		k.expect(t, "while it is away", amounts{}, amountsOf(one))
		k.of("k", func(*fakeKey) { k.away = false })
		time.Sleep(time.Second)
		used := amountsOf(one)
		used[ofAtOnce] = 0
		k.expect(t, "when it is back", used, amounts{})
	})
}

func TestACharge(t *testing.T) {
	t.Run("is set aside with its demand, and paid at the end", func(t *testing.T) {
		for name, later := range map[string]bool{"told before the lease": false, "told after it": true} {
			t.Run(name, func(t *testing.T) {
				metered(t, newFakeKey(amounts{10, 1000, 10_000, 1}), func(t *testing.T, r *rig, k *keyed) {
					k.later = later
					charge := chargeOf(one)
					held := r.get(charge)
					if !charge.Held {
						t.Fatal("it is not held")
					}
					k.expect(t, "under way", amounts{}, amountsOf(one))
					r.end(held, charge, lease.Amounts{Requests: 1, Tokens: 30, Cost: 300, AtOnce: 1})
					k.expect(t, "at the end, at once", amounts{1, 30, 300, 0}, amounts{})
					if charge.Held {
						t.Error("it is still held")
					}
					r.Pay(charge, one) // once
					time.Sleep(time.Second)
					k.expect(t, "paid twice", amounts{1, 30, 300, 0}, amounts{})
				})
			})
		}
	})
	t.Run("is given back where nothing was used", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			charge := chargeOf(one)
			r.end(r.get(charge), charge, lease.Amounts{})
			time.Sleep(2 * flushEvery)
			k.expect(t, "in the end", amounts{}, amounts{})
		})
	})
	t.Run("counts in full what was used beyond it", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			charge := chargeOf(one)
			r.end(r.get(charge), charge, lease.Amounts{Requests: 1, Tokens: 5000, Cost: 7000})
			time.Sleep(2 * flushEvery)
			k.expect(t, "in the end", amounts{1, 5000, 7000, 0}, amounts{})
		})
	})
	t.Run("is kept for the next demand where there is no token", func(t *testing.T) {
		metered(t, newFakeKey(amounts{1, 100, 1000, 1}), func(t *testing.T, r *rig, k *keyed) {
			k.dry = true
			charge := chargeOf(one)
			got := soon(t, r.acquire(t.Context(), charged(charge)), "a denial")
			if refused := chat.AsError(got.err); refused.Kind != chat.NoTokenAvailable || !charge.Held {
				t.Fatalf("%v, held: %v", got.err, charge.Held)
			}
			k.expect(t, "without a token", amounts{}, amountsOf(one))
			k.mu.Lock()
			k.dry = false
			k.mu.Unlock()
			r.end(r.get(charge), charge, one) // there would be no room for another
			k.expect(t, "in the end", amounts{1, 100, 1000, 0}, amounts{})
		})
	})
	t.Run("that the store refuses is asked for once", func(t *testing.T) {
		for reason, want := range map[tokenstorev1.Reason]chat.Kind{
			tokenstorev1.Reason_REASON_KEY_LIMITED:  chat.KeyLimited,
			tokenstorev1.Reason_REASON_KEY_SPENT:    chat.KeySpent,
			tokenstorev1.Reason_REASON_KEY_UNUSABLE: chat.Unauthenticated,
		} {
			t.Run(string(want), func(t *testing.T) {
				run(t, func(t *testing.T, r *rig) {
					s := r.welcomed()
					charge := chargeOf(one)
					answer := r.acquire(t.Context(), charged(charge))
					m := s.message(t)
					if len(m.GetDemands()) != 1 || m.GetDemands()[0].GetCharge().GetMost().GetTokens() != 100 || len(m.GetKeyStatements()) != 1 || m.GetKeyStatements()[0].GetKeyId() != "k" {
						t.Fatalf("the message is %v", m)
					}
					s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
						DemandId: m.GetDemands()[0].GetId(), Reason: reason, Message: "because", RetryAfter: durationpb.New(3 * time.Second),
					}}})
					got := soon(t, answer, "the denial")
					var refused *chat.Error
					if !errors.As(got.err, &refused) || refused.Kind != want || refused.RetryAfter != 3*time.Second || refused.Message != "because" || charge.Held {
						t.Errorf("got %#v, held: %v", got.err, charge.Held)
					}
					if again := s.said(time.Second).GetDemands(); len(again) > 0 {
						t.Errorf("asked again: %v", again)
					}
					r.Pay(charge, one)
					if paid := s.said(time.Second).GetKeyStatements(); len(paid) > 0 {
						t.Errorf("what is not held is paid: %v", paid)
					}
				})
			})
		}
	})
	t.Run("is asked for again where what it lacked was on its way back", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			s := r.welcomed()
			granted := func(total uint64) *tokenstorev1.KeyGrant {
				return &tokenstorev1.KeyGrant{
					KeyId: "k", Book: r.openBooks()["k"], Ttl: durationpb.New(10 * time.Second),
					Granted: &tokenstorev1.KeyAmounts{Requests: total, Tokens: 100 * total, Cost: 1000 * total, AtOnce: total},
				}
			}
			refuse := func(demand *tokenstorev1.Demand) {
				s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
					DemandId: demand.GetId(), Reason: tokenstorev1.Reason_REASON_KEY_LIMITED, Message: "2 requests are set aside",
				}}})
			}
			first := r.acquire(t.Context(), charged(chargeOf(one)))
			told := s.message(t)
			second := r.acquire(t.Context(), charged(chargeOf(one)))
			short := s.message(t)
			grant := granted(2) // one of them ahead, for which there is no load
			grant.DemandIds = []uint64{told.GetDemands()[0].GetId()}
			s.send(t, &tokenstorev1.SessionResponse{
				Acknowledged: told.GetSequence(), KeyGrants: []*tokenstorev1.KeyGrant{grant},
				Grants: []*tokenstorev1.Grant{{DemandId: told.GetDemands()[0].GetId(), Leases: []*tokenstorev1.Lease{leaseOf("a", 1)}}},
			})
			if got := soon(t, first, "the first lease"); got.err != nil {
				t.Fatal(got.err)
			}
			back := s.message(t)
			if statement := back.GetKeyStatements()[0]; statement.GetGranted().GetRequests() != 2 || statement.GetHolding().GetRequests() != 1 {
				t.Fatalf("said %v", statement)
			}
			refuse(short.GetDemands()[0])
			s.acknowledge(t, back)
			again := s.message(t)
			if len(again.GetDemands()) != 1 || again.GetDemands()[0].GetCharge() == nil {
				t.Fatalf("asked %v", again)
			}
			refuse(again.GetDemands()[0]) // nothing has come back since
			if got := soon(t, second, "the denial"); chat.AsError(got.err).Kind != chat.KeyLimited {
				t.Errorf("got %v", got.err)
			}
		})
	})
	t.Run("of somebody who has gone is given back", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			<-k.gate
			ctx, hangUp := context.WithCancel(t.Context())
			charge := chargeOf(one)
			answer := r.acquire(ctx, charged(charge))
			hangUp()
			if got := soon(t, answer, "the end"); got.err == nil {
				t.Fatal("got a lease")
			}
			k.gate <- struct{}{}
			r.Pay(charge, lease.Amounts{})
			time.Sleep(4 * flushEvery)
			k.expect(t, "in the end", amounts{}, amounts{})
			if out := k.outstanding(); out != 0 {
				t.Errorf("%d leases are out", out)
			}
		})
	})
	t.Run("whose grant was lost with its session is found again", func(t *testing.T) {
		metered(t, newFakeKey(amounts{1, 100, 1000, 1}), func(t *testing.T, r *rig, k *keyed) {
			k.lose.Store(true) // it carries out the next message, and its answer gets lost
			charge := chargeOf(one)
			held := r.get(charge)
			k.expect(t, "under way", amounts{}, amountsOf(one))
			r.end(held, charge, one)
			k.expect(t, "in the end", amounts{1, 100, 1000, 0}, amounts{})
		})
	})
	t.Run("outlives its session", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			charge := chargeOf(one)
			held := r.get(charge)
			k.session.Load().breakOff()
			time.Sleep(time.Second)
			k.of("k", func(key *fakeKey) { clear(key.books) }) // even if the store has forgotten it
			k.session.Load().breakOff()
			time.Sleep(time.Second)
			k.expect(t, "in another session", amounts{}, amountsOf(one))
			k.session.Load().breakOff()
			r.end(held, charge, one)
			time.Sleep(time.Second)
			k.expect(t, "in the end", amounts{1, 100, 1000, 0}, amounts{})
		})
	})
	t.Run("is repeated while it is held, until then", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			statements := func() (n int) {
				k.of("k", func(key *fakeKey) {
					for _, each := range key.books {
						n += each.statements
					}
				})
				return n
			}
			charge := chargeOf(one)
			held := r.get(charge)
			before := statements()
			time.Sleep(10 * time.Second) // a ttl
			if said := statements() - before; said < 2 || said > 4 {
				t.Errorf("%d statements in a ttl", said)
			}
			r.end(held, charge, one)
			time.Sleep(time.Second)
			before = statements()
			time.Sleep(2 * keyStill)
			if said, books := statements()-before, r.openBooks(); said != 0 || len(books) != 0 {
				t.Errorf("%d statements of nothing; %d books", said, len(books))
			}
			another := chargeOf(one) // another book
			r.end(r.get(another), another, one)
			time.Sleep(2 * flushEvery)
			k.expect(t, "in the end", amounts{2, 200, 2000, 0}, amounts{})
		})
	})
}

func TestAnAllowance(t *testing.T) {
	t.Run("is none below the rate", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			for range 50 {
				charge := chargeOf(one)
				r.end(r.get(charge), charge, one)
				time.Sleep(time.Second / (minKeyRate / 2))
				if there := r.allowance(); there != (amounts{}) {
					t.Fatalf("%v are held ahead", there)
				}
			}
		})
	})
	t.Run("serves at load", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			r.atLoad()
			if there := r.allowance(); there[ofRequests] < 5 || there[ofRequests] > 2*240*15/100 || !there.cover(amountsOf(one)) {
				t.Fatalf("the allowance is %v", there)
			}
			k.mu.Lock()
			k.charges = 0
			k.mu.Unlock()
			charge := chargeOf(one)
			held := r.get(charge)
			k.mu.Lock()
			if !charge.Held || k.charges != 0 {
				t.Errorf("held: %v, %d charges", charge.Held, k.charges)
			}
			k.mu.Unlock()
			k.of("k", func(key *fakeKey) {
				if _, held := key.used(); held[ofAtOnce] < 5 {
					t.Errorf("the store has %v held", held)
				}
			})
			r.end(held, charge, one)
		})
	})
	for name, c := range map[string]struct {
		told   *tokenstorev1.SessionResponse
		within time.Duration
	}{
		"goes back after disuse":                           {&tokenstorev1.SessionResponse{}, keyMaxIdle + 4*flushEvery},
		"goes back at once when others want it":            {&tokenstorev1.SessionResponse{WantedKeyIds: []string{"k"}}, 0},
		"is asked for anew when the key changes":           {&tokenstorev1.SessionResponse{ChangedKeyIds: []string{"k"}}, 0},
		"is asked for anew when all keys may have changed": {&tokenstorev1.SessionResponse{ChangedKeyIds: []string{""}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
				r.atLoad()
				if r.allowance() == (amounts{}) {
					t.Fatal("there is none")
				}
				k.of("k", func(key *fakeKey) { key.stingy = true })
				_ = k.session.Load().answer(c.told)
				synctest.Wait()
				time.Sleep(c.within)
				k.expect(t, "afterwards", amounts{}, amounts{})
			})
		})
	}
	t.Run("is not taken for a second after others have wanted it", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			r.atLoad()
			_ = k.session.Load().answer(&tokenstorev1.SessionResponse{WantedKeyIds: []string{"k"}})
			began := time.Now()
			for time.Since(began) < keyWantedPause-keyRateWindow {
				charge := chargeOf(one)
				r.end(r.get(charge), charge, one)
				if there := r.allowance(); there != (amounts{}) {
					t.Fatalf("%v after %v", there, time.Since(began))
				}
				time.Sleep(4 * time.Millisecond)
			}
			time.Sleep(keyRateWindow)
			r.atLoad()
			if r.allowance() == (amounts{}) {
				t.Error("none is taken any more")
			}
		})
	})
	t.Run("makes room for a request that it does not cover", func(t *testing.T) {
		metered(t, newFakeKey(amounts{plenty[ofRequests], 15_000, plenty[ofCost], plenty[ofAtOnce]}), func(t *testing.T, r *rig, k *keyed) {
			r.atLoad()
			if there := r.allowance(); there[ofTokens] < 1500 {
				t.Fatalf("the allowance is %v", there)
			}
			large := chargeOf(lease.Amounts{Requests: 1, Tokens: 14_000, AtOnce: 1})
			r.end(r.get(large), large, lease.Amounts{Requests: 1, Tokens: 14_000})
		})
	})
	t.Run("ends with the time for which it was granted", func(t *testing.T) {
		metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
			r.atLoad()
			r.books.mu.Lock()
			of := r.books.of("k")
			held := of.draw(amountsOf(one), of.since.Add(of.ttl-1))
			late := of.draw(amountsOf(one), of.since.Add(of.ttl))
			r.books.mu.Unlock()
			if !held || late {
				t.Errorf("just before: %v, then: %v", held, late)
			}
			r.Pay(&lease.Charge{KeyID: "k", Most: one, Held: true}, lease.Amounts{})
		})
	})
}

func TestChargesWhileTheStoreIsAway(t *testing.T) {
	const away = "without it the limits of your key can't be checked"
	meteredWith(t, ReserveOptions{Time: degradedTime, Instance: "instance-1"}, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
		r.atLoad()
		r.store.gone.Store(true)
		k.session.Load().breakOff()
		synctest.Wait()
		charge := chargeOf(one)
		held := r.get(charge) // with the allowance, and a token of the reserve
		k.of("k", func(key *fakeKey) { key.stingy = true })
		huge := chargeOf(lease.Amounts{Requests: 1, Tokens: 1 << 30, AtOnce: 1})
		got := soon(t, r.acquire(t.Context(), charged(huge)), "a refusal")
		if refused := chat.AsError(got.err); refused.Kind != chat.StoreUnavailable || !strings.Contains(refused.Message, away) || huge.Held {
			t.Fatalf("got %v", got.err)
		}
		time.Sleep(5 * time.Second)
		r.end(held, charge, one)
		r.store.gone.Store(false)
		time.Sleep(5 * time.Second)
		k.expect(t, "when the store is back", amounts{1, 100, 1000, 0}, amounts{})
	})
}

func TestSetAside(t *testing.T) {
	metered(t, newFakeKey(amounts{40, 4000, 40_000, 10}), func(t *testing.T, r *rig, k *keyed) {
		charge := chargeOf(one)
		began := time.Now()
		if !r.SetAside(t.Context(), charge) || !charge.Held || time.Since(began) != 0 {
			t.Fatalf("held: %v after %v", charge.Held, time.Since(began))
		}
		k.expect(t, "set aside", amounts{}, amountsOf(one))
		if !r.SetAside(t.Context(), charge) {
			t.Error("what is held is not")
		}
		r.Pay(charge, one)
		time.Sleep(2 * flushEvery)
		began = time.Now()
		k.expect(t, "paid", amounts{1, 100, 1000, 0}, amounts{})
		k.of("k", func(key *fakeKey) { key.stingy = true })
		if r.SetAside(t.Context(), chargeOf(one)) || time.Since(began) != 0 {
			t.Errorf("set aside, where there is no room, after %v", time.Since(began))
		}
		<-k.gate
		if r.SetAside(t.Context(), chargeOf(one)) || time.Since(began) != setAsidePatience {
			t.Errorf("set aside by a store that is silent, after %v", time.Since(began))
		}
		k.gate <- struct{}{}
	})
}

// What waits for the store waits on while the pool of some upstream goes away, and no longer when
// the store does.
func TestSetAsideWhilePoolsGoAway(t *testing.T) {
	metered(t, newFakeKey(plenty), func(t *testing.T, r *rig, k *keyed) {
		setAside := func() <-chan bool {
			held := make(chan bool, 1)
			go func() { held <- r.SetAside(t.Context(), chargeOf(one)) }()
			synctest.Wait()
			return held
		}
		<-k.gate
		first := setAside()
		for _, upstream := range []string{"x", "y"} {
			r.reserve.beginOf(upstream, errPoolAway)
			synctest.Wait()
		}
		k.gate <- struct{}{}
		if !soon(t, first, "an answer") {
			t.Error("it is not set aside, because pools are away that it does not need")
		}
		<-k.gate
		second, began := setAside(), time.Now()
		r.reserve.begin(errStalled)
		if soon(t, second, "an answer") || time.Since(began) != 0 {
			t.Errorf("the store is away: it waits %s", time.Since(began))
		}
		k.gate <- struct{}{}
	})
}

func TestStanding(t *testing.T) {
	metered(t, newFakeKey(amounts{100, plenty[ofTokens], plenty[ofCost], 10}), func(t *testing.T, r *rig, k *keyed) {
		if of := r.Standing("k"); of != nil {
			t.Errorf("of a key that nobody has used: %v", of)
		}
		left := func() (left []uint64) {
			for _, each := range r.Standing("k") {
				left = append(left, each.Left())
			}
			return left
		}
		charge := chargeOf(one)
		held := r.get(charge)
		if got := left(); !slices.Equal(got, []uint64{99, 9}) {
			t.Errorf("while a request is under way %v are left", got)
		}
		k.session.Load().breakOff()
		r.store.gone.Store(true)
		r.end(held, charge, one)
		if got := left(); !slices.Equal(got, []uint64{99, 10}) {
			t.Errorf("before the store has heard of its end %v are left", got)
		}
		if first := r.Standing("k")[0]; first.Unit != caller.Requests || first.Period != caller.Total || first.Amount != 100 || first.Used != 1 || first.Reserved != 0 {
			t.Errorf("standing %+v", first)
		}
	})
}

func TestChangedKeysAreTold(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		var told []string
		r.OnKeysChanged(func(id string) { told = append(told, id) })
		r.welcomed().send(t, &tokenstorev1.SessionResponse{ChangedKeyIds: []string{"", "k"}})
		if !slices.Equal(told, []string{"", "k"}) {
			t.Errorf("told of %q", told)
		}
	})
}

// However requests and sessions come and go: the store knows in the end what was used, and has all
// else back; nobody used more than there was.
func TestChargesAddUp(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			most := amounts{400, 40_000, 400_000, 20}
			metered(t, newFakeKey(most), func(t *testing.T, r *rig, k *keyed) {
				random := rand.New(rand.NewPCG(seed, 0))
				var requests sync.WaitGroup
				var mu sync.Mutex
				var used, now amounts
				for range 600 {
					mine := rand.New(rand.NewPCG(random.Uint64(), 0))
					requests.Go(func() {
						time.Sleep(time.Duration(mine.IntN(4000)) * time.Millisecond)
						charge := chargeOf(one)
						ctx, stop := context.WithTimeout(t.Context(), time.Duration(mine.IntN(100))*time.Millisecond)
						defer stop()
						held, err := r.Acquire(ctx, charged(charge))
						if err != nil {
							r.Pay(charge, lease.Amounts{})
							return
						}
						mu.Lock()
						if now = now.plus(amountsOf(one)); !most.cover(now.plus(used)) {
							t.Errorf("%v under way and %v used of %v", now, used, most)
						}
						mu.Unlock()
						time.Sleep(time.Duration(mine.IntN(50)) * time.Millisecond)
						share := lease.Amounts{Requests: uint64(mine.IntN(2)), Tokens: uint64(mine.IntN(100)), Cost: money.Pico(mine.IntN(1000))}
						mu.Lock()
						now, used = now.minus(amountsOf(one)), used.plus(amountsOf(share))
						mu.Unlock()
						r.Settle(held, lease.Outcome{})
						r.Pay(charge, share)
					})
				}
				for range 8 {
					time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
					switch s := k.session.Load(); random.IntN(3) {
					case 0:
						s.breakOff()
					case 1:
						s.end()
					default:
						k.lose.Store(true)
					}
				}
				requests.Wait()
				time.Sleep(5 * time.Second)
				k.expect(t, "in the end", used, amounts{})
				if used[ofRequests] < 50 {
					t.Errorf("only %v were used", used)
				}
			})
		})
	}
}

// A request without a charge says nothing of keys.
func TestRequestsOfKeysWithoutLimitsSayNothing(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		answer := r.acquire(t.Context(), demand)
		m := s.message(t)
		if len(m.GetKeyStatements()) != 0 || m.GetDemands()[0].GetCharge() != nil {
			t.Errorf("the message is %v", m)
		}
		s.grant(t, m.GetDemands()[0], leaseOf("a", 1))
		r.Settle(soon(t, answer, "a lease").lease, lease.Outcome{})
	})
}
