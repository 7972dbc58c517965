package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
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

func newTokenID() string { return "t" + strings.ToLower(rand.Text()[:16]) }

// CreateToken adds a token to the pool of the upstream that the draft names.
func (s *Store) CreateToken(ctx context.Context, draft token.Draft) (*tokenstorev1.Token, error) {
	if err := errors.Join(token.CheckSecret(draft.Secret), draft.Check()); err != nil {
		return nil, invalid(err)
	}
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	id := newTokenID()
	keys, args, err := s.creation(id, draft, drivers)
	if err != nil {
		return nil, err
	}
	reply, err := createScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return nil, storeError("create a token", err)
	}
	if err := refusedCreation(draft, reply); err != nil {
		return nil, err
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, id)
}

// creation is what the create script needs. It completes the draft: a driver
// that needs a checksum gets one.
func (s *Store) creation(id string, draft token.Draft, drivers map[string]string) (keys []string, args []any, err error) {
	if draft.Checksum.DeviceID == "" && drivers[draft.Upstream] == token.DriverCursor {
		draft.Checksum = checksum.New()
	}
	rec, err := encodeRecord(s.keys, id, draft.Secret, draft.Fields)
	if err != nil {
		return nil, nil, err
	}
	var expires int64
	if expiry := token.Expiry(draft.Secret); !expiry.IsZero() {
		expires = expiry.UnixMilli()
	}
	keys = []string{
		tokenIDsKey(), tokenKey(id), aliasKey(), fingerprintKey(), upstreamsKey(), orderKey(draft.Upstream), clockKey(),
	}
	args = []any{
		id, draft.Upstream, draft.Alias, s.keys.Fingerprint(draft.Secret), flag(draft.Enabled),
		draft.Cap, draft.Weight, expires, rec, poolChannel,
	}
	return keys, args, nil
}

func refusedCreation(draft token.Draft, reply []string) error {
	switch reply[0] {
	case "created":
		return nil
	case "known":
		return tokenKnown(draft.Upstream, reply[1])
	case "alias":
		return aliasTaken(draft.Alias, reply[1])
	default:
		return noUpstream(draft.Upstream)
	}
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

func noUpstream(name string) error {
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

// Token answers one token.
func (s *Store) Token(ctx context.Context, id string) (*tokenstorev1.Token, error) {
	t, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.view(), nil
}

func (s *Store) read(ctx context.Context, id string) (*stored, error) {
	if !tokenIDForm.MatchString(id) {
		return nil, noToken(id)
	}
	values, err := tokenScript.run(ctx, s.client, []string{tokenKey(id), inflightKey(id)}).Slice()
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

// tryEdit answers false when somebody else was faster.
func (s *Store) tryEdit(ctx context.Context, t *stored, edit token.Fields, names []string) (bool, error) {
	value, material, err := t.record.open(s.keys, t.id)
	if err != nil {
		return false, err
	}
	before := token.Fields{
		Alias: t.alias, Tags: t.record.Tags, Cap: t.cap, Weight: t.weight, Enabled: t.enabled, Checksum: material,
	}
	after := before
	after.Take(edit, names)
	if after.Checksum.DeviceID == "" && before.Checksum.DeviceID != "" {
		after.Checksum = checksum.New() // taking it away means: another one
	}
	if err := after.Check(); err != nil {
		return false, invalid(err)
	}
	if sameFields(before, after) && s.keys.Current(t.record.Sealed) {
		return true, nil
	}
	return s.write(ctx, t, value, before, after)
}

// edition is what the update script needs.
func (s *Store) edition(id string, version uint64, value secret.Value, before, after token.Fields) (keys []string, args []any, err error) {
	rec, err := encodeRecord(s.keys, id, value, after)
	if err != nil {
		return nil, nil, err
	}
	keys = []string{tokenKey(id), aliasKey(), clockKey()}
	args = []any{
		id, version, after.Alias, flag(after.Enabled), after.Cap, after.Weight, rec,
		flag(after.Checksum != before.Checksum), orderKeyPrefix(), coolingKeyPrefix(), poolChannel,
	}
	return keys, args, nil
}

func sameFields(a, b token.Fields) bool {
	return slices.Equal(a.Tags, b.Tags) && a.Alias == b.Alias && a.Cap == b.Cap && a.Weight == b.Weight &&
		a.Enabled == b.Enabled && a.Checksum == b.Checksum
}

func (s *Store) write(ctx context.Context, t *stored, value secret.Value, before, after token.Fields) (bool, error) {
	keys, args, err := s.edition(t.id, t.version, value, before, after)
	if err != nil {
		return false, err
	}
	reply, err := updateScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return false, storeError("update a token", err)
	}
	switch reply[0] {
	case "updated":
		return true, nil
	case "gone":
		return false, noToken(t.id)
	case "alias":
		return false, aliasTaken(after.Alias, reply[1])
	default: // conflict
		return false, nil
	}
}
