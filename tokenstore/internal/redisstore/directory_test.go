package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

var claimTime = regexp.MustCompile(`(?m)^(\S+) \d+ `)

// leaveBehind makes all claims old.
func leaveBehind(t *testing.T, store *Store) {
	t.Helper()
	for id, lines := range store.client.HGetAll(t.Context(), claimsKey()).Val() {
		if err := store.client.HSet(t.Context(), claimsKey(), id, claimTime.ReplaceAllString(lines, "$1 1 ")).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// agree checks that the directory and the pools say the same.
func agree(t *testing.T, store *Store) {
	t.Helper()
	ctx := t.Context()
	if left := store.client.HLen(ctx, claimsKey()).Val(); left != 0 {
		t.Errorf("%d claims are left", left)
	}
	aliases, fingerprints, sizes := map[string]string{}, map[string]string{}, map[string]string{}
	for _, pool := range []string{"cursor", "openai"} {
		ids := store.client.ZRange(ctx, poolIDsKey(pool), 0, -1).Val()
		for _, id := range ids {
			f := fields(store.client.HGetAll(ctx, tokenKey(pool, id)).Val())
			if f["alias"] != "" {
				aliases[f["alias"]] = id
			}
			fingerprints[pool+" "+f["fingerprint"]] = id
			if store.client.ZScore(ctx, createdKey(), id).Val() != float64(f.number("created")) {
				t.Errorf("%s is not in the list", id)
			}
		}
		if len(ids) > 0 {
			sizes[pool] = strconv.Itoa(len(ids))
		}
	}
	for key, want := range map[string]map[string]string{aliasKey(): aliases, fingerprintKey(): fingerprints, sizesKey(): sizes} {
		if got := store.client.HGetAll(ctx, key).Val(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, the pools say %v", key, got, want)
		}
	}
	if listed := store.client.ZCard(ctx, createdKey()).Val(); int(listed) != len(fingerprints) {
		t.Errorf("%d are listed of %d", listed, len(fingerprints))
	}
}

// What spans the directory and a pool may be cut off between any two commands: when
// what is left behind has been settled, both say the same, and it can be done again.
func TestChangesThatAreCutOff(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	store := newStore(t, client)
	named := func(upstream, secret, alias string) token.Draft {
		d := draft(upstream, secret)
		d.Alias = alias
		return d
	}
	changes := map[string]func(ctx context.Context, s *Store, id string) error{
		"create": func(ctx context.Context, s *Store, _ string) error {
			_, err := s.CreateToken(ctx, named("openai", "T2", "second"))
			return err
		},
		"import": func(ctx context.Context, s *Store, _ string) error {
			_, err := s.ImportTokens(ctx, []token.Draft{named("openai", "T2", "second"), named("cursor", "T3", "third")})
			return err
		},
		"rename": func(ctx context.Context, s *Store, id string) error {
			_, err := s.UpdateToken(ctx, id, token.Fields{Alias: "other"}, []string{token.Alias}, 0)
			return err
		},
		"unname": func(ctx context.Context, s *Store, id string) error {
			_, err := s.UpdateToken(ctx, id, token.Fields{}, []string{token.Alias}, 0)
			return err
		},
		"delete": func(ctx context.Context, s *Store, id string) error {
			err := s.DeleteToken(ctx, id, 0)
			if rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
				return nil // it was, before
			}
			return err
		},
		"restore": func(ctx context.Context, s *Store, id string) error {
			if err := s.DeleteToken(ctx, id, 0); err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
				return err
			}
			_, err := s.RestoreToken(ctx, id)
			return err
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			for n, done := 0, false; !done; n++ {
				client.FlushAll(t.Context())
				store.homes = homes{}
				store = newStore(t, client)
				id := create(t, store, named("openai", "T1", "first")).GetId()

				victim := redis.NewClient(server.Options())
				dead := New(victim, Options{Keys: store.keys, Defaults: store.defaults, Logger: store.log, Barrier: store.barrier})
				victim.AddHook(&dying{left: n})
				err := change(t.Context(), dead, id)
				_ = victim.Close()
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatal(n, err)
				}
				done = err == nil
				leaveBehind(t, store)
				if err := store.heal(t.Context()); err != nil {
					t.Fatal(n, err)
				}
				agree(t, store)
				if err := change(t.Context(), store, id); err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
					t.Errorf("again: %v", err)
				}
				agree(t, store)
				if t.Failed() {
					t.Fatalf("cut off after %d commands", n)
				}
			}
		})
	}
}

// A write that was only slow comes after its claim was given up: it isn't carried out.
func TestAWriteThatComesTooLate(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("openai", "T1")
		d.Alias = "wanted"
		c := &claim{id: newTokenID(), upstream: "openai", fingerprint: store.keys.Fingerprint(d.Secret), alias: "wanted", comes: true}
		if err := store.claimed(ctx, []*claim{c}); err != nil || c.refused != nil {
			t.Fatal(err, c.refused)
		}
		_, err := store.CreateToken(ctx, d) // whose claim is young
		wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
		leaveBehind(t, store)
		second := create(t, store, d)

		keys, args, err := store.creation(c, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := createScript.run(ctx, store.client, keys, args...).StringSlice(); err != nil || reply[0] != "lapsed" {
			t.Errorf("the late write: %v, %v", reply, err)
		}
		agree(t, store)
		if holder := store.client.HGet(ctx, aliasKey(), "wanted").Val(); holder != second.GetId() {
			t.Errorf("the alias is %s's", holder)
		}
	})
}

// A deleted upstream leaves nothing behind but what its tokens can be restored from.
func TestADeletedUpstreamLeavesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		store.rotation.Store(new(token.LeastInFlight))
		if _, err := store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "third", Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}, 0); err != nil {
			t.Fatal(err)
		}
		id := trusted(t, store, create(t, store, draft("third", "T1")))
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "third", Model: "m", Count: 2, TTL: time.Minute})
		if err != nil || len(taken) != 2 {
			t.Fatal(taken, err)
		}
		if err := store.client.HSet(ctx, clockKey("third"), "guard", "1").Err(); err != nil {
			t.Fatal(err)
		}
		wantReason(t, store.DeleteUpstream(ctx, "third", 0), tokenstorev1.Reason_REASON_UPSTREAM_IN_USE)
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteUpstream(ctx, "third", 0); err != nil {
			t.Fatal(err)
		}
		for _, key := range store.client.Keys(ctx, "*{pool:third}*").Val() {
			if key != trashKey("third", id) {
				t.Errorf("%s is left", key)
			}
		}
		_, err = store.RestoreToken(ctx, id)
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
	})
}
