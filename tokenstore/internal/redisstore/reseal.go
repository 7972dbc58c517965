package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/logindex"
)

var (
	resealScript = newScript("reseal")
	swapScript   = newScript("swap")
)

// resealStep is how many values are read at a time.
const resealStep = 100

// Resealed counts what Reseal has put under the key that seals now.
type Resealed struct {
	Tokens, Accounts, Trash, Prompts, Answers, Responses, Upstreams, Destinations int
	// Unreadable are values that no key of the file opens: they were lost before.
	Unreadable int
}

// Reseal puts everything that is sealed or signed under the key that seals now, with the
// fingerprints that belong to the keys as they are. Afterwards no other key is needed. It
// may run beside a serving store, and again after it was interrupted.
func (s *Store) Reseal(ctx context.Context) (Resealed, error) {
	var done Resealed
	for _, step := range []func(context.Context, *Resealed) error{
		s.resealTokens, s.resealTrash, s.resealLogins, s.resealAnswers, s.resealResponses, s.resealPrompts, s.resealUpstreams, s.resealAdminToken, s.resealDestinations,
	} {
		if err := step(ctx, &done); err != nil {
			return done, err
		}
	}
	if err := s.dropChecks(ctx); err != nil {
		return done, err
	}
	if s.ownLog() {
		if err := s.logBarrier.Sync(ctx); err != nil {
			return done, err
		}
	}
	return done, s.barrier.Sync(ctx)
}

// dropChecks forgets the keys with which nothing is sealed any more.
func (s *Store) dropChecks(ctx context.Context) error {
	ids, err := s.client.HKeys(ctx, sealsKey()).Result()
	if err != nil {
		return storeError("forget seal keys", err)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == s.keys.Active() })
	if len(ids) == 0 {
		return nil
	}
	return storeError("forget seal keys", s.client.HDel(ctx, sealsKey(), ids...).Err())
}

// swap replaces a field unless it is another one by now.
func swap(ctx context.Context, client redis.UniversalClient, key, field, read, replacement string) (bool, error) {
	return swapScript.run(ctx, client, []string{key}, field, read, replacement).Bool()
}

// resealField puts a field that is sealed as it is under the key that seals now; one that
// is empty is not there.
func (s *Store) resealField(ctx context.Context, key, field, sealed, binding string, done *Resealed) (bool, error) {
	if sealed == "" || s.keys.Current(sealed) {
		return false, nil
	}
	plain, err := s.keys.Open(sealed, binding)
	if err != nil {
		done.Unreadable++
		return false, nil //nolint:nilerr // it is counted
	}
	swapped, err := swap(ctx, s.client, key, field, sealed, s.keys.Seal(plain, binding))
	return swapped, storeError("reseal", err)
}

