package redisstore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// storeOf makes a store that is not prepared, with keys and a client of its own.
func storeOf(t *testing.T, server *testredis.Server, keys *seal.Keyring) *Store {
	t.Helper()
	return New(server.Client(t), Options{
		Keys: keys, Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler), AwaitPrepare: true,
	})
}

func isUnavailable(err error) bool {
	return rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE)
}

// Nobody gets through to data that have not been looked at.
func TestNothingPassesBeforePrepare(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	store := storeOf(t, server, testKeys(t, keyLine1("k1", 'a')))
	if _, err := store.Settings(t.Context()); !isUnavailable(err) {
		t.Errorf("a command: %v", err)
	}
	if _, err := store.Upstreams(t.Context()); !isUnavailable(err) {
		t.Errorf("a script: %v", err)
	}
	if err := store.TrimLog(t.Context()); !isUnavailable(err) {
		t.Errorf("a batch: %v", err)
	}
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Upstreams(t.Context()); err != nil {
		t.Error(err)
	}
}

// With keys that are not those of the data a store says which is missing, and touches
// nothing.
func TestForeignSealKeys(t *testing.T) {
	t.Parallel()
	a, b := keyLine1("k1", 'a'), keyLine1("k2", 'b')
	for name, test := range map[string]struct {
		keys    string
		missing []string
		other   []string
	}{
		"the same":                 {keys: a},
		"with a new one on top":    {keys: b + a},
		"another":                  {keys: b, missing: []string{"k1"}},
		"another of the same name": {keys: keyLine1("k1", 'b'), other: []string{"k1"}},
	} {
		for _, before := range []bool{false, true} { // data of before there were check values
			t.Run(name+map[bool]string{true: ", data of before"}[before], func(t *testing.T) {
				t.Parallel()
				server := testredis.NewServer(t)
				owner := newStore(t, server.Client(t))
				id := create(t, owner, draft("cursor", "secret-of-the-first")).GetId()
				damaged := create(t, owner, draft("cursor", "secret-of-another")).GetId()
				client := server.Client(t)
				if err := client.HSet(t.Context(), tokenKey("cursor", damaged), "rec", `{"sealed":"v1.k1.AAAA"}`).Err(); err != nil {
					t.Fatal(err)
				}
				if before {
					if err := client.Del(t.Context(), sealsKey(), instanceKey()).Err(); err != nil {
						t.Fatal(err)
					}
				}
				store := storeOf(t, server, testKeys(t, test.keys))
				err := store.Prepare(t.Context())
				if test.missing == nil && test.other == nil {
					if err != nil {
						t.Fatal(err)
					}
					if _, err := store.Credential(t.Context(), id, 0); err != nil {
						t.Error(err)
					}
					if got := client.HLen(t.Context(), sealsKey()).Val(); got != int64(strings.Count(test.keys, "\n")) {
						t.Errorf("%d check values", got)
					}
					return
				}
				problem, is := errors.AsType[*SealError](err)
				if !is || !slices.Equal(problem.Missing, test.missing) || !slices.Equal(problem.Other, test.other) || !strings.Contains(err.Error(), `"k1"`) {
					t.Fatalf("got %v", err)
				}
				if _, err := store.CreateToken(t.Context(), draft("cursor", "sealed-with-the-wrong-key")); !isUnavailable(err) || !strings.Contains(err.Error(), `"k1"`) {
					t.Errorf("a new token: %v", err)
				}
				if got := client.HLen(t.Context(), sealsKey()).Val(); !before && got != 1 {
					t.Errorf("%d check values", got)
				}
			})
		}
	}
}

// A key file is made for a Redis in which nothing is sealed, and for no other.
func TestLostSealKeyFile(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	path := filepath.Join(t.TempDir(), "seal.key")
	prepare := func() (*Store, error) {
		keys, err := seal.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		store := storeOf(t, server, keys)
		return store, store.Prepare(t.Context())
	}
	first, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = prepare()
	problem, is := errors.AsType[*SealError](err)
	if !is || !problem.NoFile || len(problem.Missing) != 1 || problem.Missing[0] != first.keys.Active() || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key was made")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(); err != nil {
		t.Errorf("with the file back: %v", err)
	}
}

