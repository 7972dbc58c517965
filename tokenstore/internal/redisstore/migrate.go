package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Data of schema 1 had all pools in one slot, under directoryPrefix: what belongs to one
// pool moves to that pool's slot. Every step can be repeated: a token is moved as long as
// its old key is there, its hash last; so whatever interrupts it, the next one goes on. One
// tokenstore does it at a time, and nobody serves before it is done.
var standScript = newScript("stand")

const (
	// migrationChunk is how many tokens are moved in a few round trips.
	migrationChunk = 250
	// migrationLease is how long a tokenstore that moves data may say nothing of it.
	migrationLease = 10 * time.Second
	// migrationTimeout bounds a move, which may take longer than the look of which it is a
	// part.
	migrationTimeout = 10 * time.Minute
	// migrationPause is between looks of those that wait.
	migrationPause = 50 * time.Millisecond
)

// migratorKey is a string: which tokenstore moves data. It expires.
func migratorKey() string { return directoryPrefix + "migrator" }

// migrate waits until the data is of this schema; it moves it unless another tokenstore
// does. A move ends when ctx is cancelled, not at its deadline; what has been done stays
// done.
func (s *Store) migrate(ctx context.Context) error {
	self := rand.Text()
	for {
		mine, err := s.client.SetNX(ctx, migratorKey(), self, migrationLease).Result()
		if err != nil {
			return storeError("move data of schema 1", err)
		}
		if mine {
			break
		}
		select {
		case <-ctx.Done():
			return storeError("wait for another tokenstore to move data of schema 1", ctx.Err())
		case <-time.After(migrationPause):
		}
		version, err := s.client.Get(ctx, schemaKey()).Result()
		if err != nil {
			return storeError("check the schema version", err)
		}
		if version != legacySchema {
			return nil
		}
	}
	defer func() { // the next one need not wait for the end of the lease
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = s.client.Del(ctx, migratorKey()).Err()
	}()
	ctx, cancel := unhurried(ctx)
	defer cancel()
	begun := time.Now()
	m := &migration{Store: s, self: self, pools: map[string]bool{}}
	if err := m.run(ctx); err != nil {
		return storeError("move data of schema 1", err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "data of schema 1 was moved to schema "+SchemaVersion,
		slog.Int("tokens", m.moved), slog.Int("pools", len(m.pools)), slog.Duration("took", time.Since(begun)))
	return s.barrier.Sync(ctx)
}

// unhurried is a ctx that ends when the given one is cancelled, but has more time.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrationTimeout)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return patient, func() {
		stop()
		cancel()
	}
}

// legacySchema is the version whose data can be moved.
const legacySchema = "1"

// legacyKey is a key of schema 1, where all pools were in one slot.
func legacyKey(name string) string { return directoryPrefix + name }

type migration struct {
	*Store
	self  string
	pools map[string]bool
	moved int
}

