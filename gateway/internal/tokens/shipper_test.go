package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeLog is a RequestLogService that stores as the contract says: entries at or
// below the highest sequence are skipped.
type fakeLog struct {
	tokenstorev1.RequestLogServiceClient

	mu     sync.Mutex
	stored []*tokenstorev1.LogEntry
	calls  [][]uint64
	// fail is asked before each call; nil: it goes well.
	fail func(call int, entries []*tokenstorev1.LogEntry) error
	// late: a call that fails has been carried out nevertheless.
	late bool
	// slow is how long a call takes.
	slow time.Duration
}

func (f *fakeLog) Append(ctx context.Context, request *tokenstorev1.AppendRequest, _ ...grpc.CallOption) (*tokenstorev1.AppendResponse, error) {
	if f.slow > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(f.slow):
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var entries []*tokenstorev1.LogEntry
	for _, encoded := range request.GetEntries() {
		entry := &tokenstorev1.LogEntry{}
		if err := proto.Unmarshal(encoded, entry); err != nil {
			return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "not an entry")
		}
		entry.Replica = request.GetReplica()
		entries = append(entries, entry)
	}
	var sequences []uint64
	for _, entry := range entries {
		sequences = append(sequences, entry.GetSequence())
	}
	f.calls = append(f.calls, sequences)
	var err error
	if f.fail != nil {
		err = f.fail(len(f.calls), entries)
	}
	if err != nil && !f.late {
		return nil, err
	}
	for _, entry := range entries {
		if len(f.stored) == 0 || entry.GetSequence() > f.stored[len(f.stored)-1].GetSequence() {
			f.stored = append(f.stored, entry)
		}
	}
	return &tokenstorev1.AppendResponse{}, err
}

func (f *fakeLog) sequences() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []uint64
	for _, entry := range f.stored {
		all = append(all, entry.GetSequence())
	}
	return all
}

// logCounts is a LogObserver. The Shipper's mutex guards it.
type logCounts struct {
	accepted, stored int
	dropped          map[string]int
}

func (c *logCounts) LogAccepted()                    { c.accepted++ }
func (c *logCounts) LogStored(n int)                 { c.stored += n }
func (c *logCounts) LogDropped(reason string, n int) { c.dropped[reason] += n }

func newShipper(store *fakeLog) (*Shipper, *logCounts) {
	counts := &logCounts{dropped: map[string]int{}}
	return NewShipper(store, "replica-1", counts, slog.New(slog.DiscardHandler)), counts
}

// balance tells whether every accepted entry is accounted for.
func balance(s *Shipper, counts *logCounts) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped := 0
	for _, n := range counts.dropped {
		dropped += n
	}
	if s.accepted != uint64(counts.accepted) || s.dropped != uint64(dropped) {
		return fmt.Errorf("counts accepted %d, dropped %d; told %d and %d", s.accepted, s.dropped, counts.accepted, dropped)
	}
	if counts.accepted != counts.stored+len(s.queue)+dropped {
		return errors.New("accepted " + strconv.Itoa(counts.accepted) + ", stored " + strconv.Itoa(counts.stored) +
			", pending " + strconv.Itoa(len(s.queue)) + ", dropped " + strconv.Itoa(dropped))
	}
	return nil
}

// ship runs a Shipper in a bubble while test goes on, and ends it.
func ship(t *testing.T, store *fakeLog, test func(t *testing.T, s *Shipper, counts *logCounts)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, counts := newShipper(store)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer func() {
			stop()
			running.Wait()
			if err := balance(s, counts); err != nil {
				t.Error(err)
			}
		}()
		test(t, s, counts)
	})
}

func record(s *Shipper, n int) {
	for range n {
		s.Record(reqlog.Entry{ID: "request"})
	}
}

// firstSequences are 1, 2, …, n.
func firstSequences(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}

