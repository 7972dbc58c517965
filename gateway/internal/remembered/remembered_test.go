package remembered_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/remembered"
)

// silent is a store that says nothing; it counts what it is asked.
type silent struct{ asked int }

func (s *silent) wait(ctx context.Context) error {
	s.asked++
	<-ctx.Done()
	return ctx.Err()
}

func (s *silent) Put(ctx context.Context, _ *remembered.Answer) error { return s.wait(ctx) }

func (s *silent) Get(ctx context.Context, _ string, _ remembered.Owner) (*remembered.Answer, error) {
	return nil, s.wait(ctx)
}

func (s *silent) Delete(ctx context.Context, _ string, _ remembered.Owner) error { return s.wait(ctx) }

// Each call of the store has its time.
func TestTheStoreHasItsTime(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *remembered.Desk) error{
		"keep": func(ctx context.Context, d *remembered.Desk) error {
			return d.Keep(ctx, &remembered.Answer{ID: "resp_1"})
		},
		"find": func(ctx context.Context, d *remembered.Desk) error {
			_, err := d.Find(ctx, "resp_1", remembered.Owner{})
			return err
		},
		"forget": func(ctx context.Context, d *remembered.Desk) error {
			return d.Forget(ctx, "resp_1", remembered.Owner{})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := call(t.Context(), &remembered.Desk{Store: &silent{}, Timeout: 3 * time.Second})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
		})
	}
}

// The store is not asked for what can't be.
func TestWhatIsNeverKept(t *testing.T) {
	t.Parallel()
	store := &silent{}
	desk := &remembered.Desk{Store: store, Timeout: time.Second}
	for _, id := range []string{"", "resp 1", "resp/1", "resp\n", "räsp", "resp:1", strings.Repeat("r", 129)} {
		if _, err := desk.Find(t.Context(), id, remembered.Owner{}); !errors.Is(err, remembered.ErrNone) {
			t.Errorf("%q: %v", id, err)
		}
		if err := desk.Keep(t.Context(), &remembered.Answer{ID: id}); err == nil {
			t.Errorf("%q is kept", id)
		}
	}
	large := &remembered.Answer{ID: "resp_1", JSON: make([]byte, remembered.MaxBytes), Input: make([]byte, 1)}
	if err := desk.Keep(t.Context(), large); !errors.Is(err, remembered.ErrTooLarge) {
		t.Error(err)
	}
	desk.Away = func() bool { return true }
	if err := desk.Keep(t.Context(), &remembered.Answer{ID: "resp_1"}); err == nil {
		t.Error("it is kept where nobody is")
	}
	if store.asked > 0 {
		t.Errorf("asked %d times", store.asked)
	}
}

func TestIDsThatMayBe(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"r", "resp_0aZ-9", strings.Repeat("r", 128)} {
		store := &silent{}
		ended, end := context.WithCancel(t.Context())
		end()
		_, _ = (&remembered.Desk{Store: store, Timeout: time.Second}).Find(ended, id, remembered.Owner{})
		if store.asked != 1 {
			t.Errorf("%q: asked %d times", id, store.asked)
		}
	}
}
