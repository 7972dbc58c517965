package lease_test

import (
	"testing"
	"time"

	"carousel.internal/gateway/internal/lease"
)

func TestLeaseCoversUntilItsTermEnds(t *testing.T) {
	t.Parallel()
	granted := time.Now()
	inTenSeconds := &lease.Term{}
	inTenSeconds.Extend(granted.Add(10 * time.Second))
	extended := &lease.Term{}
	extended.Extend(granted.Add(10 * time.Second))
	extended.Extend(granted.Add(20 * time.Second))
	// slept is a moment at which the machine has slept: its monotonic clock has gone on
	// by a second, its wall clock by a minute.
	slept := granted.Round(0).Add(time.Minute)
	for name, c := range map[string]struct {
		term *lease.Term
		now  time.Time
		want bool
	}{
		"a credential of the caller's own has no term": {nil, granted.Add(time.Hour), true},
		"one that nobody has extended":                 {&lease.Term{}, granted, false},
		"at once":                                      {inTenSeconds, granted, true},
		"just before its end":                          {inTenSeconds, granted.Add(10*time.Second - 1), true},
		"at its end":                                   {inTenSeconds, granted.Add(10 * time.Second), false},
		"extended":                                     {extended, granted.Add(15 * time.Second), true},
		"after the machine slept":                      {inTenSeconds, slept, false},
	} {
		if got := (&lease.Lease{Term: c.term}).Covers(c.now); got != c.want {
			t.Errorf("%s: covers %v", name, got)
		}
	}
}

// The monotonic clock can't be set back: a wall clock that is does not prolong a term.
func TestPassedByEitherClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if !lease.Passed(now.Add(-time.Second), now) || lease.Passed(now.Add(time.Second), now) {
		t.Error("both clocks agree, and are not believed")
	}
	if later := now.Add(time.Second); !lease.Passed(now.Round(0), later) {
		t.Error("the wall clock is not believed")
	}
}
