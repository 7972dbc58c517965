package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who waits is given the whole time, also where the timer of the wait before goes off just then.
func TestAWaitHasItsWholeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, watch := NewWatch(t.Context())
		defer watch.Stop()
		watch.Wait(time.Minute)
		watch.Arrived()
		time.Sleep(time.Minute - time.Nanosecond)
		watch.Wait(time.Second)
		watch.expired() // as the timer that was set a minute ago may
		if ctx.Err() != nil {
			t.Fatal("it has ended at its beginning")
		}
		time.Sleep(time.Second - time.Nanosecond)
		if ctx.Err() != nil {
			t.Fatal("it has ended early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if slow, is := TooSlow(ctx); !is || slow.Limit != time.Second {
			t.Errorf("%v, %v", slow, is)
		}
	})
}

// What has arrived is not late any more.
func TestAWaitThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, watch := NewWatch(t.Context())
		defer watch.Stop()
		watch.Wait(time.Second)
		watch.Arrived()
		time.Sleep(time.Hour)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Error("it ends")
		}
	})
}
