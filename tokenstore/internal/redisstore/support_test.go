package redisstore

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

func testKeys(t testing.TB, text string) *seal.Keyring {
	t.Helper()
	keys, err := seal.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func keyLine1(id string, fill byte) string {
	return id + " " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), 32))) + "\n"
}

// newStore makes a prepared store with the upstreams cursor and openai.
func newStore(t testing.TB, client redis.UniversalClient) *Store {
	t.Helper()
	store := New(client, Options{
		Keys: testKeys(t, keyLine1("k1", 'a')), Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(store.Close)
	calmly(store)
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	seed(t, store)
	return store
}

// calmly has errands stay in hand, and new tokens wait for their first request, for longer than any
// test takes: a test says itself when such a time is over. Nor is a slow disk given up.
func calmly(store *Store) {
	store.errandHold, store.patience, store.reserveWait = time.Hour, time.Hour, time.Hour
}

// count is how many are silent.
func (s *silent) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.probers)
}

// seed writes the upstreams cursor and openai.
func seed(t testing.TB, store *Store) {
	t.Helper()
	for name, driver := range map[string]string{"cursor": token.DriverCursor, "openai": token.DriverOpenAI} {
		if _, err := store.SeedUpstream(t.Context(), &tokenstorev1.Upstream{Name: name, Driver: driver, BaseUrl: "https://example.com"}); err != nil {
			t.Fatal(err)
		}
	}
}

// eachStore runs the test on a store on real Redis and on one on miniredis.
func eachStore(t *testing.T, test func(*testing.T, *Store)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) { test(t, newStore(t, client)) })
}

func draft(upstream, text string) token.Draft {
	d := token.NewDraft(secret.New(text))
	d.Upstream = upstream
	return d
}

func create(t *testing.T, store *Store, d token.Draft) *tokenstorev1.Token {
	t.Helper()
	created, err := store.CreateToken(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// trusted ends a token's quarantine.
func trusted(t *testing.T, store *Store, created *tokenstorev1.Token) string {
	t.Helper()
	if err := store.client.HDel(t.Context(), tokenKey(created.GetUpstream(), created.GetId()), "phase").Err(); err != nil {
		t.Fatal(err)
	}
	if err := standScript.run(t.Context(), store.client, []string{poolIDsKey(created.GetUpstream())}, created.GetId()).Err(); err != nil {
		t.Fatal(err)
	}
	return created.GetId()
}

// jwtUntil is a token that says when it expires.
func jwtUntil(expires time.Time) string {
	return "h." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, expires.Unix())) + ".s"
}

// poolOf is the upstream of a token that is there or was.
func poolOf(t testing.TB, store *Store, id string) string {
	t.Helper()
	upstream, err := store.home(t.Context(), id)
	if err != nil || upstream == "" {
		t.Fatalf("token %s has no pool: %v", id, err)
	}
	return upstream
}
