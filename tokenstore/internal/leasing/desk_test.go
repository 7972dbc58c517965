package leasing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// atDesk runs the test, on a clock of its own, with a desk that is being served.
func atDesk(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, alarmed := &fakeStore{}, &alarms{}
		d := &desk{Desk: NewDesk(store, 15*time.Second, alarmed, slog.New(slog.DiscardHandler)), store: store, alarms: alarmed}
		ctx, cancel := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { d.Run(ctx) })
		test(t, d)
		cancel()
		serving.Wait()
	})
}

type desk struct {
	*Desk
	store  *fakeStore
	alarms *alarms
}

// asked is a demand and what became of it.
type asked struct {
	withdraw func()
	mu       sync.Mutex
	answers  []Answer
	at       time.Time
	// gone: nobody can use the answer.
	gone bool
}

func (d *desk) ask(demand Demand) *asked {
	demand.Upstream = "u"
	demand.Count = max(demand.Count, 1)
	a := &asked{}
	a.withdraw = d.Ask(demand, a.reply)
	return a
}

func (d *desk) waiting(wait time.Duration, exclude ...string) *asked {
	return d.ask(Demand{Until: time.Now().Add(wait), Exclude: exclude})
}

func (a *asked) reply(answer Answer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers, a.at = append(a.answers, answer), time.Now()
	return !a.gone
}

// got lets everything happen that can, and answers what has become of the
// demand: tokens, a reason, or nothing yet.
func (a *asked) got() string {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case len(a.answers) == 0:
		return "nothing"
	case len(a.answers) > 1:
		return fmt.Sprintf("%d answers", len(a.answers))
	case a.answers[0].Refused != nil:
		return rpcerr.Name(a.answers[0].Refused.Reason)
	}
	var tokens []string
	for _, lease := range a.answers[0].Leases {
		tokens = append(tokens, lease.TokenID)
	}
	return strings.Join(tokens, " ")
}

func (a *asked) lease() Lease { return a.answers[0].Leases[0] }

func (d *desk) end(t *testing.T, a *asked, outcome tokenstorev1.Outcome) {
	t.Helper()
	if err := d.Settle(t.Context(), []Report{{LeaseRef: a.lease().LeaseRef, Outcome: outcome}}); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, what string, a *asked, want string) {
	t.Helper()
	if got := a.got(); got != want {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

const success = tokenstorev1.Outcome_OUTCOME_SUCCESS

func TestALeaseHasAllThatARequestNeeds(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		now := d.ask(Demand{})
		expect(t, "at once", now, "a")
		lease := now.lease()
		if lease.Secret.Reveal() != "secret of a" || lease.DeviceID != "d" || lease.MACHash != "m" ||
			lease.Alias != "alias of a" || lease.Fingerprint != "f" || lease.Masked != "…" || lease.TTL != 15*time.Second {
			t.Errorf("%+v", lease)
		}
		ahead := d.ask(Demand{Count: 5, Ahead: true})
		expect(t, "ahead", ahead, "a a a a a")
		if ahead.lease().TTL != aheadTTL {
			t.Errorf("ahead, a lease lives for %v", ahead.lease().TTL)
		}
	})
}

func TestWaitersAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder := d.waiting(time.Minute)
		expect(t, "the first", holder, "a")
		var queue []*asked
		for range 6 {
			queue = append(queue, d.waiting(time.Minute))
		}
		for i, next := range queue {
			for _, behind := range queue[i:] {
				expect(t, "before its turn", behind, "nothing")
			}
			d.end(t, holder, success)
			expect(t, fmt.Sprint("in its turn, ", i), next, "a")
			holder = next
		}
	})
}

func TestTimeoutSaysWhatIsShort(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		d.waiting(time.Minute)
		began := time.Now()
		short, long := d.waiting(3*time.Second), d.waiting(time.Minute)
		expect(t, "before", short, "nothing")
		time.Sleep(3*time.Second + tick)
		expect(t, "after", short, "NO_TOKEN_AVAILABLE")
		answer := short.answers[0]
		if waited := short.at.Sub(began); waited < 3*time.Second || waited > 3*time.Second+tick {
			t.Errorf("waited %v", waited)
		}
		if answer.Shortage.Capped != 1 || answer.Shortage.Total != 1 || answer.Refused.RetryAfter != time.Second || len(answer.Leases) > 0 {
			t.Errorf("%+v", answer)
		}
		expect(t, "another one", long, "nothing")
	})
}

func TestWhoDoesNotWaitIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		expect(t, "the first", d.ask(Demand{}), "a")
		waits := d.waiting(time.Minute)
		began := time.Now()
		expect(t, "no wait", d.ask(Demand{}), "NO_TOKEN_AVAILABLE")
		expect(t, "ahead", d.ask(Demand{Ahead: true, Count: 8}), "NO_TOKEN_AVAILABLE")
		expect(t, "another one", waits, "nothing")
		if time.Since(began) > 0 {
			t.Errorf("after %v", time.Since(began))
		}
	})
}

func TestNobodyWaitsForWhatWillNotCome(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		expect(t, "no tokens", d.waiting(time.Minute), "NO_TOKENS")
		d.store.add("a", 0).cools = time.Now().Add(2 * time.Minute)
		late := d.waiting(time.Minute)
		expect(t, "a token that cools for longer", late, "NO_TOKEN_AVAILABLE")
		if late.answers[0].Refused.RetryAfter != 2*time.Minute {
			t.Errorf("retry after %v", late.answers[0].Refused.RetryAfter)
		}
		began := time.Now()
		inTime := d.waiting(3 * time.Minute)
		expect(t, "a token that cools", inTime, "nothing")
		time.Sleep(2*time.Minute + tick)
		expect(t, "a token that has cooled", inTime, "a")
		if waited := inTime.at.Sub(began); waited > 2*time.Minute+tick {
			t.Errorf("waited %v", waited)
		}
	})
}

// A request that may not have the free token does not keep it from those behind.
func TestExclusionsBlockNobody(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		d.store.add("b", 1)
		first, second := d.waiting(time.Minute), d.waiting(time.Minute)
		expect(t, "first", first, "a")
		expect(t, "second", second, "b")
		notA, notB, any := d.waiting(time.Minute, "a"), d.waiting(time.Minute, "b"), d.waiting(time.Minute)
		d.end(t, first, success)
		expect(t, "who tried a", notA, "nothing")
		expect(t, "who did not", notB, "a")
		d.end(t, second, success)
		expect(t, "who tried a, when b is free", notA, "b")
		expect(t, "the last", any, "nothing")
		d.end(t, notB, success)
		expect(t, "the last, when a is free", any, "a")
	})
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder, quits, stays := d.waiting(time.Minute), d.waiting(time.Minute), d.waiting(time.Minute)
		expect(t, "the first", holder, "a")
		quits.withdraw()
		quits.withdraw()
		holder.withdraw() // has been answered: changes nothing
		d.end(t, holder, success)
		expect(t, "who has withdrawn", quits, "nothing")
		expect(t, "the next", stays, "a")
		if d.store.open("a") != 1 {
			t.Errorf("%d leases are open", d.store.open("a"))
		}
	})
}

// A demand that is withdrawn while its token is being fetched takes none.
func TestWithdrawnWhileBeingServed(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.slow = make(chan struct{})
		d.store.add("a", 2)
		quits, stays := d.waiting(time.Minute), d.waiting(time.Minute)
		synctest.Wait()
		quits.withdraw()
		close(d.store.slow)
		expect(t, "who has withdrawn", quits, "nothing")
		expect(t, "who stays", stays, "a")
		if d.store.open("a") != 1 {
			t.Errorf("%d leases are open", d.store.open("a"))
		}
	})
}

func TestAGrantThatNobodyTakesGoesBack(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder, gone, stays := d.waiting(time.Minute), d.waiting(time.Minute), d.waiting(time.Minute)
		gone.gone = true
		expect(t, "the first", holder, "a")
		d.end(t, holder, success)
		expect(t, "who is gone", gone, "a")
		expect(t, "the next", stays, "a")
		if d.store.open("a") != 1 {
			t.Errorf("%d leases are open", d.store.open("a"))
		}
		if back := d.store.ended[1]; back.Effect != Unused || back.LeaseRef != gone.lease().LeaseRef {
			t.Errorf("came back as %+v", back)
		}
	})
}

