package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// patience bounds what a test waits for.
const patience = 5 * time.Minute

// tool runs a program of Prometheus, given its input, and returns what it says. Where it is missing
// the test is skipped, unless REQUIRE_PROMTOOL=1.
func tool(t *testing.T, input, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("REQUIRE_PROMTOOL") == "1" {
			t.Fatal(err)
		}
		t.Skip("no " + name + " here")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	return said.String(), err
}

// scraped is what a service tells on its ops port.
type scraped struct {
	text string
	// families have the names of their labels and their type, as they are registered: a histogram is
	// one, and has no `le`.
	families map[string]*family
}

type family struct {
	kind, help string
	labels     map[string]bool
}

func scrape(t *testing.T, opsAddr string) scraped {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+opsAddr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", response.StatusCode, err)
	}
	return readScrape(string(text))
}

var labelName = regexp.MustCompile(`([a-z_]+)="`)

func readScrape(text string) scraped {
	all := scraped{text: text, families: map[string]*family{}}
	var name, help string
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP") && len(fields) == 4:
			name, help = fields[2], fields[3]
		case strings.HasPrefix(line, "# TYPE"):
			all.families[name] = &family{kind: fields[3], help: help, labels: map[string]bool{}}
		default:
			series := line[:strings.LastIndexByte(strings.TrimSpace(line), ' ')]
			for _, label := range labelName.FindAllStringSubmatch(series, -1) {
				if label[1] != "le" && label[1] != "quantile" {
					all.families[name].labels[label[1]] = true
				}
			}
		}
	}
	return all
}

// ours are the families that Carousel names itself, sorted.
func (s scraped) ours() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.families)), func(name string) bool { return !strings.HasPrefix(name, "carousel_") })
}

// names are those of all series, as queries name them.
func (s scraped) names() map[string]bool {
	names := map[string]bool{}
	for name, of := range s.families {
		names[name] = true
		if of.kind == "histogram" || of.kind == "summary" {
			names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
		}
	}
	return names
}

// running are both services, with certificates, after some requests, good and bad ones.
type running struct {
	stack               *stack.Stack
	gateway, tokenstore scraped
}

func run(t *testing.T) running {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "tls")
	stack.Certificates(t, folder)
	s := stack.Start(t, stack.Options{GatewayEnv: stack.TLSEnv(folder, "gateway"), TokenstoreEnv: stack.TLSEnv(folder, "tokenstore")})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "o", 2, 0)
	s.AddTokens("cursor", "c", 1, 0)
	expiring := fmt.Sprintf(`{"sub":"user_1","exp":%d}`, time.Now().Add(72*time.Hour).Unix())
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
		"upstream": "cursor", "token": "e30." + base64.RawURLEncoding.EncodeToString([]byte(expiring)) + ".c2lnbmF0dXJl",
	})
	ask := func(model, more string) int {
		t.Helper()
		body := `{"model":"` + model + `","messages":[{"role":"user","content":"Hello"}]` + more + `}`
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+stack.AdminToken)
		response, err := stack.Client(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body) // its status tells
		_ = response.Body.Close()
		return response.StatusCode
	}
	for _, c := range []struct {
		model, more string
		status      int
	}{
		{"gpt-test", "", http.StatusOK},
		{"gpt-test", `,"stream":true`, http.StatusOK},
		{"cursor/gpt-4o", `,"temperature":0.5`, http.StatusOK}, // which is ignored
		{"nobody-has-this", "", http.StatusNotFound},
	} {
		if status := ask(c.model, c.more); status != c.status {
			t.Fatalf("%s: %d", c.model, status)
		}
	}
	stack.Eventually(t, "the log is stored", patience, func() bool {
		return stack.Metric(t, gateway.Ops, "carousel_gateway_log_pending", "") == 0
	})
	stack.Eventually(t, "Redis has been looked at", patience, func() bool {
		return stack.Metric(t, s.TokenstoreOps(), "carousel_tokenstore_redis_memory_bytes", "") > 0
	})
	_ = scrape(t, s.TokenstoreOps()) // now the upstreams are known, and counted from 0
	return running{s, scrape(t, gateway.Ops), scrape(t, s.TokenstoreOps())}
}
