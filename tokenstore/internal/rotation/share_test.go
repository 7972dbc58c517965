package rotation_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/token"
)

// share carries requests out beside the clock, and counts what each token got.
type share struct {
	candidates []rotation.Candidate
	clock      float64
	got        []int
}

func shareOf(candidates []rotation.Candidate) *share {
	return &share{candidates: candidates, got: make([]int, len(candidates))}
}

func (s *share) send(i int, due bool) {
	s.candidates[i].Score, s.clock = rotation.Later(s.candidates[i], s.clock, due)
	s.got[i]++
}

func (s *share) single() { s.send(rotation.Next(token.RoundRobin, s.candidates), true) }

func (s *share) turn(key string) {
	s.send(rotation.Affine(key, loadOf(s.candidates), s.candidates), false)
}

// Single questions make up for what conversations take: as long as those have no more than
// a token's share, all tokens get as much.
func TestSinglesCompensateConversations(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := shareOf(pool(t))
		key := rapid.StringN(1, 20, 40).Draw(t, "key")
		for range rapid.IntRange(1, 100).Draw(t, "turns") {
			s.turn(key)
			for range len(s.candidates) {
				s.single()
			}
		}
		if most, least := slices.Max(s.got), slices.Min(s.got); most-least > 2 {
			t.Fatalf("requests by token: %v", s.got)
		}
	})
}

// However much a conversation takes, the others don't wait for it to be made up for: a token
// is ahead by so much at most, and the clock is where single questions left it.
func TestConversationsDontMoveTheClock(t *testing.T) {
	t.Parallel()
	s := shareOf([]rotation.Candidate{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}})
	for range 10 {
		s.single()
	}
	before := s.clock
	for range 1000 {
		s.turn("a long conversation")
	}
	if s.clock != before {
		t.Errorf("the clock is at %v, it was at %v", s.clock, before)
	}
	s.got = make([]int, 2)
	for range 50 {
		s.single()
	}
	slices.Sort(s.got)
	if want := []int{17, 33}; fmt.Sprint(s.got) != fmt.Sprint(want) {
		t.Errorf("of 50 single questions the tokens got %v, want %v", s.got, want)
	}
}
