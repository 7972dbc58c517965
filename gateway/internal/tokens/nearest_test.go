package tokens

import (
	"context"
	"fmt"
	"testing"

	"carousel.internal/gateway/internal/lease"
)

func holdsOf(n int) []*hold {
	tokens := make([]*hold, n)
	for i := range tokens {
		tokens[i] = &hold{lease: lease.Lease{TokenID: fmt.Sprint("t", i)}}
	}
	return tokens
}

// Keys spread over the tokens, and one moves only where its own token is gone.
func TestNearest(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for i := range 1000 {
		key := fmt.Sprint("conversation ", i)
		mine := nearest(key, holdsOf(10)).lease.TokenID
		counts[mine]++
		if got := nearest(key, holdsOf(9)).lease.TokenID; got != mine && mine != "t9" {
			t.Errorf("%s moves from %s to %s, and t9 is gone", key, mine, got)
		}
	}
	for id, n := range counts {
		if n < 60 || n > 140 {
			t.Errorf("%s has %d of 1000 keys", id, n)
		}
	}
}

// One that has many more requests than the others passes its conversations on.
func TestNearestIsBounded(t *testing.T) {
	t.Parallel()
	tokens := holdsOf(3)
	mine := nearest("a conversation", tokens)
	mine.used = 7 // the average is 2
	if got := nearest("a conversation", tokens); got == mine {
		t.Error("it has the next request, too")
	}
	mine.used--
	if got := nearest("a conversation", tokens); got != mine {
		t.Errorf("it has 6, and the next request goes to %s", got.lease.TokenID)
	}
}

// While the store is away a conversation stays on one token of the reserve, and single
// questions take turns.
func TestAConversationInTheReserve(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		asked, single := demand, map[string]int{}
		asked.Affinity = "a conversation"
		mine := ""
		for range 9 {
			turn := r.must(asked)
			if mine == "" {
				mine = turn.TokenID
			}
			if turn.TokenID != mine {
				t.Errorf("served by %s, then by %s", mine, turn.TokenID)
			}
			r.Settle(turn, lease.Outcome{})
			other := r.must(demand)
			single[other.TokenID]++
			r.Settle(other, lease.Outcome{})
		}
		if len(single) < 2 {
			t.Errorf("single questions: %v", single)
		}
		asked.Exclude = []string{mine}
		if next := r.must(asked); next.TokenID == mine {
			t.Errorf("%s again, which was tried", mine)
		}
	})
}

// Conversations at load neither take what lies in the stock nor make it larger or smaller:
// that is measured by single questions.
func TestConversationsLeaveTheStockAlone(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.shelve(leaseOf("a", 1), leaseOf("b", 2))
		r.stocks.mu.Lock()
		before := r.ahead().rate
		r.stocks.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for i := range 100 {
			turn := demand
			turn.Affinity = fmt.Sprint("conversation ", i)
			r.acquire(ctx, turn)
		}
		for asked := 0; asked < 100; {
			for _, each := range s.message(t).GetDemands() {
				if each.GetAhead() || each.GetAffinityKey() == "" {
					t.Fatalf("demand %v", each)
				}
				asked++
			}
		}
		r.stocks.mu.Lock()
		if now := r.ahead().rate; now != before {
			t.Errorf("the stock counts %v requests a second, %v before", now, before)
		}
		r.stocks.mu.Unlock()
		if got := soon(t, r.acquire(t.Context(), demand), "a lease of the stock"); got.err != nil || got.lease.TokenID != "a" {
			t.Errorf("got %+v", got)
		}
	})
}