// resealFields reseals fields of a hash, by their bindings.
func (s *Store) resealFields(ctx context.Context, key string, bindings map[string]string, done *Resealed) error {
	names := slices.Sorted(maps.Keys(bindings))
	values, err := s.client.HMGet(ctx, key, names...).Result()
	if err != nil {
		return storeError("reseal", err)
	}
	for i, name := range names {
		sealed, _ := values[i].(string)
		if _, err := s.resealField(ctx, key, name, sealed, bindings[name], done); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) resealTokens(ctx context.Context, done *Resealed) error {
	for range maxEdits {
		unreadable := 0
		missed, err := s.resealAll(ctx, done, &unreadable)
		if err != nil {
			return err
		}
		if missed == 0 {
			done.Unreadable += unreadable
			return nil
		}
	}
	return errors.New("some tokens are being edited all the time; run it again")
}

// resealAll goes through the pool once. missed are tokens that were edited meanwhile.
func (s *Store) resealAll(ctx context.Context, done *Resealed, unreadable *int) (missed int, err error) {
	err = s.each(ctx, func(t *stored) error {
		if err := s.resealBeside(ctx, tokenKey(t.upstream, t.id), t.id, done); err != nil {
			return err
		}
		part, err := t.record.unseal(s.keys, t.id)
		if err != nil {
			*unreadable++
			return nil //nolint:nilerr // it is counted
		}
		content := t.record.opened(part)
		fingerprint := s.keys.Fingerprint(content.identity())
		if fingerprint == t.fingerprint && s.keys.Current(t.record.Sealed) && part.Signing {
			return nil
		}
		written, err := s.resealOne(ctx, t, content, fingerprint)
		if written {
			done.Tokens++
		} else {
			missed++
		}
		return err
	})
	return missed, err
}

// resealBeside reseals what is sealed beside a token's record.
func (s *Store) resealBeside(ctx context.Context, key, id string, done *Resealed) error {
	if err := s.resealAccount(ctx, key, id, done); err != nil {
		return err
	}
	bindings := map[string]string{"access": accessBinding(id), "refresh": refreshBinding(id), "former": refreshBinding(id)}
	return s.resealFields(ctx, key, bindings, done)
}

func (s *Store) resealAccount(ctx context.Context, key, id string, done *Resealed) error {
	sealed, err := s.client.HGet(ctx, key, "account").Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return storeError("reseal an account", err)
	}
	swapped, err := s.resealField(ctx, key, "account", sealed, accountBinding(id), done)
	if swapped {
		done.Accounts++
	}
	return err
}

// resealTrash reseals deleted tokens that can be restored.
func (s *Store) resealTrash(ctx context.Context, done *Resealed) error {
	ids, err := s.client.ZRange(ctx, discardedKey(), 0, -1).Result()
	if err != nil {
		return storeError("reseal the trash", err)
	}
	pools, err := s.homesOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		key := trashKey(pools[id], id)
		text, err := s.client.HGet(ctx, key, "rec").Result()
		if errors.Is(err, redis.Nil) { // it has expired
			continue
		}
		if err != nil {
			return storeError("reseal the trash", err)
		}
		if err := s.resealBeside(ctx, key, id, done); err != nil {
			return err
		}
		if err := s.resealDiscarded(ctx, key, id, text, done); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) resealDiscarded(ctx context.Context, key, id, text string, done *Resealed) error {
	var rec record
	if json.Unmarshal([]byte(text), &rec) != nil {
		done.Unreadable++
		return nil //nolint:nilerr // it is counted
	}
	part, err := rec.unseal(s.keys, id)
	if err != nil {
		done.Unreadable++
		return nil //nolint:nilerr // it is counted
	}
	content := rec.opened(part)
	fingerprint, err := s.client.HGet(ctx, key, "fingerprint").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return storeError("reseal the trash", err)
	}
	if now := s.keys.Fingerprint(content.identity()); now != fingerprint {
		if _, err := swap(ctx, s.client, key, "fingerprint", fingerprint, now); err != nil {
			return storeError("reseal the trash", err)
		}
	}
	if s.keys.Current(rec.Sealed) {
		return nil
	}
	resealed, err := encodeRecord(s.keys, id, content.principal, content.fields(rec.Tags))
	if err != nil {
		return err
	}
	swapped, err := swap(ctx, s.client, key, "rec", text, resealed)
	if swapped {
		done.Trash++
	}
	return storeError("reseal the trash", err)
}

// resealLogins reseals logins on their way.
func (s *Store) resealLogins(ctx context.Context, done *Resealed) error {
	ids, err := s.client.ZRange(ctx, pollsKey(), 0, -1).Result()
	if err != nil {
		return storeError("reseal logins", err)
	}
	for _, id := range ids {
		bindings := map[string]string{"verifier": verifierBinding(id), "proxy": loginProxyBinding(id)}
		if err := s.resealFields(ctx, loginKey(id), bindings, done); err != nil {
			return err
		}
	}
	return nil
}

