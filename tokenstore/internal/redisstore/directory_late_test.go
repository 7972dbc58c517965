package redisstore

import (
	"context"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// overtaken is a client's hook: others are faster than its first command of a script, or of a key.
type overtaken struct {
	once sync.Once
	// at is the hash of the script, or the key.
	at string
	by func()
}

func (o *overtaken) DialHook(next redis.DialHook) redis.DialHook { return next }

func (o *overtaken) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		o.see(cmd)
		return next(ctx, cmd)
	}
}

func (o *overtaken) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			o.see(cmd)
		}
		return next(ctx, cmds)
	}
}

func (o *overtaken) see(cmd redis.Cmder) {
	if args := cmd.Args(); len(args) > 1 && args[1] == o.at {
		o.once.Do(o.by)
	}
}

// What one tokenstore does may come to the directory after what another one did to the
// same token since: the later change holds.
func TestASettlementThatComesLate(t *testing.T) {
	t.Parallel()
	named := draft("openai", "T1")
	named.Alias = "first"
	rename := func(ctx context.Context, s *Store, id string) error {
		_, err := s.UpdateToken(ctx, id, token.Fields{Alias: "other"}, []string{token.Alias}, 0)
		return err
	}
	remove := func(ctx context.Context, s *Store, id string) error { return s.DeleteToken(ctx, id, 0) }
	restore := func(ctx context.Context, s *Store, id string) error {
		_, err := s.RestoreToken(ctx, id)
		return err
	}
	type change = func(ctx context.Context, s *Store, id string) error
	for name, test := range map[string]struct{ before, late, meanwhile []change }{
		"a rename, then a deletion":      {nil, []change{rename}, []change{remove}},
		"a rename, then both":            {nil, []change{rename}, []change{remove, restore}},
		"a deletion, then a restoration": {nil, []change{remove}, []change{restore}},
		"a deletion, then all":           {nil, []change{remove}, []change{restore, rename, remove}},
		"a restoration, then a deletion": {[]change{remove}, []change{restore}, []change{remove}},
		"a restoration, then a rename":   {[]change{remove}, []change{restore}, []change{rename}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
				ctx := t.Context()
				store := newStore(t, client)
				id := create(t, store, named).GetId()
				for _, each := range test.before {
					if err := each(ctx, store, id); err != nil {
						t.Fatal(err)
					}
				}
				slow := redis.NewClient(client.(*redis.Client).Options())
				defer func() { _ = slow.Close() }()
				other := New(slow, Options{Keys: store.keys, Defaults: store.defaults, Logger: store.log, Barrier: store.barrier})
				slow.AddHook(&overtaken{at: settleTokenScript.loaded().redis.Hash(), by: func() {
					for _, each := range test.meanwhile {
						if err := each(ctx, store, id); err != nil {
							t.Error(err)
						}
					}
				}})
				for _, each := range test.late {
					_ = each(ctx, other, id) // it may find nothing any more
				}
				agree(t, store)
			})
		})
	}
	t.Run("a creation, then a deletion", func(t *testing.T) {
		t.Parallel()
		testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
			ctx := t.Context()
			store := newStore(t, client)
			slow := redis.NewClient(client.(*redis.Client).Options())
			defer func() { _ = slow.Close() }()
			other := New(slow, Options{Keys: store.keys, Defaults: store.defaults, Logger: store.log, Barrier: store.barrier})
			slow.AddHook(&overtaken{at: settleTokenScript.loaded().redis.Hash(), by: func() {
				for _, id := range client.ZRange(ctx, createdKey(), 0, -1).Val() {
					if err := remove(ctx, store, id); err != nil {
						t.Error(err)
					}
				}
			}})
			_, _ = other.CreateToken(ctx, named)
			agree(t, store)
		})
	})
}
