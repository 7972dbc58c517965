// Package backup gives all that admins have made as a stream of records, and brings such a stream
// back: first as a plan, then carried out. It knows neither gRPC nor how a backup is sealed.
package backup

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// Version is the one that is written, and the highest that is read. It is raised when records mean
// something else than before, or there are more kinds of them: a backup without any of a kind says
// that there was none only if its version has that kind. Other additions are found out without it.
const Version = 2

// batchBytes is about how much is sent at a time. A record alone may have more, up to 1.5 MiB.
const batchBytes = 512 << 10

// Write sends the records of a backup of the store, in batches.
func Write(ctx context.Context, store *redisstore.Store, send func([]*tokenstorev1.BackupRecord) error) error {
	now, err := look(ctx, store)
	if err != nil {
		return err
	}
	out := &writer{send: send}
	header := &tokenstorev1.BackupHeader{Version: Version, MadeAt: timestamppb.New(time.Now().UTC().Truncate(time.Second))}
	if err := out.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Header{Header: header}}); err != nil {
		return err
	}
	for _, each := range now.entries {
		if err := out.add(each.record); err != nil {
			return err
		}
	}
	end := &tokenstorev1.BackupEnd{
		Records: out.count, UnreadableTokens: now.unreadableTokens, UnreadableUpstreams: now.unreadableUpstreams,
		UnreadableDestinations: now.unreadableDestinations,
	}
	if err := out.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_End{End: end}}); err != nil {
		return err
	}
	return out.flush()
}

// writer gathers records.
type writer struct {
	send  func([]*tokenstorev1.BackupRecord) error
	batch []*tokenstorev1.BackupRecord
	// bytes are those of batch, all those of all records.
	bytes, all int
	count      uint64
}

// add takes the next record. What Contents would not take is refused: a backup that nobody can
// restore is none.
func (w *writer) add(record *tokenstorev1.BackupRecord) error {
	size := proto.Size(record)
	if w.all += size; w.all > MaxBytes {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT,
			"there is more than a backup can have, which are %d MiB of records", MaxBytes>>20)
	}
	if len(w.batch) > 0 && w.bytes+size > batchBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.batch = append(w.batch, record)
	w.bytes += size
	w.count++
	return nil
}

func (w *writer) flush() error {
	if err := w.send(w.batch); err != nil {
		return fmt.Errorf("send a backup: %w", err)
	}
	w.batch, w.bytes = nil, 0
	return nil
}
