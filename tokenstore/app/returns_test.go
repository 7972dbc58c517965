package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// It is looked for who is to be enabled when the next one's time has come, and soon after tokens
// have changed.
func TestAwaitReturn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		next    time.Duration
		stirred bool // after 100 ms
		want    time.Duration
	}{
		"a time comes":                {3 * time.Second, false, 3 * time.Second},
		"tokens have changed":         {returnsAtMost, true, returnsEvery},
		"and a time comes before":     {time.Second, true, time.Second},
		"nobody's time is to come":    {returnsAtMost, false, returnsAtMost},
		"there is more to be enabled": {returnsEvery, true, returnsEvery},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &Tokenstore{returns: make(chan struct{}, 1)}
				began := time.Now()
				if c.stirred {
					time.AfterFunc(100*time.Millisecond, func() { store.returns <- struct{}{} })
				}
				if on := store.awaitReturn(t.Context(), began, c.next); !on || time.Since(began) != c.want {
					t.Errorf("%v after %v, want it after %v", on, time.Since(began), c.want)
				}
			})
		})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if (&Tokenstore{}).awaitReturn(ended, time.Now(), time.Hour) {
		t.Error("it goes on after its end")
	}
}
