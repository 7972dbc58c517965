package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func page(path string, kind tokenstorev1.PageKind, content string) *tokenstorev1.Page {
	return &tokenstorev1.Page{Path: path, Kind: kind, Content: content}
}

const (
	builtIn = tokenstorev1.PageKind_PAGE_KIND_DEFAULT
	asText  = tokenstorev1.PageKind_PAGE_KIND_TEXT
	asHTML  = tokenstorev1.PageKind_PAGE_KIND_HTML
)

func TestPages(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		about, script := page("/about", asHTML, "<p>\nß</p>"), page("/static/shared.js", asText, "")
		now, err := store.UpdateSettings(ctx, SettingsUpdate{Pages: []*tokenstorev1.Page{about, script}, Expected: 1, Actor: "api 192.0.2.7"})
		if err != nil || now.GetSettings().GetVersion() != 2 || len(now.GetPages()) != 2 ||
			!proto.Equal(now.GetPages()[0], about) || !proto.Equal(now.GetPages()[1], script) {
			t.Fatalf("pages: %v, %v", now, err)
		}
		// Pages and settings are one: one version, one change, one answer.
		now, err = store.UpdateSettings(ctx, SettingsUpdate{
			Settings: &tokenstorev1.Settings{EnableSlowPool: true}, Names: []string{"enable_slow_pool"},
			Pages: []*tokenstorev1.Page{page("/about", builtIn, "")}, Expected: 2, Actor: "pages",
		})
		if err != nil || !now.GetSettings().GetEnableSlowPool() || now.GetSettings().GetVersion() != 3 || len(now.GetPages()) != 1 {
			t.Fatalf("both: %v, %v", now, err)
		}
		var changes []string
		for _, change := range now.GetChanges() {
			changes = append(changes, change.GetName()+": "+change.GetActor())
			if time.Since(change.GetAt().AsTime()).Abs() > time.Minute {
				t.Errorf("%s was changed at %v", change.GetName(), change.GetAt().AsTime())
			}
		}
		if want := []string{"/about: pages", "/static/shared.js: api 192.0.2.7", "enable_slow_pool: pages"}; !slices.Equal(changes, want) {
			t.Errorf("changes %q, want %q", changes, want)
		}
		if read, err := store.Configuration(ctx); err != nil || !proto.Equal(read, now) {
			t.Errorf("read again: %v, %v", read, err)
		}
		now, err = store.ResetSettings(ctx, SettingsReset{Names: []string{"enable_slow_pool"}, Paths: []string{"/static/shared.js", "/logs"}, Expected: 3})
		if err != nil || now.GetSettings().GetEnableSlowPool() || len(now.GetPages()) != 0 || now.GetSettings().GetVersion() != 4 {
			t.Errorf("reset: %v, %v", now, err)
		}
	})
}

// Whatever is wrong with one part of a change, none of it is stored.
func TestRefusedPagesChangeNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		for name, c := range map[string]struct {
			page  *tokenstorev1.Page
			names string
			want  string
		}{
			"path":     {page("/v1/models", asText, "x"), "", "/v1/models"},
			"no path":  {page("", asText, "x"), "", "path"},
			"kind":     {page("/about", 0, "x"), "", "kind of /about"},
			"too long": {page("/about", asText, strings.Repeat("x", 256<<10+1)), "", "content of /about"},
			"built-in": {page("/about", builtIn, "x"), "", "content of /about"},
			"UTF-8":    {page("/about", asHTML, "\xff"), "", "UTF-8"},
			"setting":  {page("/about", asHTML, "x"), "nonsense", "nonsense"},
		} {
			update := SettingsUpdate{
				Settings: &tokenstorev1.Settings{EnableSlowPool: true}, Names: []string{"enable_slow_pool"},
				Pages: []*tokenstorev1.Page{page("/logs", asText, "fine"), c.page},
			}
			if c.names != "" {
				update.Names = append(update.Names, c.names)
			}
			_, err := store.UpdateSettings(t.Context(), update)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
			if said := rpcerr.Parse(err); said == nil || !strings.Contains(said.Message, c.want) {
				t.Errorf("%s: %v, which does not name %q", name, err, c.want)
			}
		}
		for _, update := range []SettingsUpdate{
			{Pages: []*tokenstorev1.Page{page("/logs", asText, "a"), page("/logs", asText, "b")}},
			{Pages: []*tokenstorev1.Page{page("/logs", asText, "a")}, Actor: strings.Repeat("x", 129)},
			{Pages: []*tokenstorev1.Page{page("/logs", asText, "a")}, Actor: "two\nlines"},
		} {
			_, err := store.UpdateSettings(t.Context(), update)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		}
		_, err := store.ResetSettings(t.Context(), SettingsReset{Names: []string{"enable_slow_pool"}, Paths: []string{"/nowhere"}})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		_, err = store.UpdateSettings(t.Context(), SettingsUpdate{Pages: []*tokenstorev1.Page{page("/logs", asText, "a")}, Expected: 7})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		now, err := store.Configuration(t.Context())
		if err != nil || now.GetSettings().GetVersion() != 1 || len(now.GetPages())+len(now.GetChanges()) != 0 {
			t.Errorf("something was stored: %v, %v", now, err)
		}
	})
}

// Writers that say which version they have seen overwrite nobody: each of them
// adds its line to a page, and no line is lost.
func TestConcurrentPagesLoseNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		const writers, lines = 8, 5
		addLine := func(line string) error {
			for {
				seen, err := store.Configuration(t.Context())
				if err != nil {
					return err
				}
				content := line
				for _, known := range seen.GetPages() {
					content = known.GetContent() + line
				}
				_, err = store.UpdateSettings(t.Context(), SettingsUpdate{
					Pages: []*tokenstorev1.Page{page("/about", asText, content)}, Expected: seen.GetSettings().GetVersion(),
				})
				if !rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
					return err
				}
			}
		}
		var group sync.WaitGroup
		for writer := range writers {
			group.Go(func() {
				for i := range lines {
					if err := addLine(fmt.Sprintf("%d.%d\n", writer, i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		now, err := store.Configuration(t.Context())
		if err != nil || len(now.GetPages()) != 1 || strings.Count(now.GetPages()[0].GetContent(), "\n") != writers*lines {
			t.Errorf("got %v, %v", now, err)
		}
		if now.GetSettings().GetVersion() != 1+writers*lines {
			t.Errorf("version %d", now.GetSettings().GetVersion())
		}
	})
}

// A page that another version of the program has left is the built-in one.
func TestUnknownPagesAreTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		if err := store.client.HSet(t.Context(), pagesKey(), "/about", "markdown\nx", "/api", "text\nx", "/logs", "text\nx").Err(); err != nil {
			t.Fatal(err)
		}
		now, err := store.Snapshot(t.Context())
		if err != nil || len(now.GetPages()) != 1 || now.GetPages()[0].GetPath() != "/logs" {
			t.Errorf("got %v, %v", now.GetPages(), err)
		}
	})
}
