package leasing

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A queue is in the order in which its demands began to wait, with whichever desk; those
// that began together are in the order in which they came.
func TestQueueIsInTheOrderOfWaiting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		now, number := time.Unix(1_700_000_000, 0), map[*waiter]int{}
		for i := range rapid.IntRange(0, 50).Draw(t, "demands") {
			w := &waiter{came: now.Add(-time.Duration(rapid.IntRange(0, 5).Draw(t, "waited")) * time.Second)}
			number[w] = i
			if place := q.insert(w); place.Value != w {
				t.Fatal("its place is another's")
			}
		}
		var last *waiter
		for place := q.Front(); place != nil; place = place.Next() {
			w := place.Value.(*waiter)
			if last != nil && (w.came.Before(last.came) || w.came.Equal(last.came) && number[w] < number[last]) {
				t.Fatalf("%v before %v", last, w)
			}
			last = w
		}
		if q.Len() != len(number) {
			t.Fatalf("%d of %d are in it", q.Len(), len(number))
		}
	})
}

// A demand that has waited with another desk goes before those that came here meanwhile.
func TestDemandKeepsItsPlaceAtAnotherDesk(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder := d.waiting(time.Minute)
		expect(t, "the first", holder, "a")
		later := d.waiting(time.Minute)
		moved := d.ask(Demand{Since: time.Now().Add(-time.Second), Until: time.Now().Add(time.Minute)})
		d.end(t, holder, success)
		expect(t, "who has waited longest", moved, "a")
		expect(t, "who came later", later, "nothing")
	})
}

// Neighbours of one key share a call of the store, those of different keys do not: each is
// to have its own token.
func TestNeighboursOfOneKeyAreServedTogether(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 0)
		d.store.slow = make(chan struct{})
		d.waiting(time.Minute)
		synctest.Wait() // the store is asked for the first, and the others queue up
		for _, key := range []string{"k1", "k1", "k2", ""} {
			d.ask(Demand{Affinity: key, Until: time.Now().Add(time.Minute)})
		}
		close(d.store.slow)
		synctest.Wait()
		var got []string
		for _, each := range d.store.asked() {
			got = append(got, fmt.Sprint(each.Count, each.Affinity))
		}
		if want := []string{"1", "2k1", "1k2", "1"}; !slices.Equal(got, want) {
			t.Errorf("asked for %q, want %q", got, want)
		}
	})
}
