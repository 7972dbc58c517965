package tokens

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestSessionBeginsWithAMessageAndIsReadyWhenItIsAnswered(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.store.mute.Store(true)
		s := r.nextSession()
		hello := s.message(t)
		if hello.GetSequence() != 1 || hello.GetReplica() != "replica-1" || !hello.GetDefers() {
			t.Errorf("first message: %v", hello)
		}
		synctest.Wait()
		if r.Ready(t.Context()) == nil {
			t.Error("ready before the store has said anything")
		}
		s.acknowledge(t, hello)
		if err := r.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		s.breakOff()
		synctest.Wait()
		if r.Ready(t.Context()) == nil {
			t.Error("ready without a session")
		}
		s = r.nextSession()
		s.acknowledge(t, s.message(t))
		if err := r.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDemandGoesOutAtOnceAndGetsItsLease(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		asked := time.Now()
		answer := r.acquire(t.Context(), lease.Demand{Upstream: "cursor", Model: "gpt-4o", Exclude: []string{"tired"}, MaxWait: 2 * time.Second})
		m := s.message(t)
		if waited := time.Since(asked); waited != 0 {
			t.Errorf("went out after %v", waited)
		}
		d := m.GetDemands()[0]
		if len(m.GetDemands()) != 1 || d.GetUpstream() != "cursor" || d.GetModel() != "gpt-4o" || d.GetCount() != 1 || d.GetAhead() ||
			d.GetMaxWait().AsDuration() != 2*time.Second || len(d.GetExcludeTokenIds()) != 1 || m.GetSequence() != 2 || m.GetReplica() != "" {
			t.Errorf("the message is %v", m)
		}
		s.grant(t, d, leaseOf("a", 7))
		got := soon(t, answer, "the lease")
		if got.err != nil {
			t.Fatal(got.err)
		}
		l := got.lease
		if l.ID != "1-7" || l.TokenID != "a" || l.Alias != "alias of a" || l.Fingerprint != "f-a" || l.MaskedSecret != "masked a" ||
			l.Credential.Secret.Reveal() != "secret of a" || l.Credential.DeviceID != "device" || l.Credential.MACHash != "mac" ||
			l.Credential.Proxy.Reveal() != "proxy of a" || !l.Credential.Renewable {
			t.Errorf("the lease is %+v", l)
		}
		r.Settle(l, lease.Outcome{})
	})
}

func TestDemandsTravelTogether(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.store.mute.Store(true) // it has enough to do
		for range maxInFlight {
			r.acquire(t.Context(), demand)
		}
		busy := s.said(time.Millisecond)
		first, second := r.acquire(t.Context(), demand), r.acquire(t.Context(), demand)
		if early := s.said(100 * time.Millisecond); len(busy.GetDemands()) != maxInFlight || len(early.GetDemands()) != 0 {
			t.Fatalf("%d messages on their way, then %v", len(busy.GetDemands()), early)
		}
		s.acknowledge(t, busy)
		together := s.message(t)
		if len(together.GetDemands()) != 2 {
			t.Fatalf("%d demands in the message", len(together.GetDemands()))
		}
		// One message answers both, in any order.
		s.send(t, &tokenstorev1.SessionResponse{
			Grants: []*tokenstorev1.Grant{
				{DemandId: together.GetDemands()[1].GetId(), Leases: []*tokenstorev1.Lease{leaseOf("b", 2)}},
				{DemandId: together.GetDemands()[0].GetId(), Leases: []*tokenstorev1.Lease{leaseOf("a", 1)}},
			},
		})
		if got := soon(t, first, "the first lease"); got.lease.TokenID != "a" {
			t.Errorf("the first got %v", got)
		}
		if got := soon(t, second, "the second lease"); got.lease.TokenID != "b" {
			t.Errorf("the second got %v", got)
		}
	})
}

