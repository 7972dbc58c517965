package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var revokeSessionScript = newScript("revoke_session")

// maxRevoked bounds the sessions that are kept: every gateway holds all of them.
const maxRevoked = 10_000

// RevokeSession makes a page session invalid everywhere until it would have
// ended by itself.
func (s *Store) RevokeSession(ctx context.Context, id string, ends time.Time) error {
	if err := token.CheckSession(id, ends, time.Now()); err != nil {
		return invalid(err)
	}
	result, err := revokeSessionScript.run(ctx, s.client, []string{revokedKey()}, id, ends.UnixMilli(), maxRevoked, configChannel).StringSlice()
	if err != nil {
		return storeError("revoke a session", err)
	}
	if result[0] == "full" {
		return rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
			"%d revoked sessions are kept already, more are not: this one stays valid until it ends, or until the admin token is another one", maxRevoked)
	}
	return s.barrier.Sync(ctx)
}

// sessionsOf returns the revoked sessions that have not ended, those that end
// first in front.
func sessionsOf(stored []redis.Z, now time.Time) []*tokenstorev1.RevokedSession {
	var sessions []*tokenstorev1.RevokedSession
	for _, each := range stored {
		id, _ := each.Member.(string)
		if ends := time.UnixMilli(int64(each.Score)); ends.After(now) {
			sessions = append(sessions, &tokenstorev1.RevokedSession{Id: id, ExpiresAt: timestamppb.New(ends)})
		}
	}
	return sessions
}
