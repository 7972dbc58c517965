package tokens

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeFleet is a FleetService with another gateway, which has counted 100
// requests and answers 10.
type fakeFleet struct {
	mu    sync.Mutex
	beats []*tokenstorev1.BeatRequest
	// gone: it does not answer, until the caller gives up.
	gone bool
	// quiet: the other gateway answers no requests.
	quiet   bool
	stocked *tokenstorev1.Stocked
	givenUp []string
}

var firstStart = time.UnixMicro(1_700_000_000_000_000)

func (f *fakeFleet) Beat(ctx context.Context, request *tokenstorev1.BeatRequest, _ ...grpc.CallOption) (*tokenstorev1.BeatResponse, error) {
	f.mu.Lock()
	f.beats = append(f.beats, request)
	gone, stocked, givenUp, active := f.gone, f.stocked, f.givenUp, uint64(10)
	if f.quiet {
		active = 0
	}
	f.mu.Unlock()
	if gone {
		<-ctx.Done()
		return nil, errors.New("no answer")
	}
	return &tokenstorev1.BeatResponse{
		TotalRequests: 100 + request.GetRequests(), ActiveRequests: active + uint64(request.GetActive()), StartedAt: timestamppb.New(firstStart),
		Stocked: stocked, GivenUp: givenUp,
	}, nil
}

func (f *fakeFleet) vanish(gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = gone
}

func (f *fakeFleet) said() []*tokenstorev1.BeatRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.beats
}

// beating runs a Fleet in a bubble while test goes on, and ends it.
func beating(t *testing.T, test func(t *testing.T, store *fakeFleet, fleet *Fleet, count func(Pulse))) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeFleet{}
		var pulse atomic.Pointer[Pulse]
		count := func(now Pulse) { pulse.Store(&now) }
		count(Pulse{})
		fleet := NewFleet(store, "g1", "1.2.3", func() Pulse { return *pulse.Load() }, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { fleet.Run(ctx) })
		test(t, store, fleet, count)
		stop()
		running.Wait()
	})
}

func TestFleetBeatsOnceASecond(t *testing.T) {
	beating(t, func(t *testing.T, store *fakeFleet, fleet *Fleet, count func(Pulse)) {
		synctest.Wait()
		near := []*tokenstorev1.NearBudget{{Period: "day", Unit: "usd", Keys: 2}}
		count(Pulse{Requests: 7, Active: 2, Log: LogCounts{Accepted: 6, Pending: 3, Dropped: 1}, NearBudgets: near, Degraded: 1500 * time.Millisecond})
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		said := store.said()
		if len(said) != 4 {
			t.Fatalf("%d beats", len(said))
		}
		want := &tokenstorev1.BeatRequest{
			Replica: "g1", Version: "1.2.3", StartedAt: said[0].GetStartedAt(), Requests: 7, Active: 2, LogAccepted: 6, LogPending: 3, LogDropped: 1,
			NearBudgets: near, DegradedMs: 1500,
		}
		if !proto.Equal(said[3], want) || said[0].GetStartedAt() == nil {
			t.Errorf("said %v", said[3])
		}
		if got := fleet.Last().GetTotalRequests(); got != 107 {
			t.Errorf("heard of %d requests", got)
		}
	})
}

// While no gateway has requests their numbers don't change, and it suffices that all are known
// to run.
func TestAQuietFleetBeatsRarely(t *testing.T) {
	beating(t, func(t *testing.T, store *fakeFleet, _ *Fleet, count func(Pulse)) {
		store.mu.Lock()
		store.quiet = true
		store.mu.Unlock()
		beats := func(during time.Duration) int {
			before := len(store.said())
			time.Sleep(during)
			synctest.Wait()
			return len(store.said()) - before
		}
		beats(quietAfter + quietBeatEvery)
		if n := beats(10 * quietBeatEvery); n != 10 {
			t.Errorf("%d beats in the time of ten", n)
		}
		count(Pulse{Requests: 1})
		beats(quietBeatEvery)
		if n := beats(5 * beatEvery); n != 5 {
			t.Errorf("%d beats a second after a request", n)
		}
	})
}

