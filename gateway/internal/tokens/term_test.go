package tokens

import (
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A process that was frozen reads what the store said before or during the freeze: a
// lease counts from when its demand was sent, and not from when it is read.
func TestGrantThatWasReadLateIsAsOldAsItsDemand(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.store.mute.Store(true)
		answer := r.acquire(t.Context(), demand)
		d := s.message(t).GetDemands()[0]
		asked := time.Now()
		pause(900 * time.Millisecond) // nothing that was said since is confirmed
		s.grant(t, d, leaseOf("a", 1))
		held := soon(t, answer, "a lease")
		if held.err != nil {
			t.Fatal(held.err)
		}
		if !held.lease.Covers(asked.Add(10*time.Second-1)) || held.lease.Covers(asked.Add(10*time.Second)) {
			t.Error("its ten seconds are not counted from when it was asked for")
		}
	})
}

// A demand may queue for long: what the store confirms meanwhile shows that it has not
// been granted yet.
func TestGrantAfterAQueueIsFresh(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		patient := demand
		patient.MaxWait = time.Minute
		answer := r.acquire(t.Context(), patient)
		d := s.message(t).GetDemands()[0]
		pause(30 * time.Second)
		granted := time.Now()
		s.grant(t, d, leaseOf("a", 1))
		held := soon(t, answer, "a lease")
		if held.err != nil || !held.lease.Covers(granted.Add(10*time.Second-confirmEvery-flushEvery)) || held.lease.Covers(granted.Add(10*time.Second)) {
			t.Errorf("got %+v", held)
		}
	})
}

// A renewal prolongs a lease when the store has confirmed it, counted from when it was
// asked for.
func TestRenewedLeaseCoversLonger(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		held := r.take(s, leaseOf("a", 1)) // for ten seconds
		pause(8 * time.Second)
		if now := time.Now(); !held.Covers(now.Add(5 * time.Second)) {
			t.Error("the confirmed renewal does not count")
		}
		r.store.mute.Store(true)
		pause(patience - tick)
		asked := time.Now()
		if held.Covers(asked.Add(10 * time.Second)) {
			t.Error("what is not confirmed counts")
		}
	})
}

// The store does not know it any more: its room may be somebody else's.
func TestLostLeaseCoversNothing(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		lost, kept := r.take(s, leaseOf("a", 1)), r.take(s, leaseOf("a", 2))
		s.send(t, &tokenstorev1.SessionResponse{LostLeaseIds: []string{"1-1"}})
		pause(8 * time.Second)
		if now := time.Now(); lost.Covers(now) || !kept.Covers(now) {
			t.Errorf("covers: lost %v, kept %v", lost.Covers(now), kept.Covers(now))
		}
	})
}