func (m *migration) run(ctx context.Context) error {
	if err := m.findPools(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{m.moveTokens, m.moveTrash, m.movePools, m.moveReplicas, m.count}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return m.client.Set(ctx, schemaKey(), SchemaVersion, 0).Err()
}

// errOvertaken says that this tokenstore was silent for so long that another one has
// begun.
var errOvertaken = errors.New("another tokenstore has begun to move the data")

// goOn keeps others waiting.
func (m *migration) goOn(ctx context.Context) error {
	owner, err := m.client.Get(ctx, migratorKey()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if owner != m.self {
		return errOvertaken
	}
	return m.client.PExpire(ctx, migratorKey(), migrationLease).Err()
}

func (m *migration) findPools(ctx context.Context) error {
	upstreams, err := m.client.HKeys(ctx, upstreamsKey()).Result()
	for _, upstream := range upstreams {
		m.pools[upstream] = true
	}
	return err
}

// moveTokens moves the tokens that are listed, with their history and their leases.
func (m *migration) moveTokens(ctx context.Context) error {
	var after int64
	for {
		if err := m.goOn(ctx); err != nil {
			return err
		}
		listed, err := m.client.ZRangeByScoreWithScores(ctx, createdKey(), &redis.ZRangeBy{
			Min: "(" + strconv.FormatInt(after, 10), Max: "+inf", Count: migrationChunk,
		}).Result()
		if err != nil {
			return err
		}
		if len(listed) == 0 {
			return nil
		}
		ids := make([]string, len(listed))
		for i, each := range listed {
			ids[i], _ = each.Member.(string)
			after = int64(each.Score)
		}
		if err := m.moveChunk(ctx, ids); err != nil {
			return err
		}
	}
}

// legacyToken is what of a token of schema 1 is also kept elsewhere.
type legacyToken struct {
	id, upstream, version, fingerprint, alias, created, holder string
	// due is its score where it is in the order, rests where it is not yet.
	due, rests *redis.FloatCmd
	leases     *redis.ZSliceCmd
}

func (t *legacyToken) entry() string {
	return t.version + " " + t.upstream + " " + t.fingerprint + " " + t.alias
}

func (m *migration) read(ctx context.Context, key func(id string) string, ids []string) ([]*legacyToken, error) {
	pipe := m.client.Pipeline()
	read := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		read[i] = pipe.HMGet(ctx, key(id), "upstream", "ver", "fingerprint", "alias", "created", "holder")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var tokens []*legacyToken
	for i, id := range ids {
		f := make([]string, len(read[i].Val()))
		for n, value := range read[i].Val() {
			f[n], _ = value.(string)
		}
		if f[0] != "" { // else it has been moved
			tokens = append(tokens, &legacyToken{
				id: id, upstream: f[0], version: f[1], fingerprint: f[2], alias: f[3], created: f[4], holder: f[5],
			})
			m.pools[f[0]] = true
		}
	}
	return tokens, nil
}

func (m *migration) moveChunk(ctx context.Context, ids []string) error {
	tokens, err := m.read(ctx, func(id string) string { return legacyKey("token:" + id) }, ids)
	if err != nil || len(tokens) == 0 {
		return err
	}
	pipe := m.client.Pipeline()
	for _, t := range tokens {
		t.due, t.rests = pipe.ZScore(ctx, legacyKey("order:"+t.upstream), t.id), pipe.ZScore(ctx, legacyKey("cooling:"+t.upstream), t.id)
		t.leases = pipe.ZRangeWithScores(ctx, legacyKey("inflight:"+t.id), 0, -1)
	}
	if err := sendReads(ctx, pipe); err != nil {
		return err
	}
	if err := m.enlist(ctx, tokens); err != nil {
		return err
	}
	moves := make([]move, 0, 3*len(tokens))
	for _, t := range tokens {
		moves = append(moves,
			move{legacyKey("history:" + t.id), historyKey(t.upstream, t.id)},
			move{legacyKey("inflight:" + t.id), inflightKey(t.upstream, t.id)})
	}
	if err := m.moveAll(ctx, moves); err != nil {
		return err
	}
	moves = moves[:0]
	for _, t := range tokens {
		moves = append(moves, move{legacyKey("token:" + t.id), tokenKey(t.upstream, t.id)})
	}
	if err := m.moveAll(ctx, moves); err != nil {
		return err
	}
	m.moved += len(tokens)
	return nil
}

// enlist writes what the directory and the pools know of tokens beside themselves.
func (m *migration) enlist(ctx context.Context, tokens []*legacyToken) error {
	pipe := m.client.Pipeline()
	for _, t := range tokens {
		pipe.HSet(ctx, directoryKey(), t.id, t.entry())
		created, _ := strconv.ParseFloat(t.created, 64) // a script's own number
		pipe.ZAdd(ctx, poolIDsKey(t.upstream), redis.Z{Member: t.id, Score: created})
		if t.alias != "" {
			pipe.HSet(ctx, namesKey(t.upstream), t.alias, t.id)
		}
		if t.holder != "" {
			pipe.SAdd(ctx, holdsKey(t.upstream, t.holder), t.id)
		}
		if t.due.Err() == nil {
			pipe.ZAdd(ctx, orderKey(t.upstream), redis.Z{Member: t.id, Score: t.due.Val()})
		}
		if t.rests.Err() == nil {
			pipe.ZAdd(ctx, coolingKey(t.upstream), redis.Z{Member: t.id, Score: t.rests.Val()})
		}
		for _, lease := range t.leases.Val() {
			if name, _ := lease.Member.(string); !strings.HasPrefix(name, "hold-") {
				pipe.ZAdd(ctx, leasesKey(t.upstream), redis.Z{Member: t.id + " " + name, Score: lease.Score})
			}
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

// move is of one key.
type move struct{ from, to string }

// moveAll moves keys, with the times at which they expire. One that is there already
// was moved before, and one that is not was never there.
func (m *migration) moveAll(ctx context.Context, moves []move) error {
	if _, cluster := m.client.(*redis.ClusterClient); cluster {
		return m.copyAll(ctx, moves)
	}
	pipe := m.client.Pipeline()
	renamed := make([]*redis.BoolCmd, len(moves))
	for i, each := range moves {
		renamed[i] = pipe.RenameNX(ctx, each.from, each.to)
	}
	_ = sendEach(ctx, pipe) // each has its own error
	var left []string
	for i, each := range moves {
		switch err := renamed[i].Err(); {
		case err == nil && !renamed[i].Val():
			left = append(left, each.from)
		case err != nil && !strings.Contains(err.Error(), "no such key"):
			return err
		}
	}
	if len(left) == 0 {
		return nil
	}
	return m.client.Del(ctx, left...).Err()
}

// copyAll is moveAll from slot to slot.
func (m *migration) copyAll(ctx context.Context, moves []move) error {
	pipe := m.client.Pipeline()
	dumps, lives := make([]*redis.StringCmd, len(moves)), make([]*redis.DurationCmd, len(moves))
	for i, each := range moves {
		dumps[i], lives[i] = pipe.Dump(ctx, each.from), pipe.PTTL(ctx, each.from)
	}
	if err := sendReads(ctx, pipe); err != nil {
		return err
	}
	pipe = m.client.Pipeline()
	var restored []*redis.StatusCmd
	var copied []string
	for i, each := range moves {
		if dumps[i].Err() != nil { // it is not there
			continue
		}
		restored = append(restored, pipe.Restore(ctx, each.to, max(lives[i].Val(), 0), dumps[i].Val()))
		copied = append(copied, each.from)
	}
	if len(copied) == 0 {
		return nil
	}
	_ = sendEach(ctx, pipe) // each has its own error
	for _, each := range restored {
		if err := each.Err(); err != nil && !redis.HasErrorPrefix(err, "BUSYKEY") {
			return err
		}
	}
	return m.client.Del(ctx, copied...).Err() // all of one slot
}

// moveTrash moves the tokens that can be restored. There is no list of them.
func (m *migration) moveTrash(ctx context.Context) error {
	return m.scan(ctx, "trash:", func(ids []string) error {
		key := func(id string) string { return legacyKey("trash:" + id) }
		tokens, err := m.read(ctx, key, ids)
		if err != nil || len(tokens) == 0 {
			return err
		}
		pipe := m.client.Pipeline()
		clock, lives := pipe.Time(ctx), make([]*redis.DurationCmd, len(tokens))
		for i, t := range tokens {
			lives[i] = pipe.PTTL(ctx, key(t.id))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		pipe = m.client.Pipeline()
		var moves []move
		for i, t := range tokens {
			t.fingerprint, t.alias = "", ""
			pipe.HSet(ctx, directoryKey(), t.id, t.entry())
			pipe.ZAdd(ctx, discardedKey(), redis.Z{Member: t.id, Score: float64(clock.Val().Add(lives[i].Val()).UnixMilli())})
			moves = append(moves,
				move{legacyKey("history:" + t.id), historyKey(t.upstream, t.id)},
				move{key(t.id), trashKey(t.upstream, t.id)})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		return m.moveAll(ctx, moves)
	})
}

// scan visits the keys of schema 1 that begin so, by what follows.
func (m *migration) scan(ctx context.Context, begin string, visit func([]string) error) error {
	pattern := escaped.Replace(legacyKey(begin)) + "*"
	one := func(ctx context.Context, server redis.Cmdable) error {
		var cursor uint64
		for {
			if err := m.goOn(ctx); err != nil {
				return err
			}
			keys, next, err := server.Scan(ctx, cursor, pattern, 4*migrationChunk).Result()
			if err != nil {
				return err
			}
			for i, key := range keys {
				keys[i] = strings.TrimPrefix(key, legacyKey(begin))
			}
			if len(keys) > 0 {
				if err := visit(keys); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	cluster, ok := m.client.(*redis.ClusterClient)
	if !ok {
		return one(ctx, m.client)
	}
	master, err := cluster.MasterForKey(ctx, legacyKey(begin))
	if err != nil {
		return err
	}
	return one(ctx, master)
}

// escaped makes a pattern of a text.
var escaped = strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, `\`, `\\`)

// movePools moves what a pool has beside its tokens.
func (m *migration) movePools(ctx context.Context) error {
	clock, err := m.client.HGetAll(ctx, legacyKey("clock")).Result()
	if err != nil {
		return err
	}
	pipe := m.client.Pipeline()
	var moves []move
	old := []string{legacyKey("clock")}
	for _, upstream := range slices.Sorted(maps.Keys(m.pools)) {
		if at, known := clock[upstream]; known {
			pipe.HSetNX(ctx, clockKey(upstream), "at", at)
		}
		if until, known := clock["guard:"+upstream]; known {
			pipe.HSetNX(ctx, clockKey(upstream), "guard", until)
		}
		moves = append(moves,
			move{legacyKey("window:" + upstream), windowKey(upstream)}, move{legacyKey("causes:" + upstream), causesKey(upstream)})
		old = append(old, legacyKey("order:"+upstream), legacyKey("cooling:"+upstream))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	if err := m.moveAll(ctx, moves); err != nil {
		return err
	}
	return m.client.Del(ctx, old...).Err()
}

// moveReplicas has each pool know the replicas that may have tokens in reserve, and the
// reports that were counted.
func (m *migration) moveReplicas(ctx context.Context) error {
	holders, err := m.client.HGetAll(ctx, legacyKey("holders")).Result()
	if err != nil {
		return err
	}
	pipe := m.client.Pipeline()
	for upstream := range m.pools {
		for replica, heard := range holders {
			pipe.HSetNX(ctx, holdersKey(upstream), replica, heard)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	if err := m.client.Del(ctx, legacyKey("holders")).Err(); err != nil {
		return err
	}
	if err := m.scan(ctx, "holds:", func(replicas []string) error {
		pipe := m.client.Pipeline()
		for _, replica := range replicas {
			pipe.Del(ctx, legacyKey("holds:"+replica))
		}
		_, err := pipe.Exec(ctx)
		return err
	}); err != nil {
		return err
	}
	return m.scan(ctx, "reconciled:", func(replicas []string) error {
		for _, replica := range replicas {
			if err := m.moveReconciled(ctx, replica); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *migration) moveReconciled(ctx context.Context, replica string) error {
	from := legacyKey("reconciled:" + replica)
	highest, err := m.client.Get(ctx, from).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	pipe := m.client.Pipeline()
	for upstream := range m.pools {
		pipe.SetNX(ctx, reconciledKey(upstream, replica), highest, reconciledTTL)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	return m.client.Del(ctx, from).Err()
}

// count takes down how many tokens the pools have, and what these are.
func (m *migration) count(ctx context.Context) error {
	for upstream := range m.pools {
		ids, err := m.client.ZRange(ctx, poolIDsKey(upstream), 0, -1).Result()
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(ids, migrationChunk) {
			if err := m.goOn(ctx); err != nil {
				return err
			}
			args := make([]any, len(chunk))
			for i, id := range chunk {
				args[i] = id
			}
			if err := standScript.run(ctx, m.client, []string{poolIDsKey(upstream)}, args...).Err(); err != nil {
				return err
			}
		}
		if len(ids) == 0 {
			continue
		}
		if err := m.client.HSet(ctx, sizesKey(), upstream, len(ids)).Err(); err != nil {
			return err
		}
	}
	return nil
}