// Demands that come while the store is busy share its next call.
func TestNeighboursShareACall(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.slow = make(chan struct{})
		d.store.add("a", 8)
		first := d.ask(Demand{})
		synctest.Wait()
		var all []*asked
		for i := range 5 {
			all = append(all, d.ask(Demand{Count: 1 + i%2}))
		}
		other := d.ask(Demand{Model: "other"})
		last := d.waiting(time.Minute)
		close(d.store.slow)
		expect(t, "the first", first, "a")
		for i, want := range []string{"a", "a a", "a", "a a"} {
			expect(t, fmt.Sprint(i), all[i], want)
		}
		expect(t, "the last of its kind", all[4], "a")
		expect(t, "of another kind", other, "NO_TOKEN_AVAILABLE")
		expect(t, "who waits", last, "nothing")
		var counts []int
		for _, wanted := range d.store.asked()[:3] {
			counts = append(counts, wanted.Count)
		}
		if !slices.Equal(counts, []int{1, 7, 1}) {
			t.Errorf("acquired %v", counts)
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	d := &desk{Desk: NewDesk(&fakeStore{}, time.Second, &alarms{}, slog.New(slog.DiscardHandler))} // nobody serves it
	until := time.Now().Add(time.Hour)
	for range maxQueue {
		d.Ask(Demand{Upstream: "u", Count: 1, Until: until}, func(Answer) bool { t.Error("answered"); return true })
	}
	refused := &asked{}
	d.Ask(Demand{Upstream: "u", Count: 1, Until: until}, refused.reply)
	if len(refused.answers) != 1 || refused.answers[0].Refused.Reason != tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE {
		t.Errorf("%+v", refused.answers)
	}
	d.Ask(Demand{Upstream: "another", Count: 1, Until: until}, func(Answer) bool { t.Error("answered"); return true })
}

func TestTheStoreIsDown(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder, waits := d.waiting(time.Minute), d.waiting(time.Minute)
		expect(t, "the first", holder, "a")
		d.store.mu.Lock()
		d.store.down = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "down")
		d.store.mu.Unlock()
		if err := d.Settle(t.Context(), []Report{{LeaseRef: holder.lease().LeaseRef, Outcome: success}}); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
			t.Errorf("settle: %v", err)
		}
		time.Sleep(tick)
		expect(t, "who waits", waits, "STORE_UNAVAILABLE")
		expect(t, "who comes", d.waiting(time.Minute), "STORE_UNAVAILABLE")
		d.store.mu.Lock()
		d.store.down = errors.New("WRONGTYPE: a bug")
		d.store.mu.Unlock()
		puzzled := d.ask(Demand{})
		expect(t, "a bug", puzzled, "UNSPECIFIED")
		if text := puzzled.answers[0].Refused.Message; strings.Contains(text, "WRONGTYPE") {
			t.Errorf("the asker is told %q", text)
		}
	})
}

// A token whose secret doesn't open spoils no request: it cools, its lease goes
// back, another one is taken.
func TestAnUnreadableTokenIsPutAway(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		bad := d.store.add("bad", 1)
		bad.broken = errors.New("no key k1")
		d.store.add("good", 1)
		both := d.ask(Demand{Count: 2})
		expect(t, "the good one is granted", both, "good")
		if d.store.open("bad") != 0 || !bad.cools.After(time.Now()) {
			t.Errorf("%d leases of it open; it cools until %v", d.store.open("bad"), bad.cools)
		}
		d.end(t, both, success)

		bad.cools = time.Time{}
		expect(t, "one at a time", d.ask(Demand{}), "good")
		bad.cools = time.Time{}
		expect(t, "nothing but it", d.ask(Demand{}), "UNSPECIFIED")
	})
}

