package redisstore

import (
	"context"
	"errors"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/token"
)

var resealScript = newScript("reseal")

// Reseal puts every token under the key that seals now, with the fingerprint that
// belongs to the keys as they are. It answers how many it changed. It may run
// beside a serving store, and again after it was interrupted.
func (s *Store) Reseal(ctx context.Context) (int, error) {
	changed := 0
	for range maxEdits {
		done, missed, err := s.resealAll(ctx)
		changed += done
		if err != nil {
			return changed, err
		}
		if missed == 0 {
			return changed, s.barrier.Sync(ctx)
		}
	}
	return changed, errors.New("some tokens are being edited all the time; run it again")
}

// resealAll goes through the pool once. missed are tokens that were edited
// meanwhile.
func (s *Store) resealAll(ctx context.Context) (done, missed int, err error) {
	err = s.each(ctx, func(t *stored) error {
		value, material, err := t.record.open(s.keys, t.id)
		if err != nil {
			return err
		}
		fingerprint := s.keys.Fingerprint(value)
		if fingerprint == t.fingerprint && s.keys.Current(t.record.Sealed) {
			return nil
		}
		written, err := s.resealOne(ctx, t, value, material, fingerprint)
		if written {
			done++
		} else {
			missed++
		}
		return err
	})
	return done, missed, err
}

func (s *Store) resealOne(ctx context.Context, t *stored, value secret.Value, material checksum.Material, fingerprint string) (bool, error) {
	rec, err := encodeRecord(s.keys, t.id, value, token.Fields{Tags: t.record.Tags, Checksum: material})
	if err != nil {
		return false, err
	}
	c, key := &claim{id: t.id, upstream: t.upstream, fingerprint: fingerprint}, ""
	if fingerprint != t.fingerprint {
		if err := s.claimed(ctx, []*claim{c}); err != nil {
			return false, err
		}
		if c.refused != nil {
			return false, c.refused
		}
		key = c.key
	}
	keys := []string{tokenKey(t.upstream, t.id), lapsedKey(t.upstream)}
	written, err := resealScript.run(ctx, s.client, keys, t.version, rec, fingerprint, key).Bool()
	if err != nil || key == "" {
		return written, storeError("reseal a token", err)
	}
	outcome := withdrawn(c)
	if written {
		outcome = settled{claim: c, became: there, version: t.version + 1, fingerprint: fingerprint, alias: t.alias}
	}
	return written, s.settleClaims(ctx, []settled{outcome})
}
