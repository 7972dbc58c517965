package tokens

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/spool"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxBatch and maxBatchBytes bound what travels together.
	maxBatch      = 512
	maxBatchBytes = 2 << 20
	// maxQueued and maxQueuedBytes bound what waits. Beyond it new entries are
	// dropped and counted.
	maxQueued      = 100_000
	maxQueuedBytes = 128 << 20
	// shipEvery is how long an entry waits for others.
	shipEvery = 200 * time.Millisecond
	// shipTimeout bounds one call: it waits for the store's disk.
	shipTimeout = 10 * time.Second
	// farewell bounds the shipping of what is left at the end.
	farewell = 5 * time.Second
	// maxFaults is how often in a row the store may fail by a fault of its own on a
	// batch before something in it is taken for the cause.
	maxFaults = 5
)

// LogObserver counts log entries: accepted = stored + pending + dropped, at
// every moment. Its methods must not block.
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
	// batch is how many entries travel together now: fewer than maxBatch while a
	// bad one is looked for. Run's own.
	batch int
	// faults are the failures in a row that the store owns up to. Run's own.
	faults int

	mu       sync.Mutex
	accepted uint64
	dropped  uint64
	// queue has the entries that the store has not confirmed, from the oldest on.
	queue    []*tokenstorev1.LogEntry
	bytes    int // in the queue, roughly
	sequence uint64
	// spool has all of them, and beyond keeps those for which the queue has no
	// room: as many as overflow says. nil: there is none.
	spool    *spool.Spool
	overflow int
	// spoolWorks: the last entry could be written.
	spoolWorks bool
	// last is the newest entry that is, or was, in the queue.
	last uint64
	// left are the shippers of what earlier processes have left in the spool.
	left []*Shipper
}

// NewShipper makes a shipper; Run ships. replica must be unique per process
// start: the store tells repeated entries by it.
func NewShipper(client tokenstorev1.RequestLogServiceClient, replica string, observe LogObserver, log *slog.Logger) *Shipper {
	return &Shipper{client: client, replica: replica, observe: observe, log: log, kick: make(chan struct{}, 1), batch: maxBatch}
}

// Record queues an entry. It does not block: a spool's file is written to the
// system's memory.
func (s *Shipper) Record(entry reqlog.Entry) {
	converted := entryOf(entry)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	s.observe.LogAccepted()
	s.sequence++
	converted.Sequence, converted.Replica = s.sequence, s.replica
	size, spooled := sizeOf(converted), s.write(converted)
	switch {
	case s.overflow == 0 && len(s.queue) < maxQueued && s.bytes+size <= maxQueuedBytes:
		s.enqueue(converted)
	case spooled:
		s.overflow++
	default:
		s.sequence-- // the next one has it: there are no gaps
		s.drop("queue_full", 1)
	}
	if len(s.queue) >= maxBatch || s.bytes >= maxBatchBytes {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// enqueue puts an entry at the end; mu is held.
func (s *Shipper) enqueue(entry *tokenstorev1.LogEntry) {
	s.queue = append(s.queue, entry)
	s.bytes += sizeOf(entry)
	s.last = entry.GetSequence()
}

// drop counts entries that are given up. The caller has the lock.
func (s *Shipper) drop(reason string, n int) {
	s.dropped += uint64(n) //nolint:gosec // not negative
	s.observe.LogDropped(reason, n)
}

// LogCounts say what has become of log entries: what was accepted and is neither
// pending nor dropped, is stored.
type LogCounts struct{ Accepted, Pending, Dropped uint64 }

// Counts are as of one moment.
func (s *Shipper) Counts() LogCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := LogCounts{Accepted: s.accepted, Pending: uint64(len(s.queue)) + uint64(max(s.overflow, 0)), Dropped: s.dropped}
	for _, each := range s.left {
		of := each.Counts()
		counts.Accepted, counts.Pending, counts.Dropped = counts.Accepted+of.Accepted, counts.Pending+of.Pending, counts.Dropped+of.Dropped
	}
	return counts
}

// Run ships until ctx ends, then what is left, for five seconds at most.
func (s *Shipper) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, each := range s.left {
		running.Go(func() {
			each.shipAll(ctx)
			each.closeSpool(ctx)
		})
	}
	ticker := time.NewTicker(shipEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.finish(ctx)
			return
		case <-ticker.C:
		case <-s.kick:
		}
		s.shipAll(ctx)
	}
}

// shipAll ships what waits now, until it is done or ctx ends. What comes
// meanwhile fills up the batches, or waits for others.
func (s *Shipper) shipAll(ctx context.Context) {
	pause := backoff{}
	for until := s.newest(); ctx.Err() == nil && s.waits(until); {
		err := s.ship(ctx)
		switch {
		case err == nil:
			pause = backoff{}
		case ctx.Err() == nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "log entries wait for the store", slog.Int("pending", s.pending()), slog.Any("error", err))
			pause.wait(ctx)
		}
	}
}