func TestDenialBecomesAnError(t *testing.T) {
	for reason, want := range map[tokenstorev1.Reason]chat.Kind{
		tokenstorev1.Reason_REASON_NO_TOKENS:          chat.NoTokens,
		tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE: chat.NoTokenAvailable,
		tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:  chat.StoreUnavailable,
		tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:    chat.AliasNotFound,
		tokenstorev1.Reason_REASON_UPSTREAM_FAILING:   chat.UpstreamUnavailable,
		tokenstorev1.Reason_REASON_UNSPECIFIED:        chat.Internal,
	} {
		t.Run(string(want), func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				answer := r.acquire(t.Context(), demand)
				s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
					DemandId: s.message(t).GetDemands()[0].GetId(), Reason: reason, Message: "because", RetryAfter: durationpb.New(3 * time.Second),
					Pool: &tokenstorev1.PoolSummary{Total: 9, Capped: 1, Cooling: 2, Probing: 3, Quarantined: 4, Tried: 5, Parked: 6, Disabled: 7, Expired: 8},
				}}})
				got := soon(t, answer, "the denial")
				var err *chat.Error
				if !errors.As(got.err, &err) || err.Kind != want || err.Message != "because" || err.RetryAfter != 3*time.Second {
					t.Fatalf("got %#v", got.err)
				}
				wanted := chat.Pool{Total: 9, Busy: 1, Cooling: 2, Probing: 3, Quarantined: 4, Tried: 5, Parked: 6, Disabled: 7, Expired: 8}
				if err.Pool == nil || *err.Pool != wanted {
					t.Errorf("pool %+v", err.Pool)
				}
				if r.counts.denied.Load() != 1 {
					t.Error("not counted")
				}
			})
		})
	}
}

func TestCallerThatStopsWaitingWithdrawsItsDemand(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		ctx, cancel := context.WithCancel(t.Context())
		answer := r.acquire(ctx, demand)
		d := s.message(t).GetDemands()[0]
		cancel()
		if got := soon(t, answer, "the error"); chat.AsError(got.err).Kind != chat.Canceled {
			t.Errorf("got %v", got)
		}
		if m := s.message(t); len(m.GetWithdrawn()) != 1 || m.GetWithdrawn()[0] != d.GetId() {
			t.Errorf("not withdrawn: %v", m)
		}
		// The grant was on its way when the demand was withdrawn.
		crossed := time.Now()
		s.grant(t, d, capped(leaseOf("a", 1)))
		report := s.message(t).GetReports()[0]
		if report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED || report.GetLeaseId() != "1-1" || report.GetTokenId() != "a" {
			t.Errorf("the lease came back as %v", report)
		}
		if waited := time.Since(crossed); waited != 0 {
			t.Errorf("after %v", waited)
		}
	})
}

func TestDemandGivenUpBetweenSessionsIsForgotten(t *testing.T) {
	for name, sent := range map[string]bool{"sent on the session before": true, "not sent": false} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				r.store.gone.Store(true)
				if !sent {
					s.breakOff()
				}
				ctx, cancel := context.WithCancel(t.Context())
				answer := r.acquire(ctx, demand)
				s.breakOff()
				synctest.Wait()
				cancel()
				soon(t, answer, "the error")
				r.store.gone.Store(false)
				if said := r.nextSession().said(time.Second); len(said.GetDemands())+len(said.GetWithdrawn())+len(said.GetReports()) != 0 {
					t.Errorf("said %v", said)
				}
			})
		})
	}
}

func TestDeadlineOfTheCallerIsATimeout(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := soon(t, r.acquire(ctx, demand), "the error"); chat.AsError(got.err).Kind != chat.Timeout {
			t.Errorf("got %v", got)
		}
	})
}

func TestReportTravelsAccordingToItsHaste(t *testing.T) {
	for name, test := range map[string]struct {
		lease   *tokenstorev1.Lease
		outcome lease.Outcome
		want    *tokenstorev1.Report
		slowest time.Duration
	}{
		"uncapped success waits for others": {
			leaseOf("a", 1),
			lease.Outcome{Model: "m", RequestID: "r"},
			&tokenstorev1.Report{Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS, Model: "m", RequestId: "r"}, flushEvery,
		},
		"capped goes at once": {
			capped(leaseOf("a", 1)),
			lease.Outcome{},
			&tokenstorev1.Report{Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS}, 0,
		},
		"failure goes at once": {
			leaseOf("a", 1),
			lease.Outcome{Class: upstream.RateLimit, ModelOnly: true, RetryAfter: time.Minute, Detail: "slow down"},
			&tokenstorev1.Report{Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, ModelOnly: true, RetryAfter: durationpb.New(time.Minute), Detail: "slow down"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				held := r.take(s, test.lease)
				settled := time.Now()
				r.Settle(held, test.outcome)
				got := s.message(t).GetReports()[0]
				if waited := time.Since(settled); waited > test.slowest {
					t.Errorf("went out after %v", waited)
				}
				if got.GetOutcome() != test.want.GetOutcome() || got.GetLeaseId() != "1-1" || got.GetTokenId() != "a" || got.GetModel() != test.want.GetModel() ||
					got.GetRequestId() != test.want.GetRequestId() || got.GetRetryAfter().AsDuration() != test.want.GetRetryAfter().AsDuration() || got.GetDetail() != test.want.GetDetail() ||
					got.GetModelOnly() != test.want.GetModelOnly() {
					t.Errorf("reported %v", got)
				}
			})
		})
	}
}