// Two tokenstores that start at once on an empty Redis, each with a folder of its own,
// don't both seal: one of them refuses to start.
func TestTwoSealKeyFilesForOneRedis(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	var refused int
	for range 2 {
		keys, err := seal.Load(filepath.Join(t.TempDir(), "seal.key"))
		if err != nil {
			t.Fatal(err)
		}
		err = storeOf(t, server, keys).Prepare(t.Context())
		if _, is := errors.AsType[*SealError](err); is {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 1 {
		t.Errorf("%d refused", refused)
	}
}

// A Redis that is emptied behind a store's back is no empty store: it is out of use until
// somebody brings the data back, or starts anew.
func TestEmptiedRedis(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(*testing.T, *testredis.Server, redis.UniversalClient){
		"by FLUSHALL": func(t *testing.T, _ *testredis.Server, client redis.UniversalClient) {
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		},
		"by a new volume": func(t *testing.T, server *testredis.Server, _ redis.UniversalClient) {
			server.Kill()
			if err := os.RemoveAll(filepath.Join(server.Folder(), "appendonlydir")); err != nil {
				t.Fatal(err)
			}
			server.Start(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testredis.NewServer(t)
			client := server.Client(t)
			store := newStore(t, client)
			dump := dumpedKeys(t, client)
			other := server.Client(t)
			empty(t, server, other)

			if _, err := store.Snapshot(t.Context()); !isUnavailable(err) {
				t.Errorf("what gateways watch, before anybody has looked: %v", err)
			}
			store.fence.open()
			for what, err := range map[string]error{"a lease": ask(t, store), "a reserve": reserving(t, store), "who has tokens": stocked(t, store)} {
				if !isUnavailable(err) {
					t.Errorf("%s, before anybody has looked: %v", what, err)
				}
				store.fence.open()
			}
			if _, err := store.AppendLog(t.Context(), "g1", logEntries(1, 1)); !isUnavailable(err) {
				t.Errorf("a log entry, before anybody has looked: %v", err)
			}
			if err := other.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if err := store.Prepare(t.Context()); !errors.Is(err, ErrEmptied) {
				t.Fatalf("got %v", err)
			}
			if _, err := store.Upstreams(t.Context()); !isUnavailable(err) || !strings.Contains(err.Error(), "lost all of its data") {
				t.Errorf("a call: %v", err)
			}
			if n := other.DBSize(t.Context()).Val(); n != 0 {
				t.Errorf("%d keys were written", n)
			}
			for key, value := range dump {
				if err := other.RestoreReplace(t.Context(), key, 0, value).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := store.Prepare(t.Context()); err != nil {
				t.Fatalf("with the data back: %v", err)
			}
			if upstreams, err := store.Upstreams(t.Context()); err != nil || len(upstreams) != 2 {
				t.Errorf("%v, %v", upstreams, err)
			}
			if err := other.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			restarted := storeOf(t, server, testKeys(t, keyLine1("k1", 'a')))
			if err := restarted.Prepare(t.Context()); err != nil {
				t.Errorf("anew: %v", err)
			}
		})
	}
}

func dumpedKeys(t *testing.T, client redis.UniversalClient) map[string]string {
	t.Helper()
	dump := map[string]string{}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		dump[key] = client.Dump(t.Context(), key).Val()
	}
	return dump
}

// One that has lost only the mark, as a Redis that evicts may, goes on.
func TestLostMark(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := newStore(t, client)
	mark := client.Get(t.Context(), instanceKey()).Val()
	if err := client.Del(t.Context(), instanceKey()).Err(); err != nil || mark == "" {
		t.Fatal(mark, err)
	}
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := client.Get(t.Context(), instanceKey()).Val(); now != mark {
		t.Errorf("mark %q, was %q", now, mark)
	}
}

// A store whose Redis was exchanged for another one with data says so, and goes on with
// those.
func TestOtherData(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	var log bytes.Buffer
	store := New(client, Options{
		Keys: testKeys(t, keyLine1("k1", 'a')), Defaults: token.DefaultSettings(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 2 {
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := client.Set(t.Context(), instanceKey(), "another", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(log.String(), "other data") {
		t.Errorf("the log says:\n%s", log.String())
	}
}

func ask(t *testing.T, store *Store) error {
	t.Helper()
	_, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: time.Second})
	return err
}

func reserving(t *testing.T, store *Store) error {
	t.Helper()
	_, err := store.Reserve(t.Context(), leasing.Reservation{Replica: "g1", Instance: "i", TTL: time.Second})
	return err
}

func stocked(t *testing.T, store *Store) error {
	t.Helper()
	_, err := store.StockedUpstreams(t.Context())
	return err
}
