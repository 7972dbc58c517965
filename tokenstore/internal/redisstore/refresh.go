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
	access, err := s.openGiven(t.renewal.access, accessBinding(t.id))
	return access.Reveal() != granted.Access.Reveal(), err
}

// grant gives a token what an upstream has given; an empty epoch ends any refresh.
func (s *Store) grant(ctx context.Context, t *stored, epoch string, granted Granted) (stale bool, err error) {
	if err := granted.check(); err != nil {
		return false, invalid(err)
	}
	refresh, err := s.openGiven(t.renewal.refresh, refreshBinding(t.id))
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
	result, err := refuseScript.run(ctx, s.client, []string{tokenKey(upstream, errand.ID), refreshesKey(upstream)},
		errand.ID, epochText(errand.Epoch), shortened(detail, maxDetail), keepTransitions, poolChannel).StringSlice()
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
		errand.ID, epochText(errand.Epoch), shortened(detail, maxDetail), least).StringSlice()
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
// as there is one; with an empty hash, than the one that there is, and a refresh is tried for
// it also where the last try was in vain. It waits for up to maxWait. Empty: there was none in
// time, a try for it was in vain, or the token needs a login.
func (s *Store) RenewCredential(ctx context.Context, id string, refused []byte, maxWait time.Duration) (secret.Value, *tokenstorev1.Token, error) {
	until := time.Now().Add(min(max(maxWait, 0), maxRenewWait))
	t, err := s.read(ctx, id)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if !t.renewal.on {
		return secret.Value{}, nil, invalid(errNotRenewed)
	}
	access, err := s.openGiven(t.renewal.access, accessBinding(id))
	if err != nil {
		return secret.Value{}, nil, err
	}
	if len(refused) > 0 && !t.renewal.needsLogin && t.now.Before(t.renewal.accessEnds) && !hashes(access, refused) {
		return access, t.view(), nil
	}
	renewed, err := s.awaitGrant(ctx, t, len(refused) == 0, until)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if t, err = s.read(ctx, id); err != nil {
		return secret.Value{}, nil, err
	}
	if !renewed || t.renewal.needsLogin {
		return secret.Value{}, t.view(), nil
	}
	access, err = s.openGiven(t.renewal.access, accessBinding(id))
	return access, t.view(), err
}

func hashes(value secret.Value, sum []byte) bool {
	own := sha256.Sum256([]byte(value.Reveal()))
	return subtle.ConstantTimeCompare(own[:], sum) == 1
}

// awaitGrant has the token refreshed, and tells whether that was done. It waits no longer than
// it takes to know: until the time is over, a try has been in vain, or none comes in time.
func (s *Store) awaitGrant(ctx context.Context, t *stored, insists bool, until time.Time) (bool, error) {
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	tick := time.NewTicker(renewTick)
	defer tick.Stop()
	for first, known := true, (progress{}); ; first = false {
		now, err := s.hasten(ctx, t, insists && first)
		if err != nil {
			return false, err
		}
		if first {
			known = now
			s.announceErrand(ctx)
		}
		switch {
		case now.needsLogin:
			return false, nil
		case now.grants != epochText(t.renewal.grants):
			return true, nil
		case now.inVain > known.inVain, now.rest > time.Until(until):
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-over.C:
			return false, nil
		case <-tick.C:
		}
	}
}

// progress is how far a token's refresh is.
type progress struct {
	// grants counts the access tokens that were given.
	grants     string
	needsLogin bool
	// inVain counts the tries since the last one, and rest is the pause before the next; 0: it
	// is due, or under way.
	inVain int
	rest   time.Duration
}

// hasten has a token refreshed at once, where that is of use.
func (s *Store) hasten(ctx context.Context, t *stored, insists bool) (progress, error) {
	keys := []string{tokenKey(t.upstream, t.id), refreshesKey(t.upstream)}
	values, err := hastenScript.run(ctx, s.client, keys, t.id, t.renewal.grants, renewPause.Milliseconds(), flag(insists)).Slice()
	if err != nil {
		return progress{}, storeError("have a token refreshed", err)
	}
	reply := &row{values: values}
	now := progress{
		grants: reply.text(0), needsLogin: reply.number(1) == 1,
		inVain: int(reply.number(2)), rest: time.Duration(reply.number(3)) * time.Millisecond,
	}
	if reply.err == nil && now.grants == "" {
		return now, noToken(t.id)
	}
	return now, reply.err
}
