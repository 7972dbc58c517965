package redisstore

import (
	"context"
	"fmt"
	"log/slog"
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
// sealed. Redis has a check value of each. A key file is made only for a Redis in which
// nothing is sealed yet.
func (s *Store) checkSeals(ctx context.Context) error {
	checks, err := s.client.HGetAll(ctx, sealsKey()).Result()
	if err != nil {
		return storeError("check the seal keys", err)
	}
	if len(checks) == 0 {
		if checks, err = s.adoptSeals(ctx); err != nil {
			return err
		}
	}
	if err := s.openChecks(checks); err != nil {
		return err
	}
	s.sealed = true
	if checks[s.keys.Active()] != "" {
		return nil
	}
	if err := s.addCheck(ctx, s.keys.Active()); err != nil {
		return err
	}
	// Another tokenstore, with another file, may have been first.
	if checks, err = s.client.HGetAll(ctx, sealsKey()).Result(); err != nil {
		return storeError("check the seal keys", err)
	}
	return s.openChecks(checks)
}

// adoptSeals makes the check values of data that have none: new data, or data of before
// there were any. Of the latter the upstreams and the admin token are signed as they are, once:
// when a token says that upstreams were signed before, or this store has seen check values, they
// have vanished, and what is not signed stays so.
func (s *Store) adoptSeals(ctx context.Context) (map[string]string, error) {
	ids, signing, err := s.tokenSeals(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.keys.Save(); err != nil {
		return nil, err
	}
	if !signing && !s.sealed {
		if err := s.adoptAdminToken(ctx); err != nil {
			return nil, err
		}
		adopted, err := s.signUpstreams(ctx, func(_, _, signature string) bool { return signature == "" })
		if err != nil {
			return nil, err
		}
		if adopted > 0 {
			s.log.LogAttrs(ctx, slog.LevelInfo, "upstreams were signed with the seal key", slog.Int("upstreams", adopted))
		}
	}
	for _, id := range append(ids, s.keys.Active()) {
		if err := s.addCheck(ctx, id); err != nil {
			return nil, err
		}
	}
	checks, err := s.client.HGetAll(ctx, sealsKey()).Result()
	return checks, storeError("check the seal keys", err)
}

func (s *Store) addCheck(ctx context.Context, id string) error {
	check, err := s.keys.SealWith(id, secret.New(sealCheck), sealBinding(id))
	if err == nil {
		err = s.client.HSetNX(ctx, sealsKey(), id, check).Err()
	}
	return storeError("check the seal keys", err)
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

// tokenSeals returns the ids of the keys that seal tokens, each of which has opened one,
// and whether a token says that upstreams are signed. A token that is damaged says nothing
// of its key as long as another one opens.
func (s *Store) tokenSeals(ctx context.Context) (ids []string, signing bool, err error) {
	opened := map[string]bool{}
	err = s.each(ctx, func(t *stored) error {
		if id, is := seal.KeyID(t.record.Sealed); is {
			part, err := t.record.unseal(s.keys, t.id)
			opened[id] = opened[id] || err == nil
			signing = signing || part.Signing
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	ids = slices.Sorted(maps.Keys(opened))
	problem := &SealError{File: s.keys.Path(), NoFile: s.keys.Unsaved()}
	for _, id := range ids {
		switch {
		case opened[id]:
		case s.keys.Has(id):
			problem.Other = append(problem.Other, id)
		default:
			problem.Missing = append(problem.Missing, id)
		}
	}
	if len(problem.Missing)+len(problem.Other) > 0 {
		return nil, false, problem
	}
	return ids, signing, nil
}
