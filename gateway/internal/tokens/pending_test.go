package tokens

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Messages are bounded, in counts and bytes, whatever there is to say, and together say
// all of it once, in order.
func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		open := map[*lease.Lease]*held{}
		var p pending
		reports := rapid.IntRange(0, 2500).Draw(t, "reports")
		for i := range reports {
			size := 10
			if i%500 == 0 {
				size = rapid.IntRange(1, 2*maxMessageBytes).Draw(t, "size")
			}
			p.report(&tokenstorev1.Report{LeaseId: string(rune('a' + i%26)), Detail: strings.Repeat("x", size)}, time.Now())
		}
		for range rapid.IntRange(0, 2500).Draw(t, "demands") {
			p.demands = append(p.demands, &tokenstorev1.Demand{Model: strings.Repeat("m", rapid.SampledFrom([]int{5, 5000}).Draw(t, "name"))})
		}
		for range rapid.IntRange(0, 2500).Draw(t, "renewals") {
			each := &held{}
			open[&each.lease] = each
			p.renewals = append(p.renewals, each)
		}
		for range rapid.IntRange(0, 2500).Draw(t, "withdrawn") {
			p.withdrawn = append(p.withdrawn, 1)
		}
		said := pending{reports: p.reports, demands: p.demands, withdrawn: p.withdrawn, renewals: p.renewals}
		var heard pending
		for messages := 0; !p.empty(); messages++ {
			m := &tokenstorev1.SessionRequest{}
			reports, renewed := p.take(m, open, time.Now())
			for name, n := range map[string]int{
				"reports": len(m.GetReports()), "demands": len(m.GetDemands()), "renewals": len(m.GetRenewals()), "withdrawn": len(m.GetWithdrawn()),
			} {
				if n > maxInMessage {
					t.Fatalf("%d %s in one message", n, name)
				}
			}
			if size := proto.Size(m); size > 2*maxMessageBytes+maxInMessage*64 && len(m.GetReports()) > 1 {
				t.Fatalf("a message of %d bytes", size)
			}
			heard.reports, heard.demands = append(heard.reports, reports...), append(heard.demands, m.GetDemands()...)
			heard.withdrawn, heard.renewals = append(heard.withdrawn, m.GetWithdrawn()...), append(heard.renewals, renewed...)
			if messages > 20_000 {
				t.Fatal("it never ends")
			}
		}
		if len(heard.demands) != len(said.demands) || len(heard.withdrawn) != len(said.withdrawn) || len(heard.renewals) != len(said.renewals) {
			t.Fatal("something was not said")
		}
		for i, report := range said.reports {
			if heard.reports[i] != report {
				t.Fatalf("report %d is not said in its place", i)
			}
		}
	})
}

// A report that has waited says for how long, and says so anew where it is repeated.
func TestReportsSayHowOldTheyAre(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var p pending
	p.report(&tokenstorev1.Report{LeaseId: "waited"}, now.Add(-80*time.Millisecond))
	p.report(&tokenstorev1.Report{LeaseId: "came just now"}, now.Add(-noticeable/2))
	var m tokenstorev1.SessionRequest
	again, _ := p.take(&m, nil, now)
	if first, second := m.GetReports()[0].GetAgeMs(), m.GetReports()[1].GetAgeMs(); first != 80 || second != 0 {
		t.Errorf("%d ms, %d ms", first, second)
	}
	p.reports = again
	p.take(&m, nil, now.Add(time.Second))
	if first := m.GetReports()[0].GetAgeMs(); first != 1080 {
		t.Errorf("a second later: %d ms", first)
	}
}

// What a client or an upstream chose can't keep a session from being understood.
func TestTextsOfASessionCanTravel(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", maxReportText)
	report := reportOf(&lease.Lease{ID: "1-1"}, lease.Outcome{Model: "\xff" + long, Detail: long[1:]})
	if !utf8.ValidString(report.GetModel()) || !utf8.ValidString(report.GetDetail()) || proto.Size(report) > 3*maxReportText {
		t.Errorf("a report of %d bytes: %q…", proto.Size(report), report.GetModel()[:10])
	}
	if d := newWaiter(errand{demand: lease.Demand{Model: "\xff", Alias: "a\xe4", TokenID: "t\xe4", Affinity: "\xc0k"}}).demand; !utf8.ValidString(d.GetModel() + d.GetAlias() + d.GetTokenId() + d.GetAffinityKey()) {
		t.Errorf("the demand is %v", d)
	}
}

func TestDemandThatIsTooLongIsRefused(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed()
		for name, d := range map[string]lease.Demand{
			"model": {Upstream: "u", Model: strings.Repeat("m", maxDemandBytes+1)},
			"alias": {Upstream: "u", Alias: strings.Repeat("a", maxDemandBytes+1)},
			"token": {Upstream: "u", TokenID: strings.Repeat("a", maxDemandBytes+1)},
		} {
			var err *chat.Error
			if _, got := r.Acquire(t.Context(), d); !errors.As(got, &err) || err.Kind != chat.InvalidRequest {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}
