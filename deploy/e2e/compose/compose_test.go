package compose_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/freeport"
)

// composed is docker-compose.yml running, as a project of its own.
type composed struct {
	t       *testing.T
	command []string
	env     []string
	port    string
	// prometheus is its port.
	prometheus string
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

const composeProfiles = "COMPOSE_PROFILES=sim,metrics"

// composeUp brings the compose file up with two tokenstores, three gateways, the simulator and
// Prometheus.
// Without a Docker engine the test is skipped, unless REQUIRE_DOCKER=1.
func composeUp(t *testing.T) *composed {
	t.Helper()
	command := composeCommand(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	images := exec.CommandContext(ctx, filepath.Join(stack.Root(t), "deploy/docker/base-images.sh"))
	var said bytes.Buffer
	images.Env, images.Stderr = append(os.Environ(), composeProfiles), &said
	exports, err := images.Output()
	if err != nil {
		t.Fatalf("base images: %v\n%s", err, said.String())
	}
	c := &composed{t: t, command: append(command, "--project-name", fmt.Sprintf("carousel-e2e-%d", os.Getpid())), port: freeport.MustPort(t), prometheus: freeport.MustPort(t)}
	// Images of its own name, so that nobody's are replaced.
	c.env = append(stack.BaseEnv(), composeProfiles, "CAROUSEL_VERSION=e2e", "CAROUSEL_TAG=e2e", "PORT="+c.port, "TOKENSTORES=2", "GATEWAYS=3", "PROMETHEUS_PORT=127.0.0.1:"+c.prometheus)
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
	c.must(8*time.Minute, "up", "--build", "--detach")
	t.Logf("up after %s", time.Since(began).Round(time.Second))
	c.gateway = stack.Remote(t, "http://127.0.0.1:"+c.port)
	stack.Eventually(t, "the balancer answers", time.Minute, func() bool { return c.answers() })
	c.admin = c.adminToken()
	return c
}

// answers tells whether a gateway answers through the balancer.
func (c *composed) answers() bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.gateway.URL+"/health", nil)
	if err != nil {
		return false
	}
	response, err := stack.Client(c.t).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
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

// containers lists the project's containers, of one service or of all.
func (c *composed) containers(service string) []string {
	c.t.Helper()
	output := c.must(time.Minute, append([]string{"ps", "--quiet"}, strings.Fields(service)...)...)
	return strings.Fields(output)
}

// ask asks Prometheus; false while it does not answer.
func (c *composed) ask(path string, answer any) bool {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+c.prometheus+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := stack.Client(c.t).Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return json.NewDecoder(response.Body).Decode(answer) == nil
}

// scraped are the jobs of the replicas that Prometheus could read, one each, sorted.
func (c *composed) scraped() []string {
	c.t.Helper()
	var targets struct {
		Data struct {
			ActiveTargets []struct {
				Labels struct{ Job string }
				Health string
			}
		}
	}
	c.ask("/api/v1/targets?state=active", &targets)
	var jobs []string
	for _, each := range targets.Data.ActiveTargets {
		if each.Health == "up" {
			jobs = append(jobs, each.Labels.Job)
		}
	}
	slices.Sort(jobs)
	return jobs
}

// getAs sends a request that says that it comes from another address.
func (c *composed) getAs(address, path string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.gateway.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.admin)
	request.Header.Set("X-Forwarded-For", address)
	response, err := stack.Client(c.t).Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = response.Body.Close()
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
	patient := &http.Client{Transport: stack.Judged(c.t, &http.Transport{DisableKeepAlives: true}), Timeout: 30 * time.Second}
	client := openai.NewClient(option.WithBaseURL(c.gateway.URL+"/v1"), option.WithAPIKey(c.admin), option.WithMaxRetries(0),
		option.WithHTTPClient(patient))
	for i := range n {
		want := fmt.Sprintf("request %d", i)
		answer, err := client.Chat.Completions.New(c.t.Context(), asking("gpt-test", want))
		if err != nil || answer.Choices[0].Message.Content != want {
			failed++
			c.t.Logf("request %d: %v", i, err)
		}
	}
	return failed
}