func (s *Shipper) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	s.shipAll(ctx)
	if s.closeSpool(ctx) {
		return
	}
	s.mu.Lock()
	left := len(s.queue)
	if left > 0 {
		s.queue, s.bytes = nil, 0
		s.drop("shutdown", left)
	}
	s.mu.Unlock()
	if left > 0 {
		s.log.LogAttrs(ctx, slog.LevelError, "log entries lost at shutdown", slog.Int("entries", left))
	}
}

func (s *Shipper) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sequence
}

// waits tells whether an entry up to the sequence is in the queue, or has come
// there from the spool.
func (s *Shipper) waits(until uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill()
	return len(s.queue) > 0 && s.queue[0].GetSequence() <= until
}

func (s *Shipper) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) + s.overflow
}

// ship sends the oldest entries; they leave the queue when the store has them.
// When the store finds a batch wrong, or fails on it again and again by a fault of
// its own, it is halved until the bad entry stands alone, and only that one is set
// aside.
func (s *Shipper) ship(ctx context.Context) error {
	batch := s.next()
	err := s.append(ctx, batch)
	switch {
	case err == nil:
		s.batch, s.faults = min(2*s.batch, maxBatch), 0
		s.done(len(batch), s.observe.LogStored)
	case !s.poisonous(err):
		return err
	case len(batch) > 1:
		s.batch, s.faults = len(batch)/2, 0
	default:
		s.log.LogAttrs(ctx, slog.LevelError, "the store refuses a log entry; it is set aside", slog.String("request_id", batch[0].GetId()), slog.Any("error", err))
		s.batch, s.faults = maxBatch, 0
		s.done(1, func(n int) { s.drop("refused", n) })
	}
	return nil
}

// poisonous tells whether a batch fails for what is in it, as far as can be told.
func (s *Shipper) poisonous(err error) bool {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
		return true
	}
	switch status.Code(err) {
	case codes.Internal, codes.ResourceExhausted, codes.OutOfRange, codes.DataLoss:
		s.faults++
		return s.faults >= maxFaults
	default: // the store is away
		return false
	}
}

// next answers the oldest entries; they stay in the queue.
func (s *Shipper) next() []*tokenstorev1.LogEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < min(s.batch, len(s.queue)) {
		if bytes += sizeOf(s.queue[n]); n > 0 && bytes > maxBatchBytes {
			break
		}
		n++
	}
	return s.queue[:n:n]
}

// done takes the oldest n entries out of the queue and has them counted.
func (s *Shipper) done(n int, count func(int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.queue[:n] {
		s.bytes -= sizeOf(entry)
	}
	finished := s.queue[n-1].GetSequence()
	clear(s.queue[:n]) // let the memory go
	s.queue = s.queue[n:]
	count(n)
	s.spooledUpTo(finished)
}

// sizeOf is roughly what an entry takes, in bytes.
func sizeOf(entry *tokenstorev1.LogEntry) int {
	size := 512 + len(entry.GetPrompt()) + len(entry.GetError()) + len(entry.GetModel()) + len(entry.GetId())
	for _, attempt := range entry.GetAttemptLog() {
		size += 512 + len(attempt.GetModel()) + len(attempt.GetCode()) + len(attempt.GetMessage())
	}
	return size
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
		MaskedSecret: entry.MaskedSecret, MaskedChecksum: entry.MaskedChecksum, FallbackModel: entry.FallbackModel,
		Stream: entry.Stream, Status: "success", HttpStatus: uint32(entry.HTTPStatus), //nolint:gosec // 0 to 599
		EndReason: string(entry.End), Attempts: uint32(entry.Attempts), //nolint:gosec // a handful
		PromptTokens: uint64(max(entry.Usage.Prompt, 0)), CompletionTokens: uint64(max(entry.Usage.Completion, 0)),
		UsageSource: string(entry.Usage.Source), Prompt: entry.Prompt, PromptCut: entry.PromptCut,
	}
	for _, attempt := range entry.AttemptLog {
		converted.AttemptLog = append(converted.AttemptLog, attemptOf(attempt))
	}
	if entry.FirstByte > 0 {
		converted.FirstByte = durationpb.New(entry.FirstByte)
	}
	if entry.Err != nil {
		converted.Status, converted.Error, converted.ErrorKind = "failure", entry.Err.Message, string(entry.Err.Kind)
	}
	return converted
}

func attemptOf(attempt reqlog.Attempt) *tokenstorev1.LogAttempt {
	converted := &tokenstorev1.LogAttempt{
		StartedAt: timestamppb.New(attempt.StartedAt), Total: durationpb.New(attempt.Total), Upstream: attempt.Upstream, Model: attempt.Model,
		TokenId: attempt.TokenID, TokenAlias: attempt.TokenAlias, TokenFingerprint: attempt.TokenFingerprint, MaskedSecret: attempt.MaskedSecret,
		Class: attempt.Class, Rule: attempt.Rule, Effect: string(attempt.Effect),
		Status: uint32(attempt.Status), Code: attempt.Code, Message: attempt.Message, //nolint:gosec // 0 to 599
	}
	if attempt.RetryAfter > 0 {
		converted.RetryAfter = durationpb.New(attempt.RetryAfter)
	}
	return converted
}