// What is not a token's fault does not touch it.
func TestCredentialsCanNotBeRead(t *testing.T) {
	t.Parallel()
	for _, reason := range []tokenstorev1.Reason{tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND} {
		t.Run(rpcerr.Name(reason), func(t *testing.T) {
			t.Parallel()
			atDesk(t, func(t *testing.T, d *desk) {
				d.store.add("a", 2).broken = rpcerr.New(reason, "can't")
				expect(t, "refused", d.ask(Demand{Count: 2}), rpcerr.Name(reason))
				if d.store.open("a") != 0 || len(d.store.transitions()) > 0 {
					t.Errorf("%d leases open, transitions %+v", d.store.open("a"), d.store.transitions())
				}
			})
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	cases := map[tokenstorev1.Outcome]struct {
		effect Effect
		cools  bool
		model  string
	}{
		tokenstorev1.Outcome_OUTCOME_SUCCESS:           {effect: Succeeded},
		tokenstorev1.Outcome_OUTCOME_UNUSED:            {effect: Unused},
		tokenstorev1.Outcome_OUTCOME_CALLER_FAULT:      {effect: Neutral},
		tokenstorev1.Outcome_OUTCOME_CLIENT_GONE:       {effect: Neutral},
		tokenstorev1.Outcome_OUTCOME_TOO_LARGE:         {effect: Neutral},
		tokenstorev1.Outcome_OUTCOME_AUTH:              {effect: Failed, cools: true},
		tokenstorev1.Outcome_OUTCOME_QUOTA:             {effect: Failed, cools: true},
		tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:        {effect: Failed, cools: true},
		tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED: {effect: Failed, cools: true, model: "gpt"},
		tokenstorev1.Outcome_OUTCOME_OUTDATED_CLIENT:   {effect: Failed},
		tokenstorev1.Outcome_OUTCOME_UPSTREAM:          {effect: Failed},
		tokenstorev1.Outcome_OUTCOME_TRANSPORT:         {effect: Failed},
		tokenstorev1.Outcome_OUTCOME_TRUNCATED:         {effect: Failed},
		tokenstorev1.Outcome_OUTCOME_REGION:            {effect: Failed},
		tokenstorev1.Outcome_OUTCOME_PROXY:             {effect: Failed, cools: true},
		tokenstorev1.Outcome_OUTCOME_UNSPECIFIED:       {effect: Failed},
	}
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		t.Run(outcome.String(), func(t *testing.T) {
			t.Parallel()
			want, known := cases[outcome]
			if !known {
				t.Fatal("what does it do to a token?")
			}
			atDesk(t, func(t *testing.T, d *desk) {
				proven := d.store.add("a", 0)
				proven.streak, proven.cause, proven.modelStreak = 2, token.Class(outcome), 5
				leases := d.ask(Demand{Count: 2})
				expect(t, "two", leases, "a a")
				report := Report{
					LeaseRef: leases.lease().LeaseRef, Outcome: outcome, Model: "gpt", RetryAfter: 42 * time.Second, Detail: "evidence", RequestID: "r1", Replica: "g1",
				}
				for range 2 { // a repetition changes nothing
					if err := d.Settle(t.Context(), []Report{report}); err != nil {
						t.Fatal(err)
					}
				}
				if end := d.store.ended[0]; end.Effect != want.effect || end.Error != "evidence" {
					t.Errorf("%+v", end)
				}
				applied := d.store.transitions()
				if !want.cools {
					if len(applied) > 0 {
						t.Errorf("%+v", applied)
					}
					return
				}
				streak := 3
				if want.model != "" {
					streak = 6
				}
				if len(applied) != 1 || applied[0] != (transition{
					TokenID: "a", Epoch: 1, Class: token.Class(outcome), Streak: streak, CoolFor: 42 * time.Second, Model: want.model,
					Evidence: Evidence{RequestID: "r1", AskedModel: "gpt", Detail: "evidence", Replica: "g1"},
				}) {
					t.Errorf("%+v", applied)
				}
				// The other request was under way: what it says is known.
				report.LeaseRef = leases.answers[0].Leases[1].LeaseRef
				if err := d.Settle(t.Context(), []Report{report}); err != nil || len(d.store.transitions()) != 1 {
					t.Errorf("%v, %+v", err, d.store.transitions())
				}
			})
		})
	}
}

func TestALimitOfOneModelLeavesTheRestOfTheTokenAlone(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0).streak = 2
		lease := d.ask(Demand{})
		expect(t, "one", lease, "a")
		report := Report{
			LeaseRef: lease.lease().LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT,
			Model: "gpt", ModelOnly: true, RetryAfter: 42 * time.Second,
		}
		if err := d.Settle(t.Context(), []Report{report}); err != nil {
			t.Fatal(err)
		}
		want := transition{
			TokenID: "a", Epoch: 1, Class: "rate_limit", Streak: 1, CoolFor: 42 * time.Second, Model: "gpt",
			Evidence: Evidence{AskedModel: "gpt"},
		}
		if applied := d.store.transitions(); len(applied) != 1 || applied[0] != want {
			t.Errorf("%+v", applied)
		}
	})
}

