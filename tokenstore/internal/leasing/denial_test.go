package leasing

import (
	"fmt"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// While nothing happens the store is asked now and then, however many wait and
// whatever sets them apart; what happens is seen at once.
func TestADenialStandsUntilSomethingHappens(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder := d.waiting(time.Hour)
		expect(t, "the first", holder, "a")
		first := d.waiting(time.Hour)
		expect(t, "the first that waits", first, "nothing")
		began := len(d.store.asked())
		for i := range 50 {
			d.waiting(time.Hour)
			d.ask(Demand{Affinity: fmt.Sprint("key ", i), Until: time.Now().Add(time.Hour)})
			d.waiting(time.Hour, fmt.Sprint("tried ", i))
			time.Sleep(200 * time.Millisecond)
		}
		// Each kind once, for what is short of it, and one of them every second; a key makes
		// no kind of its own.
		if asked := len(d.store.asked()) - began; asked > 51+11 {
			t.Errorf("asked %d times in 10 s", asked)
		}
		began = len(d.store.asked())
		time.Sleep(10 * time.Second)
		if asked := len(d.store.asked()) - began; asked < 9 || asked > 11 {
			t.Errorf("asked %d times in 10 s in which nobody came", asked)
		}
		at := time.Now()
		d.end(t, holder, success)
		expect(t, "when it is free", first, "a")
		if first.at != at {
			t.Errorf("after %s", first.at.Sub(at))
		}
	})
}

// A time of return needs no asking, and is not missed.
func TestATokenIsTakenWhenItReturns(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		back := time.Now().Add(450 * time.Millisecond)
		d.store.add("a", 0).cools = back
		waits := d.waiting(time.Hour)
		expect(t, "while it cools", waits, "nothing")
		time.Sleep(time.Second)
		expect(t, "when it has cooled", waits, "a")
		if waits.at.Before(back) || waits.at.Sub(back) > tick {
			t.Errorf("%s after its return", waits.at.Sub(back))
		}
		if asked := len(d.store.asked()); asked > 3 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// The lease of a replica that has died ends without a word.
func TestALeaseThatExpiresIsNoticed(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		only := d.store.add("a", 1)
		expect(t, "the first", d.waiting(time.Hour), "a")
		waits := d.waiting(time.Hour)
		expect(t, "who waits", waits, "nothing")
		d.store.mu.Lock()
		clear(only.open)
		d.store.mu.Unlock()
		time.Sleep(recheck + tick)
		expect(t, "who waits, then", waits, "a")
	})
}

// Those who don't want to wait are told what is known, and as it is by then.
func TestWhatIsKnownIsToldAsOfNow(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0).cools = time.Now().Add(time.Minute)
		expect(t, "who waits", d.waiting(time.Hour), "nothing")
		asked := len(d.store.asked())
		time.Sleep(300 * time.Millisecond)
		refused := d.ask(Demand{})
		expect(t, "who does not", refused, "NO_TOKEN_AVAILABLE")
		if after := refused.answers[0].Refused.RetryAfter; after != time.Minute-300*time.Millisecond || len(d.store.asked()) != asked {
			t.Errorf("again after %s, asked %d times more", after, len(d.store.asked())-asked)
		}
	})
}

func TestRefusalsSayWhatIsShortAndUntilWhen(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		shortage Shortage
		want     string
	}{
		"cooling":            {Shortage{Total: 2, Cooling: 2, Soonest: 39500 * time.Millisecond}, `no token of upstream "u" is free: of 2, 2 cooling; the first is back in 40s`},
		"busy":               {Shortage{Total: 2, Capped: 2}, `no token of upstream "u" is free: of 2, 2 busy`},
		"some of everything": {Shortage{Total: 9, Capped: 1, Cooling: 2, Probing: 1, Quarantined: 1, Tried: 1, Disabled: 1, Expired: 1, Parked: 1, Soonest: time.Minute}, `no token of upstream "u" is free: of 9, 1 busy, 2 cooling, 2 being probed, 1 tried by this request, 1 disabled, 1 expired, 1 parked; the first is back in 1m0s`},
		"tried, and cooling": {Shortage{Total: 2, Cooling: 1, Tried: 1, SoonestTried: time.Second}, `no token of upstream "u" is free: of 2, 1 cooling, 1 tried by this request; the first that was tried is back in 1s`},
		"an admin's":         {Shortage{Total: 3, Disabled: 2, Parked: 1}, `none of the 3 tokens of upstream "u" can be used: 2 disabled, 1 parked`},
		"being renewed":      {Shortage{Total: 3, Expired: 3, Renewing: 2}, `no token of upstream "u" is free: of 3, 2 waiting for an access token, 1 expired`},
		"none":               {Shortage{}, `upstream "u" has no tokens; add one`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refusal(Demand{Upstream: "u"}, c.shortage)
			if got.Message != c.want {
				t.Errorf("got  %s\nwant %s", got.Message, c.want)
			}
			if waits := got.Reason == tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE; waits != (got.RetryAfter > 0) {
				t.Errorf("again after %s", got.RetryAfter)
			}
		})
	}
}
