package redisstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// ReadableUpstreams is Upstreams, and returns the names of those that are left out.
func (s *Store) ReadableUpstreams(ctx context.Context) (upstreams []*tokenstorev1.Upstream, unreadable []string, err error) {
	upstreams, bad, err := s.readUpstreams(ctx)
	return upstreams, slices.Sorted(maps.Keys(bad)), err
}

// StoredSettings returns the settings and the names of those that an admin has stored, sorted; the
// others are defaults.
func (s *Store) StoredSettings(ctx context.Context) (*tokenstorev1.Settings, []string, error) {
	values, err := s.client.HGetAll(ctx, settingsKey()).Result()
	if err != nil {
		return nil, nil, storeError("read the settings", err)
	}
	var names []string
	for key, text := range values {
		if len(key) < 2 || key[:2] != "s:" {
			continue
		}
		field, err := token.SettingField(key[2:])
		if err != nil {
			continue
		}
		if _, err := parseSetting(field, text); err == nil {
			names = append(names, string(field.Name()))
		}
	}
	slices.Sort(names)
	return s.overlay(values), names, nil
}

// KeptClientKey is a client key with what there is of its secrets, at a version.
type KeptClientKey struct {
	*tokenstorev1.BackupClientKey
	// Version is 0 where there is none, or it is deleted.
	Version uint64
}

// KeptClientKeys returns all client keys that are not deleted, in order of creation.
func (s *Store) KeptClientKeys(ctx context.Context) ([]KeptClientKey, error) {
	all, now, err := s.allClientKeys(ctx)
	if err != nil {
		return nil, err
	}
	kept := make([]KeptClientKey, 0, len(all))
	for _, each := range all {
		if !each.deleted.IsZero() {
			continue
		}
		key := proto.CloneOf(each.key)
		key.Version, key.UpdatedAt = 0, nil
		one := KeptClientKey{&tokenstorev1.BackupClientKey{Key: key}, each.key.GetVersion()}
		if one.SecretHash, err = hex.DecodeString(each.secret); err != nil {
			return nil, fmt.Errorf("client key %s: the hash of its secret can't be read", key.GetId())
		}
		if now.Before(each.oldUntil) {
			if one.OldSecretHash, err = hex.DecodeString(each.old); err != nil {
				return nil, fmt.Errorf("client key %s: the hash of its former secret can't be read", key.GetId())
			}
		} else {
			key.OldSecretUntil = nil
		}
		kept = append(kept, one)
	}
	return kept, nil
}