func TestAModelWithoutANameIsNotTheWholeToken(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		lease := d.ask(Demand{})
		expect(t, "one", lease, "a")
		d.end(t, lease, tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED)
		if applied := d.store.transitions(); len(applied) > 0 {
			t.Errorf("%+v", applied)
		}
	})
}

func TestRenewTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		leases := d.ask(Demand{Count: 2})
		expect(t, "two", leases, "a a")
		d.end(t, leases, success)
		ended, open := leases.answers[0].Leases[0].LeaseRef, leases.answers[0].Leases[1].LeaseRef
		lost, err := d.Renew(t.Context(), []LeaseRef{ended, open})
		if err != nil || !slices.Equal(lost, []LeaseRef{ended}) {
			t.Errorf("lost %v, %v", lost, err)
		}
	})
}

// A demand for one token waits for it, in the order of all that could have it, and
// keeps nobody from the others.
func TestADemandByName(t *testing.T) {
	t.Parallel()
	for by, demandFor := range map[string]func(string) Demand{
		"alias": func(name string) Demand { return Demand{Alias: name} },
		"id":    func(name string) Demand { return Demand{TokenID: name} },
	} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			demandsByName(t, demandFor)
		})
	}
}

func demandsByName(t *testing.T, demandFor func(string) Demand) {
	t.Helper()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		d.store.add("b", 1)
		named := func(name string) *asked {
			demand := demandFor(name)
			demand.Until = time.Now().Add(time.Minute)
			return d.ask(demand)
		}
		first := named("b")
		expect(t, "first", first, "b")
		second, any, third := named("b"), d.waiting(time.Minute), named("b")
		expect(t, "any other", any, "a")
		later := d.waiting(time.Minute)
		expect(t, "later, while nothing is free", later, "nothing")
		d.end(t, first, success)
		expect(t, "second", second, "b")
		expect(t, "third", third, "nothing")
		d.end(t, second, success)
		expect(t, "third, in its turn", third, "b")
		expect(t, "later", later, "nothing")
		d.end(t, third, success)
		expect(t, "later, when all with a name are served", later, "b")
		expect(t, "nobody's name, at once", named("x"), "TOKEN_NOT_FOUND")
		ahead := demandFor("a")
		ahead.Ahead = true
		expect(t, "ahead", d.ask(ahead), "NO_TOKEN_AVAILABLE")
		d.store.find("a").cools = time.Now().Add(30 * time.Second)
		cooling := named("a")
		d.end(t, any, success)
		expect(t, "while it cools", cooling, "nothing")
		time.Sleep(30*time.Second + tick)
		expect(t, "when it has cooled", cooling, "a")
	})
}

func TestRefusalByNameSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const unknown, useless, busy = tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, tokenstorev1.Reason_REASON_NO_TOKENS, tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE
	const failing = tokenstorev1.Reason_REASON_UPSTREAM_FAILING
	cases := map[string]struct {
		shortage Shortage
		reason   tokenstorev1.Reason
		message  string
		after    time.Duration
	}{
		"unknown":  {Shortage{}, unknown, `upstream "u" has no token with the alias "work"`, 0},
		"disabled": {Shortage{Total: 1, Disabled: 1}, useless, `the token "work" of upstream "u" is disabled`, 0},
		"expired":  {Shortage{Total: 1, Expired: 1}, useless, `the token "work" of upstream "u" has expired`, 0},
		"renewed":  {Shortage{Total: 1, Expired: 1, Renewing: 1}, busy, `the token "work" of upstream "u" waits for an access token`, time.Second},
		"cooling":  {Shortage{Total: 1, Cooling: 1, Soonest: time.Minute}, busy, `the token "work" of upstream "u" is cooling; it is back in 1m0s`, time.Minute},
		"parked":   {Shortage{Total: 1, Parked: 1}, useless, `the token "work" of upstream "u" is parked: it was refused again and again`, 0},
		"probed":   {Shortage{Total: 1, Probing: 1}, busy, `the token "work" of upstream "u" is being probed`, time.Second},
		"failing":  {Shortage{Total: 1, Cause: "region", Soonest: 5 * time.Second}, failing, `upstream "u" fails alike with all tokens (region); a request now and then finds out whether that is over`, 5 * time.Second},
		"capped":   {Shortage{Total: 1, Capped: 1}, busy, `the token "work" of upstream "u" is busy`, time.Second},
		"tried":    {Shortage{Total: 1, Tried: 1}, busy, `the token "work" of upstream "u" has been tried by this request`, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, demand := range []Demand{{Upstream: "u", Alias: "work"}, {Upstream: "u", TokenID: "work"}} {
				got := refusal(demand, c.shortage)
				message := strings.ReplaceAll(got.Message, "with the id", "with the alias")
				if got.Reason != c.reason || message != c.message || got.RetryAfter != c.after {
					t.Errorf("got %v after %v", got, got.RetryAfter)
				}
			}
		})
	}
}

