package redisstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// baseURLs returns where tokens are sent, by upstream.
func baseURLs(t *testing.T, store *Store) map[string]string {
	t.Helper()
	upstreams, err := store.Upstreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	urls := map[string]string{}
	for _, upstream := range upstreams {
		urls[upstream.GetName()] = upstream.GetBaseUrl()
	}
	return urls
}

func warned(t *testing.T, store *Store, kind WarningKind) string {
	t.Helper()
	found, err := store.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range found.Warnings {
		if warning.Kind == kind {
			return warning.Text
		}
	}
	return ""
}

// Who can write to Redis, and has no seal key, can't have tokens sent elsewhere.
func TestForgedUpstreams(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(own, other string) string{
		"another base URL":      func(own, _ string) string { return strings.Replace(own, "https://", "https://evil.", 1) },
		"another upstream's":    func(_, other string) string { return other },
		"without its signature": func(own, _ string) string { plain, _ := splitRecord(own); return plain },
		"written anew":          func(string, string) string { return `{"name":"cursor","driver":"cursor","baseUrl":"https://evil"}` },
		"a member twice":        func(own, _ string) string { return strings.Replace(own, "{", `{"baseUrl":"https://evil",`, 1) },
		"after the signature":   func(own, _ string) string { return strings.TrimSuffix(own, "}") + `,"baseUrl":"https://evil"}` },
		"with another's signature": func(own, other string) string {
			plain, _ := splitRecord(own)
			_, signature := splitRecord(other)
			return strings.TrimSuffix(plain, "}") + signatureMember + signature + `"}`
		},
		"empty": func(string, string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testredis.NewServer(t)
			client := server.Client(t)
			store := newStore(t, client)
			create(t, store, draft("cursor", "secret-of-a-token"))
			own, other := client.HGet(t.Context(), upstreamsKey(), "cursor").Val(), client.HGet(t.Context(), upstreamsKey(), "openai").Val()
			if warned(t, store, ForgedUpstream) != "" || len(baseURLs(t, store)) != 2 {
				t.Fatal("forged before anybody has done anything")
			}
			forge := func() {
				if err := client.HSet(t.Context(), upstreamsKey(), "cursor", forge(own, other)).Err(); err != nil {
					t.Fatal(err)
				}
			}
			refused := func(store *Store, when string) {
				t.Helper()
				if urls := baseURLs(t, store); len(urls) != 1 || urls["openai"] == "" {
					t.Errorf("%s: %v", when, urls)
				}
				if text := warned(t, store, ForgedUpstream); !strings.Contains(text, `"cursor"`) {
					t.Errorf("%s: warned of %q", when, text)
				}
			}
			forge()
			refused(store, "while the store runs")
			if err := client.Del(t.Context(), sealsKey()).Err(); err != nil { // as data of before have none
				t.Fatal(err)
			}
			if err := store.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			refused(store, "without check values")
			if err := client.Del(t.Context(), sealsKey()).Err(); err != nil {
				t.Fatal(err)
			}
			restarted := storeOf(t, server, store.keys)
			if err := restarted.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			refused(restarted, "after a restart without check values")

			saved := &tokenstorev1.Upstream{Name: "cursor", Driver: "cursor", BaseUrl: "https://example.com"}
			if _, err := restarted.PutUpstream(t.Context(), saved, 0); err != nil {
				t.Fatal(err)
			}
			if urls := baseURLs(t, store); urls["cursor"] != "https://example.com" || warned(t, store, ForgedUpstream) != "" {
				t.Errorf("saved again: %v", urls)
			}
		})
	}
}

// Records of before there were signatures are signed once.
func TestUpstreamsOfBeforeAreSigned(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	store := newStore(t, client)
	want := baseURLs(t, store)
	unsign := func() {
		t.Helper()
		for name, text := range client.HGetAll(t.Context(), upstreamsKey()).Val() {
			plain, _ := splitRecord(text)
			if err := client.HSet(t.Context(), upstreamsKey(), name, plain).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	unsign()
	if err := client.Del(t.Context(), sealsKey()).Err(); err != nil {
		t.Fatal(err)
	}
	for when, store := range map[string]*Store{"by a new store": storeOf(t, server, store.keys)} {
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := baseURLs(t, store); len(got) != len(want) || got["cursor"] != want["cursor"] {
			t.Errorf("%s: %v", when, got)
		}
	}
	unsign()
	again := storeOf(t, server, store.keys)
	if err := again.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := baseURLs(t, again); len(got) != 0 {
		t.Errorf("a second time: %v", got)
	}
}

// What a Redis deletes to make room is missed.
func TestEvictedKeysAreMissed(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := newStore(t, client)
	if warned(t, store, Vanished) != "" {
		t.Fatal("at once")
	}
	ctx := t.Context()
	known, err := readServer(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range [][2]string{{"maxmemory-policy", "allkeys-random"}, {"maxmemory", bytesText(known.usedMemory + 1<<20)}} {
		if err := client.ConfigSet(ctx, setting[0], setting[1]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		if err := client.Set(ctx, "filler"+bytesText(int64(i)), strings.Repeat("x", 64<<10), 0).Err(); err != nil && !redis.HasErrorPrefix(err, "OOM") {
			t.Fatal(err)
		}
	}
	found, err := store.Inspect(ctx)
	if err != nil || !slices.ContainsFunc(found.Warnings, func(w Warning) bool { return w.Kind == Vanished }) {
		t.Errorf("%v, %v", found.Warnings, err)
	}
}
