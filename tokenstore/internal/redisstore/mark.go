package redisstore

import (
	"context"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// errNoMark says that Redis may have lost its data. Prepare finds out.
var errNoMark = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "Redis may have lost its data")

// stillThere returns nil when the data are there for which the store was prepared. Who has
// found nothing asks it before he says so, and who has written something before he says
// that it is saved: Prepare looks only once a second.
func (s *Store) stillThere(ctx context.Context) error {
	if s.instance.Load() == nil {
		return nil
	}
	there, err := await(ctx, s, instanceKey(), func(ctx context.Context) (int64, error) {
		return s.client.Exists(ctx, instanceKey()).Result()
	})
	if err != nil {
		if err = storeError("look for the data", err); s.partAway(err) {
			return nil // the part that tells is away
		}
		return err
	}
	if there == 0 {
		s.fence.close(errNoMark)
		return errNoMark
	}
	return nil
}

// markedBarrier is a Barrier of a store's data, and of no others.
type markedBarrier struct {
	Barrier
	store *Store
}

// Sync implements Barrier.
func (b markedBarrier) Sync(ctx context.Context) error {
	if err := b.Barrier.Sync(ctx); err != nil {
		return err
	}
	return b.store.stillThere(ctx)
}
