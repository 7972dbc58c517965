package redisstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/seal"
)

// SealError says that what Redis holds is sealed with keys that the key file has not.
type SealError struct {
	// Missing are ids of keys that are not in the file; Other of those that are, but are
	// not the keys that sealed.
	Missing, Other []string
	// File is the key file; NoFile tells that there is none.
	File   string
	NoFile bool
}

func (e *SealError) Error() string {
	var problems []string
	for _, id := range e.Missing {
		problems = append(problems, fmt.Sprintf("key %q is missing", id))
	}
	for _, id := range e.Other {
		problems = append(problems, fmt.Sprintf("key %q is not the one that sealed", id))
	}
	file := "the seal key file"
	if e.File != "" {
		file += " " + e.File
	}
	if e.NoFile {
		file += " (there is none)"
	}
	return fmt.Sprintf("Redis has secrets that can't be opened: in %s %s; put the right file back, or use another Redis", file, strings.Join(problems, ", "))
}

// sealCheck is what a check value seals.
const sealCheck = "carousel"

func sealBinding(id string) string { return "seal check " + id }

// checkSeals makes sure that the keyring has every key with which something in Redis is
// sealed. Redis has a check value of each; for data of before there were any they are
// made, once, of the tokens that are there. A key file is made only for a Redis in which
// nothing is sealed yet.
func (s *Store) checkSeals(ctx context.Context) error {
	checks, err := s.client.HGetAll(ctx, sealsKey()).Result()
	if err != nil {
		return storeError("check the seal keys", err)
	}
	if len(checks) == 0 {
		if err := s.checkTokenSeals(ctx); err != nil {
			return err
		}
	}
	if err := s.openChecks(checks); err != nil {
		return err
	}
	if checks[s.keys.Active()] != "" && !s.keys.Unsaved() {
		return nil
	}
	if err := s.keys.Save(); err != nil {
		return err
	}
	active := s.keys.Active()
	check := s.keys.Seal(secret.New(sealCheck), sealBinding(active))
	if err := s.client.HSetNX(ctx, sealsKey(), active, check).Err(); err != nil {
		return storeError("check the seal keys", err)
	}
	// Another tokenstore, with another file, may have been first.
	if checks, err = s.client.HGetAll(ctx, sealsKey()).Result(); err != nil {
		return storeError("check the seal keys", err)
	}
	return s.openChecks(checks)
}

// openChecks opens the check values.
func (s *Store) openChecks(checks map[string]string) error {
	problem := &SealError{File: s.keys.Path(), NoFile: s.keys.Unsaved()}
	for _, id := range slices.Sorted(maps.Keys(checks)) {
		if !s.keys.Has(id) {
			problem.Missing = append(problem.Missing, id)
		} else if _, err := s.keys.Open(checks[id], sealBinding(id)); err != nil {
			problem.Other = append(problem.Other, id)
		}
	}
	if len(problem.Missing)+len(problem.Other) > 0 {
		return problem
	}
	return nil
}

// checkTokenSeals opens a token of each key that seals any. A token that is damaged says
// nothing of its key as long as another one opens.
func (s *Store) checkTokenSeals(ctx context.Context) error {
	opened := map[string]bool{}
	err := s.each(ctx, func(t *stored) error {
		id, is := seal.KeyID(t.record.Sealed)
		if is && !opened[id] {
			_, _, err := t.record.open(s.keys, t.id)
			opened[id] = err == nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	problem := &SealError{File: s.keys.Path(), NoFile: s.keys.Unsaved()}
	for _, id := range slices.Sorted(maps.Keys(opened)) {
		switch {
		case opened[id]:
		case s.keys.Has(id):
			problem.Other = append(problem.Other, id)
		default:
			problem.Missing = append(problem.Missing, id)
		}
	}
	if len(problem.Missing)+len(problem.Other) > 0 {
		return problem
	}
	for id := range opened {
		check, err := s.keys.SealWith(id, secret.New(sealCheck), sealBinding(id))
		if err == nil {
			err = s.client.HSetNX(ctx, sealsKey(), id, check).Err()
		}
		if err != nil {
			return storeError("check the seal keys", err)
		}
	}
	return nil
}
