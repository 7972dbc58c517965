package leasing

import (
	"testing"
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
