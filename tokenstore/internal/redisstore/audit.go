package redisstore

import (
	"context"
	"fmt"
	"regexp"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// keepAudit bounds the audit log, in entries.
	keepAudit = 10_000
	// maxAuditText bounds a text of an entry, in bytes.
	maxAuditText = 1024
)

var auditCursor = regexp.MustCompile(`^\d{1,15}-\d{1,10}$`)

// RecordAudit keeps an admin's action, until keepAudit others have come.
func (s *Store) RecordAudit(ctx context.Context, entry *tokenstorev1.AuditEntry) error {
	if entry.GetAction() == "" {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "an audit entry says what was done")
	}
	kept := proto.CloneOf(entry)
	kept.At = nil // the stream's id says when
	for name, text := range kept.GetDetails() {
		kept.Details[name] = shortened(text, maxAuditText)
	}
	kept.Undo, kept.Undoable = nil, false
	if undo := entry.GetUndo(); undo != nil && entry.GetRequestId() != "" {
		var err error
		if kept.Undoable, err = s.keepUndo(ctx, entry.GetRequestId(), undo); err != nil {
			return err
		}
	}
	packed, err := proto.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode an audit entry: %w", err)
	}
	if err := s.client.XAdd(ctx, &redis.XAddArgs{Stream: auditKey(), MaxLen: keepAudit, Approx: true, Values: []any{"e", packed}}).Err(); err != nil {
		return storeError("record an action", err)
	}
	return s.barrier.Sync(ctx)
}

// ListAudit returns up to limit actions, newest first, older than the cursor of the
// previous page; and the next cursor, empty when there are no more.
func (s *Store) ListAudit(ctx context.Context, limit int, cursor string) ([]*tokenstorev1.AuditEntry, string, error) {
	newest := "+"
	if cursor != "" {
		if !auditCursor.MatchString(cursor) {
			return nil, "", rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of ours; begin without")
		}
		newest = "(" + cursor
	}
	messages, err := s.client.XRevRangeN(ctx, auditKey(), newest, "-", int64(limit)+1).Result()
	if err != nil {
		return nil, "", storeError("read the audit log", err)
	}
	next := ""
	if len(messages) > limit {
		messages = messages[:limit]
		next = messages[limit-1].ID
	}
	entries := make([]*tokenstorev1.AuditEntry, len(messages))
	for i, message := range messages {
		if entries[i], err = auditEntryOf(message); err != nil {
			return nil, "", err
		}
	}
	return entries, next, nil
}
