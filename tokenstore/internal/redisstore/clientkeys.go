package redisstore

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
)

var (
	createClientKeyScript  = newScript("create_client_key")
	updateClientKeyScript  = newScript("update_client_key")
	rotateClientKeyScript  = newScript("rotate_client_key")
	deleteClientKeyScript  = newScript("delete_client_key")
	restoreClientKeyScript = newScript("restore_client_key")
	clientKeyScript        = newScript("client_key")
)

const (
	// clientKeyTrashTTL is how long a deleted client key can be restored.
	clientKeyTrashTTL = 24 * time.Hour
	// keepDeletedKeys is how many deleted client keys can be restored.
	keepDeletedKeys = 1000
	// maxKeepOld is how long an old secret may go on.
	maxKeepOld = 90 * 24 * time.Hour
	// maxQuotedID is how much of what should be an id an error quotes, in bytes.
	maxQuotedID = 40
)

// storedClientKey is a client key as it is stored.
type storedClientKey struct {
	// key is complete. It is shared: nobody changes it.
	key     *tokenstorev1.ClientKey
	deleted time.Time
	// secret and old are hashes in hex; old goes on until oldUntil.
	secret, old string
	oldUntil    time.Time
	number      int64
}

// readClientKey reads the hash of a client key; nil where there is none. now is Redis's.
func readClientKey(id string, hash fields, now time.Time) (*storedClientKey, error) {
	if hash["ver"] == "" {
		return nil, nil //nolint:nilnil // no key is an answer
	}
	key := &tokenstorev1.ClientKey{}
	if err := proto.Unmarshal([]byte(hash["rec"]), key); err != nil {
		return nil, fmt.Errorf("client key %s: record: %w", id, err)
	}
	k := &storedClientKey{
		key: key, deleted: hash.time("deleted"), secret: hash["secret"], number: hash.number("number"),
	}
	if until := hash.time("old_until"); now.Before(until) {
		k.old, k.oldUntil = hash["old_secret"], until
	}
	key.Id, key.Version, key.MaskedSecret = id, hash.count("ver"), hash["masked"]
	key.CreatedAt, key.UpdatedAt, key.OldSecretUntil = timestamp(hash.time("created")), timestamp(hash.time("updated")), timestamp(k.oldUntil)
	return k, nil
}

// clientKey returns the client key, which may be deleted. KEY_NOT_FOUND where there is none.
func (s *Store) clientKey(ctx context.Context, id string) (*storedClientKey, error) {
	if !clientkey.IsID(id) {
		return nil, noClientKey(id)
	}
	values, err := clientKeyScript.run(ctx, s.client, []string{clientKeyKey(id)}).Slice()
	if err != nil {
		return nil, storeError("read a client key", err)
	}
	reply := &row{values: values}
	k, err := readClientKey(id, fieldsOf(reply.at(1)), time.UnixMilli(reply.number(0)))
	if err := errors.Join(err, reply.err); err != nil {
		return nil, err
	}
	if k == nil {
		return nil, noClientKey(id)
	}
	return k, nil
}

// GetClientKey returns a client key as it is now, unless it is deleted.
func (s *Store) GetClientKey(ctx context.Context, id string) (*tokenstorev1.ClientKey, error) {
	k, err := s.clientKey(ctx, id)
	if err != nil {
		return nil, err
	}
	if !k.deleted.IsZero() {
		return nil, noClientKey(id)
	}
	return k.key, nil
}

// CreateClientKey makes a client key of what is said, and its secret, which nobody can have again.
func (s *Store) CreateClientKey(ctx context.Context, said *tokenstorev1.ClientKey) (*tokenstorev1.ClientKey, secret.Value, error) {
	said = clientkey.Said(said)
	if err := clientkey.CheckNew(said, time.Now()); err != nil {
		return nil, secret.Value{}, invalid(err)
	}
	record, err := proto.Marshal(said)
	if err != nil {
		return nil, secret.Value{}, fmt.Errorf("client key: record: %w", err)
	}
	id := clientkey.NewID()
	made := clientkey.NewSecret(id)
	result, err := createClientKeyScript.run(ctx, s.client, allClientKeyKeys(id),
		id, record, hashOf(made), clientkey.Masked(made), clientkey.MaxKeys, poolChannel).StringSlice()
	if err != nil {
		return nil, secret.Value{}, storeError("create a client key", err)
	}
	switch result[0] {
	case "many":
		return nil, secret.Value{}, tooManyClientKeys()
	case "known": // 80 random bits came twice
		return nil, secret.Value{}, fmt.Errorf("client key %s: the id is taken", id)
	}
	key, err := s.changedClientKey(ctx, id)
	return key, made, err
}