func TestReportsTravelTogether(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		var held []*lease.Lease
		for i := range 5 {
			held = append(held, r.take(s, leaseOf("a", i)))
		}
		for _, each := range held {
			r.Settle(each, lease.Outcome{})
			r.Settle(each, lease.Outcome{}) // a second time does nothing
		}
		if m := s.report(t); len(m.GetReports()) != 5 {
			t.Errorf("%d reports in the message", len(m.GetReports()))
		}
	})
}

func TestEveryClassHasAnOutcome(t *testing.T) {
	t.Parallel()
	seen := map[tokenstorev1.Outcome]upstream.Class{}
	for _, class := range append(upstream.Classes(), "") {
		outcome, known := outcomes[class]
		if other, taken := seen[outcome]; !known || taken && class != upstream.ModelUnknown && class != upstream.Interrupted && class != upstream.SealRefused { // a caller's fault, and no token's, to the store
			t.Errorf("class %q: known %t, outcome %v also of %q", class, known, outcome, other)
		}
		seen[outcome] = class
	}
}

func TestUnacknowledgedReportsAreRepeatedOnce(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		acknowledged, unacknowledged, unsent := r.take(s, leaseOf("a", 1)), r.take(s, leaseOf("b", 2)), r.take(s, leaseOf("c", 3))
		r.Settle(acknowledged, lease.Outcome{})
		s.report(t)
		r.store.mute.Store(true)
		r.Settle(unacknowledged, lease.Outcome{})
		s.report(t)
		s.breakOff()
		synctest.Wait()
		r.Settle(unsent, lease.Outcome{})

		s = r.nextSession()
		said := s.said(time.Second)
		if ids := leaseIDs(said.GetReports()); len(ids) != 2 || ids[0] != "1-2" || ids[1] != "1-3" {
			t.Fatalf("the second session repeats %v", ids)
		}
		s.acknowledge(t, said)
		s.breakOff()
		if said = r.nextSession().said(time.Second); len(said.GetReports()) != 0 {
			t.Errorf("the third session repeats %v", said.GetReports())
		}
	})
}

func TestManyReportsAreSentInBoundedMessages(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed().breakOff()
		synctest.Wait()
		r.session.mu.Lock()
		for range maxPending + 10 {
			r.session.report(&tokenstorev1.Report{LeaseId: "1", TokenId: "a"})
		}
		kept := len(r.session.pending.reports)
		r.session.mu.Unlock()
		if lost := int(r.counts.reportsLost.Load()); lost == 0 || kept+lost != maxPending+10 || kept > maxPending {
			t.Errorf("%d kept, %d counted as lost", kept, lost)
		}
		s, sum := r.nextSession(), 0
		for sum < kept {
			m := s.message(t)
			if len(m.GetReports()) > maxInMessage {
				t.Fatalf("%d reports in one message", len(m.GetReports()))
			}
			sum += len(m.GetReports())
			s.acknowledge(t, m)
		}
	})
}

func TestWaitingDemandsAreRepeatedInOrder(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		var answers []<-chan acquired
		for range 20 {
			answers = append(answers, r.acquire(t.Context(), demand))
		}
		s.said(time.Millisecond)
		s.breakOff()
		s = r.nextSession()
		demands := s.message(t).GetDemands()
		if len(demands) != 20 {
			t.Fatalf("%d demands are repeated", len(demands))
		}
		for i, d := range demands {
			s.grant(t, d, leaseOf("a", i))
		}
		for i, answer := range answers {
			if got := soon(t, answer, "a lease"); got.err != nil || got.lease.ID != leaseOf("a", i).GetId() {
				t.Errorf("request %d got %v", i, got)
			}
		}
	})
}

func TestOpenLeasesAreRenewed(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		held := r.take(s, leaseOf("a", 1)) // for ten seconds
		last := time.Now()
		for renewals := 0; renewals < 3; {
			select {
			case m := <-s.requests:
				if len(m.GetRenewals()) == 0 { // it asks for a lease ahead
					continue
				}
				renewals++
				if ref := m.GetRenewals()[0]; ref.GetLeaseId() != "1-1" || ref.GetTokenId() != "a" {
					t.Fatalf("renews %v", ref)
				}
				s.acknowledge(t, m)
			case <-time.After(8 * time.Second):
				t.Fatal("not renewed in good time")
			}
			if age := time.Since(last); age < 2*time.Second {
				t.Errorf("renewed after only %v", age)
			}
			last = time.Now()
		}
		r.Settle(held, lease.Outcome{})
		if said := s.said(time.Minute); len(said.GetRenewals()) != 0 || len(said.GetReports()) != 1 {
			t.Errorf("after its end: %v", said)
		}
	})
}