// What is given up is told before it is time for a beat, once, or again where nobody has heard
// it; and what others give up is heard.
func TestFleetGivesUpCalls(t *testing.T) {
	beating(t, func(t *testing.T, store *fakeFleet, fleet *Fleet, _ func(Pulse)) {
		synctest.Wait()
		var strays, heard []string
		fleet.OnGivenUp(func(most int) []string {
			n := min(most, len(strays))
			defer func() { strays = strays[n:] }()
			return strays[:n]
		}, func(calls []string) { heard = append(heard, calls...) })
		for range maxGivenUp + 1 {
			strays = append(strays, "call_k")
		}
		store.vanish(true)
		fleet.Nudge()
		fleet.Nudge()
		time.Sleep(nudgeEvery + beatTimeout)
		synctest.Wait()
		store.vanish(false)
		store.mu.Lock()
		store.givenUp = []string{"call_k1"}
		store.mu.Unlock()
		time.Sleep(3 * beatEvery)
		synctest.Wait()
		var told []int
		for _, each := range store.said() {
			told = append(told, len(each.GetGivenUp()))
		}
		if len(told) < 3 || told[2] != maxGivenUp || !slices.Equal(slices.Compact(told), []int{0, maxGivenUp, 1, 0}) {
			t.Errorf("told %v", told)
		}
		if len(heard) == 0 || heard[0] != "call_k1" {
			t.Errorf("heard %q", heard)
		}
	})
}

// What this gateway counts is seen at once, what the others count with the next
// beat.
func TestFleetCountsItsOwnRequestsAtOnce(t *testing.T) {
	beating(t, func(t *testing.T, _ *fakeFleet, fleet *Fleet, count func(Pulse)) {
		synctest.Wait()
		for _, now := range []Pulse{{Requests: 1, Active: 1}, {Requests: 3, Active: 2}, {Requests: 3}} {
			count(now)
			got, known := fleet.Chats()
			want := Chats{StartedAt: firstStart.UTC(), Total: 100 + now.Requests, Active: 10 + uint64(now.Active)}
			if !known || got != want {
				t.Errorf("%+v: %+v, %v", now, got, known)
			}
		}
	})
}

// A tokenstore that is away blocks nobody; after five seconds its last word counts
// no more, until it is back.
func TestFleetWithoutATokenstore(t *testing.T) {
	beating(t, func(t *testing.T, store *fakeFleet, fleet *Fleet, _ func(Pulse)) {
		synctest.Wait()
		store.vanish(true)
		time.Sleep(4 * time.Second)
		if _, known := fleet.Chats(); !known || fleet.Last() == nil {
			t.Error("forgotten too early")
		}
		time.Sleep(2 * time.Second)
		if _, known := fleet.Chats(); known || fleet.Last() != nil {
			t.Error("still believed")
		}
		store.vanish(false)
		time.Sleep(3 * time.Second)
		if _, known := fleet.Chats(); !known || fleet.Last() == nil {
			t.Error("not believed again")
		}
	})
}

// Which upstreams have tokens is known within a second of a change; what is not told
// leaves what was.
func TestFleetTellsWhoHasTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeFleet{}
		var told [][]string
		fleet := NewFleet(store, "g1", "1.2.3", func() Pulse { return Pulse{} }, slog.New(slog.DiscardHandler))
		fleet.OnStocked(func(upstreams []string) { told = append(told, upstreams) })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { fleet.Run(ctx) })
		time.Sleep(beatEvery / 2) // between two beats
		for _, stocked := range []*tokenstorev1.Stocked{{Upstreams: []string{"a"}}, nil, {}, {Upstreams: []string{"a", "b"}}} {
			synctest.Wait()
			store.mu.Lock()
			store.stocked = stocked
			store.mu.Unlock()
			time.Sleep(time.Second)
		}
		store.mu.Lock()
		store.stocked = &tokenstorev1.Stocked{Upstreams: []string{"b"}}
		store.mu.Unlock()
		fleet.Refresh(ctx)
		stop()
		running.Wait()
		if want := [][]string{{"a"}, nil, {"a", "b"}, {"b"}}; !slices.EqualFunc(told, want, slices.Equal) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

func TestFleetLeaves(t *testing.T) {
	beating(t, func(t *testing.T, store *fakeFleet, fleet *Fleet, count func(Pulse)) {
		synctest.Wait()
		count(Pulse{Requests: 42})
		fleet.Leave(t.Context())
		if said := store.said(); said[len(said)-1].GetRequests() != 42 {
			t.Errorf("the last word was %v", said[len(said)-1])
		}
		store.vanish(true)
		began := time.Now()
		fleet.Leave(t.Context())
		if took := time.Since(began); took > beatTimeout {
			t.Errorf("leaving took %v", took)
		}
	})
}
