package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	createScript = newScript("create")
	updateScript = newScript("update")
	tokenScript  = newScript("token")
	tokensScript = newScript("tokens")
)

const (
	pageSize = 200 // tokens read by one script
	// maxEdits bounds the attempts of an edit that others get ahead of.
	maxEdits = 50
)

var tokenIDForm = regexp.MustCompile(`^t[0-9a-z]{16}$`)

func newTokenID() string { return newID("t") }

// CreateToken adds a token to the pool of the upstream that the draft names.
func (s *Store) CreateToken(ctx context.Context, draft token.Draft) (*tokenstorev1.Token, error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(token.CheckSecret(draft.Secret), draft.Check(), checkRefresh(draft, drivers)); err != nil {
		return nil, invalid(err)
	}
	made, err := s.create(ctx, []token.Draft{draft}, drivers)
	if err != nil {
		return nil, err
	}
	one := made[0]
	if one.known != "" && !draft.Refresh.Empty() { // who logs in again is the same
		one = created{id: one.known, refused: s.adoptLogin(ctx, one.known, draft)}
	}
	if one.refused != nil {
		return nil, one.refused
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, one.id)
}

// created is what became of a draft.
type created struct {
	id string
	// refused is why it is no token; known is the one that the upstream has already.
	refused error
	known   string
}

// create adds tokens: each for itself.
func (s *Store) create(ctx context.Context, drafts []token.Draft, drivers map[string]string) ([]created, error) {
	results, claims := make([]created, len(drafts)), make([]*claim, len(drafts))
	logins, err := s.loginsOf(ctx, drafts, drivers)
	if err != nil {
		return nil, err
	}
	var wanted []*claim
	for i, draft := range drafts {
		if known := logins[i]; known != "" {
			results[i] = created{known: known, refused: tokenKnown(draft.Upstream, known)}
			continue
		}
		results[i].id = newTokenID()
		claims[i] = &claim{
			id: results[i].id, upstream: draft.Upstream, fingerprint: s.keys.Fingerprint(principalOf(draft, drivers).identity()), alias: draft.Alias, comes: true,
		}
		wanted = append(wanted, claims[i])
	}
	if err := s.claimed(ctx, wanted); err != nil {
		return nil, err
	}
	round, calls := s.batch(), make([]*call, len(drafts))
	for i, draft := range drafts {
		if claims[i] == nil {
			continue
		}
		if results[i].refused = claims[i].refused; results[i].refused != nil {
			results[i].known = claims[i].known
			continue
		}
		keys, args, err := s.creation(claims[i], draft, drivers)
		if err != nil {
			return nil, err
		}
		calls[i] = round.add(createScript, keys, args...)
	}
	if err := round.exec(ctx); err != nil {
		return nil, storeError("create a token", err)
	}
	outcomes := make([]settled, 0, len(drafts))
	for i, c := range claims {
		if calls[i] == nil {
			continue
		}
		reply, err := calls[i].reply.StringSlice()
		if err != nil {
			return nil, storeError("create a token", err)
		}
		if reply[0] == "lapsed" {
			results[i].refused = lapsed(c.id)
			outcomes = append(outcomes, withdrawn(c))
			continue
		}
		s.homes.put(c.id, c.upstream)
		outcomes = append(outcomes, settled{claim: c, became: there, version: 1, fingerprint: c.fingerprint, alias: c.alias})
	}
	return results, s.settleClaims(ctx, outcomes)
}

