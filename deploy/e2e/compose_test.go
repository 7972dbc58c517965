package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// composed is docker-compose.yml running, as a project of its own.
type composed struct {
	t       *testing.T
	command []string
	env     []string
	port    string
	// gateway is the load balancer, seen as one gateway.
	gateway *stack.Gateway
	admin   string
}

// compose runs a compose command and answers its output.
func (c *composed) compose(limit time.Duration, args ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit) // also after the test's own context
	defer cancel()
	args = append(c.command[1:len(c.command):len(c.command)], args...)
	command := exec.CommandContext(ctx, c.command[0], args...)
	command.Dir, command.Env = stack.Root(c.t), c.env
	var output, errors bytes.Buffer
	command.Stdout, command.Stderr = &output, &errors
	if err := command.Run(); err != nil {
		return output.String(), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, errors.String())
	}
	return output.String(), nil
}

func (c *composed) must(limit time.Duration, args ...string) string {
	c.t.Helper()
	output, err := c.compose(limit, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return output
}

// docker runs a docker command.
func (c *composed) docker(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// composeUp brings the compose file up with three gateways and the simulator.
// Without a Docker engine the test is skipped, unless REQUIRE_DOCKER=1.
func composeUp(t *testing.T) *composed {
	t.Helper()
	command := composeCommand(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	images := exec.CommandContext(ctx, filepath.Join(stack.Root(t), "deploy/docker/base-images.sh"))
	var said bytes.Buffer
	images.Stderr = &said
	exports, err := images.Output()
	if err != nil {
		t.Fatalf("base images: %v\n%s", err, said.String())
	}
	c := &composed{t: t, command: append(command, "--project-name", fmt.Sprintf("carousel-e2e-%d", os.Getpid())), port: freePort(t)}
	c.env = append(stack.BaseEnv(), "COMPOSE_PROFILES=sim", "CAROUSEL_VERSION=e2e", "PORT="+c.port)
	for line := range strings.Lines(string(exports)) {
		c.env = append(c.env, strings.TrimPrefix(strings.TrimSpace(line), "export "))
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := c.compose(time.Minute, "logs", "--no-color", "--tail", "60")
			t.Logf("--- logs ---\n%s", log)
		}
		if _, err := c.compose(2*time.Minute, "down", "--volumes", "--remove-orphans", "--timeout", "5"); err != nil {
			t.Error(err)
		}
		if left := c.containers(""); len(left) > 0 {
			t.Errorf("still there after down: %v", left)
		}
	})
	began := time.Now()
	c.must(8*time.Minute, "up", "--build", "--detach", "--scale", "gateway=3")
	t.Logf("up after %s", time.Since(began).Round(time.Second))
	c.gateway = &stack.Gateway{URL: "http://127.0.0.1:" + c.port}
	c.admin = c.adminToken()
	return c
}

func composeCommand(t *testing.T) []string {
	t.Helper()
	missing := func(why string) {
		t.Helper()
		if os.Getenv("REQUIRE_DOCKER") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if err := exec.CommandContext(t.Context(), "docker", "version").Run(); err != nil {
		missing("no Docker engine answers")
	}
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		missing("there is no docker-compose")
	}
	return []string{"docker-compose"}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// containers lists the project's containers, of one service or of all.
func (c *composed) containers(service string) []string {
	c.t.Helper()
	output := c.must(time.Minute, append([]string{"ps", "--quiet"}, strings.Fields(service)...)...)
	return strings.Fields(output)
}

// adminToken finds the token where the compose file says: in the gateways' log.
func (c *composed) adminToken() string {
	c.t.Helper()
	printed := regexp.MustCompile(`admin token: (\S+)`)
	var found [][]string
	stack.Eventually(c.t, "a gateway prints the admin token", 30*time.Second, func() bool {
		found = printed.FindAllStringSubmatch(c.must(time.Minute, "logs", "--no-color", "gateway"), -1)
		return len(found) > 0
	})
	if len(found) != 1 {
		c.t.Errorf("the admin token was printed %d times", len(found))
	}
	return found[0][1]
}

// ledger asks the simulator what has arrived there.
func (c *composed) ledger() upstreamsim.Ledger {
	c.t.Helper()
	var ledger upstreamsim.Ledger
	output := c.must(time.Minute, "exec", "-T", "upstreamsim", "/usr/local/bin/upstreamsim", "ledger")
	if err := json.Unmarshal([]byte(output), &ledger); err != nil {
		c.t.Fatalf("%v in %s", err, output)
	}
	return ledger
}

// chat sends n requests, one after the other, each over a connection of its own
// as separate clients would; it answers how many failed.
func (c *composed) chat(n int) (failed int) {
	c.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client := openai.NewClient(option.WithBaseURL(c.gateway.URL+"/v1"), option.WithAPIKey(c.admin), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: transport, Timeout: 30 * time.Second}))
	for i := range n {
		want := fmt.Sprintf("request %d", i)
		answer, err := client.Chat.Completions.New(c.t.Context(), ask("gpt-test", want))
		if err != nil || answer.Choices[0].Message.Content != want {
			failed++
			c.t.Logf("request %d: %v", i, err)
		}
	}
	return failed
}

