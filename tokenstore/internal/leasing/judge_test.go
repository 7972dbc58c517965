package leasing_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/token"
)

// Whatever a token has behind it: what the store does to it on a report is what the rules
// say.
func TestTheStoreJudgesAsTheRulesSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := w.begin(1, "u")[0]
	key, epoch, number := "c1:{pool:u}:token:"+lease.TokenID, 1, uint64(0)
	outcomes := []tokenstorev1.Outcome{
		tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, tokenstorev1.Outcome_OUTCOME_QUOTA, tokenstorev1.Outcome_OUTCOME_AUTH,
		tokenstorev1.Outcome_OUTCOME_PROXY, tokenstorev1.Outcome_OUTCOME_SUCCESS, tokenstorev1.Outcome_OUTCOME_UPSTREAM, tokenstorev1.Outcome_OUTCOME_CALLER_FAULT,
	}
	rapid.Check(t, func(rt *rapid.T) {
		past := rotation.Past{Streak: rapid.IntRange(0, 20).Draw(rt, "streak"), Cause: rapid.SampledFrom(outcomes[:4]).Draw(rt, "cause")}
		report := leasing.Report{
			LeaseRef: leasing.LeaseRef{TokenID: lease.TokenID, LeaseID: fmt.Sprint(epoch, "-0")},
			Outcome:  rapid.SampledFrom(outcomes).Draw(rt, "outcome"), Model: "m",
		}
		if rapid.Bool().Draw(rt, "hinted") {
			report.RetryAfter = time.Duration(rapid.Int64Range(1, int64(2*time.Hour)).Draw(rt, "hint"))
		}
		w.must(w.client.HDel(t.Context(), key, "cooling", "phase").Err())
		w.must(w.client.HSet(t.Context(), key, "streak", past.Streak, "cause", token.Class(past.Cause)).Err())
		before, err := w.client.Time(t.Context()).Result()
		w.must(err)
		number++
		w.must(w.desk.Reconcile(t.Context(), "gateway-1", []uint64{number}, []leasing.Report{report}))
		after, err := w.client.Time(t.Context()).Result()
		w.must(err)

		f, err := w.client.HGetAll(t.Context(), key).Result()
		w.must(err)
		least, most := rotation.Judge(report.Outcome, past, report.RetryAfter, 0), rotation.Judge(report.Outcome, past, report.RetryAfter, 1)
		if least.Scope == rotation.Nothing {
			if f["epoch"] != strconv.Itoa(epoch) || f["cooling"] != "" || f["phase"] != "" {
				rt.Fatalf("%v after %+v: %v", report.Outcome, past, f)
			}
			return
		}
		epoch++
		until, _ := strconv.ParseInt(f["cooling"], 10, 64) // absent: 0
		cool := time.UnixMilli(until)
		parked := f["phase"] == token.Parked
		cools := !cool.Before(before.Add(least.CoolFor).Add(-2*time.Millisecond)) && !cool.After(after.Add(most.CoolFor).Add(time.Millisecond))
		if f["epoch"] != strconv.Itoa(epoch) || f["streak"] != strconv.Itoa(least.Streak) || f["cause"] != token.Class(report.Outcome) ||
			parked != least.Park || !parked && !cools {
			rt.Fatalf("%v after %+v, between %s and %s: %v, it cools until %s; want %+v", report.Outcome, past, before, after, f, cool, least)
		}
	})
}

// A report that comes through several tokenstores at once counts once.
func TestAReportThroughTwoTokenstoresCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := settling(
		leasing.Report{Outcome: tokenstorev1.Outcome_OUTCOME_AUTH, Model: "m", RequestID: "r1"},
		leasing.Report{Outcome: tokenstorev1.Outcome_OUTCOME_AUTH, Model: "m", RequestID: "r2"},
		leasing.Report{Outcome: tokenstorev1.Outcome_OUTCOME_AUTH, Model: "m", RequestID: "r3"},
	)
	leases := w.begin(3, "u")
	w.must(report(t.Context(), w, leases))
	want := w.state()
	for range 20 {
		leases := w.begin(3, "u")
		var sessions sync.WaitGroup
		for range 4 {
			sessions.Go(func() {
				if err := report(t.Context(), w, leases); err != nil {
					t.Error(err)
				}
			})
		}
		sessions.Wait()
		if diff := cmp.Diff(want, w.state()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
}
