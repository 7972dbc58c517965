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
	beatEvery = time.Second
	// beatTimeout bounds a beat, also the last one.
	beatTimeout = time.Second
	// beatStale is how long an answer holds.
	beatStale = 5 * time.Second
)

// Pulse is what a gateway counts of itself, since its start.
type Pulse struct {
	// Requests are chat requests, Active those that are being answered.
	Requests uint64
	Active   uint32
	Log      LogCounts
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
	return &Fleet{client: client, replica: replica, version: version, started: time.Now(), pulse: pulse, log: log, stocked: func([]string) {}}
}

// OnStocked has each answer's list of the upstreams that have tokens told, in order.
// Call it before Run.
func (f *Fleet) OnStocked(tell func(upstreams []string)) { f.stocked = tell }

// Run beats until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	heard := true // the first silence is news
	for {
		err := f.beat(ctx)
		if err != nil && heard && ctx.Err() == nil {
			f.log.LogAttrs(ctx, slog.LevelWarn, "the tokenstore does not hear this gateway; /health has its own numbers only", slog.Any("error", err))
		}
		heard = err == nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
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
	answer, err := f.client.Beat(ctx, &tokenstorev1.BeatRequest{
		Replica: f.replica, Version: f.version, StartedAt: timestamppb.New(f.started), Requests: said.Requests, Active: said.Active,
		LogAccepted: said.Log.Accepted, LogPending: said.Log.Pending, LogDropped: said.Log.Dropped,
	})
	if err != nil {
		return err
	}
	f.last.Store(&heard{at: time.Now(), said: said, answer: answer})
	if stocked := answer.GetStocked(); stocked != nil {
		f.stocked(stocked.GetUpstreams())
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
