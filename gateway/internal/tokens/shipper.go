package tokens

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/spool"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxBatch and maxBatchBytes bound what travels together. The store takes no more than
	// maxBatch; each batch waits for its disk, for up to a second.
	maxBatch      = 2000
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
	// maxEntry bounds an entry, in bytes: the store takes no message of twice that.
	maxEntry = 16 << 20
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
	// arrived tells Run that something waits, full that it need not wait for more.
	arrived, full chan struct{}
	// batch is how many entries travel together now: fewer than maxBatch while a
	// bad one is looked for. Run's own.
	batch int

	mu       sync.Mutex
	accepted uint64
	dropped  uint64
	// queue has the entries that the store has not confirmed, from the oldest on.
	queue    []shipment
	bytes    int // in the queue
	sequence uint64
	// spool has all of them, and beyond keeps those for which the queue has no
	// room: as many as overflow says. nil: there is none.
	spool    *spool.Spool
	overflow int
	// spoolWorks: the last entry could be written.
	spoolWorks bool
	// stalled is since when nothing has been stored, or begun to wait: of use while something waits.
	stalled time.Time
	// last is the newest entry that is, or was, in the queue.
	last uint64
	// left are the shippers of what earlier processes have left in the spool.
	left []*Shipper
}

// shipment is an entry on its way.
type shipment struct {
	sequence uint64
	// entry is an encoded LogEntry.
	entry []byte
}

// size is about what a shipment takes, in bytes.
func (s shipment) size() int { return len(s.entry) + 64 }

// NewShipper makes a shipper; Run ships. replica must be unique per process
// start: the store tells repeated entries by it.
func NewShipper(client tokenstorev1.RequestLogServiceClient, replica string, observe LogObserver, log *slog.Logger) *Shipper {
	return &Shipper{
		client: client, replica: replica, observe: observe, log: log, arrived: make(chan struct{}, 1), full: make(chan struct{}, 1), batch: maxBatch,
	}
}

// Record queues an entry. It does not block: a spool's file is written to the
// system's memory.
func (s *Shipper) Record(entry reqlog.Entry) {
	encoded := encodeEntry(&entry)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	s.observe.LogAccepted()
	if len(encoded)+len(entry.Prompt) > maxEntry {
		s.drop("too_large", 1)
		return
	}
	s.sequence++
	encoded = appendSequence(encoded, s.sequence)
	spooled := s.write(s.sequence, encoded)
	shipped := shipment{s.sequence, appendPrompt(encoded, entry.Prompt)}
	switch {
	case s.overflow == 0 && len(s.queue) < maxQueued && s.bytes+shipped.size() <= maxQueuedBytes:
		s.enqueue(shipped)
	case spooled:
		s.overflow++
	default:
		s.sequence-- // the next one has it: there are no gaps
		s.drop("queue_full", 1)
	}
	if len(s.queue) == 1 {
		tell(s.arrived)
	}
	if len(s.queue) >= maxBatch || s.bytes >= maxBatchBytes {
		tell(s.full)
	}
}

// tell wakes up who waits for the channel, now or later.
func tell(about chan struct{}) {
	select {
	case about <- struct{}{}:
	default:
	}
}

// enqueue puts an entry at the end; mu is held.
func (s *Shipper) enqueue(entry shipment) {
	if len(s.queue) == 0 {
		s.stalled = time.Now()
	}
	s.queue = append(s.queue, entry)
	s.bytes += entry.size()
	s.last = entry.sequence
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

// Backlog is what waits to be stored.
type Backlog struct {
	// Stalled is how long nothing has been stored, though something waited.
	Stalled time.Duration
	// SpoolBytes are in files.
	SpoolBytes int64
}

// Backlog is as of now.
func (s *Shipper) Backlog() Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all Backlog
	if len(s.queue) > 0 {
		all.Stalled = time.Since(s.stalled)
	}
	if s.spool != nil {
		all.SpoolBytes = s.spool.Bytes()
	}
	for _, each := range s.left {
		left := each.Backlog()
		all.Stalled, all.SpoolBytes = max(all.Stalled, left.Stalled), all.SpoolBytes+left.SpoolBytes
	}
	return all
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
	window := time.NewTimer(shipEvery)
	defer window.Stop()
	for s.await(ctx) {
		window.Reset(shipEvery)
		select {
		case <-ctx.Done():
		case <-window.C:
		case <-s.full:
		}
		s.shipAll(ctx)
	}
	s.finish(ctx)
}

// await returns true when something waits to be shipped, false when ctx ends first.
func (s *Shipper) await(ctx context.Context) bool {
	for s.pending() == 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.arrived:
		}
	}
	return ctx.Err() == nil
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
	return len(s.queue) > 0 && s.queue[0].sequence <= until
}

func (s *Shipper) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) + s.overflow
}

// ship sends the oldest entries; they leave the queue when the store has them. A
// batch that the store finds wrong is halved until the bad entry stands alone, and
// only that one is set aside. After any other failure the batch waits: who refuses
// this gateway, or can't use its own database, says nothing about entries. Smaller
// batches follow where something in it might be the cause all the same, so that what
// is before that gets through.
func (s *Shipper) ship(ctx context.Context) error {
	batch := s.next()
	err := s.append(ctx, batch)
	switch {
	case err == nil:
		s.batch = min(2*s.batch, maxBatch)
		s.done(len(batch), s.observe.LogStored)
	case !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT):
		if suspicious(err) {
			s.batch = max(len(batch)/2, 1)
		}
		return err
	case len(batch) > 1:
		s.batch = len(batch) / 2
	default:
		s.log.LogAttrs(ctx, slog.LevelError, "the store refuses a log entry; it is set aside",
			slog.String("request_id", requestOf(batch[0])), slog.Any("error", err))
		s.batch = maxBatch
		s.done(1, func(n int) { s.drop("refused", n) })
	}
	return nil
}

// suspicious reports whether a batch may have failed for what is in it.
func suspicious(err error) bool {
	switch status.Code(err) {
	case codes.Internal, codes.ResourceExhausted, codes.OutOfRange, codes.DataLoss:
		return true
	default:
		return false
	}
}

// requestOf is the id of an entry's request.
func requestOf(refused shipment) string {
	var entry tokenstorev1.LogEntry
	_ = proto.Unmarshal(refused.entry, &entry) // what can be read of it
	return entry.GetId()
}

// next answers the oldest entries; they stay in the queue.
func (s *Shipper) next() []shipment {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < min(s.batch, len(s.queue)) {
		if bytes += s.queue[n].size(); n > 0 && bytes > maxBatchBytes {
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
		s.bytes -= entry.size()
	}
	finished := s.queue[n-1].sequence
	clear(s.queue[:n]) // let the memory go
	s.queue = s.queue[n:]
	count(n)
	s.stalled = time.Now()
	s.spooledUpTo(finished)
}

func (s *Shipper) append(ctx context.Context, batch []shipment) error {
	ctx, cancel := context.WithTimeout(ctx, shipTimeout)
	defer cancel()
	request := &tokenstorev1.AppendRequest{Replica: s.replica, Entries: make([][]byte, len(batch))}
	for i, each := range batch {
		request.Entries[i] = each.entry
	}
	_, err := s.client.Append(ctx, request)
	return err
}
