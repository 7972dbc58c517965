package allinone

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/proto/freeport"
)

// beginShort is begin with short lines.
func beginShort(t *testing.T, args ...string) *process {
	t.Helper()
	t.Setenv("PORT", "0")
	t.Setenv("AUTH_TOKEN", "")
	t.Setenv("LOG_FORMAT", shortLines)
	t.Setenv("LOG_LEVEL", "")
	t.Chdir(t.TempDir())
	return begin(t, filepath.Join(t.TempDir(), "data"), args...)
}

// browse sends a request to an address of the site, without a key, and follows nothing.
func (p *process) browse(method, address string, form url.Values, cookies ...*http.Cookie) *http.Response {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	p.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	client := *stack.Client(p.t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// hears waits until something is said: problems are looked for every few seconds.
func (p *process) hears(said *regexp.Regexp) {
	p.t.Helper()
	stack.Eventually(p.t, "it says "+said.String(), 10*time.Second, func() bool { return said.MatchString(p.later.String()) })
}

// The link that a start shows logs one browser in, once, and is in no line of the log.
func TestTheLinkLogsIn(t *testing.T) {
	p := beginShort(t)
	link := p.find(`log in +(http://localhost:\d+/admin/enter#\w{26})\n`)
	page, secret, _ := strings.Cut(link, "#")
	form := url.Values{"link": {secret}}
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		if response := p.browse(method, link, nil); response.StatusCode != http.StatusOK || len(response.Cookies()) != 0 || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v", method, response.StatusCode, response.Header)
		}
	}
	if response := p.browse(http.MethodPost, page, url.Values{"link": {"GUESS"}}); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a guess: %d", response.StatusCode)
	}
	entered := p.browse(http.MethodPost, page, form)
	if entered.StatusCode != http.StatusSeeOther || len(entered.Cookies()) != 1 {
		t.Fatalf("the link: %d, %v", entered.StatusCode, entered.Cookies())
	}
	if response := p.browse(http.MethodGet, strings.TrimSuffix(page, "enter"), nil, entered.Cookies()...); response.StatusCode != http.StatusOK {
		t.Errorf("with its session: %d", response.StatusCode)
	}
	if response := p.browse(http.MethodPost, page, form); response.StatusCode != http.StatusGone || len(response.Cookies()) != 0 {
		t.Errorf("again: %d", response.StatusCode)
	}
	p.end()
	if strings.Contains(p.later.String(), secret) {
		t.Errorf("said\n%s", p.later.String())
	}
}

