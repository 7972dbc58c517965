package tokens

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxBatch is how many entries travel together.
	maxBatch = 512
	// maxQueued bounds the entries that wait. Beyond it new ones are dropped and
	// counted.
	maxQueued = 100_000
	// shipEvery is how long an entry waits for others.
	shipEvery = 200 * time.Millisecond
	// shipTimeout bounds one call: it waits for the store's disk.
	shipTimeout = 10 * time.Second
)

// LogObserver counts log entries: accepted = stored + pending + dropped.
type LogObserver interface {
	LogAccepted()
	LogStored(n int)
	LogDropped(reason string, n int)
}

// Shipper brings log entries to the store, in batches, in order, each once. An
// entry is done with when the store has it on disk.
type Shipper struct {
	client  tokenstorev1.RequestLogServiceClient
	replica string
	log     *slog.Logger
	observe LogObserver
	kick    chan struct{}
	// batch is how many entries travel together now; Run's own.
	batch int

	mu       sync.Mutex
	queue    []*tokenstorev1.LogEntry
	sequence uint64
}

// NewShipper makes a shipper; Run ships. replica must be unique per process
// start: the store tells repeated entries by it.
func NewShipper(client tokenstorev1.RequestLogServiceClient, replica string, observe LogObserver, log *slog.Logger) *Shipper {
	return &Shipper{client: client, replica: replica, observe: observe, log: log, kick: make(chan struct{}, 1), batch: maxBatch}
}

// Record queues an entry. It does not block.
func (s *Shipper) Record(entry reqlog.Entry) {
	converted := entryOf(entry)
	s.observe.LogAccepted()
	s.mu.Lock()
	full := len(s.queue) >= maxQueued
	if !full {
		s.sequence++
		converted.Sequence, converted.Replica = s.sequence, s.replica
		s.queue = append(s.queue, converted)
	}
	batchFull := len(s.queue) >= maxBatch
	s.mu.Unlock()
	if full {
		s.observe.LogDropped("queue_full", 1)
		return
	}
	if batchFull {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// Run ships until ctx ends, then what is left, for five seconds at most.
func (s *Shipper) Run(ctx context.Context) {
	ticker := time.NewTicker(shipEvery)
	defer ticker.Stop()
	pause := backoff{}
	for {
		select {
		case <-ctx.Done():
			s.finish(ctx)
			return
		case <-ticker.C:
		case <-s.kick:
		}
		for ctx.Err() == nil && s.pending() > 0 {
			if err := s.ship(ctx); err != nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "log entries wait for the store", slog.Int("pending", s.pending()), slog.Any("error", err))
				pause.wait(ctx)
				continue
			}
			pause = backoff{}
			if s.pending() < maxBatch {
				break
			}
		}
	}
}

func (s *Shipper) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for s.pending() > 0 {
		if err := s.ship(ctx); err != nil {
			left := s.pending()
			s.observe.LogDropped("shutdown", left)
			s.log.LogAttrs(ctx, slog.LevelError, "log entries lost at shutdown", slog.Int("entries", left), slog.Any("error", err))
			return
		}
	}
}

func (s *Shipper) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// ship sends the oldest entries; they leave the queue when the store has them.
// When the store finds a batch wrong, its entries go one by one, so that a bad
// one is dropped alone.
func (s *Shipper) ship(ctx context.Context) error {
	s.mu.Lock()
	batch := s.queue[:min(s.batch, len(s.queue))]
	s.mu.Unlock()
	err := s.append(ctx, batch)
	switch {
	case err == nil:
		s.observe.LogStored(len(batch))
	case !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT):
		return err
	case len(batch) > 1:
		s.batch = 1
		return nil
	default:
		s.observe.LogDropped("refused", 1)
		s.log.LogAttrs(ctx, slog.LevelError, "the store refuses a log entry", slog.String("request_id", batch[0].GetId()), slog.Any("error", err))
		s.batch = maxBatch
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = s.queue[len(batch):]
	if len(s.queue) == 0 {
		s.queue = nil // let the memory go
	}
	return nil
}

func (s *Shipper) append(ctx context.Context, batch []*tokenstorev1.LogEntry) error {
	ctx, cancel := context.WithTimeout(ctx, shipTimeout)
	defer cancel()
	_, err := s.client.Append(ctx, &tokenstorev1.AppendRequest{Replica: s.replica, Entries: batch})
	return err
}

func entryOf(entry reqlog.Entry) *tokenstorev1.LogEntry {
	converted := &tokenstorev1.LogEntry{
		Id: entry.ID, StartedAt: timestamppb.New(entry.StartedAt), Total: durationpb.New(entry.Total), Model: entry.Model,
		Upstream: entry.Upstream, TokenId: entry.TokenID, TokenAlias: entry.TokenAlias, TokenFingerprint: entry.TokenFingerprint,
		Stream: entry.Stream, Status: "success", HttpStatus: uint32(entry.HTTPStatus), //nolint:gosec // 0 to 599
		EndReason: string(entry.End), Attempts: uint32(entry.Attempts), //nolint:gosec // a handful
		PromptTokens: uint64(max(entry.Usage.Prompt, 0)), CompletionTokens: uint64(max(entry.Usage.Completion, 0)),
		UsageSource: string(entry.Usage.Source), Prompt: entry.Prompt,
	}
	if entry.FirstByte > 0 {
		converted.FirstByte = durationpb.New(entry.FirstByte)
	}
	if entry.Err != nil {
		converted.Status, converted.Error, converted.ErrorKind = "failure", entry.Err.Message, string(entry.Err.Kind)
	}
	return converted
}
