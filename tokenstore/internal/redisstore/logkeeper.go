package redisstore

import (
	"context"
	"log/slog"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// keepLogEvery is how long what is too old may outlive its time, and
	// keepLogAgain how soon a round that failed is repeated.
	keepLogEvery = 10 * time.Second
	keepLogAgain = time.Second
	// keepLogTimeout bounds one round. A first look at a large log that takes
	// longer goes on in the next round.
	keepLogTimeout = 30 * time.Second
	// mostBehind is how many entries this process stores until they are taken into the index without
	// waiting for the next round: whoever asks first would wait for all of them, some 3 ms a thousand.
	mostBehind = 5_000
)

// KeepLog trims the log, also when nobody appends, and has its index ready for
// queries, until ctx ends. It leaves a store alone while usable answers an error.
func (s *Store) KeepLog(ctx context.Context, usable func(context.Context) error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.logs.behind:
		}
		timer.Reset(keepLogEvery)
		if s.room.tight() {
			timer.Reset(keepLogAgain)
		}
		if usable(ctx) != nil {
			timer.Reset(keepLogAgain)
		} else if err := s.keepLog(ctx); err != nil {
			timer.Reset(keepLogAgain)
			if ctx.Err() == nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
				s.log.LogAttrs(ctx, slog.LevelError, "the request log can't be kept", slog.Any("error", err))
			}
		}
	}
}

func (s *Store) keepLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepLogTimeout)
	defer cancel()
	s.used.forget(time.Now())
	if err := s.TrimLog(ctx); err != nil {
		return err
	}
	_, _, err := s.catchUpLog(ctx)
	return err
}