// creation is what the create script needs. It completes the draft: a driver
// that needs a checksum gets one.
func (s *Store) creation(c *claim, draft token.Draft, drivers map[string]string) (keys []string, args []any, err error) {
	if draft.Checksum.DeviceID == "" && drivers[draft.Upstream] == token.DriverCursor {
		draft.Checksum = checksum.New()
	}
	self := principalOf(draft, drivers)
	rec, err := encodeRecord(s.keys, c.id, self, draft.Fields)
	if err != nil {
		return nil, nil, err
	}
	expires := milliseconds(token.Expiry(draft.Secret))
	renewable, access, refresh := s.renewalFor(c.id, self.Kind, draft)
	pool := draft.Upstream
	keys = []string{poolIDsKey(pool), tokenKey(pool, c.id), namesKey(pool), clockKey(pool), lapsedKey(pool)}
	args = []any{
		c.id, pool, draft.Alias, c.fingerprint, flag(draft.Enabled),
		draft.Cap, draft.Weight, expires, rec, poolChannel, c.created, c.key, flag(renewable), access, refresh, renewableShift.Milliseconds(),
		milliseconds(draft.DisabledUntil),
	}
	return keys, args, nil
}

func invalid(err error) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
}

func tokenKnown(upstream, id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_ALREADY_EXISTS, "the token is known in upstream %q: its id is %s", upstream, id)
}

func aliasTaken(alias, holder string) *rpcerr.Error {
	return rpcerr.New(tokenstorev1.Reason_REASON_ALIAS_TAKEN, "the alias %q is that of token %s", alias, holder)
}

func noUpstream(name string) *rpcerr.Error {
	return rpcerr.New(tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND, "there is no upstream %q", name)
}

func noToken(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no token %q", id)
}

func versionConflict(what string, expected uint64, found string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT,
		"%s is at version %s, not %d: it was changed meanwhile; read it again", what, found, expected)
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Token returns one token.
func (s *Store) Token(ctx context.Context, id string) (*tokenstorev1.Token, error) {
	t, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.view(), nil
}

func (s *Store) read(ctx context.Context, id string) (*stored, error) {
	upstream, err := s.homeOf(ctx, id)
	if err != nil {
		return nil, err
	}
	values, err := tokenScript.run(ctx, s.client, []string{tokenKey(upstream, id), inflightKey(upstream, id)}).Slice()
	if err != nil {
		return nil, storeError("read a token", err)
	}
	reply := &row{values: values}
	t, err := readStored(id, reply.number(0), reply.number(1), reply.at(2))
	if err := errors.Join(err, reply.err); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, noToken(id)
	}
	return t, nil
}

// UpdateToken takes over the named fields of edit; concurrent edits of other
// fields stay. expected is the version that the token must have; 0: any.
func (s *Store) UpdateToken(ctx context.Context, id string, edit token.Fields, names []string, expected uint64) (*tokenstorev1.Token, error) {
	if err := s.edit(ctx, id, edit, names, expected); err != nil {
		return nil, err
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, id)
}

func (s *Store) edit(ctx context.Context, id string, edit token.Fields, names []string, expected uint64) error {
	for range maxEdits {
		t, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		if expected != 0 && t.version != expected {
			return versionConflict("token "+id, expected, strconv.FormatUint(t.version, 10))
		}
		done, err := s.tryEdit(ctx, t, edit, names)
		if done || err != nil {
			return err
		}
	}
	return &rpcerr.Error{
		Reason:  tokenstorev1.Reason_REASON_VERSION_CONFLICT,
		Message: fmt.Sprintf("token %s is being changed by others all the time; try again", id),
	}
}

// tryEdit returns false when somebody else was faster.
func (s *Store) tryEdit(ctx context.Context, t *stored, edit token.Fields, names []string) (bool, error) {
	content, err := t.record.open(s.keys, t.id)
	if err != nil {
		return false, err
	}
	before := t.fields(content)
	after := before
	after.Take(edit, names)
	after.Proxy = token.KeepProxy(after.Proxy, before.Proxy)
	if after.Checksum.DeviceID == "" && before.Checksum.DeviceID != "" {
		after.Checksum = checksum.New() // taking it away means: another one
	}
	if err := after.Check(); err != nil {
		return false, invalid(err)
	}
	if sameFields(before, after) && s.keys.Current(t.record.Sealed) {
		return true, nil
	}
	return s.write(ctx, t, content.principal, before, after)
}

