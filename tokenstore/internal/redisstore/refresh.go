package redisstore

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	grantScript    = newScript("grant")
	refuseScript   = newScript("refuse")
	postponeScript = newScript("postpone")
	hastenScript   = newScript("hasten")
)

const (
	// maxRetryAfter bounds for how long an upstream may put a refresh off.
	maxRetryAfter = time.Hour
	// renewPause is how long after a refresh a refused access token makes no other one due,
	// and renewTick how often it is looked whether there is another access token.
	renewPause = time.Second
	renewTick  = 100 * time.Millisecond
	// maxRenewWait bounds the wait for another access token.
	maxRenewWait = 30 * time.Second
)

// Granted is what an upstream has given.
type Granted struct {
	Access secret.Value
	// Refresh is empty where the one that was used stays.
	Refresh secret.Value
	// Expires is the access token's end; zero: as it says itself, else in an hour.
	Expires time.Time
}

func (g Granted) check() error {
	if err := token.CheckSecret(g.Access); err != nil {
		return fmt.Errorf("granted: access_token: %w", err)
	}
	if g.Refresh.Empty() {
		return nil
	}
	if err := token.CheckSecret(g.Refresh); err != nil {
		return fmt.Errorf("granted: refresh_token: %w", err)
	}
	return nil
}

func (g Granted) ends() int64 {
	if !g.Expires.IsZero() {
		return milliseconds(g.Expires)
	}
	return milliseconds(token.Expiry(g.Access))
}

// GrantRefresh ends a refresh with what the upstream has given. When it returns, that is on
// disk. stale: the errand is not the caller's any more, and nothing has changed. A repeat of
// what was taken is not stale: its caller has not heard of that.
func (s *Store) GrantRefresh(ctx context.Context, errand ErrandRef, granted Granted) (stale bool, err error) {
	t, err := s.read(ctx, errand.ID)
	if err != nil {
		return false, err
	}
	if stale, err = s.grant(ctx, t, epochText(errand.Epoch), granted); !stale || err != nil {
		return stale, err
	}
	if t, err = s.read(ctx, errand.ID); err != nil {
		return false, err
	}
	access, err := s.openRenewed(t.id, accessBinding(t.id), t.renewal.access)
	return access.Reveal() != granted.Access.Reveal(), err
}

// grant gives a token what an upstream has given; an empty epoch ends any refresh.
func (s *Store) grant(ctx context.Context, t *stored, epoch string, granted Granted) (stale bool, err error) {
	if err := granted.check(); err != nil {
		return false, invalid(err)
	}
	refresh, err := s.openRenewed(t.id, refreshBinding(t.id), t.renewal.refresh)
	if err != nil {
		return false, err
	}
	sealed := s.sealGiven(granted.Refresh, refreshBinding(t.id))
	ofKey := t.record.Kind == tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY && t.renewal.refresh == "" && epoch != ""
	if ofKey || granted.Refresh.Reveal() == refresh.Reveal() { // a user's key stays what is exchanged
		sealed = ""
	}
	keys := []string{tokenKey(t.upstream, t.id), orderKey(t.upstream), coolingKey(t.upstream), clockKey(t.upstream)}
	result, err := grantScript.run(ctx, s.client, keys, t.id, epoch, s.keys.Seal(granted.Access, accessBinding(t.id)), sealed,
		granted.ends(), renewableShift.Milliseconds(), poolChannel).StringSlice()
	return s.ended(ctx, "grant a refresh", t.id, result, err)
}

// RefuseRefresh ends a refresh that the upstream refuses for good: the token needs a login.
func (s *Store) RefuseRefresh(ctx context.Context, errand ErrandRef, detail string) (stale bool, err error) {
	upstream, err := s.homeOf(ctx, errand.ID)
	if err != nil {
		return false, err
	}
	keys := []string{tokenKey(upstream, errand.ID), orderKey(upstream), coolingKey(upstream), historyKey(upstream, errand.ID)}
	result, err := refuseScript.run(ctx, s.client, keys, errand.ID, epochText(errand.Epoch), shortened(detail), keepTransitions, poolChannel).StringSlice()
	return s.ended(ctx, "refuse a refresh", errand.ID, result, err)
}