func TestOpenLeasesAreRenewedAtOnceOnANewSession(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.take(s, leaseOf("a", 1))
		s.breakOff()
		if m := r.nextSession().message(t); len(m.GetRenewals()) != 1 || m.GetRenewals()[0].GetLeaseId() != "1-1" {
			t.Errorf("the first message is %v", m)
		}
	})
}

// A recall of a token withdraws the lease that a request has, which goes on; one that is of an
// earlier change, or another token's, does not.
func TestARecallWithdrawsOpenLeases(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		held := r.take(s, leaseOf("a", 1))
		for _, recall := range []struct {
			id     string
			epoch  uint64
			stands bool
		}{{"b", 9, true}, {"a", 1, true}, {"", 0, true}, {"a", 2, false}} {
			s.send(t, &tokenstorev1.SessionResponse{Recalls: []*tokenstorev1.Recall{{TokenId: recall.id, Epoch: recall.epoch}}})
			if held.Stands(time.Now()) != recall.stands || !held.Covers(time.Now()) {
				t.Errorf("after a recall of %q below %d: stands %t", recall.id, recall.epoch, !recall.stands)
			}
		}
	})
}

func TestLostLeasesAreCounted(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		s.send(t, &tokenstorev1.SessionResponse{LostLeaseIds: []string{"1-1", "1-2"}})
		if r.counts.lost.Load() != 2 {
			t.Error("not counted")
		}
	})
}

func TestStoreThatIsAwayIsAnErrorAfterTheWait(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed().breakOff()
		r.server.Stop()
		asked := time.Now()
		answer := r.acquire(t.Context(), demand)
		select {
		case got := <-answer:
			err := chat.AsError(got.err)
			if err.Kind != chat.StoreUnavailable || err.RetryAfter <= 0 || err.Message == "" {
				t.Errorf("got %#v", err)
			}
			if waited := time.Since(asked); waited != reconnectTime {
				t.Errorf("after %v", waited)
			}
		case <-time.After(time.Minute):
			t.Fatal("waits for ever")
		}
	})
}

func TestRunEndsWithAFlush(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		held := r.take(s, leaseOf("a", 1))
		r.shelve(leaseOf("b", 2))
		r.Settle(held, lease.Outcome{})
		asked := time.Now()
		r.stop()
		<-r.ended
		if waited := time.Since(asked); waited > 100*time.Millisecond {
			t.Errorf("after %v", waited)
		}
		said := s.said(0)
		for m := range s.requests {
			said.Reports = append(said.Reports, m.GetReports()...)
		}
		outcomes := map[string]tokenstorev1.Outcome{}
		for _, report := range said.GetReports() {
			outcomes[report.GetLeaseId()] = report.GetOutcome()
		}
		if len(outcomes) != 2 || outcomes["1-1"] != tokenstorev1.Outcome_OUTCOME_SUCCESS || outcomes["1-2"] != tokenstorev1.Outcome_OUTCOME_UNUSED {
			t.Errorf("reported %v", outcomes)
		}
		if lost := r.counts.reportsLost.Load(); lost != 0 {
			t.Errorf("%d reports counted as lost", lost)
		}
	})
}

func TestRunEndsWhenTheStoreHangs(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.store.deaf.Store(true)
		s.breakOff()
		pause(time.Second)
		r.session.mu.Lock()
		for range maxPending { // more than the stream takes
			r.session.report(&tokenstorev1.Report{LeaseId: "1", TokenId: "a"})
		}
		r.session.mu.Unlock()
		r.session.nudge()
		synctest.Wait()
		asked := time.Now()
		r.stop()
		<-r.ended
		if waited := time.Since(asked); waited > lastCall {
			t.Errorf("after %v", waited)
		}
	})
}

func TestRunEndsWithoutAStore(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		held := r.take(s, leaseOf("a", 1))
		s.breakOff()
		r.server.Stop()
		synctest.Wait()
		r.Settle(held, lease.Outcome{})
		asked := time.Now()
		r.stop()
		<-r.ended
		if waited := time.Since(asked); waited > lastCall {
			t.Errorf("after %v", waited)
		}
		if r.counts.reportsLost.Load() != 1 {
			t.Error("the lost report is not counted")
		}
	})
}