// UpdateClientKey takes over the named fields of edit, all or none. expected is the version that
// the key must have; 0: any.
func (s *Store) UpdateClientKey(
	ctx context.Context, id string, edit *tokenstorev1.ClientKey, names []string, expected uint64,
) (*tokenstorev1.ClientKey, error) {
	for range maxEdits {
		key, err := s.GetClientKey(ctx, id)
		if err != nil {
			return nil, err
		}
		if expected != 0 && key.GetVersion() != expected {
			return nil, versionConflict("client key "+id, expected, strconv.FormatUint(key.GetVersion(), 10))
		}
		done, err := s.tryUpdateClientKey(ctx, key, edit, names)
		if err != nil {
			return nil, err
		}
		if done {
			return s.changedClientKey(ctx, id)
		}
	}
	return nil, rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "client key %s is being changed by others all the time; try again", id)
}

// tryUpdateClientKey returns false when somebody else was faster.
func (s *Store) tryUpdateClientKey(ctx context.Context, before, edit *tokenstorev1.ClientKey, names []string) (bool, error) {
	after := clientkey.Said(before)
	if err := clientkey.Take(after, clientkey.Said(edit), names); err != nil {
		return false, invalid(err)
	}
	if err := clientkey.Check(after); err != nil {
		return false, invalid(err)
	}
	record, err := proto.Marshal(after)
	if err != nil {
		return false, fmt.Errorf("client key %s: record: %w", before.GetId(), err)
	}
	result, err := updateClientKeyScript.run(ctx, s.client, clientKeyKeys(before.GetId()),
		before.GetId(), before.GetVersion(), record, poolChannel).StringSlice()
	if err != nil {
		return false, storeError("change a client key", err)
	}
	if result[0] == "gone" {
		return false, noClientKey(before.GetId())
	}
	return result[0] == "updated", nil
}

// RotateClientKey gives a client key another secret. The present one goes on for as long as
// keepOld says. expected is the version that the key must have; 0: any.
func (s *Store) RotateClientKey(
	ctx context.Context, id string, keepOld time.Duration, expected uint64,
) (*tokenstorev1.ClientKey, secret.Value, error) {
	if keepOld < 0 || keepOld > maxKeepOld {
		return nil, secret.Value{}, invalid(fmt.Errorf("keep_old_for: 0 to %d hours", maxKeepOld/time.Hour))
	}
	if !clientkey.IsID(id) {
		return nil, secret.Value{}, noClientKey(id)
	}
	made := clientkey.NewSecret(id)
	result, err := rotateClientKeyScript.run(ctx, s.client, clientKeyKeys(id),
		id, expected, hashOf(made), clientkey.Masked(made), keepOld.Milliseconds(), poolChannel).StringSlice()
	if err != nil {
		return nil, secret.Value{}, storeError("rotate a client key", err)
	}
	switch result[0] {
	case "gone":
		return nil, secret.Value{}, noClientKey(id)
	case "conflict":
		return nil, secret.Value{}, versionConflict("client key "+id, expected, result[1])
	}
	key, err := s.changedClientKey(ctx, id)
	return key, made, err
}

// DeleteClientKey removes a client key; RestoreClientKey brings it back. expected is the version
// that it must have; 0: any.
func (s *Store) DeleteClientKey(ctx context.Context, id string, expected uint64) error {
	if err := s.deleteClientKey(ctx, id, expected); err != nil {
		return err
	}
	return s.barrier.Sync(ctx)
}

// deleteClientKey is DeleteClientKey without waiting until that is saved.
func (s *Store) deleteClientKey(ctx context.Context, id string, expected uint64) error {
	if !clientkey.IsID(id) {
		return noClientKey(id)
	}
	result, err := deleteClientKeyScript.run(ctx, s.client, allClientKeyKeys(id),
		id, expected, clientKeyTrashTTL.Milliseconds(), keepDeletedKeys, poolChannel).StringSlice()
	if err != nil {
		return storeError("delete a client key", err)
	}
	switch result[0] {
	case "gone":
		return noClientKey(id)
	case "conflict":
		return versionConflict("client key "+id, expected, result[1])
	}
	s.knownKeys.forget(id)
	return s.settleLedger(ctx, id)
}

