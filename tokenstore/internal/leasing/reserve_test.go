package leasing

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// reserving runs a desk over a store with one token with a cap of one.
func reserving(t *testing.T, test func(t *testing.T, d *Desk, store *fakeStore, only *fakeToken)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		only := store.add("only", 1)
		d := NewDesk(store, time.Minute, &alarms{}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		defer func() { stop(); <-done }()
		test(t, d, store, only)
	})
}

// Who doesn't want to wait gets a slot that lay in a reserve, all the same; and for a
// while nothing goes back there.
func TestSlotsInReserveAreAskedFor(t *testing.T) {
	reserving(t, func(t *testing.T, d *Desk, store *fakeStore, only *fakeToken) {
		only.held = 1
		answers := make(chan Answer, 1)
		d.Ask(Demand{Upstream: "u", Count: 1}, func(a Answer) bool { answers <- a; return true })
		synctest.Wait()
		store.mu.Lock()
		if !slices.Equal(store.slotsWanted, []string{"u"}) {
			t.Errorf("asked for %v", store.slotsWanted)
		}
		only.held = 0
		store.mu.Unlock()
		d.Freed("u")
		if answer := <-answers; len(answer.Leases) != 1 {
			t.Errorf("refused: %v", answer.Refused)
		}
		busy := func() []string {
			if _, err := d.Reserve(t.Context(), Reservation{}); err != nil {
				t.Fatal(err)
			}
			return store.reservations[len(store.reservations)-1].Wanted
		}
		if got := busy(); !slices.Equal(got, []string{"u"}) {
			t.Errorf("nothing is to be added of %v", got)
		}
		<-time.After(wantedFor)
		if got := busy(); len(got) != 0 {
			t.Errorf("later nothing is to be added of %v", got)
		}
	})
}

// Who doesn't want to wait gets a slot that was lent ahead, all the same; and for a while none is
// lent.
func TestSlotsLentAheadAreAskedFor(t *testing.T) {
	reserving(t, func(t *testing.T, d *Desk, store *fakeStore, _ *fakeToken) {
		ask := func(ahead bool) <-chan Answer {
			answers := make(chan Answer, 1)
			d.Ask(Demand{Upstream: "u", Count: 1, Ahead: ahead}, func(a Answer) bool { answers <- a; return true })
			synctest.Wait()
			return answers
		}
		lent := <-ask(true)
		if len(lent.Leases) != 1 || lent.Leases[0].TTL != d.TTL() {
			t.Fatalf("lent %+v", lent)
		}
		store.mu.Lock()
		store.lent = true
		store.mu.Unlock()
		waits := ask(false)
		store.mu.Lock()
		if !slices.Equal(store.slotsWanted, []string{"u"}) {
			t.Errorf("asked for %v", store.slotsWanted)
		}
		store.mu.Unlock()
		d.GiveBack(t.Context(), refsOf(lent.Leases))
		answer := <-waits
		if len(answer.Leases) != 1 {
			t.Fatalf("refused: %v", answer.Refused)
		}
		d.GiveBack(t.Context(), refsOf(answer.Leases))
		if again := <-ask(true); again.Refused == nil {
			t.Error("it was lent again at once")
		}
		<-time.After(wantedFor)
		if again := <-ask(true); again.Refused != nil {
			t.Errorf("later it is not lent: %v", again.Refused)
		}
	})
}

// A holder that gives nothing up is not waited for.
func TestSlotsThatNobodyGivesUp(t *testing.T) {
	reserving(t, func(t *testing.T, d *Desk, _ *fakeStore, only *fakeToken) {
		only.held = 1
		began := time.Now()
		answers := make(chan Answer, 1)
		d.Ask(Demand{Upstream: "u", Count: 1}, func(a Answer) bool { answers <- a; return true })
		if answer := <-answers; answer.Refused == nil || answer.Refused.Reason != tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE {
			t.Errorf("answer %+v", answer)
		}
		if took := time.Since(began); took < slotPatience || took > slotPatience+2*tick {
			t.Errorf("it took %s", took)
		}
	})
}

// After the store was away, leases of tokens with a cap wait until those that it may
// have forgotten are renewed.
func TestLeasesWaitForRenewalsAfterAnOutage(t *testing.T) {
	reserving(t, func(t *testing.T, d *Desk, store *fakeStore, _ *fakeToken) {
		store.mu.Lock()
		store.down = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "away")
		store.mu.Unlock()
		if _, err := d.Renew(t.Context(), []LeaseRef{{TokenID: "only", LeaseID: "1-1"}}); err == nil {
			t.Fatal("no error")
		}
		store.mu.Lock()
		store.down = nil
		store.mu.Unlock()
		began := time.Now()
		answers := make(chan Answer, 1)
		d.Ask(Demand{Upstream: "u", Count: 1}, func(a Answer) bool { answers <- a; return true })
		if answer := <-answers; len(answer.Leases) != 1 {
			t.Errorf("refused: %v", answer.Refused)
		}
		if took := time.Since(began); took < settleFor || took > settleFor+2*tick {
			t.Errorf("it took %s", took)
		}
	})
}

// What demands wait for at another desk goes into no reserve either, for a while.
func TestWhatIsWantedElsewhereGoesIntoNoReserve(t *testing.T) {
	t.Parallel()
	for name, note := range map[string]func(d *Desk){
		"slots are asked for": func(d *Desk) { d.NoteWanted("u") },
		"demands wait":        func(d *Desk) { d.NoteWaiting(Waiting{Upstream: "u", Desk: "another", For: time.Second}) },
	} {
		t.Run(name, func(t *testing.T) {
			reserving(t, func(t *testing.T, d *Desk, store *fakeStore, _ *fakeToken) {
				note(d)
				for _, want := range [][]string{{"u"}, {}} {
					if _, err := d.Reserve(t.Context(), Reservation{}); err != nil {
						t.Fatal(err)
					}
					if got := store.reservations[len(store.reservations)-1].Wanted; !slices.Equal(got, want) {
						t.Errorf("nothing is to be added of %v, want %v", got, want)
					}
					time.Sleep(wantedFor)
				}
			})
		})
	}
}
