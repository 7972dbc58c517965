package relay

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	granted := func(b *budget, at time.Time, percent, replicas int) (n int) {
		for range 10_000 {
			if !b.retry(at, percent, replicas) {
				return n
			}
			n++
		}
		return n
	}
	filled := func() *budget {
		b := &budget{}
		for i := range 1000 {
			b.request(now.Add(time.Duration(i) * 9 * time.Millisecond)) // over nine seconds
		}
		return b
	}
	later := now.Add(9 * time.Second)
	for name, test := range map[string]struct {
		budget            *budget
		at                time.Time
		percent, replicas int
		want              int
	}{
		"without requests there is the reserve": {&budget{}, now, 20, 1, 100},
		"replicas share the reserve":            {&budget{}, now, 20, 4, 25},
		"a share of the requests":               {filled(), later, 20, 4, 225},
		"none where an admin wants none":        {filled(), later, 0, 1, 0},
		"old requests don't count":              {filled(), later.Add(5 * time.Second), 20, 1, 100 + 200*4/9},
		"nor very old ones":                     {filled(), later.Add(time.Hour), 20, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := granted(test.budget, test.at, test.percent, test.replicas)
			if got < test.want-2 || got > test.want+2 {
				t.Errorf("%d retries, want %d", got, test.want)
			}
			if granted(test.budget, test.at, test.percent, test.replicas) != 0 {
				t.Error("there are more")
			}
		})
	}
}

// Each retry that is granted leaves no more of them, in the ten seconds up to it, than
// the reserve and the share of the requests allow.
func TestBudgetBoundsRetries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, now := &budget{}, time.Unix(0, 0)
		percent, replicas := rapid.IntRange(1, 100).Draw(t, "percent"), rapid.IntRange(1, 20).Draw(t, "replicas")
		requests, retries := map[int64]int{}, map[int64]int{}
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			for range rapid.IntRange(0, 50).Draw(t, "requests") {
				b.request(now)
				requests[now.Unix()]++
			}
			granted := 0
			for range rapid.IntRange(0, 150).Draw(t, "retries") {
				if b.retry(now, percent, replicas) {
					granted++
				}
			}
			retries[now.Unix()] += granted
			sent, again := 0, 0
			for second := now.Unix() - budgetSlots + 1; second <= now.Unix(); second++ {
				sent += requests[second]
				again += retries[second]
			}
			if granted > 0 && again > reserve/replicas+sent*percent/100 {
				t.Fatalf("%d retries for %d requests", again, sent)
			}
		}
	})
}
