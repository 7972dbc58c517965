package film_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image/gif"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// The README's moving picture: the first minute, from the start to what became of the first
// request. It is taken of the real program in the real browser, by
//
//	go test ./e2e/film -make-film
var makeFilm = flag.Bool("make-film", false, "take the README's moving picture")

const (
	filmWidth, filmHeight = 1080, 675
	// mostFilm bounds the file, in bytes: a page with it is to open quickly.
	mostFilm = 1_500_000
	// fewestFrames are one for each scene.
	fewestFrames = 8
)

func TestMain(m *testing.M) { stack.Main(m) }

func filmFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(stack.Root(t), "docs", "screenshots", "first-minute.gif")
}

// The film that is kept can be shown, and is as large as a page takes.
func TestFilmIsKept(t *testing.T) {
	if *makeFilm {
		film := firstMinute(t)
		if err := os.WriteFile(filmFile(t), film, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filmFile(t))
	if err != nil {
		t.Fatal(err)
	}
	film, err := gif.DecodeAll(bytes.NewReader(kept))
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) > mostFilm || len(film.Image) < fewestFrames || film.Config.Width != filmWidth || film.Config.Height != filmHeight {
		t.Errorf("%d bytes, %d frames of %d x %d", len(kept), len(film.Image), film.Config.Width, film.Config.Height)
	}
}

// firstMinute starts Carousel, looks at Home, sends the first request, and looks at what became of
// it.
func firstMinute(t *testing.T) []byte {
	t.Helper()
	gateway := stack.StartLocal(t)
	shell := newTerminal(t)
	tab := browser.Open(t, gateway.URL)
	tab.Go(gateway.URL + "/admin/")
	tab.See("h1", "Log in")
	tab.Type("#token", stack.AdminToken)
	tab.Submit()

	home := tab.Film(filmWidth, filmHeight)
	tab.See("#first-waits", "Waiting")
	home.Take(2500 * time.Millisecond)
	tab.Click("#connect-curl-chat summary")
	browser.Eval[any](tab, "document.getElementById('connect').scrollIntoView()")
	home.Take(2500 * time.Millisecond)
	answer := firstAnswerOf(t, gateway)
	tab.Until("the first request has come", "!document.getElementById('first-came').hidden")
	after := tab.Film(filmWidth, filmHeight)
	after.Take(2500 * time.Millisecond)
	tab.Go(gateway.URL + "/admin/logs")
	tab.Until("the request is listed", "document.querySelector('#log-rows tr') !== null")
	after.Take(2 * time.Second)
	tab.Click("#log-rows tr .cover")
	tab.See("#drawer #attempts-title", "Attempts")
	after.Take(4 * time.Second)

	tab.Go(shell.url)
	start, ask := tab.Film(filmWidth, filmHeight), tab.Film(filmWidth, filmHeight)
	for _, part := range []string{"", "go run", "go run ./deploy", "go run ./deploy/local"} {
		shell.show(tab, "$ "+part)
		start.Take(250 * time.Millisecond)
	}
	shell.show(tab, "$ go run ./deploy/local\n\n"+welcomeOf(gateway))
	start.Take(3 * time.Second)
	asked := "$ curl -N $CAROUSEL/v1/chat/completions -H \"Authorization: Bearer $KEY\" \\\n" +
		"    -d '" + firstRequest + "'\n"
	shell.show(tab, asked)
	ask.Take(1200 * time.Millisecond)
	shell.show(tab, asked+"\n"+answer)
	ask.Take(2500 * time.Millisecond)

	for _, scene := range []*browser.Film{home, ask, after} {
		start.Append(scene)
	}
	encoded, err := start.GIF()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

const firstRequest = `{"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "Hello!"}]}`

// welcomeOf is what the program says when it is ready, without this machine's port and folder, and
// up to what to paste.
func welcomeOf(gateway *stack.Gateway) string {
	_, said, _ := strings.Cut(gateway.Log(), "Carousel is ready.")
	said, _, _ = strings.Cut("Carousel is ready."+said, "  Add a token:")
	here, _ := url.Parse(gateway.URL)
	said = strings.ReplaceAll(said, here.Port(), "3000")
	return regexp.MustCompile(`data          .*`).ReplaceAllString(said, "data          ./data (Redis: in this process)")
}

// firstAnswerOf sends the first request, and returns the events of its stream.
func firstAnswerOf(t *testing.T, gateway *stack.Gateway) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(firstRequest))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+stack.AdminToken)
	answer, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	events, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", answer.StatusCode, events, err)
	}
	return string(events)
}

// terminal is a page that looks as one.
type terminal struct{ url string }

func newTerminal(t *testing.T) terminal {
	t.Helper()
	const page = `<!doctype html><title>Terminal</title><style>
body { margin: 0; padding: 24px 28px; background: #17181b; color: #d8dbe0; }
pre { margin: 0; font: 14px/1.6 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
</style><pre></pre>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, page)
	}))
	t.Cleanup(server.Close)
	return terminal{server.URL}
}

// show has the terminal show a text, with a cursor behind it.
func (terminal) show(tab *browser.Tab, text string) {
	quoted, _ := json.Marshal(text + "▌") // text can be marshalled
	browser.Eval[string](tab, "document.querySelector('pre').textContent = "+string(quoted))
}
