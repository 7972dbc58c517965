package admincli

import (
	"context"
	"fmt"
)

// deed is what can be done to one object, by its id.
type deed func(ctx context.Context, id string) ([]byte, error)

// forEachNamed is forEach for what is named, of which find tells the id.
func (s *session) forEachNamed(ctx context.Context, names []string, find func(context.Context, string) (string, error), done string, do deed) error {
	ids, err := found(ctx, names, find)
	if err != nil {
		return err
	}
	return s.forEach(ctx, ids, done, do)
}

// found are the ids of what is named.
func found(ctx context.Context, names []string, find func(context.Context, string) (string, error)) ([]string, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = find(ctx, name); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (s *session) forEach(ctx context.Context, ids []string, done string, do deed) error {
	for _, id := range ids {
		answer, err := do(ctx, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if s.form != asTable && len(answer) > 0 {
			if err := s.show(answer, "", nil); err != nil {
				return err
			}
		}
		s.say("%s %s", id, done)
	}
	return nil
}