func TestCompose(t *testing.T) {
	c := composeUp(t)
	gateway := c.gateway
	gateway.Key = c.admin
	gateway.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/upstreams/openai",
		map[string]any{"driver": "openai", "base_url": "http://upstreamsim:8090/v1", "models": []string{"gpt-test"}})
	const tokens = 10
	added := make([]stack.Token, tokens)
	for i := range added {
		secret := fmt.Sprintf("sk-secret-compose-%04d", i+1)
		gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens",
			map[string]any{"token": secret, "upstream": "openai", "alias": fmt.Sprintf("compose-%d", i+1)}).JSON(t, &added[i])
		added[i].Secret = secret
	}
	// Within a second every gateway knows the upstream.
	stack.Eventually(t, "every gateway lists the model", 10*time.Second, func() bool {
		for range 9 {
			if gateway.Admin(t, http.MethodGet, "/v1/models/gpt-test", nil).Status != http.StatusOK {
				return false
			}
		}
		return true
	})

	t.Run("requests spread over gateways and tokens", func(t *testing.T) {
		c.t = t
		if failed := c.chat(300); failed > 0 {
			t.Fatalf("%d of 300 requests failed", failed)
		}
		ledger := c.ledger()
		for _, token := range added {
			if got := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)].Requests; got < 29 || got > 31 {
				t.Errorf("%s got %d of 300 requests, not 30 ± 1", token.Alias, got)
			}
		}
		for _, container := range c.containers("gateway") {
			var served int
			stack.Eventually(t, "the gateway's log is written", 10*time.Second, func() bool {
				served = strings.Count(c.docker("logs", container), `"route":"/v1/chat/completions"`)
				return served > 0
			})
			t.Logf("gateway %.12s served %d requests", container, served)
		}
	})
	t.Run("a token deleted through one gateway gets no request anywhere a second later", func(t *testing.T) {
		c.t = t
		deleted := upstreamsim.Fingerprint(added[0].Secret)
		gateway.MustAdmin(t, http.StatusNoContent, http.MethodDelete, "/admin/api/tokens/"+added[0].ID, nil)
		<-time.After(time.Second) // the promise under test is about this second
		before := c.ledger().Tokens[deleted].Requests
		if failed := c.chat(60); failed > 0 {
			t.Errorf("%d of 60 requests failed", failed)
		}
		if after := c.ledger().Tokens[deleted].Requests; after != before {
			t.Errorf("it got %d requests", after-before)
		}
	})
	t.Run("a killed gateway fails no request once it has left the balancer", func(t *testing.T) {
		c.t = t
		c.docker("kill", c.containers("gateway")[0])
		<-time.After(3 * time.Second) // two checks, 500 ms apart, and the name's expiry
		if failed := c.chat(100); failed > 0 {
			t.Errorf("%d of 100 requests failed", failed)
		}
	})
	c.t = t
}
