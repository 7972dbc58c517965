package leasing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A failure that tokens share does nothing to the token; when it is seen, what was
// done to others is undone, and there is one alarm.
func TestSharedFailures(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		shared  bool
		wronged []Pardoned
		cools   int
		alarms  []string
	}{
		"the token's own":        {cools: 1},
		"known":                  {shared: true},
		"seen now":               {shared: true, wronged: []Pardoned{{Class: "auth", News: true}}, alarms: []string{"u auth"}},
		"seen of another model":  {shared: true, wronged: []Pardoned{{Class: "auth"}}},
		"seen of a large number": {shared: true, wronged: []Pardoned{{Class: "auth", News: true}, {Class: "auth"}, {Class: "auth"}}, alarms: []string{"u auth"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atDesk(t, func(t *testing.T, d *desk) {
				d.store.add("a", 0)
				d.store.shared, d.store.wronged = c.shared, c.wronged
				lease := d.ask(Demand{})
				expect(t, "one", lease, "a")
				report := Report{LeaseRef: lease.lease().LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_AUTH, Model: "m", RequestID: "r"}
				for range 2 { // a repetition says nothing new
					if err := d.Settle(t.Context(), []Report{report}); err != nil {
						t.Fatal(err)
					}
				}
				if w := d.store.witnessed; len(w) != 1 || w[0].LeaseRef != report.LeaseRef || w[0].Verdict.Class != "auth" ||
					w[0].Verdict.AskedModel != "m" || w[0].Verdict.RequestID != "r" {
					t.Errorf("witnessed %+v", w)
				}
				if cools := len(d.store.transitions()); cools != c.cools || len(d.store.pardoned) != len(c.wronged) || !slices.Equal(d.alarms.all, c.alarms) {
					t.Errorf("%d cool, pardoned %v, alarms %v", cools, d.store.pardoned, d.alarms.all)
				}
			})
		})
	}
}

// Where the store goes away between a settlement and the pardon, the report comes again
// and the tokens are pardoned then.
func TestAPardonIsMadeUpFor(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		d.store.wronged = []Pardoned{{Class: "auth", News: true}}
		lease := d.ask(Demand{})
		expect(t, "one", lease, "a")
		report := Report{LeaseRef: lease.lease().LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_AUTH}
		d.store.mu.Lock()
		d.store.downForPardon = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "away")
		d.store.mu.Unlock()
		if err := d.Settle(t.Context(), []Report{report}); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
			t.Fatal(err)
		}
		d.store.mu.Lock()
		d.store.downForPardon = nil
		d.store.mu.Unlock()
		if err := d.Settle(t.Context(), []Report{report}); err != nil || len(d.store.pardoned) != 1 || len(d.alarms.all) != 1 {
			t.Errorf("%v, pardoned %v, alarms %v", err, d.store.pardoned, d.alarms.all)
		}
	})
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

// What needs no verdict carries none: most reports are ended in the cheap way.
func TestMostReportsNeedNoVerdict(t *testing.T) {
	t.Parallel()
	for _, outcome := range []tokenstorev1.Outcome{
		success, tokenstorev1.Outcome_OUTCOME_UNUSED, tokenstorev1.Outcome_OUTCOME_CALLER_FAULT,
		tokenstorev1.Outcome_OUTCOME_CLIENT_GONE, tokenstorev1.Outcome_OUTCOME_TOO_LARGE,
	} {
		if verdict := verdictOn(Report{Outcome: outcome, Model: "m"}, 0); verdict != nil {
			t.Errorf("%v: %+v", outcome, verdict)
		}
	}
}

// What is a group's becomes of its other tokens too, and is no witness of a cause that others
// share. A name that can't be part of a key is no group's.
func TestVerdictsOnAGroup(t *testing.T) {
	t.Parallel()
	for group, want := range map[string]string{
		"0a1b": "0a1b", "": "", "A": "", "a:b": "", "a}": "", strings.Repeat("a", 65): "",
	} {
		settlements := settlementsOf([]Report{{Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, Group: group, GroupWide: true}})
		if got := settlements[0]; got.Group != want || got.Verdict.GroupWide != (want != "") || got.Verdict.Shareable != (want == "") {
			t.Errorf("%q: %+v, %+v", group, got, got.Verdict)
		}
	}
}
