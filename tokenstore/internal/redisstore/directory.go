package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A change of a token that spans slots (what no two tokens may have alike is in the
// directory, the token itself in its pool) has three steps: a claim in the directory, the
// write in the pool, and the claim's settlement in the directory. The pool is the truth.
// What is interrupted in between leaves a claim behind; heal finds out what became of the
// token and settles it. It gives the claim up in the pool first, so that a write that was
// only slow isn't carried out afterwards. No clock of one node is compared with another's.
var (
	claimTokenScript  = newScript("claim_token")
	settleTokenScript = newScript("settle_token")
	lapseScript       = newScript("lapse")
)

const (
	// claimPatience is how old a claim is when it counts as left behind: several times
	// what a change may take.
	claimPatience = 30 * time.Second
	// lapsedTTL is how long a claim that was given up is known.
	lapsedTTL = 24 * time.Hour
	// maxHomes bounds the memory of which pool a token is in: beyond it that is looked
	// up again.
	maxHomes = 200_000
)

// homes remembers in which pool tokens are. A token never moves, so what is known stays
// true.
type homes struct {
	mu    sync.Mutex
	pools map[string]string
}

func (h *homes) get(id string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	upstream, known := h.pools[id]
	return upstream, known
}

func (h *homes) put(id, upstream string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pools == nil || len(h.pools) >= maxHomes {
		h.pools = map[string]string{}
	}
	h.pools[id] = upstream
}

// home returns the upstream in whose pool a token is, or was before it was deleted; empty
// where that is not known.
func (s *Store) home(ctx context.Context, id string) (string, error) {
	pools, err := s.homesOf(ctx, []string{id})
	return pools[id], err
}

// homeOf is home for a token that must be known.
func (s *Store) homeOf(ctx context.Context, id string) (string, error) {
	if !tokenIDForm.MatchString(id) {
		return "", noToken(id)
	}
	upstream, err := s.home(ctx, id)
	if err == nil && upstream == "" {
		err = noToken(id)
	}
	return upstream, err
}

// homesOf is home for many, in one round trip at most.
func (s *Store) homesOf(ctx context.Context, ids []string) (map[string]string, error) {
	pools := make(map[string]string, len(ids))
	var unknown []string
	for _, id := range ids {
		if _, done := pools[id]; done {
			continue
		}
		upstream, known := s.homes.get(id)
		if !known {
			unknown = append(unknown, id)
		}
		pools[id] = upstream
	}
	if len(unknown) == 0 {
		return pools, nil
	}
	entries, err := await(ctx, s, directoryKey(), func(ctx context.Context) ([]any, error) {
		return s.client.HMGet(ctx, directoryKey(), unknown...).Result()
	})
	if err != nil {
		return nil, storeError("look tokens up", err)
	}
	for i, id := range unknown {
		if entry, ok := entries[i].(string); ok {
			pools[id] = homeIn(entry)
			s.homes.put(id, pools[id])
		}
	}
	return pools, nil
}

// share is the part of a list that is about the tokens of one pool.
type share struct {
	upstream string
	// places are the indexes in the list.
	places []int
}

// byPool divides a list of token ids, in order. What is not known is in no pool.
func (s *Store) byPool(ctx context.Context, ids []string) ([]share, error) {
	homes, err := s.homesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	var shares []share
	at := map[string]int{}
	for i, id := range ids {
		upstream := homes[id]
		if upstream == "" {
			continue
		}
		n, begun := at[upstream]
		if !begun {
			n = len(shares)
			at[upstream], shares = n, append(shares, share{upstream: upstream})
		}
		shares[n].places = append(shares[n].places, i)
	}
	return shares, nil
}

// poolsOf is byPool for the ids of a list: of an upstream's own no home has to be looked up.
func (s *Store) poolsOf(ctx context.Context, upstream string, ids []string) ([]share, error) {
	if upstream == "" {
		return s.byPool(ctx, ids)
	}
	pool := share{upstream: upstream, places: make([]int, len(ids))}
	for i := range ids {
		pool.places[i] = i
	}
	return []share{pool}, nil
}

// homeIn returns the upstream of a directory's entry.
func homeIn(entry string) string {
	_, rest, _ := strings.Cut(entry, " ")
	upstream, _, _ := strings.Cut(rest, " ")
	return upstream
}

// claim is what a change wants for a token.
type claim struct {
	id, upstream string
	// fingerprint is empty where it stays, alias also where there is to be none.
	fingerprint, alias string
	// created is when a token that comes back was created, in µs; 0 for one that is new.
	// comes is false for one that is there.
	created int64
	comes   bool
	// version is what the directory knows of a token that comes back.
	version uint64
	// key tells it apart from other claims.
	key string
	// refused is why it was not granted; nil when it was. known is the token that the
	// upstream has already.
	refused error
	known   string
}

// claimAll makes claims; what is refused says so.
func (s *Store) claimAll(ctx context.Context, claims []*claim) error {
	round := s.batch()
	calls := make([]*call, len(claims))
	for i, c := range claims {
		c.key = rand.Text()
		created := ""
		if c.comes {
			created = strconv.FormatInt(c.created, 10)
		}
		keys := []string{upstreamsKey(), directoryKey(), claimsKey(), fingerprintKey(), aliasKey(), createdKey(), sizesKey()}
		calls[i] = round.add(claimTokenScript, keys, c.id, c.upstream, c.fingerprint, c.alias, c.key, created)
	}
	if err := round.exec(ctx); err != nil {
		return storeError("claim", err)
	}
	for i, c := range claims {
		reply, err := calls[i].reply.StringSlice()
		if err != nil {
			return storeError("claim", err)
		}
		if err := c.take(reply); err != nil {
			return err
		}
	}
	return nil
}

func (c *claim) take(reply []string) error {
	switch reply[0] {
	case "claimed":
		if !c.comes {
			return nil
		}
		var err error
		c.created, err = strconv.ParseInt(reply[1], 10, 64)
		return err
	case "known":
		c.known = reply[1]
		c.refused = &heldError{Err: tokenKnown(c.upstream, reply[1]), holder: reply[1]}
	case "alias":
		c.refused = &heldError{Err: aliasTaken(c.alias, reply[1]), holder: reply[1]}
	default:
		c.refused = noUpstream(c.upstream)
	}
	return nil
}

// heldError says that another token has what is claimed.
type heldError struct {
	Err    error
	holder string
}

func (e *heldError) Error() string { return e.Err.Error() }
func (e *heldError) Unwrap() error { return e.Err }

// claimed is claimAll, where a refusal because of a claim that was left behind is tried
// once more without that.
func (s *Store) claimed(ctx context.Context, claims []*claim) error {
	if err := s.claimAll(ctx, claims); err != nil {
		return err
	}
	var refused []*claim
	var holders []string
	for _, c := range claims {
		var held *heldError
		if errors.As(c.refused, &held) {
			c.refused = held.Err
			refused, holders = append(refused, c), append(holders, held.holder)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	healed, err := s.healTokens(ctx, holders)
	if err != nil {
		return err
	}
	var again []*claim
	for i, c := range refused {
		if healed[i] {
			again = append(again, c)
		}
	}
	if len(again) == 0 {
		return nil
	}
	for _, c := range again {
		c.refused, c.known = nil, ""
	}
	if err := s.claimAll(ctx, again); err != nil {
		return err
	}
	for _, c := range again {
		var held *heldError
		if errors.As(c.refused, &held) {
			c.refused = held.Err
		}
	}
	return nil
}

// What became of a token.
const (
	there = "there"
	gone  = "gone"
	same  = "same"
)

// settled is what became of a claim's token.
type settled struct {
	*claim
	became      string
	version     uint64
	fingerprint string
	alias       string
	// keep is how long it is known where a token that is gone was.
	keep time.Duration
}

func (s *Store) settleClaims(ctx context.Context, outcomes []settled) error {
	if len(outcomes) == 0 {
		return nil
	}
	round := s.batch()
	for _, o := range outcomes {
		keys := []string{directoryKey(), claimsKey(), fingerprintKey(), aliasKey(), createdKey(), sizesKey(), discardedKey()}
		round.add(settleTokenScript, keys, o.id, o.key, o.became, o.version, o.fingerprint, o.alias, o.created, o.keep.Milliseconds())
	}
	return storeError("settle a claim", round.exec(ctx))
}

// withdrawn ends a claim that nothing came of.
func withdrawn(c *claim) settled {
	if c.comes {
		return settled{claim: c, became: gone, version: c.version}
	}
	return settled{claim: c, became: same}
}

// heal settles the claims that were left behind.
func (s *Store) heal(ctx context.Context) error {
	claims, err := s.client.HGetAll(ctx, claimsKey()).Result()
	if err != nil {
		return storeError("look for claims", err)
	}
	for id, lines := range claims {
		if _, err := s.healClaims(ctx, id, lines); err != nil {
			return err
		}
	}
	return nil
}

// healTokens is heal for some tokens; it tells of which there was something to settle.
func (s *Store) healTokens(ctx context.Context, ids []string) ([]bool, error) {
	claims, err := s.client.HMGet(ctx, claimsKey(), ids...).Result()
	if err != nil {
		return nil, storeError("look for claims", err)
	}
	healed := make([]bool, len(ids))
	for i, id := range ids {
		lines, _ := claims[i].(string)
		if lines == "" {
			continue
		}
		if healed[i], err = s.healClaims(ctx, id, lines); err != nil {
			return nil, err
		}
	}
	return healed, nil
}

func (s *Store) healClaims(ctx context.Context, id, lines string) (bool, error) {
	pipe := s.client.Pipeline()
	clock, entry := pipe.Time(ctx), pipe.HGet(ctx, directoryKey(), id)
	if err := sendReads(ctx, pipe); err != nil {
		return false, storeError("look for claims", err)
	}
	version, _, _ := strings.Cut(entry.Val(), " ")
	c := claim{id: id, upstream: homeIn(entry.Val())}
	c.version, _ = strconv.ParseUint(version, 10, 64) // a script's own
	healed := false
	for line := range strings.Lines(lines) {
		key, rest, _ := strings.Cut(line, " ")
		since, _, _ := strings.Cut(rest, " ")
		ms, _ := strconv.ParseInt(since, 10, 64)
		// One of a time to come is of a clock that was ahead.
		if age := clock.Val().Sub(time.UnixMilli(ms)); age < claimPatience && age > -claimPatience {
			continue
		}
		left := c
		left.key = key
		if err := s.healClaim(ctx, &left); err != nil {
			return healed, err
		}
		healed = true
	}
	return healed, nil
}

func (s *Store) healClaim(ctx context.Context, left *claim) error {
	outcome := settled{claim: left, became: same}
	if left.upstream != "" {
		keys := []string{lapsedKey(left.upstream), tokenKey(left.upstream, left.id), trashKey(left.upstream, left.id)}
		values, err := lapseScript.run(ctx, s.client, keys, left.key, lapsedTTL.Milliseconds()).Slice()
		if err != nil {
			return storeError("give a claim up", err)
		}
		reply := &row{values: values}
		if outcome.became = reply.text(0); outcome.became == there {
			outcome.version, outcome.fingerprint, outcome.alias = reply.count(1), reply.text(2), reply.text(3)
			left.created = reply.number(4)
		} else {
			outcome.version = max(left.version, reply.count(2))
			outcome.keep = time.Duration(reply.number(1)) * time.Millisecond
		}
		if reply.err != nil {
			return reply.err
		}
	}
	return s.settleClaims(ctx, []settled{outcome})
}

// lapsed says that a change was so slow that others have given it up.
func lapsed(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "the change of token %s took too long and was given up; try again", id)
}
