package tokens

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// beatEvery is how often a gateway beats, and quietBeatEvery how often while no gateway has
	// had a request for quietAfter.
	beatEvery      = time.Second
	quietBeatEvery = 2 * time.Second
	// beatTimeout bounds a beat, also the last one.
	beatTimeout = time.Second
	// maxGivenUp is how many calls a beat gives up.
	maxGivenUp = 64
	// nudgeEvery is how long a beat that is nudged waits for more.
	nudgeEvery = 200 * time.Millisecond
	// beatStale is how long an answer holds.
	beatStale = 5 * time.Second
)

// Pulse is what a gateway counts of itself, since its start.
type Pulse struct {
	// Requests are chat requests, Active those that are being answered.
	Requests uint64
	Active   uint32
	Log      LogCounts
	// NearBudgets are the client keys that are near the end of a budget.
	NearBudgets []*tokenstorev1.NearBudget
	// Degraded is how long it has served without a tokenstore.
	Degraded time.Duration
}

// Chats are the chat requests of all gateways.
type Chats struct {
	// StartedAt is when the first gateway started.
	StartedAt time.Time
	// Total has ever been counted; Active are being answered.
	Total, Active uint64
}

// Fleet tells the tokenstore once a second what this gateway counts, and keeps
// what it answers about all of them.
type Fleet struct {
	client  tokenstorev1.FleetServiceClient
	replica string
	version string
	started time.Time
	pulse   func() Pulse
	log     *slog.Logger
	last    atomic.Pointer[heard]
	stocked func(upstreams []string)
	// strays are up to so many calls that this gateway gives up; givenUp is told those of all.
	strays  func(most int) []string
	givenUp func(calls []string)
	// nudged has Run beat before it is time.
	nudged chan struct{}
	// unsaid are those of strays that nobody has heard; turn guards it.
	unsaid []string
	// moved is when a gateway was last known to have a request; turn guards it.
	moved time.Time
	// turn is held by a beat, so that a later answer is never told before an earlier one.
	turn sync.Mutex
}

// heard is an answer, when it came, and what had been said for it.
type heard struct {
	at     time.Time
	said   Pulse
	answer *tokenstorev1.BeatResponse
}

// NewFleet makes a Fleet; Run beats. replica must be unique per process start;
// pulse must not block.
func NewFleet(client tokenstorev1.FleetServiceClient, replica, version string, pulse func() Pulse, log *slog.Logger) *Fleet {
	return &Fleet{
		client: client, replica: replica, version: version, started: time.Now(), pulse: pulse, log: log, stocked: func([]string) {},
		strays: func(int) []string { return nil }, givenUp: func([]string) {}, nudged: make(chan struct{}, 1),
	}
}

// OnGivenUp has the calls that this gateway gives up told to all, as strays answers them, each
// once and up to so many at a time; and tells givenUp those of all, again and again for some
// seconds. Neither must block. Call it before Run.
func (f *Fleet) OnGivenUp(strays func(most int) []string, givenUp func(calls []string)) {
	f.strays, f.givenUp = strays, givenUp
}

// Nudge has Run beat soon: there is something to give up. It does not block.
func (f *Fleet) Nudge() {
	select {
	case f.nudged <- struct{}{}:
	default:
	}
}

// OnStocked has each answer's list of the upstreams that have tokens told, in order.
// Call it before Run.
func (f *Fleet) OnStocked(tell func(upstreams []string)) { f.stocked = tell }

// Run beats until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	heard := true // the first silence is news
	for {
		err := f.beat(ctx)
		if err != nil && heard && ctx.Err() == nil {
			f.log.LogAttrs(ctx, slog.LevelWarn, "the tokenstore does not hear this gateway; /health has its own numbers only", slog.Any("error", err))
		}
		heard = err == nil
		timer.Reset(f.pace())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.nudged:
			f.gather(ctx)
		}
	}
}

// pace is how long until the next beat.
func (f *Fleet) pace() time.Duration {
	f.turn.Lock()
	defer f.turn.Unlock()
	if time.Since(f.moved) >= quietAfter {
		return quietBeatEvery
	}
	return beatEvery
}

// gather waits for what else is to be given up.
func (f *Fleet) gather(ctx context.Context) {
	timer := time.NewTimer(nudgeEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Refresh beats now: something has changed that the next answer tells of. It blocks for
// two seconds at most.
func (f *Fleet) Refresh(ctx context.Context) {
	if err := f.beat(ctx); err != nil {
		f.log.LogAttrs(ctx, slog.LevelDebug, "the tokenstore does not hear this gateway", slog.Any("error", err))
	}
}

// Leave tells the last numbers. Call it when nothing is counted any more.
func (f *Fleet) Leave(ctx context.Context) {
	if err := f.beat(ctx); err != nil {
		f.log.LogAttrs(ctx, slog.LevelWarn, "the tokenstore has not heard this gateway's last numbers", slog.Any("error", err))
	}
}

func (f *Fleet) beat(ctx context.Context) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	said := f.pulse()
	f.unsaid = append(f.unsaid, f.strays(maxGivenUp-len(f.unsaid))...)
	answer, err := f.client.Beat(ctx, &tokenstorev1.BeatRequest{
		Replica: f.replica, Version: f.version, StartedAt: timestamppb.New(f.started), Requests: said.Requests, Active: said.Active,
		LogAccepted: said.Log.Accepted, LogPending: said.Log.Pending, LogDropped: said.Log.Dropped,
		GivenUp: f.unsaid, NearBudgets: said.NearBudgets, DegradedMs: uint64(said.Degraded.Milliseconds()), //nolint:gosec // not negative
	})
	if err != nil {
		return err
	}
	f.unsaid = nil
	last := f.last.Load()
	if last == nil || answer.GetActiveRequests() > 0 || answer.GetTotalRequests() != last.answer.GetTotalRequests() || len(answer.GetGivenUp()) > 0 {
		f.moved = time.Now()
	}
	f.last.Store(&heard{at: time.Now(), said: said, answer: answer})
	if stocked := answer.GetStocked(); stocked != nil {
		f.stocked(stocked.GetUpstreams())
	}
	if calls := answer.GetGivenUp(); len(calls) > 0 {
		f.givenUp(calls)
	}
	return nil
}

// recent is the last answer; nil while it is too old, or there is none.
func (f *Fleet) recent() *heard {
	if last := f.last.Load(); last != nil && time.Since(last.at) < beatStale {
		return last
	}
	return nil
}

// Last is what the tokenstore said of all gateways, at most five seconds ago; nil
// while it says nothing.
func (f *Fleet) Last() *tokenstorev1.BeatResponse {
	if last := f.recent(); last != nil {
		return last.answer
	}
	return nil
}

// Replicas is how many gateways ran when the tokenstore last said so; 1 before. An old
// number is better than none: what replicas share must not grow because the tokenstore
// is away.
func (f *Fleet) Replicas() int {
	if last := f.last.Load(); last != nil {
		return max(len(last.answer.GetReplicas()), 1)
	}
	return 1
}

// Chats counts the requests of all gateways, this one's as of now; false while the
// tokenstore says nothing. It does not block.
func (f *Fleet) Chats() (Chats, bool) {
	last := f.recent()
	if last == nil {
		return Chats{}, false
	}
	now := f.pulse()
	others := last.answer.GetActiveRequests() - min(last.answer.GetActiveRequests(), uint64(last.said.Active))
	return Chats{
		StartedAt: last.answer.GetStartedAt().AsTime(),
		Total:     last.answer.GetTotalRequests() + now.Requests - last.said.Requests,
		Active:    others + uint64(now.Active),
	}, true
}