// settleLedger has the ledger of a client key expire where the key is deleted, and stay where it is
// not. Others may delete and restore it meanwhile: whoever acts last looks afterwards.
func (s *Store) settleLedger(ctx context.Context, id string) error {
	there, err := s.hasClientKey(ctx, id)
	for range maxEdits {
		if err != nil {
			return err
		}
		was, settle := there, s.ForgetLedger
		if there {
			settle = s.KeepLedger
		}
		if err := settle(ctx, id); err != nil {
			return err
		}
		if there, err = s.hasClientKey(ctx, id); err == nil && there == was {
			return nil
		}
	}
	return err
}

// hasClientKey tells whether there is a client key that is not deleted.
func (s *Store) hasClientKey(ctx context.Context, id string) (bool, error) {
	_, err := s.GetClientKey(ctx, id)
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_KEY_NOT_FOUND) {
		return false, nil
	}
	return err == nil, err
}

// RestoreClientKey undoes the deletion of a client key.
func (s *Store) RestoreClientKey(ctx context.Context, id string) (*tokenstorev1.ClientKey, error) {
	if !clientkey.IsID(id) {
		return nil, notDeletedClientKey(id)
	}
	// Before the key is back: what its budgets have counted must not expire under it.
	if err := s.KeepLedger(ctx, id); err != nil {
		return nil, err
	}
	result, err := restoreClientKeyScript.run(ctx, s.client, allClientKeyKeys(id), id, clientkey.MaxKeys, poolChannel).StringSlice()
	if err != nil {
		return nil, storeError("restore a client key", err)
	}
	switch result[0] {
	case "gone":
		return nil, errors.Join(notDeletedClientKey(id), s.ForgetLedger(ctx, id))
	case "there":
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_ALREADY_EXISTS, "client key %s is not deleted", id)
	case "many":
		return nil, errors.Join(tooManyClientKeys(), s.settleLedger(ctx, id))
	}
	if err := s.settleLedger(ctx, id); err != nil {
		return nil, err
	}
	return s.changedClientKey(ctx, id)
}

// ResolveClientKey returns the client key whose secret has the hash, and until when that secret
// goes on, where it is not the present one. The id is what the secret says.
func (s *Store) ResolveClientKey(ctx context.Context, id string, hash []byte) (*tokenstorev1.ClientKey, time.Time, error) {
	if len(hash) != sha256.Size {
		return nil, time.Time{}, invalid(fmt.Errorf("secret_hash: %d bytes wanted, the SHA-256 of a secret", sha256.Size))
	}
	k, err := s.clientKey(ctx, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	text := []byte(hex.EncodeToString(hash))
	present, old := subtle.ConstantTimeCompare(text, []byte(k.secret)), subtle.ConstantTimeCompare(text, []byte(k.old))
	switch {
	case !k.deleted.IsZero():
	case present == 1:
		return k.key, time.Time{}, nil
	case old == 1:
		return k.key, k.oldUntil, nil
	}
	return nil, time.Time{}, noClientKey(id)
}

// changedClientKey makes a change durable and returns the key as it is then.
func (s *Store) changedClientKey(ctx context.Context, id string) (*tokenstorev1.ClientKey, error) {
	s.knownKeys.forget(id)
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.GetClientKey(ctx, id)
}

// allClientKeyKeys are the keys of scripts that make a client key or take it away, clientKeyKeys
// those of scripts that change one.
func allClientKeyKeys(id string) []string {
	return []string{clientKeyKey(id), clientKeyIDsKey(), clientKeyChangesKey(), clientKeyMarkKey(), clientKeyTrashKey()}
}

func clientKeyKeys(id string) []string {
	return []string{clientKeyKey(id), clientKeyChangesKey(), clientKeyMarkKey(), clientKeyTrashKey()}
}

func hashOf(value secret.Value) string {
	hash := clientkey.Hash(value)
	return hex.EncodeToString(hash[:])
}

func noClientKey(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no client key %q", shortened(id, maxQuotedID))
}

func notDeletedClientKey(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no client key %q that was deleted within the last 24 hours", shortened(id, maxQuotedID))
}

func tooManyClientKeys() error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT,
		"there are %d client keys, which is the most that there may be: delete some first", clientkey.MaxKeys)
}