func TestEntriesTravelInOrderAndTogether(t *testing.T) {
	store := &fakeLog{}
	ship(t, store, func(t *testing.T, s *Shipper, _ *logCounts) {
		record(s, 10)
		pause(shipEvery + time.Millisecond)
		record(s, maxBatch+10) // a full batch does not wait
		synctest.Wait()
		store.mu.Lock()
		if len(store.calls) < 2 || len(store.calls[0]) != 10 || len(store.calls[1]) != maxBatch {
			t.Errorf("%d calls", len(store.calls))
		}
		store.mu.Unlock()
		pause(shipEvery + time.Millisecond) // the rest may have come when that was on its way
		if got := store.sequences(); !slices.Equal(got, firstSequences(maxBatch+20)) {
			t.Errorf("stored %v", got)
		}
		if store.stored[3].GetReplica() != "replica-1" {
			t.Errorf("replica %q", store.stored[3].GetReplica())
		}
	})
}

func TestSteadyLoadTravelsInFewBatches(t *testing.T) {
	store := &fakeLog{slow: 2 * time.Millisecond}
	ship(t, store, func(t *testing.T, s *Shipper, _ *logCounts) {
		for range 1000 { // over a second
			record(s, 1)
			pause(time.Millisecond)
		}
		pause(2 * shipEvery)
		if got := len(store.calls); got > 8 {
			t.Errorf("%d calls for 1000 entries in a second", got)
		}
		if got := store.sequences(); !slices.Equal(got, firstSequences(1000)) {
			t.Errorf("stored %d", len(got))
		}
	})
}

// Where nothing happens nothing wakes up: an entry that comes after a long time is the first
// thing that the shipper hears of, and what comes in its window travels with it.
func TestAnIdleShipperSleeps(t *testing.T) {
	store := &fakeLog{}
	ship(t, store, func(t *testing.T, s *Shipper, _ *logCounts) {
		for range 3 {
			pause(time.Hour + shipEvery/2) // a ticker would be in the middle of its period
			record(s, 1)
			pause(shipEvery - time.Millisecond)
			record(s, 1)
			pause(2 * time.Millisecond)
		}
		store.mu.Lock()
		defer store.mu.Unlock()
		if want := [][]uint64{{1, 2}, {3, 4}, {5, 6}}; !slices.EqualFunc(store.calls, want, slices.Equal) {
			t.Errorf("calls of %v, want %v", store.calls, want)
		}
	})
}

func TestFailedBatchIsRepeatedWithTheSameSequences(t *testing.T) {
	for name, late := range map[string]bool{"not stored": false, "stored, but the answer was lost": true} {
		t.Run(name, func(t *testing.T) {
			store := &fakeLog{late: late, fail: func(call int, _ []*tokenstorev1.LogEntry) error {
				if call <= 3 {
					return errors.New("away")
				}
				return nil
			}}
			ship(t, store, func(t *testing.T, s *Shipper, counts *logCounts) {
				record(s, 5)
				pause(5 * time.Second)
				for i, sequences := range store.calls {
					if !slices.Equal(sequences, firstSequences(5)) {
						t.Errorf("call %d sent %v", i+1, sequences)
					}
				}
				if got := store.sequences(); len(store.calls) != 4 || !slices.Equal(got, firstSequences(5)) || counts.stored != 5 {
					t.Errorf("%d calls, stored %v, counted %d", len(store.calls), got, counts.stored)
				}
			})
		})
	}
}

func TestOnlyTheBadEntryIsDropped(t *testing.T) {
	store := &fakeLog{fail: func(_ int, entries []*tokenstorev1.LogEntry) error {
		for _, entry := range entries {
			if entry.GetModel() == "bad" {
				return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "bad entry")
			}
		}
		return nil
	}}
	ship(t, store, func(t *testing.T, s *Shipper, counts *logCounts) {
		record(s, 100)
		s.Record(reqlog.Entry{Model: "bad"})
		record(s, 100)
		s.Record(reqlog.Entry{Model: "bad"})
		pause(shipEvery + time.Millisecond)
		want := slices.DeleteFunc(firstSequences(202), func(n uint64) bool { return n == 101 || n == 202 })
		if got := store.sequences(); !slices.Equal(got, want) {
			t.Errorf("stored %v", got)
		}
		if counts.dropped["refused"] != 2 {
			t.Errorf("dropped %v", counts.dropped)
		}
		if n := len(store.calls); n > 50 {
			t.Errorf("%d calls to find two bad entries", n)
		}
	})
}

