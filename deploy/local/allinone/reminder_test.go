package allinone

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/proto/service/ops"
)

// diary notes what is said, and when.
type diary struct {
	started time.Time
	entries []string
}

func (d *diary) Warn(at time.Time, text string) { d.note(at, "- "+text) }

func (d *diary) Relieve(at time.Time, text string) { d.note(at, "+ "+text) }

func (d *diary) note(at time.Time, text string) {
	d.entries = append(d.entries, at.Sub(d.started).String()+" "+text)
}

func TestProblemsAreRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := &diary{started: time.Now()}
		r := newReminder(said)
		var full, away atomic.Pointer[string]
		source := func(name string, text *atomic.Pointer[string]) {
			r.watch(func() []ops.Problem {
				if now := text.Load(); now != nil {
					return []ops.Problem{{Name: name, Text: *now}}
				}
				return nil
			})
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // ends with ctx
			r.run(ctx)
			close(ended)
		}()
		source("full", &full)
		source("away", &away)
		at := func(after time.Duration) {
			time.Sleep(time.Until(said.started.Add(after)))
			synctest.Wait()
		}

		at(10 * time.Second)
		full.Store(new("90 % full"))
		at(20 * time.Second)
		full.Store(new("91 % full")) // the same problem
		at(time.Minute)
		away.Store(new("away"))
		at(70 * time.Second)
		away.Store(nil)
		at(11 * time.Minute)
		full.Store(nil)
		at(time.Hour)
		away.Store(new("away"))
		at(time.Hour + 10*time.Second)
		end()
		<-ended
		at(24 * time.Hour)

		want := []string{
			"12s - 90 % full",
			"1m3s - away",
			"1m12s + over after 9 s: away",
			"5m12s - still, after 5 min: 91 % full",
			"10m12s - still, after 10 min: 91 % full",
			"11m3s + over after 10 min: 91 % full",
			"1h0m3s - away",
		}
		if !slices.Equal(said.entries, want) {
			t.Errorf("said\n%s\nwant\n%s", strings.Join(said.entries, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestAge(t *testing.T) {
	since := time.Now()
	for lasted, want := range map[time.Duration]string{
		59900 * time.Millisecond: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min", 25*time.Hour + 61*time.Second: "25 h 1 min",
	} {
		if got := age(since, since.Add(lasted)); got != want {
			t.Errorf("%s: %s, want %s", lasted, got, want)
		}
	}
}
