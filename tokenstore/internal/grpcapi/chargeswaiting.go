package grpcapi

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
)

const (
	// chargePatience is how long a charge waits for what others have set aside and may not need:
	// several times what it takes them to give that back.
	chargePatience = 250 * time.Millisecond
	// chargeTick is how often what waits is tried without being told that something has changed.
	chargeTick = 50 * time.Millisecond
)

// keyWaits is what a session has of a key: the book that has made statements in it, and what waits.
type keyWaits struct {
	book    string
	waiting []*charged
}

// begins tells whether the session has heard nothing of the book before.
func (s *session) begins(id, book string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.keys[id]
	if known == nil {
		known = &keyWaits{}
		s.keys[id] = known
	}
	fresh := known.book != book
	known.book = book
	return fresh
}

// wait has charges wait for what others have set aside.
func (s *session) wait(keyID string, charges []*charged) {
	if len(charges) == 0 {
		return
	}
	s.mu.Lock()
	s.keys[keyID].waiting = append(s.keys[keyID].waiting, charges...)
	s.mu.Unlock()
	nudge(s.waits)
}

// stopWaiting returns the charges of a key that wait, which then wait no more.
func (s *session) stopWaiting(keyID string) []*charged {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.keys[keyID]
	if known == nil {
		return nil
	}
	waiting := known.waiting
	known.waiting = nil
	return waiting
}

// withdrawCharged drops a demand that waits for its key.
func (s *session) withdrawCharged(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.keys {
		known.waiting = slices.DeleteFunc(known.waiting, func(each *charged) bool { return each.demand.GetId() == id })
	}
}

// waitingKeys are the keys of which charges wait, with their books.
func (s *session) waitingKeys() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	books := map[string]string{}
	for id, known := range s.keys {
		if len(known.waiting) > 0 {
			books[id] = known.book
		}
	}
	return books
}

// keyStated tells the session that something of a key may have become free.
func (s *session) keyStated(id string) {
	s.mu.Lock()
	known := s.keys[id]
	waits := known != nil && len(known.waiting) > 0
	s.mu.Unlock()
	if waits {
		nudge(s.freed)
	}
}

// retry tries the charges that wait whenever something may have become free, and now and then,
// until ctx ends.
func (s *session) retry(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.waits: // they have just been tried
		case <-s.freed:
			s.tryWaiting(ctx)
		case <-again:
			s.tryWaiting(ctx)
		}
		again = nil
		if len(s.waitingKeys()) > 0 {
			again = time.After(chargeTick)
		}
	}
}

// tryWaiting is a turn of the session's.
func (s *session) tryWaiting(ctx context.Context) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.over {
		return
	}
	books := s.waitingKeys()
	for _, id := range slices.Sorted(maps.Keys(books)) {
		waiting := s.stopWaiting(id)
		key, unusable, err := s.usable(ctx, id)
		var granted []*charged
		if err == nil && unusable == nil {
			granted, err = s.post(ctx, key, ledger.Posting{Book: books[id], TTL: s.desk.TTL()}, waiting)
		}
		if err != nil { // what was granted nevertheless is the replica's with the next grant
			s.log.LogAttrs(ctx, slog.LevelWarn, "charges that wait can't be tried", slog.String("key_id", id), slog.Any("error", err))
			if _, part := errors.AsType[*ledger.Away](err); !part {
				unusable = leasing.Fault(err)
				s.stopWaiting(id)
			} else if key == nil {
				s.denyAway(waiting, err)
			}
		}
		if unusable != nil {
			for _, each := range waiting {
				s.deny(each, unusable, nil)
			}
		}
		for _, each := range granted {
			s.ask(each.demand)
		}
	}
}

// nudge says something to who reads the channel, unless that has been said already.
func nudge(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
