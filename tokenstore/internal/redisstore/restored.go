package redisstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/token"
)

// What follows is written by a restore: many at once, each for itself. None of it waits for Redis's
// disk; Save does, at the end.

var putClientKeyScript = newScript("put_client_key")

// changedMeanwhile is the problem of what somebody else was faster with.
const changedMeanwhile = "it was changed meanwhile"

// Save makes what was written before durable.
func (s *Store) Save(ctx context.Context) error { return s.barrier.Sync(ctx) }

// RestoreUpstream writes an upstream as it is: unlike PutUpstream it completes nothing. problem
// says why it can't be.
func (s *Store) RestoreUpstream(ctx context.Context, upstream *tokenstorev1.Upstream) (problem string, err error) {
	if err := token.CheckUpstream(upstream); err != nil {
		return problemOf(invalid(err))
	}
	old, err := s.upstream(ctx, upstream.GetName())
	if err != nil {
		return "", err
	}
	mode := "any"
	if old != nil && old.GetDriver() != upstream.GetDriver() {
		mode = "empty"
	}
	result, err := s.putUpstream(ctx, upstream, 0, mode)
	if err != nil {
		return "", err
	}
	if result[0] == "used" {
		return "the upstream here has another driver, and tokens of it", nil
	}
	return "", nil
}

// RestoreRoute creates or replaces a route. problem says why it can't be.
func (s *Store) RestoreRoute(ctx context.Context, route *tokenstorev1.Route) (problem string, err error) {
	meant, result, err := s.putRoute(ctx, route, 0, "any")
	if err != nil {
		return problemOf(err)
	}
	switch result[0] {
	case "taken":
		return problemOf(matchTaken(meant, result[1]))
	case "many":
		return problemOf(tooManyRoutes())
	default:
		return "", nil
	}
}

// DropRoute removes a route, if it is there.
func (s *Store) DropRoute(ctx context.Context, name string) error {
	return storeError("delete a route", deleteRouteScript.run(ctx, s.client,
		[]string{routesKey(), routeVersionsKey(), routeMatchesKey()}, name, 0, configChannel).Err())
}

// RestoreDestination creates a destination of notifications with its id, or replaces the one that
// has the version; 0: any. problem says why it can't be.
func (s *Store) RestoreDestination(ctx context.Context, destination notify.Destination, version uint64) (problem string, err error) {
	return problemOf(s.writeDestination(ctx, destination, "any", version))
}

// DropDestination removes the destination of notifications that has the version, if it is there.
// problem says why it was not removed.
func (s *Store) DropDestination(ctx context.Context, id string, version uint64) (problem string, err error) {
	err = s.removeDestination(ctx, id, version)
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND) {
		return "", nil
	}
	return problemOf(err)
}

// RestoreClientKeys puts client keys that have the versions that are said, or are not there. Their
// secrets go on. The problems, in order, are empty or say why a key could not be put.
func (s *Store) RestoreClientKeys(ctx context.Context, keys []KeptClientKey) (problems []string, err error) {
	deleted, err := s.deletedClientKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, id := range deleted { // before they are back: what budgets have counted must not expire
		if err := s.KeepLedger(ctx, id); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(keys, importChunk) {
		of, err := s.putClientKeys(ctx, chunk)
		if err != nil {
			return nil, err
		}
		problems = append(problems, of...)
	}
	for _, id := range deleted {
		if err := s.settleLedger(ctx, id); err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// deletedClientKeys returns the ids of those of the keys that can be restored from the trash.
func (s *Store) deletedClientKeys(ctx context.Context, keys []KeptClientKey) ([]string, error) {
	all, _, err := s.allClientKeys(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(keys))
	for _, each := range keys {
		wanted[each.GetKey().GetId()] = true
	}
	var ids []string
	for _, each := range all {
		if id := each.key.GetId(); !each.deleted.IsZero() && wanted[id] {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Store) putClientKeys(ctx context.Context, keys []KeptClientKey) ([]string, error) {
	problems, round, calls := make([]string, len(keys)), s.batch(), make([]*call, len(keys))
	for i, each := range keys {
		if err := clientkey.CheckKept(each.BackupClientKey); err != nil {
			problems[i], _ = problemOf(invalid(err))
			continue
		}
		args, err := puttingClientKey(each)
		if err != nil {
			return nil, err
		}
		calls[i] = round.add(putClientKeyScript, allClientKeyKeys(each.GetKey().GetId()), args...)
	}
	if err := round.exec(ctx); err != nil {
		return nil, storeError("put client keys", err)
	}
	for i, each := range calls {
		if each == nil {
			continue
		}
		result, err := each.reply.StringSlice()
		if err != nil {
			return nil, storeError("put a client key", err)
		}
		switch result[0] {
		case "conflict":
			problems[i] = changedMeanwhile
		case "many":
			problems[i], _ = problemOf(tooManyClientKeys())
		}
		s.knownKeys.forget(keys[i].GetKey().GetId())
	}
	return problems, nil
}

// puttingClientKey is what the put script needs.
func puttingClientKey(kept KeptClientKey) ([]any, error) {
	key := kept.GetKey()
	record, err := proto.Marshal(clientkey.Said(key))
	if err != nil {
		return nil, fmt.Errorf("client key %s: record: %w", key.GetId(), err)
	}
	created := time.Now()
	if key.GetCreatedAt() != nil {
		created = key.GetCreatedAt().AsTime()
	}
	old, until := "", int64(0)
	if len(kept.GetOldSecretHash()) > 0 {
		old, until = hex.EncodeToString(kept.GetOldSecretHash()), milliseconds(key.GetOldSecretUntil().AsTime())
	}
	return []any{
		key.GetId(), kept.Version, record, milliseconds(created), hex.EncodeToString(kept.GetSecretHash()), key.GetMaskedSecret(),
		old, until, clientkey.MaxKeys, poolChannel,
	}, nil
}

// DropClientKeys removes client keys that have the versions that are said; for 24 hours they can be
// restored. The problems, in order, are empty or say why one was not removed.
func (s *Store) DropClientKeys(ctx context.Context, keys []KeptClientKey) (problems []string, err error) {
	problems = make([]string, len(keys))
	for i, each := range keys {
		err := s.deleteClientKey(ctx, each.GetKey().GetId(), each.Version)
		if problems[i], err = problemOf(err); err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// DropTokens is DeleteTokens, and its problems, in order, are empty or say why one was not removed.
func (s *Store) DropTokens(ctx context.Context, tokens []Exported) (problems []string, err error) {
	for chunk := range slices.Chunk(tokens, importChunk) {
		deletions := deletionsOf(chunk)
		if err := s.delete(ctx, deletions); err != nil {
			return nil, err
		}
		for _, each := range deletions {
			problem := ""
			if each.outcome[0] != "deleted" && each.outcome[0] != "gone" {
				problem = changedMeanwhile
			}
			problems = append(problems, problem)
		}
	}
	return problems, nil
}

// DropAliases takes their aliases from tokens that nobody has edited since the export: others are
// to have them.
func (s *Store) DropAliases(ctx context.Context, tokens []Exported) error {
	edits := make([]Edit, len(tokens))
	for i, each := range tokens {
		edits[i] = Edit{Exported: each, After: each.Fields}
		edits[i].After.Alias = ""
	}
	_, err := s.EditTokens(ctx, edits)
	return err
}