// Only the answer that an entry is wrong sets one aside. Whatever else the store or its
// database says, entries wait, until it takes them.
func TestEntriesOutlastEveryOtherFailure(t *testing.T) {
	for name, failure := range map[string]error{
		"the store can't be reached":                  status.Error(codes.Unavailable, "connection refused"),
		"the store fails by a fault of its own":       status.Error(codes.Internal, "internal error of the tokenstore"),
		"the store's database is away":                rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "WRONGPASS"),
		"the secret between the services has changed": rpcerr.New(tokenstorev1.Reason_REASON_UNAUTHENTICATED, "the shared secret is wrong"),
		"a proxy between them refuses":                status.Error(codes.PermissionDenied, "no"),
		"the store has reached a limit":               status.Error(codes.ResourceExhausted, "too many calls"),
		"the store does not know how":                 status.Error(codes.Unimplemented, "unknown method"),
		"a code without our reason":                   status.Error(codes.InvalidArgument, "malformed"),
		"data was lost on the way":                    status.Error(codes.DataLoss, "lost"),
	} {
		t.Run(name, func(t *testing.T) {
			var until time.Time
			store := &fakeLog{fail: func(int, []*tokenstorev1.LogEntry) error {
				if time.Now().Before(until) {
					return failure
				}
				return nil
			}}
			ship(t, store, func(t *testing.T, s *Shipper, counts *logCounts) {
				until = time.Now().Add(30 * time.Second)
				for range 30 {
					record(s, 5)
					pause(time.Second)
				}
				if len(counts.dropped) != 0 {
					t.Errorf("dropped %v", counts.dropped)
				}
				pause(3 * time.Second)
				if got := store.sequences(); !slices.Equal(got, firstSequences(150)) {
					t.Errorf("stored %v", got)
				}
				if n := len(store.calls); n > 100 {
					t.Errorf("%d calls in 30 s to a store that fails", n)
				}
			})
		})
	}
}

// What no message could carry is given up at once, so that nothing waits behind it.
func TestEntryThatCannotTravelIsGivenUp(t *testing.T) {
	t.Parallel()
	s, counts := newShipper(&fakeLog{})
	s.Record(reqlog.Entry{Prompt: strings.Repeat("x", maxEntry)})
	record(s, 1)
	if counts.dropped["too_large"] != 1 || s.pending() != 1 || s.queue[0].sequence != 1 {
		t.Errorf("dropped %v, %d pending", counts.dropped, s.pending())
	}
	if err := balance(s, counts); err != nil {
		t.Error(err)
	}
}

