package redisstore

import (
	"context"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	deleteScript  = newScript("delete")
	restoreScript = newScript("restore")
)

// trashTTL is how long a deleted token can be restored.
const trashTTL = time.Hour

// DeleteToken removes a token; RestoreToken brings it back. expected is the
// version that it must have; 0: any.
func (s *Store) DeleteToken(ctx context.Context, id string, expected uint64) error {
	if !tokenIDForm.MatchString(id) {
		return noToken(id)
	}
	keys, args := deletion(id, expected)
	reply, err := deleteScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return storeError("delete a token", err)
	}
	switch reply[0] {
	case "gone":
		return noToken(id)
	case "conflict":
		return versionConflict("token "+id, expected, reply[1])
	}
	return s.barrier.Sync(ctx)
}

// deletion is what the delete script needs.
func deletion(id string, expected uint64) (keys []string, args []any) {
	keys = []string{tokenIDsKey(), tokenKey(id), inflightKey(id), aliasKey(), fingerprintKey(), trashKey(id), historyKey(id)}
	args = []any{id, expected, orderKeyPrefix(), coolingKeyPrefix(), poolChannel, trashTTL.Milliseconds()}
	return keys, args
}

// RestoreToken undoes the deletion of a token: everything of it comes back, except
// its leases.
func (s *Store) RestoreToken(ctx context.Context, id string) (*tokenstorev1.Token, error) {
	if !tokenIDForm.MatchString(id) {
		return nil, notDeleted(id)
	}
	keys, args := restoration(id)
	reply, err := restoreScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return nil, storeError("restore a token", err)
	}
	switch reply[0] {
	case "gone":
		return nil, notDeleted(id)
	case "known":
		return nil, tokenKnown(reply[2], reply[1])
	case "alias":
		return nil, aliasTaken(reply[2], reply[1])
	case "upstream":
		return nil, noUpstream(reply[1])
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, id)
}

// restoration is what the restore script needs.
func restoration(id string) (keys []string, args []any) {
	keys = []string{tokenIDsKey(), tokenKey(id), trashKey(id), aliasKey(), fingerprintKey(), upstreamsKey(), clockKey(), historyKey(id)}
	args = []any{id, orderKeyPrefix(), coolingKeyPrefix(), poolChannel}
	return keys, args
}

func notDeleted(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no token %q that was deleted within the last hour", id)
}