// fields are what an admin may change of a token.
func (t *stored) fields(content opened) token.Fields {
	fields := content.fields(t.record.Tags)
	fields.Alias, fields.Cap, fields.Weight, fields.Enabled, fields.DisabledUntil = t.alias, t.cap, t.weight, t.enabled, t.disabledUntil
	return fields
}

// edition is an edit on its way: of the token as it was read, to what it is to be.
type edition struct {
	id, upstream  string
	version       uint64
	fingerprint   string
	self          principal
	before, after token.Fields
	// claim is of another alias; nil where that stays.
	claim *claim
	// outcome is what the update script says, lost why it was not asked.
	outcome []string
	lost    error
}

// renames tells whether the edit is about what no two tokens may have alike.
func (e *edition) renames() bool { return e.before.Alias != e.after.Alias }

// update carries edits out, each for itself.
func (s *Store) update(ctx context.Context, editions []*edition) error {
	var claims []*claim
	for _, e := range editions {
		if e.renames() {
			e.claim = &claim{id: e.id, upstream: e.upstream, alias: e.after.Alias}
			claims = append(claims, e.claim)
		}
	}
	if err := s.claimed(ctx, claims); err != nil {
		return err
	}
	round, calls := s.batch(), make([]*call, len(editions))
	for i, e := range editions {
		if e.claim != nil && e.claim.refused != nil {
			e.lost = e.claim.refused
			continue
		}
		keys, args, err := s.updating(e)
		if err != nil {
			return err
		}
		calls[i] = round.add(updateScript, keys, args...)
	}
	if err := round.exec(ctx); err != nil {
		return storeError("update a token", err)
	}
	var outcomes []settled
	for i, e := range editions {
		if calls[i] == nil {
			continue
		}
		var err error
		if e.outcome, err = calls[i].reply.StringSlice(); err != nil {
			return storeError("update a token", err)
		}
		switch {
		case e.claim == nil:
		case e.outcome[0] == "updated":
			outcomes = append(outcomes, settled{
				claim: e.claim, became: there, version: e.version + 1, fingerprint: e.fingerprint, alias: e.after.Alias,
			})
		default:
			outcomes = append(outcomes, withdrawn(e.claim))
		}
	}
	return s.settleClaims(ctx, outcomes)
}

// updating is what the update script needs.
func (s *Store) updating(e *edition) (keys []string, args []any, err error) {
	rec, err := encodeRecord(s.keys, e.id, e.self, e.after)
	if err != nil {
		return nil, nil, err
	}
	key := ""
	if e.claim != nil {
		key = e.claim.key
	}
	pool := e.upstream
	keys = []string{tokenKey(pool, e.id), namesKey(pool), clockKey(pool), orderKey(pool), coolingKey(pool), lapsedKey(pool)}
	args = []any{
		e.id, e.version, e.after.Alias, flag(e.after.Enabled), e.after.Cap, e.after.Weight, rec,
		flag(e.after.Checksum != e.before.Checksum || e.after.Proxy.Reveal() != e.before.Proxy.Reveal()), poolChannel, key,
		milliseconds(e.after.DisabledUntil),
	}
	return keys, args, nil
}

func sameFields(a, b token.Fields) bool {
	return slices.Equal(a.Tags, b.Tags) && a.Alias == b.Alias && a.Cap == b.Cap && a.Weight == b.Weight &&
		a.Enabled == b.Enabled && a.DisabledUntil.Equal(b.DisabledUntil) && a.Checksum == b.Checksum && a.Proxy.Reveal() == b.Proxy.Reveal()
}

func (s *Store) write(ctx context.Context, t *stored, self principal, before, after token.Fields) (bool, error) {
	e := &edition{
		id: t.id, upstream: t.upstream, version: t.version, fingerprint: t.fingerprint, self: self, before: before, after: after,
	}
	if err := s.update(ctx, []*edition{e}); err != nil {
		return false, err
	}
	if e.lost != nil {
		return false, e.lost
	}
	switch e.outcome[0] {
	case "updated":
		return true, nil
	case "gone":
		return false, noToken(t.id)
	default: // conflict, or too slow
		return false, nil
	}
}
