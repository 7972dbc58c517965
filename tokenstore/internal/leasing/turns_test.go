package leasing

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What becomes free goes first to the desk where somebody waits for longer, and is
// nobody's for a moment at most.
func TestAnotherDeskHasItsTurn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		desk  string
		waits time.Duration
		// ago is how long ago the other desk said so.
		ago  time.Duration
		held time.Duration
	}{
		"somebody waits for longer there":  {desk: "another", waits: time.Minute, held: courtesy},
		"nobody waits for as long there":   {desk: "another", waits: time.Second},
		"it has not been heard of lately":  {desk: "another", waits: time.Minute, ago: announcedFor},
		"it is this desk's own announcing": {waits: time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atDesk(t, func(t *testing.T, d *desk) {
				d.store.add("a", 1)
				holder, waits := d.waiting(time.Hour), d.waiting(time.Hour)
				expect(t, "who waits", waits, "nothing")
				time.Sleep(10 * time.Second)
				if c.desk == "" {
					c.desk = d.id
				}
				d.NoteWaiting(Waiting{Upstream: "u", Desk: c.desk, For: c.waits})
				time.Sleep(c.ago)
				synctest.Wait() // a tick of this instant is over
				began := time.Now()
				d.end(t, holder, success)
				time.Sleep(2 * courtesy)
				expect(t, "then", waits, "a")
				if held := waits.at.Sub(began); held != c.held {
					t.Errorf("after %s, want %s", held, c.held)
				}
			})
		})
	}
}

// However often something becomes free, a desk is held up by one turn only.
func TestTurnsDoNotAddUp(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		only := d.store.add("a", 1)
		expect(t, "the first", d.waiting(time.Hour), "a")
		waits := d.waiting(time.Hour)
		expect(t, "who waits", waits, "nothing")
		d.NoteWaiting(Waiting{Upstream: "u", Desk: "another", For: time.Minute})
		began := time.Now()
		d.store.mu.Lock()
		clear(only.open)
		d.store.mu.Unlock()
		for range 3 * courtesy / time.Millisecond {
			d.Freed("u")
			time.Sleep(time.Millisecond)
		}
		if expect(t, "then", waits, "a"); waits.at.Sub(began) != courtesy {
			t.Errorf("after %s", waits.at.Sub(began))
		}
	})
}

// Who waits is announced while it waits, and what is known of others has a bound.
func TestWhoWaitsIsAnnounced(t *testing.T) {
	t.Parallel()
	atDesk(t, func(t *testing.T, d *desk) {
		d.store.add("a", 1)
		holder := d.waiting(time.Hour)
		expect(t, "the first", holder, "a")
		d.waiting(time.Hour)
		time.Sleep(time.Second)
		synctest.Wait()
		d.store.mu.Lock()
		announced := d.store.announced
		d.store.mu.Unlock()
		last := announced[len(announced)-1]
		if len(announced) < 9 || len(announced) > 11 || last.Upstream != "u" || last.Desk != d.id || last.For < 800*time.Millisecond {
			t.Errorf("%d times, last %+v", len(announced), last)
		}
		for i := range 3 * maxWanted {
			d.NoteWaiting(Waiting{Upstream: fmt.Sprint(i), Desk: "another", For: time.Minute})
		}
		if len(d.others) > maxWanted || len(d.wanted) > maxWanted {
			t.Errorf("%d others, %d wanted", len(d.others), len(d.wanted))
		}
	})
}
