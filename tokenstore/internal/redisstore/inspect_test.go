package redisstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

// kindsOf inspects a server after a write.
func kindsOf(t *testing.T, client redis.UniversalClient) (kinds []WarningKind, texts string) {
	t.Helper()
	store := newStore(t, client)
	if err := store.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := store.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range found.Warnings {
		kinds, texts = append(kinds, warning.Kind), texts+warning.Text+"\n"
	}
	return kinds, texts
}

func TestInspectAServer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config []string // name, value
		rules  []string // of the user
		want   []WarningKind
		text   string
	}{
		"as it should be":             {config: []string{"appendfsync", "always"}},
		"no append-only file":         {config: []string{"appendonly", "no"}, want: []WarningKind{NotDurable}, text: "set appendonly yes"},
		"saves when its system does":  {config: []string{"appendfsync", "no"}, want: []WarningKind{NotDurable}, text: "set appendfsync always"},
		"saves once a second":         {config: []string{"appendfsync", "everysec"}, want: []WarningKind{NotDurable}, text: "set appendfsync always"},
		"evicts":                      {config: []string{"appendfsync", "always", "maxmemory-policy", "allkeys-lru"}, want: []WarningKind{Evicts}, text: "noeviction"},
		"evicts what expires":         {config: []string{"appendfsync", "always", "maxmemory-policy", "volatile-ttl"}, want: []WarningKind{Evicts}, text: "volatile-ttl"},
		"does not tell":               {config: []string{"appendfsync", "always"}, rules: []string{"-config", "-info"}, want: []WarningKind{NotDurable}, text: "does not tell"},
		"tells by INFO only":          {config: []string{"appendonly", "no", "maxmemory-policy", "allkeys-lfu"}, rules: []string{"-config"}, want: []WarningKind{NotDurable, Evicts}, text: "set appendonly yes"},
		"an old one, CONFIG excluded": {config: []string{"appendonly", "yes"}, rules: []string{"-config"}, want: []WarningKind{NotDurable}, text: "does not tell"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := testredis.Start(t)
			if client.Do(t.Context(), "WAITAOF", 0, 0, 1).Err() == nil {
				test.want = slices.DeleteFunc(test.want, func(kind WarningKind) bool {
					return kind == NotDurable && !strings.Contains(test.text, "appendonly")
				})
			}
			for i := 0; i < len(test.config); i += 2 {
				if err := client.ConfigSet(t.Context(), test.config[i], test.config[i+1]).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if len(test.rules) > 0 {
				rules := append([]string{"default"}, test.rules...)
				if err := client.ACLSetUser(t.Context(), rules[0], rules[1:]...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			kinds, texts := kindsOf(t, client)
			if !slices.Equal(kinds, test.want) || len(kinds) > 0 && !strings.Contains(texts, test.text) {
				t.Errorf("warnings %v, want %v:\n%s", kinds, test.want, texts)
			}
		})
	}
}

func TestInspectTellsOfAServerThatIsNearlyFull(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	if err := client.ConfigSet(t.Context(), "appendfsync", "always").Err(); err != nil {
		t.Fatal(err)
	}
	store := newStore(t, client)
	known, err := readServer(t.Context(), client)
	if err != nil || known.usedMemory == 0 {
		t.Fatal(known, err)
	}
	for limit, full := range map[int64]bool{known.usedMemory * 2: false, known.usedMemory * 21 / 20: true} {
		if err := client.ConfigSet(t.Context(), "maxmemory", bytesText(limit)).Err(); err != nil {
			t.Fatal(err)
		}
		found, err := store.Inspect(t.Context())
		if err != nil || full != slices.ContainsFunc(found.Warnings, func(w Warning) bool { return w.Kind == NearlyFull }) {
			t.Errorf("%d of %d bytes: %v, %v", known.usedMemory, limit, found.Warnings, err)
		}
	}
}
