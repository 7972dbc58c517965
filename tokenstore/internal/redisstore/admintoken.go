package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/seal"
)

// Who has the admin token may have all tokens shown, so its hash is signed with the seal
// key, as upstreams are: who can only write to Redis can't become the admin. A hash that
// is not signed counts as none, and the next gateway that asks generates another token.

var claimScript = newScript("claim")

const (
	adminHashSize     = 32 // bytes: SHA-256
	adminTokenBinding = "admin token"
)

// signedHash is what adminTokenKey holds.
func (s *Store) signedHash(hash []byte) string {
	text := hex.EncodeToString(hash)
	return text + " " + s.keys.Sign(text, adminTokenBinding)
}

// adminHash undoes signedHash. It returns nil where there is no hash, or one that nobody
// with the seal key has signed.
func (s *Store) adminHash(stored string) ([]byte, error) {
	text, signature, _ := strings.Cut(stored, " ")
	if id, is := seal.KeyID(signature); is && !s.keys.Has(id) { // another tokenstore has newer keys
		return nil, &rpcerr.Error{
			Reason:  tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
			Message: fmt.Sprintf("the admin token is signed with key %q, which is not in the seal key file", id), RetryAfter: time.Second,
		}
	}
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != adminHashSize || s.keys.Verify(signature, text, adminTokenBinding) != nil {
		return nil, nil //nolint:nilerr,nilnil // it counts as none
	}
	return hash, nil
}

func (s *Store) storedAdminHash(ctx context.Context) (string, error) {
	stored, err := s.client.Get(ctx, adminTokenKey()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", storeError("read the admin token", err)
	}
	return stored, nil
}

// claimAdminHash stores a hash unless one is stored that is not replaceable. It returns
// what is stored then, and whether that is the caller's.
func (s *Store) claimAdminHash(ctx context.Context, hash []byte, replaceable string) (string, bool, error) {
	values, err := claimScript.run(ctx, s.client, []string{adminTokenKey()}, s.signedHash(hash), configChannel, replaceable).Slice()
	if err != nil {
		return "", false, storeError("claim the admin token", err)
	}
	reply := &row{values: values}
	stored, claimed := reply.text(0), reply.number(1) == 1
	return stored, claimed, reply.err
}

// ClaimAdminToken stores the SHA-256 of an admin token unless one is stored. It
// returns the one that is stored, and whether it is the caller's.
func (s *Store) ClaimAdminToken(ctx context.Context, hash []byte) ([]byte, bool, error) {
	if len(hash) != adminHashSize {
		return nil, false, invalidHash()
	}
	before, err := s.storedAdminHash(ctx)
	if err != nil {
		return nil, false, err
	}
	known, err := s.adminHash(before)
	if err != nil {
		return nil, false, err
	}
	forged := ""
	if known == nil && before != "" {
		forged = before
		s.log.LogAttrs(ctx, slog.LevelWarn, "the admin token in Redis is not signed with the seal key: another one takes its place")
	}
	stored, claimed, err := s.claimAdminHash(ctx, hash, forged)
	if err != nil {
		return nil, false, err
	}
	if known, err = s.adminHash(stored); err != nil {
		return nil, false, err
	}
	return known, claimed, s.barrier.Sync(ctx)
}

func invalidHash() error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "token_hash: %d bytes wanted, the SHA-256 of a token", adminHashSize)
}

// adoptAdminToken signs the hash of data of before there were signatures.
func (s *Store) adoptAdminToken(ctx context.Context) error {
	stored, err := s.storedAdminHash(ctx)
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(stored)
	if err != nil || len(hash) != adminHashSize {
		return nil //nolint:nilerr // it is signed, or none
	}
	_, _, err = s.claimAdminHash(ctx, hash, stored)
	return err
}

// resealAdminToken signs the hash with the key that seals now.
func (s *Store) resealAdminToken(ctx context.Context, _ *Resealed) error {
	stored, err := s.storedAdminHash(ctx)
	if err != nil {
		return err
	}
	hash, err := s.adminHash(stored)
	if err != nil || hash == nil || stored == s.signedHash(hash) {
		return err
	}
	_, _, err = s.claimAdminHash(ctx, hash, stored)
	return err
}

// ReplaceAdminToken stores the SHA-256 of an admin token in place of any other.
func (s *Store) ReplaceAdminToken(ctx context.Context, hash []byte) error {
	if len(hash) != adminHashSize {
		return invalidHash()
	}
	pipe := s.client.Pipeline()
	pipe.Set(ctx, adminTokenKey(), s.signedHash(hash), 0)
	pipe.Publish(ctx, configChannel, "changed")
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("replace the admin token", err)
	}
	return s.barrier.Sync(ctx)
}

// ForgetAdminToken lets the next claim win.
func (s *Store) ForgetAdminToken(ctx context.Context) error {
	pipe := s.client.Pipeline()
	pipe.Del(ctx, adminTokenKey())
	pipe.Publish(ctx, configChannel, "changed")
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("forget the admin token", err)
	}
	return s.barrier.Sync(ctx)
}
