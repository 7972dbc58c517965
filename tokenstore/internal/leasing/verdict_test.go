package leasing

import (
	"slices"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A failure that tokens share does nothing to the token; when it is seen, what was
// done to others is undone, and there is one alarm.
func TestSharedFailures(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		seen   Witnessed
		cools  int
		undone []string
		alarms []string
	}{
		"the token's own":         {cools: 1},
		"known":                   {seen: Witnessed{Shared: true}},
		"seen now":                {seen: Witnessed{Shared: true, Tripped: true, News: true, Tokens: []string{"x", "y"}}, undone: []string{"x", "y"}, alarms: []string{"u auth"}},
		"seen of another model":   {seen: Witnessed{Shared: true, Tripped: true, Tokens: []string{"x"}}, undone: []string{"x"}},
		"seen, nobody was blamed": {seen: Witnessed{Shared: true, Tripped: true, News: true}, alarms: []string{"u auth"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atDesk(t, func(t *testing.T, d *desk) {
				d.store.add("a", 0)
				d.store.seen = c.seen
				lease := d.ask(Demand{})
				expect(t, "one", lease, "a")
				report := Report{LeaseRef: lease.lease().LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_AUTH, Model: "m", RequestID: "r"}
				for range 2 { // a repetition says nothing new
					if err := d.Settle(t.Context(), []Report{report}); err != nil {
						t.Fatal(err)
					}
				}
				want := Failure{LeaseRef: report.LeaseRef, Upstream: "u", Class: "auth", Model: "m", RequestID: "r"}
				if !slices.Equal(d.store.witnessed, []Failure{want}) {
					t.Errorf("witnessed %+v", d.store.witnessed)
				}
				if cools := len(d.store.transitions()); cools != c.cools || !slices.Equal(d.store.undone, c.undone) || !slices.Equal(d.alarms.all, c.alarms) {
					t.Errorf("%d cool, undone for %v, alarms %v", cools, d.store.undone, d.alarms.all)
				}
			})
		})
	}
}

// What is the token's own, or nobody's, is no witness.
func TestWhatIsNotWitnessed(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		for _, report := range []Report{
			{Outcome: success},
			{Outcome: tokenstorev1.Outcome_OUTCOME_CALLER_FAULT},
			{Outcome: tokenstorev1.Outcome_OUTCOME_QUOTA},
			{Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, RetryAfter: time.Second},
		} {
			lease := d.ask(Demand{})
			expect(t, "one", lease, "a")
			report.LeaseRef = lease.lease().LeaseRef
			if err := d.Settle(t.Context(), []Report{report}); err != nil {
				t.Fatal(err)
			}
			d.store.find("a").cools = time.Time{}
		}
		if len(d.store.witnessed) > 0 {
			t.Errorf("%+v", d.store.witnessed)
		}
	})
}
