package allinone

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// process is the command, running in this process.
type process struct {
	t      *testing.T
	output string
	// later is what it says afterwards.
	later *transcript
	stop  context.CancelFunc
	ended chan error
}

// transcript keeps what is written to it. It is safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// begin runs the command on a data folder until it has said how to try it.
func begin(t *testing.T, data string, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	p := &process{t: t, later: &transcript{}, stop: stop, ended: make(chan error, 1)}
	go func() { // ends with stop
		p.ended <- run(ctx, "local", "test", append([]string{"--data", data}, args...), writer, io.Discard)
		_ = writer.Close()
	}()
	t.Cleanup(stop)
	timeout := time.AfterFunc(time.Minute, func() { _ = reader.CloseWithError(context.DeadlineExceeded) })
	defer timeout.Stop()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		p.output += lines.Text() + "\n"
		if strings.Contains(lines.Text(), `"messages":`) {
			go func() { _, _ = io.Copy(p.later, reader) }() // ends with the writer
			return p
		}
	}
	t.Fatalf("it did not say how to try it: %v\n%s", lines.Err(), p.output)
	return nil
}

func (p *process) end() {
	p.t.Helper()
	p.stop()
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Error(err)
		}
	case <-time.After(30 * time.Second):
		p.t.Fatal("it does not stop")
	}
}

func (p *process) find(pattern string) string {
	p.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(p.output)
	if found == nil {
		p.t.Fatalf("no %s in\n%s", pattern, p.output)
	}
	return found[1]
}

// ask sends a request with the key, as the printed line does.
func (p *process) ask(method, path, key, body string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.find(`API +(http://\S+)/v1`)+path, bytes.NewBufferString(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := stack.Client(p.t).Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func TestFirstTry(t *testing.T) {
	t.Setenv("PORT", "0")
	t.Setenv("AUTH_TOKEN", "")
	t.Setenv("LOG_LEVEL", "warn")
	for name, path := range map[string]string{"with a redis-server": os.Getenv("PATH"), "without": ""} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("redis-server"); err != nil && path != "" {
				if os.Getenv("REQUIRE_REDIS") == "1" {
					t.Fatal(err)
				}
				t.Skip("no redis-server here")
			}
			t.Setenv("PATH", path)
			t.Chdir(t.TempDir()) // where no token files are
			firstTry(t, filepath.Join(t.TempDir(), "data"))
		})
	}
}

// firstTry is what a newcomer does: start, use the printed line, add a token of
// their own, start again.
func firstTry(t *testing.T, data string) {
	first := begin(t, data)
	key := first.find(`export CAROUSEL=http\S+ KEY=(sk-carousel-[\w-]+)`)
	body := first.find(`-d '(\{"model": .*\})'`)
	if answer := first.ask(http.MethodPost, "/v1/chat/completions", key, body); !strings.HasSuffix(answer, "data: [DONE]\n\n") {
		t.Errorf("the printed line is answered with\n%s", answer)
	}
	if !strings.Contains(first.output, "SIMULATED UPSTREAM") {
		t.Error("the simulator is not labelled")
	}
	if strings.Contains(first.output, "/admin/enter") {
		t.Error("a link that logs somebody in is written where there is no terminal")
	}
	first.ask(http.MethodPost, "/admin/api/tokens", key, `{"token": "sk-a-token-of-mine", "upstream": "cursor", "alias": "mine"}`)
	first.end()

	second := begin(t, data)
	if strings.Contains(second.output, "SIMULATED") || strings.Contains(second.output, "sk-carousel-") {
		t.Errorf("the second start says\n%s", second.output)
	}
	var page struct{ Tokens []struct{ Alias string } }
	answer := second.ask(http.MethodGet, "/admin/api/tokens", key, "")
	if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Tokens) != 1 || page.Tokens[0].Alias != "mine" {
		t.Errorf("the tokens are %s", answer)
	}
	second.end()

	third := begin(t, data, "--sim", "--new-admin-token")
	if fresh := third.find(`admin token +(sk-carousel-[\w-]+)`); fresh == key {
		t.Error("the new admin token is the old one")
	}
	if !strings.Contains(third.output, "SIMULATED") {
		t.Error("--sim does not run the simulator")
	}
	third.end()
}

func TestBadCommandLine(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"serve"}} {
		var complaints transcript
		if code := Main(t.Context(), "local", "test", args, io.Discard, &complaints); code != 2 || complaints.String() == "" {
			t.Errorf("%v: code %d, %s", args, code, complaints.String())
		}
	}
}
