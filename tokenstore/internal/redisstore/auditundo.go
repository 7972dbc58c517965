package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// keepUndos is for how many actions the log keeps what undoes them.
	keepUndos = 1000
	// maxUndo bounds one in bytes: there is room for a page's content.
	maxUndo = 288 << 10
	// undoPage is how many are read at a time.
	undoPage = 20
)

// keepUndo keeps what undoes an action, and returns whether it has: not what is too
// large.
func (s *Store) keepUndo(ctx context.Context, requestID string, undo *tokenstorev1.AuditUndo) (bool, error) {
	packed, err := proto.Marshal(undo)
	if err != nil {
		return false, fmt.Errorf("encode what undoes an action: %w", err)
	}
	if len(packed) > maxUndo {
		return false, nil
	}
	err = s.client.XAdd(ctx, &redis.XAddArgs{Stream: auditUndoKey(), MaxLen: keepUndos, Values: []any{"r", requestID, "u", packed}}).Err()
	if err != nil {
		return false, storeError("record what undoes an action", err)
	}
	return true, nil
}

// AuditUndo returns what undoes the actions of a request; nothing where that is not
// kept.
func (s *Store) AuditUndo(ctx context.Context, requestID string) ([]*tokenstorev1.AuditUndo, error) {
	var found []*tokenstorev1.AuditUndo
	newest := "+"
	for range keepUndos/undoPage + 1 {
		messages, err := s.client.XRevRangeN(ctx, auditUndoKey(), newest, "-", undoPage).Result()
		if err != nil {
			return nil, storeError("read what undoes an action", err)
		}
		for _, message := range messages {
			newest = "(" + message.ID
			if message.Values["r"] != requestID {
				continue
			}
			undo := &tokenstorev1.AuditUndo{}
			packed, _ := message.Values["u"].(string)
			if err := proto.Unmarshal([]byte(packed), undo); err != nil {
				return nil, fmt.Errorf("what undoes %s: %w", message.ID, err)
			}
			found = append(found, undo)
		}
		if len(messages) < undoPage {
			break
		}
	}
	return found, nil
}