func asking(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
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

	slow := announceBody(t, "127.0.0.1:"+c.port) // it takes a while, meanwhile the others run
	t.Run("requests spread over gateways and tokens", func(t *testing.T) {
		c.t = t
		if failed := c.chat(300); failed > 0 {
			t.Fatalf("%d of 300 requests failed", failed)
		}
		ledger := c.ledger()
		for _, token := range added {
			if got := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)].Requests; got < 27 || got > 33 { // exact but for what gateways held ahead
				t.Errorf("%s got %d of 300 requests, not 30 ± 3", token.Alias, got)
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
	t.Run("the log has the client's address, whatever it says itself", func(t *testing.T) {
		c.t = t
		c.getAs("203.0.113.9", "/admin/api/fleet")
		client := strings.TrimSpace(c.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", c.containers("lb")[0]))
		line := regexp.MustCompile(`"route":"/admin/api/fleet".*"remote_ip":"([^"]*)"`)
		var found []string
		stack.Eventually(t, "the request is logged", 10*time.Second, func() bool {
			found = line.FindStringSubmatch(c.must(time.Minute, "logs", "--no-color", "gateway"))
			return found != nil
		})
		if found[1] != client {
			t.Errorf("it has %s, the client is %s", found[1], client)
		}
	})
	t.Run("every container is bounded", func(t *testing.T) {
		c.t = t
		for _, container := range c.containers("") {
			bounds := strings.TrimSpace(c.docker("inspect", "--format",
				"{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{index .HostConfig.LogConfig.Config \"max-size\"}}", container))
			if strings.Contains(bounds, "<no value>") || strings.HasPrefix(bounds, "0 ") || strings.Contains(bounds, " 0 ") || len(strings.Fields(bounds)) != 3 {
				t.Errorf("%.12s: memory, processes, log: %s", container, bounds)
			}
		}
	})
	t.Run("Prometheus reads every replica, and has the alerts", func(t *testing.T) {
		c.t = t
		var jobs []string
		stack.Eventually(t, "Prometheus has read all", 2*time.Minute, func() bool {
			jobs = c.scraped()
			return len(jobs) == 5
		})
		if want := []string{"carousel-gateway", "carousel-gateway", "carousel-gateway", "carousel-tokenstore", "carousel-tokenstore"}; !slices.Equal(jobs, want) {
			t.Errorf("it reads %v", jobs)
		}
		var rules struct {
			Data struct{ Groups []struct{ Name string } }
		}
		c.ask("/api/v1/rules", &rules)
		if len(rules.Data.Groups) == 0 {
			t.Error("it has no alerts")
		}
	})
	t.Run("Redis wants a password", func(t *testing.T) {
		c.t = t
		if said := c.must(time.Minute, "exec", "-T", "redis", "redis-cli", "ping"); !strings.Contains(said, "NOAUTH") {
			t.Errorf("without one it says %q", said)
		}
	})
	t.Run("another up changes nothing, and keeps the number of gateways", func(t *testing.T) {
		c.t = t
		before := c.containers("")
		c.must(2*time.Minute, "up", "--detach")
		if after := c.containers(""); !slices.Equal(before, after) || len(c.containers("gateway")) != 3 {
			t.Errorf("it was %v, now it is %v", before, after)
		}
	})
	t.Run("an upgrade replaces all, moves over to certificates and several Redis servers, and fails no request", func(t *testing.T) {
		c.t = t
		c.upgrade()
	})
	t.Run("what is said between the services is encrypted, and chats go on", func(t *testing.T) {
		c.t = t
		c.encrypted()
	})
	t.Run("a primary of Redis that is killed costs nothing that was acknowledged", func(t *testing.T) {
		c.t = t
		c.failover()
	})
	t.Run("a killed gateway fails no request once it has left the balancer", func(t *testing.T) {
		c.t = t
		c.docker("kill", c.containers("gateway")[0])
		<-time.After(3 * time.Second) // two checks, 500 ms apart, and the name's expiry
		if failed := c.chat(100); failed > 0 {
			t.Errorf("%d of 100 requests failed", failed)
		}
	})
	t.Run("a body that does not come is not waited for", func(t *testing.T) {
		if got := <-slow; !strings.HasPrefix(got, "HTTP/1.1 408") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("what an embedded pair has comes into the containers, and back", func(t *testing.T) {
		c.t = t
		c.moves()
	})
	t.Run("a balancer that stops cuts no answer that its gateway still gives", func(t *testing.T) {
		c.t = t
		before := c.ledger().Total.Requests
		ended := make(chan stack.Shot, 1)
		go func() { // ends with the answer
			ended <- stack.Load{Gateways: []*stack.Gateway{gateway}, Model: "openai/sim-delay-12000"}.One(t)
		}()
		stack.Eventually(t, "the request is on its way", 10*time.Second, func() bool { return c.ledger().Total.Requests > before })
		c.must(time.Minute, "stop", "lb")
		if shot := <-ended; !shot.OK() {
			t.Errorf("%+v", shot)
		}
	})
	c.t = t
}

// announceBody sends the head of a request whose body does not follow, and returns where
// the first line of the answer will be told.
func announceBody(t *testing.T, addr string) <-chan string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	if _, err := fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() { // ends with the answer, or with conn
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			line = err.Error()
		}
		told <- line
	}()
	return told
}

// movedOver are the settings that move a pair over to certificates and to several Redis servers, as
// docs/tls.md and docs/redis.md have them.
var movedOver = []string{
	"COMPOSE_PROFILES=sim,metrics,tls,ha",
	"TOKENSTORE_TLS_CERT_FILE=/run/tls/tls.crt", "TOKENSTORE_TLS_KEY_FILE=/run/tls/tls.key", "TOKENSTORE_TLS_CA_FILE=/run/tls/ca.crt",
	"TOKENSTORE_TLS_PLAINTEXT=true",
	"REDIS_SENTINELS=sentinel-1:26379,sentinel-2:26379,sentinel-3:26379", "REDIS_URL_FILE=/run/redis/sentinel-url", "REDIS_WAIT_REPLICAS=1",
}

// anew has an image of the same files, which is another one to Compose.
func (c *composed) anew(image string) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), "docker", "build", "--quiet", "--tag", image, "--label", "e2e=anew", "-")
	command.Stdin = strings.NewReader("FROM " + image + "\n")
	if output, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, output)
	}
}

