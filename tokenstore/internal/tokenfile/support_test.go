package tokenfile

import (
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/cursor/checksum"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// place is a folder with token files, and a store.
type place struct {
	*Files
	t     *testing.T
	store *redisstore.Store
	log   *strings.Builder
	// tokens and list are the files.
	tokens, list string
}

func newStore(t testing.TB, client redis.UniversalClient) *redisstore.Store {
	t.Helper()
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString(make([]byte, 32))))
	if err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(client, redisstore.Options{Keys: keys, Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler)})
	if _, err := store.SeedUpstream(t.Context(), &tokenstorev1.Upstream{Name: Upstream, Driver: token.DriverCursor, BaseUrl: "https://example.com"}); err != nil {
		t.Fatal(err)
	}
	return store
}

func newPlace(t *testing.T, client redis.UniversalClient) *place {
	t.Helper()
	folder := t.TempDir()
	p := &place{
		t: t, store: newStore(t, client), log: &strings.Builder{},
		tokens: filepath.Join(folder, ".token"), list: filepath.Join(folder, ".token-list"),
	}
	p.restart()
	return p
}

func eachPlace(t *testing.T, test func(*testing.T, *place)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) { test(t, newPlace(t, client)) })
}

// restart is what a start of another process does.
func (p *place) restart() {
	p.t.Helper()
	before := p.Files
	p.Files = New(p.store, p.tokens, p.list, slog.New(slog.NewTextHandler(p.log, nil)))
	if before != nil {
		p.limit = before.limit
	}
	if err := p.Start(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// put writes a file as a person does.
func (p *place) put(path, text string) {
	p.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// get is a file's text; "(none)" where there is no file.
func (p *place) get(path string) string {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return "(none)"
	} else if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *place) write(tokens string, list *string) Report {
	p.t.Helper()
	report, err := p.Write(p.t.Context(), tokens, list, "")
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

func (p *place) reload() Report {
	p.t.Helper()
	report, err := p.Reload(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return report
}

func (p *place) read() Contents {
	p.t.Helper()
	contents, err := p.Read(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return contents
}

func (p *place) create(alias, secret string) string {
	p.t.Helper()
	draft := token.NewDraft(newSecret(secret))
	draft.Upstream, draft.Alias = Upstream, alias
	created, err := p.store.CreateToken(p.t.Context(), draft)
	if err != nil {
		p.t.Fatal(err)
	}
	return created.GetId()
}

// pool is what the store has: `alias::token` each, in order of the alphabet.
func (p *place) pool() string {
	p.t.Helper()
	exported, err := p.store.ExportTokens(p.t.Context(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, each := range exported {
		name := each.Secret.Reveal()
		if each.Alias != "" {
			name = each.Alias + "::" + name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// checksumOf is what the store has of a token's checksum.
func (p *place) checksumOf(secret string) checksum.Material {
	p.t.Helper()
	exported, err := p.store.ExportTokens(p.t.Context(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, each := range exported {
		if each.Secret.Reveal() == secret {
			return each.Checksum
		}
	}
	p.t.Fatalf("there is no %s", secret)
	return checksum.Material{}
}

func (p *place) wantPool(what, want string) {
	p.t.Helper()
	if got := p.pool(); got != want {
		p.t.Errorf("%s: the pool has %q, want %q", what, got, want)
	}
}

// wantTidy: the list's file is a rendering of the pool, and nothing else lies
// about.
func (p *place) wantTidy(what string) {
	p.t.Helper()
	pool, err := p.store.ExportTokens(p.t.Context(), Upstream)
	if err != nil {
		p.t.Fatal(err)
	}
	list, _ := render(pool) // not Read, after which callers know what it shows
	if got, want := timeless(p.get(p.list)), timeless(list); got != want {
		p.t.Errorf("%s: the list's file has\n%swant\n%s", what, got, want)
	}
	entries, err := os.ReadDir(filepath.Dir(p.tokens))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{".token", ".token.bak", ".token-list", ".token-list.bak"}, entry.Name()) {
			p.t.Errorf("%s: %s lies about", what, entry.Name())
		} else if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			p.t.Errorf("%s: %s: %v, %v", what, entry.Name(), info.Mode(), err)
		}
	}
}

func fresh() string { return checksum.New().At(time.Now()) }
