package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	deleteScript  = newScript("delete")
	restoreScript = newScript("restore")
	forgetScript  = newScript("forget")
)

const (
	// trashTTL is how long a deleted token can be restored.
	trashTTL = 24 * time.Hour
	// keepDeleted is how many deleted tokens can be restored; beyond it the oldest are
	// forgotten before their time.
	keepDeleted = 20_000
	// boundEvery is after how many deletions of its own a tokenstore looks whether there are
	// more, and maxForgotten how many it forgets then: more than have come meanwhile.
	boundEvery   = 100
	maxForgotten = 5000
)

// DeleteToken removes a token; RestoreToken brings it back. expected is the
// version that it must have; 0: any.
func (s *Store) DeleteToken(ctx context.Context, id string, expected uint64) error {
	upstream, err := s.homeOf(ctx, id)
	if err != nil {
		return err
	}
	d := &deletion{id: id, upstream: upstream, expected: expected}
	if err := s.delete(ctx, []*deletion{d}); err != nil {
		return err
	}
	switch d.outcome[0] {
	case "gone":
		return noToken(id)
	case "conflict":
		return versionConflict("token "+id, expected, d.outcome[1])
	case "lapsed":
		return lapsed(id)
	}
	return s.barrier.Sync(ctx)
}

// deletion is one on its way.
type deletion struct {
	id, upstream string
	// expected is the version that it must have; 0: any.
	expected uint64
	// outcome is what the delete script says.
	outcome []string
}

// delete carries deletions out, each for itself.
func (s *Store) delete(ctx context.Context, deletions []*deletion) error {
	claims := make([]*claim, len(deletions))
	for i, d := range deletions {
		claims[i] = &claim{id: d.id, upstream: d.upstream}
	}
	if err := s.claimed(ctx, claims); err != nil {
		return err
	}
	round, calls := s.batch(), make([]*call, len(deletions))
	for i, d := range deletions {
		keys, args := d.deleting(claims[i].key)
		calls[i] = round.add(deleteScript, keys, args...)
	}
	if err := round.exec(ctx); err != nil {
		return storeError("delete a token", err)
	}
	outcomes := make([]settled, len(deletions))
	for i, d := range deletions {
		var err error
		if d.outcome, err = calls[i].reply.StringSlice(); err != nil {
			return storeError("delete a token", err)
		}
		outcomes[i] = withdrawn(claims[i])
		if d.outcome[0] == "deleted" {
			version, _ := strconv.ParseUint(d.outcome[1], 10, 64) // the store's own
			outcomes[i] = settled{claim: claims[i], became: gone, version: version, keep: trashTTL}
		}
	}
	if err := s.settleClaims(ctx, outcomes); err != nil {
		return err
	}
	if n := int64(len(deletions)); s.deleted.Add(n)%boundEvery < n {
		return s.boundTrash(ctx, keepDeleted)
	}
	return nil
}

// boundTrash forgets the tokens that were deleted first, where more can be restored than keep.
func (s *Store) boundTrash(ctx context.Context, keep int64) error {
	oldest, err := s.client.ZRange(ctx, discardedKey(), 0, -keep-1).Result()
	if err != nil || len(oldest) == 0 {
		return storeError("bound the trash", err)
	}
	oldest = oldest[:min(len(oldest), maxForgotten)]
	pools, err := s.byPool(ctx, oldest)
	if err != nil {
		return err
	}
	round, over := s.batch(), make([]redis.Z, len(oldest))
	for _, pool := range pools {
		for _, i := range pool.places {
			round.add(forgetScript, []string{trashKey(pool.upstream, oldest[i]), historyKey(pool.upstream, oldest[i])})
		}
	}
	if err := round.exec(ctx); err != nil {
		return storeError("bound the trash", err)
	}
	for i, id := range oldest {
		over[i] = redis.Z{Member: id} // the next settlement forgets what is past its time
	}
	return storeError("bound the trash", s.client.ZAddXX(ctx, discardedKey(), over...).Err())
}

// deleting is what the delete script needs.
func (d *deletion) deleting(claim string) (keys []string, args []any) {
	pool := d.upstream
	keys = []string{
		poolIDsKey(pool), tokenKey(pool, d.id), inflightKey(pool, d.id), namesKey(pool), orderKey(pool), trashKey(pool, d.id),
		historyKey(pool, d.id), coolingKey(pool), lapsedKey(pool),
	}
	return keys, []any{d.id, d.expected, poolChannel, trashTTL.Milliseconds(), claim}
}

// RestoreToken undoes the deletion of a token: everything of it comes back, except
// its leases.
func (s *Store) RestoreToken(ctx context.Context, id string) (*tokenstorev1.Token, error) {
	c, left, err := s.discarded(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.claimed(ctx, []*claim{c}); err != nil {
		return nil, err
	}
	if c.refused != nil {
		return nil, c.refused
	}
	keys, args := c.restoring()
	reply, err := restoreScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return nil, storeError("restore a token", err)
	}
	outcome := withdrawn(c)
	outcome.keep = left
	if reply[0] == "restored" {
		version, _ := strconv.ParseUint(reply[1], 10, 64) // the store's own
		outcome = settled{claim: c, became: there, version: version, fingerprint: c.fingerprint, alias: c.alias}
	}
	if err := s.settleClaims(ctx, []settled{outcome}); err != nil {
		return nil, err
	}
	switch reply[0] {
	case "gone":
		return nil, notDeleted(id)
	case "lapsed":
		return nil, lapsed(id)
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, id)
}

// restoring is what the restore script needs.
func (c *claim) restoring() (keys []string, args []any) {
	pool := c.upstream
	keys = []string{
		poolIDsKey(pool), tokenKey(pool, c.id), trashKey(pool, c.id), namesKey(pool), historyKey(pool, c.id), lapsedKey(pool),
	}
	return keys, []any{c.id, poolChannel, c.created, c.key}
}

// discarded returns the claim of a deleted token, and for how long it can be restored.
func (s *Store) discarded(ctx context.Context, id string) (*claim, time.Duration, error) {
	if !tokenIDForm.MatchString(id) {
		return nil, 0, notDeleted(id)
	}
	pool, err := s.home(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	if pool == "" {
		return nil, 0, notDeleted(id)
	}
	pipe := s.client.Pipeline()
	names := []string{"ver", "fingerprint", "alias", "created"}
	was, left := pipe.HMGet(ctx, trashKey(pool, id), names...), pipe.PTTL(ctx, trashKey(pool, id))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, storeError("restore a token", err)
	}
	f := namedFields(names, was.Val())
	if f["ver"] == "" {
		return nil, 0, notDeleted(id)
	}
	c := &claim{
		id: id, upstream: pool, fingerprint: f["fingerprint"], alias: f["alias"], created: f.number("created"), comes: true, version: f.count("ver"),
	}
	return c, max(left.Val(), 0), nil
}

func notDeleted(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no token %q that was deleted within the last 24 hours", id)
}