func leaseIDs(reports []*tokenstorev1.Report) []string {
	var ids []string
	for _, report := range reports {
		ids = append(ids, report.GetLeaseId())
	}
	return ids
}

// What lies in the stock is of any token: one that has to be a certain one, by its
// alias or for what belongs together, is asked for, and so is one after a limit that others
// of the stock may be at.
func TestDemandForACertainTokenDoesNotTakeFromTheStock(t *testing.T) {
	for name, choose := range map[string]func(*lease.Demand){
		"by alias":                         func(d *lease.Demand) { d.Alias = "work" },
		"by its id":                        func(d *lease.Demand) { d.TokenID = "b" },
		"by key":                           func(d *lease.Demand) { d.Affinity = "k1" },
		"that is of no group at its limit": func(d *lease.Demand) { d.Fresh = true },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				r.shelve(leaseOf("a", 1))
				chosen := demand
				choose(&chosen)
				answer := r.acquire(t.Context(), chosen)
				d := s.message(t).GetDemands()[0]
				if d.GetAlias() != chosen.Alias || d.GetTokenId() != chosen.TokenID || d.GetAffinityKey() != chosen.Affinity || d.GetAhead() || d.GetCount() != 1 {
					t.Fatalf("the demand is %v", d)
				}
				s.grant(t, d, leaseOf("b", 2))
				got := soon(t, answer, "the lease")
				if got.err != nil || got.lease.TokenID != "b" {
					t.Fatalf("got %+v, %v", got.lease, got.err)
				}
				r.Settle(got.lease, lease.Outcome{})
			})
		})
	}
}

// A token that somebody names by its id is gone: that is nobody's alias.
func TestDenialOfATokenThatIsGone(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		chosen := demand
		chosen.TokenID = "b"
		answer := r.acquire(t.Context(), chosen)
		s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
			DemandId: s.message(t).GetDemands()[0].GetId(), Reason: tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, Message: "because",
		}}})
		if got := soon(t, answer, "the denial"); chat.AsError(got.err).Kind != chat.NotFound {
			t.Errorf("got %v", got.err)
		}
	})
}

// In an outage only the token that is named serves, by its alias or by its id.
func TestReserveLendsTheTokenThatIsNamed(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		for _, id := range []string{"a", "c", "a"} {
			held := r.must(lease.Demand{Upstream: demand.Upstream, TokenID: id})
			if held.TokenID != id {
				t.Errorf("asked for %s, got %s", id, held.TokenID)
			}
			r.Settle(held, lease.Outcome{})
		}
		_, err := r.Acquire(t.Context(), lease.Demand{Upstream: demand.Upstream, TokenID: "gone"})
		if got := chat.AsError(err); got == nil || got.Kind != chat.StoreUnavailable || !strings.Contains(got.Message, "goes on with") {
			t.Errorf("got %v", err)
		}
	})
}

// A lease with which nothing was sent goes back as if never taken, wherever it is from.
func TestUnusedLeaseGoesBack(t *testing.T) {
	t.Run("to the store", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			s := r.welcomed()
			held := r.take(s, leaseOf("a", 1))
			r.Settle(held, lease.Outcome{Unused: true, Class: upstream.RateLimit, Model: "m"})
			if got := s.message(t).GetReports()[0]; got.GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED || got.GetLeaseId() != "1-1" || got.GetModel() != "" {
				t.Errorf("reported %v", got)
			}
		})
	})
	t.Run("to the reserve", func(t *testing.T) {
		runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
			r.away(s)
			only := demand
			only.Alias = "alias of a" // which has one slot
			for range 2 {
				r.Settle(r.must(only), lease.Outcome{Unused: true, Class: upstream.Auth})
			}
			r.store.gone.Store(false)
			if uses := r.nextSession().message(t).GetReserveReports(); len(uses) != 0 {
				t.Errorf("reported %v", uses)
			}
		})
	})
}

// A lease tells for how long it covers: as long as the store has granted it, or the
// reserve may serve.
func TestLeaseKnowsItsTerm(t *testing.T) {
	t.Run("of the store", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			held := r.take(r.welcomed(), leaseOf("a", 1)) // for ten seconds
			if now := time.Now(); !held.Covers(now.Add(9*time.Second)) || held.Covers(now.Add(10*time.Second)) {
				t.Error("it covers another time than the store has granted")
			}
		})
	})
	t.Run("of the reserve", func(t *testing.T) {
		runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
			r.away(s)
			_, until, _ := r.Degraded()
			held := r.must(demand)
			if !held.Covers(until.Add(-1)) || held.Covers(until) {
				t.Error("it covers another time than the reserve's")
			}
		})
	})
}