// upgrade has all replicas replaced under load, for images and settings that are other ones.
func (c *composed) upgrade() {
	c.t.Helper()
	replaced := func() (all []string) {
		for _, service := range []string{"gateway", "tokenstore", "prometheus", "certificates", "redis"} {
			all = append(all, c.containers(service)...)
		}
		return all
	}
	c.must(time.Minute, "--profile", "tls", "up", "--detach", "--no-deps", "--no-build", "certificates")
	before := replaced()
	c.anew("carousel/tokenstore:e2e")
	c.anew("carousel/prometheus:e2e")
	whole := stack.Load{Gateways: []*stack.Gateway{c.gateway}, Rate: 40, Model: "gpt-test"}.Start(c.t)
	streams := stack.Load{Gateways: []*stack.Gateway{c.gateway}, Rate: 5, Model: "openai/sim-slow", Stream: true}.Start(c.t)
	c.env = append(append(c.env, movedOver...), "LOG_LEVEL=debug", "COMPOSE="+strings.Join(c.command, " "))
	ctx, cancel := context.WithTimeout(c.t.Context(), 8*time.Minute)
	defer cancel()
	upgrade := exec.CommandContext(ctx, filepath.Join(stack.Root(c.t), "deploy/docker/upgrade.sh"))
	upgrade.Env = c.env
	if output, err := upgrade.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, output)
	}
	shots := append(whole.Stop(), streams.Stop()...)
	failed := 0
	for _, shot := range shots {
		if !shot.OK() {
			if failed++; failed <= 5 {
				c.t.Errorf("%s after %s: %d %v %.200s", shot.Began.Format("15:04:05.000"), shot.Took.Round(time.Millisecond), shot.Status, shot.Err, shot.Body)
			}
		}
	}
	c.t.Logf("%d requests, %d failed", len(shots), failed)
	if failed > 5 {
		c.t.Errorf("%d failed", failed)
	}
	after := replaced()
	for _, container := range before {
		if slices.Contains(after, container) {
			c.t.Errorf("%.12s is still there", container)
		}
	}
	if len(after) != len(before) {
		c.t.Errorf("%d containers, not %d", len(after), len(before))
	}
}

// encrypted checks that every gateway calls the tokenstores over TLS, where they must show
// certificates.
func (c *composed) encrypted() {
	c.t.Helper()
	if failed := c.chat(30); failed > 0 {
		c.t.Errorf("%d of 30 requests failed", failed)
	}
	for job, metric := range map[string]string{
		"carousel-gateway": "carousel_gateway_certificate_expiry_timestamp_seconds", "carousel-tokenstore": "carousel_tokenstore_certificate_expiry_timestamp_seconds",
	} {
		stack.Eventually(c.t, job+" shows a certificate", 2*time.Minute, func() bool {
			var answer struct {
				Data struct{ Result []struct{ Value [2]any } }
			}
			query := url.Values{"query": {"count(" + metric + " > time())"}}
			return c.ask("/api/v1/query?"+query.Encode(), &answer) && len(answer.Data.Result) == 1 &&
				answer.Data.Result[0].Value[1] == fmt.Sprint(len(c.containers(strings.TrimPrefix(job, "carousel-"))))
		})
	}
}

// Without an engine "make up" says so, and goes no further.
func TestMakeUpStopsWhereBaseImagesFail(t *testing.T) {
	folder := t.TempDir()
	marker := filepath.Join(folder, "went-on")
	for name, script := range map[string]string{
		"docker": "#!/bin/sh\nexit 1\n", "docker-compose": "#!/bin/sh\ntouch " + marker + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	up := exec.CommandContext(t.Context(), "make", "up")
	up.Dir, up.Env = stack.Root(t), append(stack.BaseEnv(), "PATH="+folder+":"+os.Getenv("PATH"))
	output, err := up.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "no Docker engine answers") {
		t.Errorf("%v\n%s", err, output)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Errorf("it went on:\n%s", output)
	}
}