// resealAnswers reseals the answers that are remembered of idempotency keys.
func (s *Store) resealAnswers(ctx context.Context, done *Resealed) error {
	members, err := s.client.ZRange(ctx, onceIndexKey(), 0, -1).Result()
	if err != nil {
		return storeError("reseal answers", err)
	}
	for _, member := range members {
		hash, _, _ := strings.Cut(member, " ")
		sealed, err := s.client.HGet(ctx, onceAnswerKey(hash), "answer").Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return storeError("reseal answers", err)
		}
		swapped, err := s.resealField(ctx, onceAnswerKey(hash), "answer", sealed, answerBinding(hash), done)
		if err != nil {
			return err
		}
		if swapped {
			done.Answers++
		}
	}
	return nil
}

// resealPrompts reseals the log's prompts.
func (s *Store) resealPrompts(ctx context.Context, done *Resealed) error {
	if err := s.PrepareLog(ctx); err != nil {
		return err
	}
	var cursor uint64
	for {
		pairs, next, err := s.logClient.HScan(ctx, promptsKey(), cursor, "", resealStep).Result()
		if err != nil {
			return storeError("reseal prompts", err)
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if err := s.resealPrompt(ctx, pairs[i], pairs[i+1], done); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (s *Store) resealPrompt(ctx context.Context, id, sealed string, done *Resealed) error {
	if s.packedWithCurrent(sealed) {
		return nil
	}
	place, err := logindex.ParseID(id)
	if err != nil {
		done.Unreadable++
		return nil //nolint:nilerr // it is counted
	}
	messages, err := s.logClient.XRange(ctx, logEntriesKey(), place.String(), place.String()).Result()
	if err != nil {
		return storeError("reseal prompts", err)
	}
	if len(messages) == 0 { // the entry is gone, and its prompt goes
		return nil
	}
	block := readBlock(messages[0])
	text, err := s.openPrompts(block, sealed)
	if err != nil {
		done.Unreadable++
		return nil //nolint:nilerr // it is counted
	}
	resealed := string(s.sealPacked([]byte(text), block.binding()))
	swapped, err := swap(ctx, s.logClient, promptsKey(), id, sealed, resealed)
	if err != nil || !swapped {
		return storeError("reseal prompts", err)
	}
	done.Prompts += block.prompted(text)
	return storeError("reseal prompts", s.logClient.IncrBy(ctx, promptBytesKey(), int64(len(resealed)-len(sealed))).Err())
}

func (s *Store) resealUpstreams(ctx context.Context, done *Resealed) error {
	var err error
	done.Upstreams, err = s.signUpstreams(ctx, func(name, text, signature string) bool {
		return !s.keys.Current(signature) && s.keys.Verify(signature, text, upstreamBinding(name)) == nil
	})
	return err
}

func (s *Store) resealOne(ctx context.Context, t *stored, content opened, fingerprint string) (bool, error) {
	rec, err := encodeRecord(s.keys, t.id, content.principal, content.fields(t.record.Tags))
	if err != nil {
		return false, err
	}
	c, key := &claim{id: t.id, upstream: t.upstream, fingerprint: fingerprint}, ""
	if fingerprint != t.fingerprint {
		if err := s.claimed(ctx, []*claim{c}); err != nil {
			return false, err
		}
		if c.refused != nil {
			return false, c.refused
		}
		key = c.key
	}
	keys := []string{tokenKey(t.upstream, t.id), lapsedKey(t.upstream)}
	written, err := resealScript.run(ctx, s.client, keys, t.version, rec, fingerprint, key, t.id).Bool()
	if err != nil || key == "" {
		return written, storeError("reseal a token", err)
	}
	outcome := withdrawn(c)
	if written {
		outcome = settled{claim: c, became: there, version: t.version + 1, fingerprint: fingerprint, alias: t.alias}
	}
	return written, s.settleClaims(ctx, []settled{outcome})
}