func TestBatchesGrowAgainWhenNoBadEntryIsFound(t *testing.T) {
	t.Parallel()
	store := &fakeLog{fail: func(call int, _ []*tokenstorev1.LogEntry) error {
		if call <= 3 {
			return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a whim")
		}
		return nil
	}}
	s, _ := newShipper(store)
	record(s, 10*maxBatch)
	s.shipAll(t.Context())
	if n := len(store.calls); n > 20 || len(store.stored) != 10*maxBatch {
		t.Errorf("%d entries in %d calls", len(store.stored), n)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		entry reqlog.Entry
		room  int
	}{
		"in entries": {reqlog.Entry{}, maxQueued},
		"in bytes":   {reqlog.Entry{Prompt: strings.Repeat("x", 1<<20)}, maxQueuedBytes>>20 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, counts := newShipper(&fakeLog{})
			for range test.room + 10 {
				s.Record(test.entry)
			}
			if got := counts.dropped["queue_full"]; got != 10 || s.pending() != test.room {
				t.Errorf("%d dropped, %d pending", got, s.pending())
			}
			if last := s.queue[len(s.queue)-1].sequence; last != uint64(test.room) {
				t.Errorf("the last sequence is %d: what is dropped leaves no gap", last)
			}
			if err := balance(s, counts); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	store := &fakeLog{}
	s, _ := newShipper(store)
	for range 8 {
		s.Record(reqlog.Entry{Prompt: strings.Repeat("x", maxBatchBytes/3)})
	}
	s.Record(reqlog.Entry{Prompt: strings.Repeat("x", 2*maxBatchBytes)}) // goes alone
	s.shipAll(t.Context())
	for _, call := range store.calls {
		if len(call) > 2 {
			t.Errorf("a call had %d entries", len(call))
		}
	}
	if len(store.stored) != 9 || s.bytes != 0 {
		t.Errorf("%d stored, %d bytes left", len(store.stored), s.bytes)
	}
}

func TestShutdownShipsWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		store  *fakeLog
		stored int
		within time.Duration
	}{
		"store is there":         {&fakeLog{}, 1000, 0},
		"store fails once":       {&fakeLog{fail: failing(1)}, 1000, time.Second},
		"store is away":          {&fakeLog{fail: failing(1 << 30)}, 0, farewell},
		"store does not answer":  {&fakeLog{slow: time.Hour}, 0, farewell},
		"call was under way":     {&fakeLog{slow: 250 * time.Millisecond}, 1000, time.Second},
		"stored but not to know": {&fakeLog{fail: failing(1), late: true}, 1000, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, counts := newShipper(test.store)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { s.Run(ctx); close(ended) }()
				synctest.Wait()
				record(s, 1000)
				synctest.Wait()
				began := time.Now()
				stop()
				<-ended
				if took := time.Since(began); took > test.within {
					t.Errorf("took %v", took)
				}
				if counts.stored != test.stored || counts.dropped["shutdown"] != 1000-test.stored || len(test.store.stored) != test.stored {
					t.Errorf("stored %d (counted %d), dropped %v", len(test.store.stored), counts.stored, counts.dropped)
				}
				if err := balance(s, counts); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func failing(calls int) func(int, []*tokenstorev1.LogEntry) error {
	return func(call int, _ []*tokenstorev1.LogEntry) error {
		if call <= calls {
			return errors.New("away")
		}
		return nil
	}
}

// Whatever the store does and in whatever order things happen, every accepted
// entry is accounted for, and what is stored is in order and there once.
func TestEveryEntryIsAccountedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store := &fakeLog{late: rapid.Bool().Draw(t, "late")}
		store.fail = func(_ int, entries []*tokenstorev1.LogEntry) error {
			if slices.ContainsFunc(entries, func(e *tokenstorev1.LogEntry) bool { return e.GetModel() == "bad" }) {
				return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "bad entry")
			}
			if rapid.Bool().Draw(t, "away") {
				return errors.New("away")
			}
			return nil
		}
		s, counts := newShipper(store)
		bad := 0
		t.Repeat(map[string]func(*rapid.T){
			"record":     func(t *rapid.T) { record(s, rapid.IntRange(1, 50).Draw(t, "n")) },
			"record bad": func(*rapid.T) { s.Record(reqlog.Entry{Model: "bad"}); bad++ },
			"ship": func(t *rapid.T) {
				if s.pending() > 0 {
					_ = s.ship(context.Background())
				}
			},
			"": func(t *rapid.T) {
				if err := balance(s, counts); err != nil {
					t.Fatal(err)
				}
			},
		})
		store.late = false
		for s.pending() > 0 {
			_ = s.ship(context.Background())
		}
		if err := balance(s, counts); err != nil || counts.dropped["refused"] != bad {
			t.Fatalf("%v; %d bad ones, dropped %v", err, bad, counts.dropped)
		}
		if got := store.sequences(); !slices.IsSorted(got) || len(got) < counts.stored {
			t.Fatalf("stored %v, counted %d", got, counts.stored)
		}
	})
}

// How long nothing was stored is told while something waits, from the last entry that was.
func TestBacklogTellsForHowLongNothingIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := true
		s, _ := newShipper(&fakeLog{fail: func(int, []*tokenstorev1.LogEntry) error {
			if away {
				return errAway
			}
			return nil
		}})
		stalled := func(want time.Duration) {
			t.Helper()
			if got := s.Backlog().Stalled; got != want {
				t.Errorf("nothing is stored for %s, not %s", got, want)
			}
		}
		stalled(0)
		time.Sleep(time.Hour) // of the test's own clock
		s.Record(reqlog.Entry{ID: "1"})
		stalled(0)
		time.Sleep(5 * time.Second)
		s.Record(reqlog.Entry{ID: "2"})
		stalled(5 * time.Second)
		away = false
		s.shipAll(t.Context())
		time.Sleep(time.Minute)
		stalled(0)
	})
}
