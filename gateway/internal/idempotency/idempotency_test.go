package idempotency

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// store is what two gateways share.
type store struct {
	mu      sync.Mutex
	owner   map[Hash]string
	request map[Hash]Hash
	answers map[Hash]*Answer
	claims  int
	err     error
}

func newStore() *store {
	return &store{owner: map[Hash]string{}, request: map[Hash]Hash{}, answers: map[Hash]*Answer{}}
}

func (s *store) Claim(_ context.Context, key, request Hash, owner string) (State, *Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	known, taken := s.owner[key]
	switch {
	case s.err != nil:
		return Running, nil, s.err
	case taken && s.request[key] != request:
		return Other, nil, nil
	case s.answers[key] != nil:
		return Answered, s.answers[key], nil
	case taken && known != owner:
		return Running, nil, nil
	}
	s.owner[key], s.request[key] = owner, request
	return Owned, nil, nil
}

func (s *store) Finish(_ context.Context, key Hash, owner string, answer *Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner[key] != owner {
		return nil
	}
	if s.answers[key] = answer; answer == nil {
		delete(s.owner, key)
	}
	return nil
}

func newDesk(s *store) *Desk { return New(s, slog.New(slog.DiscardHandler)) }

var key, request = Hash{1}, Hash{2}

func header() map[string]string { return map[string]string{"Content-Type": "text/plain"} }

// read collects a recording.
func read(ctx context.Context, first *Recording) (text string, err error) {
	for {
		header, piece, done, err := first.Next(ctx, len(text))
		if err != nil {
			return text, err
		}
		if header["Content-Type"] != "text/plain" {
			return text, errors.New("without its header")
		}
		if text += string(piece); done {
			return text, nil
		}
	}
}

func begin(t *testing.T, d *Desk, owner string) (*Claim, *Recording) {
	t.Helper()
	claim, first, err := d.Begin(t.Context(), key, request, owner)
	if err != nil {
		t.Fatal(err)
	}
	return claim, first
}

func TestARepetitionFollowsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(newStore())
		claim, _ := begin(t, d, "a")
		claim.Write(header, []byte("Hel"))
		_, first := begin(t, d, "b")
		if first == nil {
			t.Fatal("two are to answer")
		}
		if _, piece, done, err := first.Next(t.Context(), 0); string(piece) != "Hel" || done || err != nil {
			t.Errorf("%q, %t, %v", piece, done, err)
		}
		var reading sync.WaitGroup
		for range 5 {
			reading.Go(func() {
				if text, err := read(t.Context(), first); text != "Hello" || err != nil {
					t.Errorf("%q, %v", text, err)
				}
			})
		}
		synctest.Wait()
		claim.Write(header, []byte("lo"))
		claim.Finish(t.Context(), nil)
		reading.Wait()
		if _, first := begin(t, d, "c"); first == nil {
			t.Error("it is not remembered")
		} else if text, err := read(t.Context(), first); text != "Hello" || err != nil {
			t.Errorf("afterwards: %q, %v", text, err)
		}
		d.Wait()
		if len(d.running) != 0 {
			t.Errorf("%d recordings are kept", len(d.running))
		}
	})
}

func TestAnotherGatewayWaitsForTheWholeAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newStore()
		here, there := newDesk(shared), newDesk(shared)
		claim, _ := begin(t, here, "a")
		claim.Write(header, []byte("Hello"))
		var asking sync.WaitGroup
		for _, owner := range []string{"b", "c"} {
			asking.Go(func() {
				claim, first, err := there.Begin(t.Context(), key, request, owner)
				if claim != nil || err != nil {
					t.Errorf("%v, %v", claim, err)
					return
				}
				if text, err := read(t.Context(), first); text != "Hello" || err != nil {
					t.Errorf("%q, %v", text, err)
				}
			})
		}
		<-time.After(time.Minute)
		claim.Finish(t.Context(), nil)
		asking.Wait()
	})
}

func TestWhatFailedIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(newStore())
		claim, _ := begin(t, d, "a")
		_, first := begin(t, d, "b")
		refused := chat.Errorf(chat.RateLimited, "slow down")
		claim.Finish(t.Context(), refused)
		if _, err := read(t.Context(), first); !errors.Is(err, refused) {
			t.Errorf("who followed got %v", err)
		}
		claim, _ = begin(t, d, "c")
		if claim == nil {
			t.Fatal("it is remembered")
		}
		claim.Finish(t.Context(), nil)
	})
}

func TestAKeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	shared := newStore()
	here, there := newDesk(shared), newDesk(shared)
	claim, _ := begin(t, here, "a")
	for _, d := range []*Desk{here, there} {
		if _, _, err := d.Begin(t.Context(), key, Hash{3}, "b"); chat.AsError(err).Kind != chat.Conflict {
			t.Errorf("got %v", err)
		}
	}
	claim.Finish(t.Context(), nil)
}

func TestAnAnswerThatIsTooLargeIsNotKept(t *testing.T) {
	t.Parallel()
	d := newDesk(newStore())
	claim, _ := begin(t, d, "a")
	_, first := begin(t, d, "b")
	claim.Write(header, make([]byte, MaxBody))
	claim.Write(header, []byte("x"))
	claim.Finish(t.Context(), nil)
	if _, err := read(t.Context(), first); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	if claim, _ := begin(t, d, "c"); claim == nil {
		t.Error("half of it is remembered")
	} else {
		claim.Finish(t.Context(), nil)
	}
}

// Whoever follows a large answer closely gets all of it; who falls behind, or comes late,
// is told so, and never takes a part for the whole.
func TestALargeAnswerIsFollowed(t *testing.T) {
	t.Parallel()
	d := newDesk(newStore())
	claim, _ := begin(t, d, "a")
	claim.Write(header, []byte("x"))
	_, close := begin(t, d, "b")
	_, behind := begin(t, d, "c")
	if _, _, _, err := behind.Next(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 100_000)
	got := 0
	for sent := 1; sent < 3*MaxBody; sent += len(piece) {
		claim.Write(header, piece)
		for got < sent+len(piece) {
			_, next, done, err := close.Next(t.Context(), got)
			if err != nil || done {
				t.Fatalf("after %d of %d bytes: %t, %v", got, sent, done, err)
			}
			got += len(next)
		}
	}
	if len(claim.answer.Body) > MaxBody {
		t.Errorf("%d bytes are kept", len(claim.answer.Body))
	}
	if _, _, done, err := behind.Next(t.Context(), 1); done || !errors.Is(err, errTooLarge) || Recorded(err) {
		t.Errorf("who fell behind: %t, %v", done, err)
	}
	claim.Finish(t.Context(), nil)
	if _, piece, done, err := close.Next(t.Context(), got); len(piece) != 0 || !done || err != nil {
		t.Errorf("the end: %d bytes, %t, %v", len(piece), done, err)
	}
	if claim, _ := begin(t, d, "d"); claim == nil {
		t.Error("it is remembered")
	} else {
		claim.Finish(t.Context(), nil)
	}
	d.Wait()
}

// One piece that has no room is dropped as a whole.
func TestAPieceThatIsTooLargeIsNotKept(t *testing.T) {
	t.Parallel()
	d := newDesk(newStore())
	claim, _ := begin(t, d, "a")
	_, first := begin(t, d, "b")
	claim.Write(header, make([]byte, 3*MaxBody))
	if _, _, _, err := first.Next(t.Context(), 0); !errors.Is(err, errTooLarge) || len(claim.answer.Body) != 0 {
		t.Errorf("%v, and %d bytes are kept", err, len(claim.answer.Body))
	}
	claim.Break(t.Context())
	d.Wait()
}

func TestWithoutTheStoreNobodyAnswers(t *testing.T) {
	t.Parallel()
	shared := newStore()
	shared.err = errors.New("no connection")
	d := newDesk(shared)
	if _, _, err := d.Begin(t.Context(), key, request, "a"); chat.AsError(err).Kind != chat.StoreUnavailable {
		t.Errorf("got %v", err)
	}
	if len(d.running) != 0 {
		t.Error("the key stays taken")
	}
}

// Whoever waits for another gateway may leave; who follows it begins anew.
func TestWhoeverWaitsMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newStore()
		here, there := newDesk(shared), newDesk(shared)
		claim, _ := begin(t, here, "a")
		leaving, leave := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, _, err := there.Begin(leaving, key, request, "b"); chat.AsError(err).Kind != chat.Canceled {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		_, first := begin(t, there, "c")
		leave()
		if _, err := read(t.Context(), first); !Abandoned(err) {
			t.Errorf("got %v", err)
		}
		asking.Wait()
		claim.Finish(t.Context(), nil)
	})
}

func TestAClaimIsProlongedUntilItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newStore()
		claim, _ := begin(t, newDesk(shared), "a")
		<-time.After(time.Minute)
		claim.Finish(t.Context(), nil)
		claim.desk.Wait()
		if shared.claims < 15 {
			t.Errorf("claimed %d times in a minute", shared.claims)
		}
	})
}
