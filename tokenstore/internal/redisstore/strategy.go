package redisstore

import (
	"context"

	"carousel.internal/tokenstore/internal/token"
)

// Rotate makes picks follow the strategy that the settings say. It is to be called
// when they have changed.
func (s *Store) Rotate(ctx context.Context) error {
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	s.rotation.Store(new(settings.GetRotationStrategy()))
	return nil
}

func (s *Store) strategy() string {
	if chosen := s.rotation.Load(); chosen != nil {
		return *chosen
	}
	return token.RoundRobin
}

// order is the strategy by which demands without a key are served. Sticky only says which
// demands have one.
func (s *Store) order() string {
	if strategy := s.strategy(); strategy != token.Sticky {
		return strategy
	}
	return token.RoundRobin
}
