package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
)

// A gateway that could not reach the store for longer than its leases last reports what
// happened all the same: the place is another's by then, the verdict is not lost.
func TestALateReportIsJudged(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "cap", 2)
		late, other := p.take(leasing.Wanted{})[0], p.take(leasing.Wanted{})[0]
		passed := redis.Z{Member: late.LeaseID, Score: float64(time.Now().Add(-time.Minute).UnixMilli())}
		p.must(p.client.ZAddXX(t.Context(), inflightKey(somewhere, "a"), passed).Err())
		p.end(leasing.Neutral, other)
		report := []leasing.Settlement{{
			LeaseRef: late.LeaseRef, Effect: leasing.Failed, Error: "429",
			Verdict: &leasing.Verdict{Class: "rate_limit", CoolFor: []time.Duration{time.Hour}},
		}}
		for i, want := range []leasing.Settled{
			{Live: true, Upstream: somewhere, Became: leasing.Cooling, CoolFor: time.Hour, Streak: 1}, {Upstream: somewhere},
		} {
			settled, err := p.Settle(t.Context(), report)
			p.must(err)
			if settled[0] != want {
				t.Errorf("report %d: %+v, want %+v", i+1, settled[0], want)
			}
		}
		if requests, failures, epoch := p.field("a", "requests"), p.field("a", "failures"), p.field("a", "epoch"); requests != "2" || failures != "1" || epoch != "2" {
			t.Errorf("%s requests, %s failures, epoch %s", requests, failures, epoch)
		}
	})
}

// What was done to tokens that turn out to share a cause is undone for all of them,
// however many they are, some at a time.
func TestManyTokensThatFailAlikeArePardoned(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		const tokens = 150
		guardedPool(p, tokens)
		leases := p.take(leasing.Wanted{Count: tokens})
		var reports []leasing.Settlement
		for i, lease := range leases {
			request := "the same" // and so no witness
			if i == len(leases)-1 {
				request = "another"
			}
			reports = append(reports, leasing.Settlement{LeaseRef: lease.LeaseRef, Effect: leasing.Failed, Verdict: &leasing.Verdict{
				Class: "auth", Shareable: true, CoolFor: []time.Duration{time.Hour, 0},
				Evidence: leasing.Evidence{RequestID: request, AskedModel: someModel},
			}})
		}
		settled, err := p.Settle(t.Context(), reports[:tokens-1])
		p.must(err)
		if settled[0].Wronged || p.cooling() != tokens-1 {
			t.Fatalf("%+v, %d cool", settled[0], p.cooling())
		}
		last, err := p.Settle(t.Context(), reports[tokens-1:])
		p.must(err)
		if !last[0].Wronged || last[0].Became != leasing.Blameless {
			t.Fatalf("%+v", last[0])
		}
		// A repetition says that it is still to be done.
		again, err := p.Settle(t.Context(), reports)
		p.must(err)
		if !again[0].Wronged || again[0].Live {
			t.Errorf("%+v", again[0])
		}
		news, undone, rounds := 0, 0, 0
		for {
			pardoned, err := p.Pardon(t.Context(), somewhere, "guard")
			p.must(err)
			if pardoned == nil {
				break
			}
			rounds, undone = rounds+1, undone+pardoned.Undone
			if pardoned.News {
				news++
			}
			if pardoned.Class != "auth" || pardoned.Model != someModel || pardoned.RequestID != "another" || pardoned.Failed != tokens || len(pardoned.Tokens) > 64 {
				t.Errorf("%+v", pardoned)
			}
		}
		if news != 1 || undone != tokens-1 || rounds != 3 || p.cooling() != 0 {
			t.Errorf("%d times news, %d undone in %d rounds, %d cool", news, undone, rounds, p.cooling())
		}
	})
}

// An entry that can't be read is in nobody's way.
func TestAnUnreadableEntryOfTheWronged(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.must(p.client.RPush(t.Context(), wrongedKey(somewhere), "?").Err())
		if pardoned, err := p.Pardon(t.Context(), somewhere, "guard"); err != nil || pardoned != nil {
			t.Errorf("%+v, %v", pardoned, err)
		}
		if n := p.client.LLen(t.Context(), wrongedKey(somewhere)).Val(); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

// Reports of a reserve count in their order, however many come at once.
func TestManyUsesOfAReserveCountOnce(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("t")
		var uses []leasing.ReservedUse
		for i := range 3*maxSettlements + 7 {
			uses = append(uses, leasing.ReservedUse{
				Number: uint64(i + 1), Settlement: leasing.Settlement{LeaseRef: leasing.LeaseRef{TokenID: "t", LeaseID: "1-0"}, Effect: leasing.Neutral},
			})
		}
		for _, live := range []bool{true, false} {
			settled, err := p.Reconcile(t.Context(), "a", uses)
			p.must(err)
			for i, each := range settled {
				if each.Live != live {
					t.Fatalf("use %d: %+v", i, each)
				}
			}
			if got := p.field("t", "requests"); got != fmt.Sprint(len(uses)) {
				t.Errorf("%s requests", got)
			}
		}
	})
}
