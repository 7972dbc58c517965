package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/service/secret"
)

// revocations is a store that can be away.
type revocations struct {
	mu    sync.Mutex
	away  bool
	calls int
	ended []string
}

func (r *revocations) revoke(_ context.Context, id string, _ time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls++; r.away {
		return errors.New("away")
	}
	r.ended = append(r.ended, id)
	return nil
}

func (r *revocations) set(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// A logout while the store is away holds at once here, and everywhere when it is back.
func TestALogoutDuringAnOutageHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &revocations{away: true}
		logouts := auth.NewLogouts(store.revoke, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { logouts.Run(ctx) })
		gate := auth.New(secret.New("right"), nil)
		gate.UseSessions(auth.Sessions{Secret: secret.New("shared"), Revoked: logouts.Ended})
		session := open(t, gate)
		r := request("GET", session, nil)
		if _, ok := gate.Session(r); !ok {
			t.Fatal("it does not hold before")
		}
		if logouts.End(ctx, session) == nil {
			t.Error("nobody says that others don't know")
		}
		if _, ok := gate.Session(r); ok {
			t.Error("it holds here")
		}
		time.Sleep(time.Minute)
		store.set(false)
		time.Sleep(3 * time.Second)
		if store.mu.Lock(); len(store.ended) != 1 || store.ended[0] != session.ID {
			t.Errorf("the store was told of %q", store.ended)
		}
		calls := store.calls
		store.mu.Unlock()
		time.Sleep(time.Hour)
		if store.calls != calls {
			t.Errorf("it is told %d times more", store.calls-calls)
		}
		if _, ok := gate.Session(r); ok {
			t.Error("it holds again")
		}
		stop()
		running.Wait()
	})
}

// While it is not known which sessions were ended, none holds and none begins.
func TestNoSessionBeforeItIsKnownWhichHold(t *testing.T) {
	t.Parallel()
	known := true
	gate := auth.New(secret.New("right"), nil)
	gate.UseSessions(auth.Sessions{Secret: secret.New("shared"), Known: func() bool { return known }})
	session := open(t, gate)
	r := request("GET", session, nil)
	if _, ok := gate.Session(r); !ok {
		t.Error("it does not hold")
	}
	known = false
	if _, ok := gate.Session(r); ok {
		t.Error("it holds although it may have been ended")
	}
	if _, ok := gate.Open(time.Now()); ok {
		t.Error("one is opened that does not hold")
	}
}
