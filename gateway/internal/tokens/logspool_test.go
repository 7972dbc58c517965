package tokens

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/spool"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var errAway = status.Error(codes.Unavailable, "away")

// spooled makes a shipper with a spool in the folder.
func spooled(t *testing.T, store *fakeLog, folder, replica string) (*Shipper, *logCounts) {
	t.Helper()
	counts := &logCounts{dropped: map[string]int{}}
	s := NewShipper(store, replica, counts, slog.New(slog.DiscardHandler))
	if err := s.UseSpool(folder, 1<<30); err != nil {
		t.Fatal(err)
	}
	return s, counts
}

// runFor runs a shipper until the condition holds, or for minutes: a busy disk takes its time.
func runFor(t *testing.T, s *Shipper, until func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	for ticker := time.NewTicker(5 * time.Millisecond); !until() && ctx.Err() == nil; {
		<-ticker.C
	}
	cancel()
	<-done
}

// What a process leaves that ends while the store is away, its successor ships,
// under the name of the one that wrote it: the store skips what it has.
func TestSpoolIsShippedByTheNextProcess(t *testing.T) {
	t.Parallel()
	folder, store := t.TempDir(), &fakeLog{}
	first, counts := spooled(t, store, folder, "first")
	for range 700 {
		first.Record(reqlog.Entry{ID: "x", Prompt: "private"})
	}
	store.fail = func(call int, _ []*tokenstorev1.LogEntry) error {
		if call > 1 { // the first batch goes well
			return errAway
		}
		return nil
	}
	calls := func() int { store.mu.Lock(); defer store.mu.Unlock(); return len(store.calls) }
	stopped, stop := context.WithCancel(t.Context())
	stop()
	first.batch = 200
	if err := first.ship(stopped); err != nil {
		t.Fatal(err)
	}
	if !first.closeSpool(t.Context()) || len(counts.dropped) > 0 {
		t.Fatalf("dropped %v", counts.dropped)
	}
	store.fail = nil
	second, counts := spooled(t, store, folder, "second")
	if got := second.Counts(); got.Accepted != 700 || got.Pending != 700 {
		t.Errorf("at its start: %+v", got)
	}
	runFor(t, second, func() bool { return second.Counts().Pending == 0 && calls() > 1 })
	if got := second.Counts(); got != (LogCounts{Accepted: 700}) || counts.stored != 700 {
		t.Errorf("at its end: %+v, stored %d", got, counts.stored)
	}
	sequences := store.sequences()
	if len(sequences) != 700 || !slices.IsSorted(sequences) {
		t.Errorf("the store has %d entries", len(sequences))
	}
	if left, err := spool.Leftovers(folder); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, entry := range store.stored[200:] {
		if entry.GetPrompt() != "" || entry.GetReplica() != "first" {
			t.Fatalf("from a file: %v", entry)
		}
	}
}

// For what has no room in memory there is the file; the order stays.
func TestSpoolTakesWhatMemoryHasNoRoomFor(t *testing.T) {
	t.Parallel()
	store := &fakeLog{}
	s, counts := spooled(t, store, t.TempDir(), "r")
	const entries = maxQueued + 3000
	for range entries {
		s.Record(reqlog.Entry{ID: "x"})
	}
	if got := s.Counts(); got.Pending != entries || got.Dropped != 0 || len(s.queue) != maxQueued {
		t.Errorf("%+v, %d in memory", got, len(s.queue))
	}
	runFor(t, s, func() bool { return s.Counts().Pending == 0 })
	if got := s.Counts(); got != (LogCounts{Accepted: entries}) || counts.stored != entries {
		t.Errorf("%+v, stored %d", got, counts.stored)
	}
	for i, sequence := range store.sequences() {
		if sequence != uint64(i+1) {
			t.Fatalf("entry %d has sequence %d", i+1, sequence)
		}
	}
}

// An entry on which the store fails, by a fault of its own or because it is away, holds
// up those behind it and none before it, and all are stored when the store is mended.
func TestEntryOnWhichTheStoreFailsWaits(t *testing.T) {
	for name, c := range map[string]struct {
		fault  error
		before int // are stored meanwhile
	}{
		"a fault of the store": {fault: status.Error(codes.Internal, "a bug"), before: 4},
		"too large a message":  {fault: status.Error(codes.ResourceExhausted, "too large"), before: 4},
		"the store is away":    {fault: errAway},
		"no answer in time":    {fault: status.Error(codes.DeadlineExceeded, "slow")},
		"a broken connection":  {fault: errors.New("broken")},
	} {
		t.Run(name, func(t *testing.T) {
			var mended atomic.Bool
			ship(t, &fakeLog{fail: func(_ int, entries []*tokenstorev1.LogEntry) error {
				if !mended.Load() && slices.ContainsFunc(entries, func(e *tokenstorev1.LogEntry) bool { return e.GetId() == "poison" }) {
					return c.fault
				}
				return nil
			}}, func(t *testing.T, s *Shipper, counts *logCounts) {
				for i := range 9 {
					id := "fine"
					if i == 4 {
						id = "poison"
					}
					s.Record(reqlog.Entry{ID: id})
				}
				<-time.After(time.Minute)
				if got := s.Counts(); got.Dropped != 0 || got.Pending != uint64(9-c.before) {
					t.Errorf("%+v", got)
				}
				mended.Store(true)
				<-time.After(3 * time.Second)
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(counts.dropped) != 0 || counts.stored != 9 {
					t.Errorf("dropped %v, stored %d", counts.dropped, counts.stored)
				}
			})
		})
	}
}
