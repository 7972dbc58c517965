package tokens

import (
	"context"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/spool"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// refillAt is how many entries are read from the spool at once.
const refillAt = 2 * maxBatch

// UseSpool has entries written to files before they are shipped, and ships what
// earlier processes have left there, under their names, so that what the store has
// of it is not stored twice. Prompts stay out of the files: the store seals them,
// and nobody would seal them here. It is to be called before Run.
func (s *Shipper) UseSpool(folder string, limit int64) error {
	left, err := spool.Leftovers(folder)
	if err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelError, "a part of the log's spool can't be read", slog.Any("error", err))
	}
	for _, each := range left {
		s.left = append(s.left, s.successor(each))
	}
	s.spool, err = spool.Create(folder, s.replica, limit)
	return err
}

// successor ships what another process has left.
func (s *Shipper) successor(left *spool.Spool) *Shipper {
	next := NewShipper(s.client, left.Owner, s.observe, s.log)
	next.spool, next.overflow, next.accepted = left, left.Count(), uint64(left.Count()) //nolint:gosec // not negative
	next.sequence = ^uint64(0)                                                          // all that is there
	for range left.Count() {
		s.observe.LogAccepted()
	}
	if left.Count() > 0 {
		s.log.LogAttrs(context.Background(), slog.LevelInfo, "log entries of an earlier process are shipped",
			slog.String("of", left.Owner), slog.Int("entries", left.Count()))
	}
	return next
}

// write keeps an encoded entry in the spool, if there is one with room; mu is held.
func (s *Shipper) write(sequence uint64, encoded []byte) bool {
	if s.spool == nil {
		return false
	}
	err := s.spool.Append(sequence, encoded)
	if err != nil && s.spoolWorks {
		s.log.LogAttrs(context.Background(), slog.LevelError, "log entries are kept in memory only", slog.Any("error", err))
	}
	s.spoolWorks = err == nil
	return err == nil
}

// refill brings entries from the spool into an empty queue; mu is held.
func (s *Shipper) refill() {
	if len(s.queue) > 0 || s.overflow == 0 {
		return
	}
	records, err := s.spool.Read(s.last, min(refillAt, s.overflow))
	for _, record := range records {
		s.last = record.Number
		s.overflow--
		if damaged := proto.Unmarshal(record.Data, new(tokenstorev1.LogEntry)); damaged != nil {
			s.drop("damaged", 1)
			continue
		}
		s.enqueue(shipment{record.Number, record.Data})
	}
	if len(records) == 0 { // what was counted is not there
		s.log.LogAttrs(context.Background(), slog.LevelError, "log entries are gone from the spool", slog.Int("entries", s.overflow), slog.Any("error", err))
		s.drop("damaged", s.overflow)
		s.overflow = 0
	}
}

// spooledUpTo lets go what the store has; mu is held.
func (s *Shipper) spooledUpTo(sequence uint64) {
	if s.spool == nil {
		return
	}
	if err := s.spool.Done(sequence); err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "the log's spool can't be cleared", slog.Any("error", err))
	}
}

// closeSpool ends the spool. It tells whether all that is left is in it, for the next
// process.
func (s *Shipper) closeSpool(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spool == nil {
		return false
	}
	left := len(s.queue) + s.overflow
	if err := s.spool.Close(left == 0); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the log's spool did not close well", slog.Any("error", err))
	}
	if left > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "log entries wait in the spool for the next start", slog.Int("entries", left))
	}
	s.spool = nil
	return true
}
