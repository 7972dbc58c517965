package redisstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Who asks for the upstreams that have errands, while they are listed for another, waits no longer
// than it has time, and gets those that were known.
func TestAListOfRenewersIsAwaitedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		renewers := newRenewers()
		cursor := []*tokenstorev1.Upstream{{Name: "c", Driver: "cursor"}}
		known := func(context.Context) ([]*tokenstorev1.Upstream, error) { return cursor, nil }
		if all, err := renewers.get(t.Context(), known); err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		renewers.forget()
		silent := make(chan struct{})
		go func() {
			_, _ = renewers.get(t.Context(), func(context.Context) ([]*tokenstorev1.Upstream, error) {
				<-silent
				return nil, errSilent
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		all, err := renewers.get(ctx, known)
		if took := time.Since(began); took > time.Second || !errors.Is(err, context.DeadlineExceeded) || len(all) != 1 {
			t.Errorf("after %s: %v, %v", took, all, err)
		}
		close(silent)
	})
}
