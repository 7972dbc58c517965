package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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
	// undoSpan is within what time a request records all that undoes it.
	undoSpan = 10 * time.Minute
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

// Undoing is what undoes the actions of a request; it is empty where that is not kept.
type Undoing struct {
	Undo []*tokenstorev1.AuditUndo
	// SwitchedSince are the ids of tokens that later actions have enabled or disabled.
	SwitchedSince []string
	// At is when the newest of the actions was recorded.
	At time.Time
}

// AuditUndo returns what undoes the actions of a request.
func (s *Store) AuditUndo(ctx context.Context, requestID string) (Undoing, error) {
	var undoing Undoing
	switched := map[string]bool{}
	err := s.eachUndo(ctx, func(kept keptUndo) error {
		at := time.UnixMilli(placeOf(kept.id, "").ms)
		if kept.request != requestID && undoing.Undo != nil {
			if undoing.At.Sub(at) > undoSpan {
				return errUndoEnough
			}
			return nil // an earlier one
		}
		undo, err := kept.undo()
		if kept.request != requestID {
			for _, token := range slices.Concat(undo.GetEnabled(), undo.GetDisabled()) {
				switched[token] = true
			}
			return err
		}
		if undoing.Undo == nil {
			undoing.At = at
		}
		undoing.Undo = append(undoing.Undo, undo)
		return err
	})
	if undoing.Undo != nil {
		undoing.SwitchedSince = slices.Sorted(maps.Keys(switched))
	}
	return undoing, err
}

// keptUndo is what undoes an action as it is kept.
type keptUndo struct{ id, request, packed string }

func (k keptUndo) undo() (*tokenstorev1.AuditUndo, error) {
	undo := &tokenstorev1.AuditUndo{}
	if err := proto.Unmarshal([]byte(k.packed), undo); err != nil {
		return nil, fmt.Errorf("what undoes %s: %w", k.id, err)
	}
	return undo, nil
}

// errUndoEnough ends eachUndo without an error.
var errUndoEnough = errors.New("enough")

// eachUndo calls visit with all that is kept, newest first, until it errs.
func (s *Store) eachUndo(ctx context.Context, visit func(keptUndo) error) error {
	newest := "+"
	for range keepUndos/undoPage + 1 {
		messages, err := s.client.XRevRangeN(ctx, auditUndoKey(), newest, "-", undoPage).Result()
		if err != nil {
			return storeError("read what undoes an action", err)
		}
		for _, message := range messages {
			newest = "(" + message.ID
			kept := keptUndo{id: message.ID}
			kept.request, _ = message.Values["r"].(string)
			kept.packed, _ = message.Values["u"].(string)
			if err := visit(kept); errors.Is(err, errUndoEnough) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if len(messages) < undoPage {
			break
		}
	}
	return nil
}