func TestWhenToAskAgain(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		shortage Shortage
		want     time.Duration
	}{
		"the first that cools":                       {Shortage{Total: 2, Cooling: 2, Soonest: time.Minute, SoonestTried: time.Second}, time.Minute},
		"those that were tried, where there is none": {Shortage{Total: 1, Cooling: 1, SoonestTried: time.Minute}, time.Minute},
		"busy ones":           {Shortage{Total: 1, Capped: 1}, time.Second},
		"ones being renewed":  {Shortage{Total: 1, Expired: 1, Renewing: 1}, time.Second},
		"ones being probed":   {Shortage{Total: 2, Probing: 1, Parked: 1}, time.Second},
		"a new one":           {Shortage{Total: 1, Quarantined: 1, Soonest: 2 * time.Second}, 2 * time.Second},
		"all fail alike":      {Shortage{Total: 3, Cooling: 1, Soonest: time.Millisecond, Cause: "upstream"}, time.Second},
		"only an admin helps": {Shortage{Total: 3, Disabled: 1, Expired: 1, Parked: 1}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refusal(Demand{Upstream: "u"}, c.shortage); got.RetryAfter != c.want {
				t.Errorf("%v after %v, want %v", got, got.RetryAfter, c.want)
			}
		})
	}
}

// A large pool is counted seldom, however many are refused; a token that becomes
// free is found at once all the same.
func TestALargePoolIsCountedSeldom(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		for i := range largePool + 1 {
			d.store.add(fmt.Sprint(i), 0).cools = time.Now().Add(time.Hour)
		}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			refused := d.ask(Demand{})
			expect(t, "who does not wait", refused, "NO_TOKEN_AVAILABLE")
			answer := refused.answers[0]
			if soonest := time.Until(d.store.tokens[0].cools); answer.Shortage.Cooling != largePool+1 || answer.Refused.RetryAfter != soonest {
				t.Fatalf("%+v, the first is back in %v", answer, soonest)
			}
		}
		counted, asked := 0, d.store.asked()
		for _, wanted := range asked {
			if !wanted.Brief {
				counted++
			}
		}
		if len(asked) < 100 || counted > 45 {
			t.Errorf("asked %d times in 10 s, counted %d times", len(asked), counted)
		}
		d.store.mu.Lock()
		d.store.tokens[7].cools = time.Time{}
		d.store.mu.Unlock()
		expect(t, "who comes when one is free", d.ask(Demand{}), "7")
	})
}

// Where no token is at its cap, nobody waits for slots that were lent: nor where the count is of
// before.
func TestNobodyWaitsForSlotsWhereNothingIsCapped(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		for i := range largePool + 1 {
			d.store.add(fmt.Sprint(i), 1).cools = time.Now().Add(time.Minute)
		}
		expect(t, "the first", d.ask(Demand{}), "NO_TOKEN_AVAILABLE")
		d.store.mu.Lock()
		d.store.lent = true // of a token that this demand is not for
		d.store.mu.Unlock()
		d.FreedAny()
		expect(t, "a second one", d.ask(Demand{}), "NO_TOKEN_AVAILABLE")
		if asked := d.store.asked(); len(asked) != 2 || !asked[1].Brief || len(d.store.slotsWanted) > 0 {
			t.Errorf("asked the store %+v, and for slots of %v", asked, d.store.slotsWanted)
		}
	})
}