// Each chat has a line, and what comes again and again has none. A problem is said once.
func TestShortLines(t *testing.T) {
	p := beginShort(t)
	key := p.find(`export CAROUSEL=http\S+ KEY=(sk-carousel-[\w-]+)`)
	const prompt = "a question that is nobody's business"
	chat := func(model string) {
		p.ask(http.MethodPost, "/v1/chat/completions", key, `{"model": "`+model+`", "stream": true, "messages": [{"role": "user", "content": "`+prompt+`"}]}`)
	}
	chat("gpt-4o")
	chat("no-such-model")
	for _, path := range []string{"/v1/models", "/health", "/admin/ping", "/admin/login", "/admin/api/tokens"} {
		p.ask(http.MethodGet, path, key, "")
	}
	p.ask(http.MethodPut, "/admin/api/upstreams/broken", key, `{"driver": "openai", "base_url": "http://`+freeport.MustAddr(t)+`/v1"}`)
	p.ask(http.MethodPost, "/admin/api/tokens", key, `{"token": "sk-a-key-of-mine-0123", "upstream": "broken"}`)
	problem := regexp.MustCompile(`upstream broken does not tell its models: .*can't be reached`)
	p.hears(problem)
	p.ask(http.MethodDelete, "/admin/api/upstreams/broken", key, "")
	p.end()

	said := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  `).ReplaceAllString(p.later.String(), "")
	requests := regexp.MustCompile(`(?m)^\d{3}  .*$`).FindAllString(said, -1) // what a busy machine has to say is none
	for i, want := range []string{
		`^200  gpt-4o · simulator-openai · [<.\d]+ m?s · first [<.\d]+ m?s · \d+ in, \d+ out · admin$`,
		`^404  no-such-model · Model 'no-such-model' is not supported; .* · [<.\d]+ m?s · admin$`,
	} {
		if i >= len(requests) || !regexp.MustCompile(want).MatchString(requests[i]) {
			t.Fatalf("request %d of\n%s\nis not as %s", i+1, said, want)
		}
	}
	if times := len(regexp.MustCompile("(?m)^"+problem.String()).FindAllString(said, -1)); times != 1 {
		t.Errorf("said %d times: %s, in\n%s", times, problem, said)
	}
	if strings.Contains(said, prompt) || strings.Contains(said, key) || strings.Contains(said, "0123") || len(requests) > 2 {
		t.Errorf("said\n%s", said)
	}
}

func TestLinesAreChosen(t *testing.T) {
	for format, short := range map[string]bool{"": false, "text": false, "json": false, "short": true} {
		t.Setenv("LOG_FORMAT", format)
		got := showOn(&bytes.Buffer{}, slog.LevelInfo)
		got.close()
		if (got.screen != nil) != short || (got.log != nil) != short {
			t.Errorf("LOG_FORMAT=%s: %+v", format, got)
		}
		front, store, err := configure(options{data: "there"})
		if err != nil || (front.LogFormat == "json") != (format == "json") || front.LogFormat != store.LogFormat {
			t.Errorf("LOG_FORMAT=%s: %q, %q, %v", format, front.LogFormat, store.LogFormat, err)
		}
	}
}

// Short lines may go to a file. A link that logs somebody in doesn't.
func TestNoLinkIsWrittenToAFile(t *testing.T) {
	t.Setenv("LOG_FORMAT", shortLines)
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	got := showOn(file, slog.LevelInfo)
	got.close()
	if got.screen == nil || got.links {
		t.Errorf("%+v", got)
	}
}

// The messages that the reminder says in its own words are those of the services.
func TestMessagesOfTheReminder(t *testing.T) {
	var sources strings.Builder
	for _, folder := range []string{"../../../gateway/internal/catalog", "../../../tokenstore/app"} {
		err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(filepath.Join(folder, path))
			sources.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, message := range toldByReminder {
		if !strings.Contains(sources.String(), strconv.Quote(message)) {
			t.Errorf("nobody logs %q", message)
		}
	}
}

// Who can't have the port is told what to do.
func TestATakenPort(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PORT", port)
	t.Setenv("LOG_LEVEL", "warn")
	t.Chdir(t.TempDir())
	err = run(t.Context(), "local", "test", []string{"--data", filepath.Join(t.TempDir(), "data")}, &transcript{}, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "port "+port+" is taken by another program") || !strings.Contains(err.Error(), "set PORT") {
		t.Errorf("%v", err)
	}
}

// In a browser the link needs no more than to be opened, and leaves nothing in the address.
func TestTheLinkInABrowser(t *testing.T) {
	p := beginShort(t)
	defer p.end()
	link := strings.Replace(p.find(`log in +(http://localhost:\d+/admin/enter#\w{26})\n`), "localhost", "127.0.0.1", 1)
	tab := browser.Open(t, link)
	tab.Go(link)
	tab.Until("the home page is there", "location.pathname === '/admin/' && location.hash === '' && document.readyState === 'complete'")
	tab.See("h1", "Home")

	other := browser.Open(t, link)
	other.Expect("410") // the browser reports the refusal itself
	other.Go(link)
	other.See("[role=alert]", "This link has been used")
	other.Until("the secret is out of the address", "location.hash === ''")
	page, _, _ := strings.Cut(link, "#")
	other.Expect("401")
	other.Go(page)
	other.Type("#link", page+"#GUESS")
	other.Submit()
	other.See("[role=alert]", "There is no such link")
	if problems := append(tab.Problems(), other.Problems()...); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// Who has named an upstream and has no token for it is told what is missing, until it is there.
func TestAMissingTokenIsSaid(t *testing.T) {
	config := filepath.Join(t.TempDir(), "c.yaml")
	text := "upstreams:\n  - name: mine\n    driver: openai\n    base_url: http://" + freeport.MustAddr(t) + "/v1\n    models: [m]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := beginShort(t, "--config", config)
	defer p.end()
	p.hears(regexp.MustCompile(`  no upstream has a token that can serve`))
	p.ask(http.MethodPost, "/admin/api/tokens", p.find(`KEY=(sk-carousel-[\w-]+)`), `{"token": "sk-a-key-of-mine-0123", "upstream": "mine"}`)
	p.hears(regexp.MustCompile(`  over after \d+ s: no upstream has a token that can serve`))
}
