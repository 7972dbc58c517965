package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// Parts may start in any order and go away: who misses another says so, is not
// ready, and recovers by itself.
func TestPartsFindEachOther(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Lazy: true})
	gateway := s.StartGateway()
	notReady := func(what string) {
		t.Helper()
		var status int
		var body string
		s.Eventually(what, 20*time.Second, func() bool {
			status, body = stack.Readyz(t.Context(), gateway.Ops)
			return status == http.StatusServiceUnavailable
		})
		t.Logf("%s: %s", what, body)
	}
	notReady("without a tokenstore the gateway is not ready")
	gateway.WaitLog("tokenstore", 10*time.Second)
	if status, header, body := post(t, gateway, stack.AdminToken, chatBody("gpt-4o", "x", false)); status != http.StatusServiceUnavailable && status != http.StatusBadRequest {
		t.Errorf("chat answers %d %v %s", status, header, body)
	}
	s.StartTokenstore()
	s.Tokenstore.WaitLog("store can't be used", 10*time.Second)
	notReady("without Redis the gateway is not ready")
	if s.TokenstoreReady() {
		t.Error("without Redis the tokenstore says that it is ready")
	}
	s.StartRedis()
	s.Eventually("the tokenstore is ready", 20*time.Second, s.TokenstoreReady)
	s.WaitReady(gateway.Ops)
	s.PutUpstream("openai", map[string]any{"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-test"}})
	s.AddTokens("openai", "o", 2, 0)
	if failed := chats(t, s.Gateways, "gpt-test", 10, 2); failed > 0 {
		t.Errorf("%d of 10 requests failed", failed)
	}
	s.Tokenstore.Kill()
	notReady("after the tokenstore was killed the gateway is not ready")
	s.Tokenstore.Start()
	s.WaitReady(gateway.Ops)
	if failed := chats(t, s.Gateways, "gpt-test", 10, 2); failed > 0 {
		t.Errorf("%d of 10 requests failed after the restart", failed)
	}
}

func TestUnusableSettingsAreListedAtOnce(t *testing.T) {
	t.Parallel()
	for module, c := range map[string]struct {
		env  []string
		want []string
	}{
		"gateway":    {[]string{"PORT=many", "LOG_LEVEL=loud", "REQUEST_BODY_LIMIT_MB=0"}, []string{"port", "log_level", "request_body_limit_mb"}},
		"tokenstore": {[]string{"REDIS_URL=nonsense://x", "LEASE_TTL=long", "GRPC_ADDR=nowhere"}, []string{"redis_url", "lease_ttl", "grpc_addr"}},
	} {
		t.Run(module, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), stack.Binary(t, module))
			command.Env = append(stack.BaseEnv(), append(c.env, "TOKENSTORE_SECRET=x")...)
			output, err := command.CombinedOutput()
			if code := command.ProcessState.ExitCode(); err == nil || code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			for _, key := range c.want {
				if !strings.Contains(string(output), key+":") {
					t.Errorf("%s is not in the list:\n%s", key, output)
				}
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{GatewayEnv: []string{"REQUEST_BODY_LIMIT_MB=1"}})
	s.AddTokens("openai", "o", 1, 0)
	gateway := s.Gateways[0]
	large := chatBody("gpt-test", strings.Repeat("x", 2<<20), false)
	for name, c := range map[string]struct {
		key, body string
		status    int
		code      string
	}{
		"malformed JSON":     {stack.AdminToken, `{"model": `, 400, ""},
		"not JSON":           {stack.AdminToken, `hello`, 400, ""},
		"no key":             {"", chatBody("gpt-test", "x", false), 401, "unauthorized"},
		"wrong key":          {"sk-wrong", chatBody("gpt-test", "x", false), 401, "unauthorized"},
		"wrong key, no JSON": {"sk-wrong", `{`, 401, "unauthorized"},
		"unknown model":      {stack.AdminToken, chatBody("nope", "x", false), 404, "model_not_supported"},
		"empty messages":     {stack.AdminToken, `{"model":"gpt-test","messages":[]}`, 400, "empty_messages"},
		"wrong type":         {stack.AdminToken, `{"model":"gpt-test","messages":"hi"}`, 400, ""},
		"over the limit":     {stack.AdminToken, large, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, body := post(t, gateway, c.key, c.body)
			var answer struct {
				Error *struct {
					Message string  `json:"message"`
					Type    string  `json:"type"`
					Code    *string `json:"code"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == nil || answer.Error.Message == "" || answer.Error.Type == "" {
				t.Fatalf("no error object: %d %s", status, body)
			}
			if status != c.status || c.code != "" && (answer.Error.Code == nil || *answer.Error.Code != c.code) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	if total := s.Sim.Ledger().Total.Requests; total != 0 {
		t.Errorf("%d bad requests reached the upstream", total)
	}
	if failed := chats(t, s.Gateways, "gpt-test", 5, 1); failed > 0 {
		t.Error("it does not answer afterwards")
	}
}

func TestHalfBadTokenFile(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	good := []string{"sk-good-token-number-1", "work::sk-good-token-number-2", "user_X%3A%3Ask-good-token-number-3"}
	content := strings.Join([]string{good[0], "# a comment", "", "a::b::c", good[1], "bad\x01token", good[2]}, "\r\n")
	var report struct {
		Accepted int `json:"accepted"`
		Updated  int `json:"updated"`
		Rejected []struct {
			Line   int    `json:"line"`
			Reason string `json:"reason"`
		} `json:"rejected"`
	}
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import",
		map[string]any{"content": content, "format": "token", "upstream": "cursor"}).JSON(t, &report)
	if report.Accepted != 3 || len(report.Rejected) != 2 || report.Rejected[0].Line != 4 || report.Rejected[1].Line != 6 {
		t.Errorf("got %+v", report)
	}
	for _, rejected := range report.Rejected {
		if rejected.Reason == "" {
			t.Errorf("line %d has no reason", rejected.Line)
		}
	}
	aliases := map[string]bool{}
	for _, token := range s.Gateways[0].Tokens(t) {
		aliases[token.Alias] = true
	}
	if len(aliases) != 3 || !aliases["work"] || !aliases["user_X"] {
		t.Errorf("aliases %v", aliases)
	}
}
