package grpcapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for an errand looks for it when the next one is due, at once when somebody waits for
// it, and before long when tokens have changed; never more often than once a second but for the
// former.
func TestAlarm(t *testing.T) {
	t.Parallel()
	const longWait = 5 * time.Second
	stopping := make(chan struct{})
	close(stopping)
	cases := map[string]struct {
		next     time.Duration
		do       func(s *ErrandServer) // after 100 ms
		stopping chan struct{}
		want     time.Duration
		waited   bool
		err      error
	}{
		"nothing is due":          {next: time.Hour, want: longWait, waited: true},
		"one becomes due":         {next: 3 * time.Second, want: 3 * time.Second},
		"one is due for others":   {next: -time.Minute, want: lookAgain},
		"somebody waits":          {next: time.Hour, do: (*ErrandServer).Due, want: 100 * time.Millisecond},
		"a token comes":           {next: time.Hour, do: (*ErrandServer).Stirred, want: lookAgain},
		"the tokenstore is ended": {next: time.Hour, stopping: stopping, err: errStopping},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &ErrandServer{due: NewChanges(), stirred: NewChanges()}
				set := s.alarm()
				if c.do != nil {
					time.AfterFunc(100*time.Millisecond, func() { c.do(s) })
				}
				began := time.Now()
				waited, err := set.wait(t.Context(), c.next, time.After(longWait), c.stopping)
				if took := time.Since(began); took != c.want || waited != c.waited || !errors.Is(err, c.err) {
					t.Errorf("%v after %v, %v; want %v after %v, %v", waited, took, err, c.waited, c.want, c.err)
				}
			})
		})
	}
}

// A look that was slow is followed by the next one at once.
func TestAlarmAfterASlowLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &ErrandServer{due: NewChanges(), stirred: NewChanges()}
		set := s.alarm()
		time.Sleep(2 * lookAgain)
		s.Stirred()
		began := time.Now()
		if waited, err := set.wait(t.Context(), time.Hour, time.After(time.Hour), nil); waited || err != nil || time.Since(began) != 0 {
			t.Errorf("%v, %v after %v", waited, err, time.Since(began))
		}
	})
}

func TestAlarmEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	s := &ErrandServer{due: NewChanges(), stirred: NewChanges()}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.alarm().wait(gone, time.Hour, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
