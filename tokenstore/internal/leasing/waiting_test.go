package leasing

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueuedTellsWhatRequestsWaitFor(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		if got := d.Queued(); len(got) != 0 {
			t.Fatalf("nobody has asked: %v", got)
		}
		d.store.add("a", 1)
		d.ask(Demand{}) // takes it
		synctest.Wait()
		first := d.waiting(time.Minute)
		synctest.Wait()
		time.Sleep(3 * time.Second) // of the test's own clock
		second := d.waiting(time.Minute)
		synctest.Wait()
		want := map[string]Queued{"u": {Demands: 2, Oldest: 3 * time.Second}}
		if got := d.Queued(); len(got) != 1 || got["u"] != want["u"] {
			t.Errorf("%v", got)
		}
		first.withdraw()
		second.withdraw()
		if got := d.Queued(); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// The observer hears of each answer what it was.
func TestAnswersAreObserved(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.ask(Demand{Count: 2})
		synctest.Wait()
		d.store.add("a", 0)
		d.ask(Demand{})
		synctest.Wait()
		d.ask(Demand{Ahead: true})
		synctest.Wait()
		d.alarms.mu.Lock()
		defer d.alarms.mu.Unlock()
		if want := []string{"u ahead=false 0 no_tokens", "u ahead=false 1 "}; len(d.alarms.answered) < 2 || !slices.Equal(d.alarms.answered[:2], want) {
			t.Errorf("%q", d.alarms.answered)
		}
	})
}