// PostponeRefresh ends a refresh in which nothing was found out; it is due again after a
// pause of retryAfter at least.
func (s *Store) PostponeRefresh(ctx context.Context, errand ErrandRef, detail string, retryAfter time.Duration) (stale bool, err error) {
	upstream, err := s.homeOf(ctx, errand.ID)
	if err != nil {
		return false, err
	}
	least := min(max(retryAfter, 0), maxRetryAfter).Milliseconds()
	result, err := postponeScript.run(ctx, s.client, []string{tokenKey(upstream, errand.ID), refreshesKey(upstream)},
		errand.ID, epochText(errand.Epoch), shortened(detail), least).StringSlice()
	if err != nil {
		return false, storeError("postpone a refresh", err)
	}
	return result[0] == "stale", notGone(result[0], errand.ID)
}

// ended reads how a refresh was ended, and makes that durable: also where it was ended before,
// because the caller may repeat what was not known to be saved.
func (s *Store) ended(ctx context.Context, doing, id string, result []string, err error) (stale bool, _ error) {
	if err != nil {
		return false, storeError(doing, err)
	}
	if err := notGone(result[0], id); err != nil {
		return false, err
	}
	return result[0] == "stale", s.barrier.Sync(ctx)
}

func notGone(result, id string) error {
	if result == "gone" {
		return noToken(id)
	}
	return nil
}

func isNoToken(err error) bool { return rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) }

// errNotRenewed says that a token has no access tokens that could be had anew.
var errNotRenewed = errors.New("the token has nothing to refresh: it is no login and no user's key")

// RenewCredential returns another access token than the one whose hash is refused, as soon
// as there is one; with an empty hash, than the one that there is. It waits for up to
// maxWait. Empty: there was none in time, or the token needs a login.
func (s *Store) RenewCredential(ctx context.Context, id string, refused []byte, maxWait time.Duration) (secret.Value, *tokenstorev1.Token, error) {
	wait := time.NewTimer(min(max(maxWait, 0), maxRenewWait))
	defer wait.Stop()
	t, err := s.read(ctx, id)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if !t.renewal.on {
		return secret.Value{}, nil, invalid(errNotRenewed)
	}
	access, err := s.openRenewed(id, accessBinding(id), t.renewal.access)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if len(refused) > 0 && !t.renewal.needsLogin && t.now.Before(t.renewal.accessEnds) && !hashes(access, refused) {
		return access, t.view(), nil
	}
	renewed, err := s.awaitGrant(ctx, t, wait.C)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if t, err = s.read(ctx, id); err != nil {
		return secret.Value{}, nil, err
	}
	if !renewed || t.renewal.needsLogin {
		return secret.Value{}, t.view(), nil
	}
	access, err = s.openRenewed(id, accessBinding(id), t.renewal.access)
	return access, t.view(), err
}

func hashes(value secret.Value, sum []byte) bool {
	own := sha256.Sum256([]byte(value.Reveal()))
	return subtle.ConstantTimeCompare(own[:], sum) == 1
}

// awaitGrant has the token refreshed, and tells whether that was done before the time was
// over.
func (s *Store) awaitGrant(ctx context.Context, t *stored, over <-chan time.Time) (bool, error) {
	tick := time.NewTicker(renewTick)
	defer tick.Stop()
	keys := []string{tokenKey(t.upstream, t.id), refreshesKey(t.upstream)}
	for {
		values, err := hastenScript.run(ctx, s.client, keys, t.id, t.renewal.grants, renewPause.Milliseconds()).Slice()
		if err != nil {
			return false, storeError("have a token refreshed", err)
		}
		reply := &row{values: values}
		grants, needsLogin := reply.text(0), reply.number(1) == 1
		switch {
		case reply.err != nil:
			return false, reply.err
		case grants == "":
			return false, noToken(t.id)
		case needsLogin:
			return false, nil
		case grants != epochText(t.renewal.grants):
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-over:
			return false, nil
		case <-tick.C:
		}
	}
}
