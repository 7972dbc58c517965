package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/freeport"
)

// Alerts that this test makes fire for real have the times of their rules shortened, so that a
// fault and its end are seen within seconds.
var (
	holdFor = regexp.MustCompile(`(?m)^( +for:) \S+$`)
	window  = regexp.MustCompile(`\[(5m|10m|1h)\]`)
)

// watchers are a Prometheus that reads the stack once a second, and an Alertmanager that tells the
// test.
type watchers struct {
	t *testing.T
	*stack.Stack
	mu sync.Mutex
	// told are the newest words of alerts, by name and upstream: firing or resolved. fired are
	// those that have been firing, however short.
	told  map[string]string
	fired map[string]bool
}

// watch starts both. The test is skipped without them, unless REQUIRE_ALERTMANAGER=1.
func watch(t *testing.T, s *stack.Stack) *watchers {
	t.Helper()
	for _, name := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("REQUIRE_ALERTMANAGER") == "1" {
				t.Fatal(err)
			}
			t.Skip("no " + name + " here")
		}
	}
	w := &watchers{t: t, Stack: s, told: map[string]string{}, fired: map[string]bool{}}
	hook, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(w.hear), ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(hook) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })

	folder, manager := t.TempDir(), freeport.MustAddr(t)
	rules := window.ReplaceAllString(holdFor.ReplaceAllString(read(t, rulesFile), "$1 1s"), "[20s]")
	files := map[string]string{
		"alerts.yml": rules,
		"prometheus.yml": fmt.Sprintf(`{global: {scrape_interval: 1s, evaluation_interval: 1s}, rule_files: [alerts.yml],
			alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]},
			scrape_configs: [
				{job_name: carousel-gateway, static_configs: [{targets: [%q]}]},
				{job_name: carousel-tokenstore, static_configs: [{targets: [%q]}]}]}`, manager, s.Gateways[0].Ops, s.TokenstoreOps()),
		"alertmanager.yml": fmt.Sprintf(`{route: {receiver: test, group_by: [alertname, upstream], group_wait: 1s, group_interval: 1s, repeat_interval: 1d},
			receivers: [{name: test, webhook_configs: [{url: "http://%s/", send_resolved: true}]}]}`, hook.Addr()),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.start("prometheus-alertmanager", "--config.file="+filepath.Join(folder, "alertmanager.yml"), "--storage.path="+filepath.Join(folder, "am"),
		"--web.listen-address="+manager, "--cluster.listen-address=")
	w.start("prometheus", "--config.file="+filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+freeport.MustAddr(t))
	return w
}

// start runs a program until the test's end.
func (w *watchers) start(name string, args ...string) {
	w.t.Helper()
	command := exec.CommandContext(context.WithoutCancel(w.t.Context()), name, args...)
	log, err := os.Create(filepath.Join(w.t.TempDir(), "log"))
	if err != nil {
		w.t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && w.t.Failed() {
			w.t.Logf("--- %s ---\n%s", name, text[max(len(text)-4000, 0):])
		}
	})
}

// hear takes what Alertmanager tells.
func (w *watchers) hear(_ http.ResponseWriter, r *http.Request) {
	said := stack.ReadAlerts(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range said {
		of := each.Of()
		w.told[of] = each.Status
		w.fired[of] = w.fired[of] || each.Status == "firing"
	}
}

// await waits until an alert has the status, and does something again and again meanwhile.
func (w *watchers) await(alert, upstream, status string, meanwhile func()) {
	w.t.Helper()
	stack.Eventually(w.t, alert+" is "+status, patience, func() bool {
		if meanwhile != nil {
			meanwhile()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		of := alert + " " + upstream
		return w.told[of] == status || status == "firing" && w.fired[of]
	})
}

// chat sends a request, and waits for no more of the answer than its status; 0: there was none.
func (w *watchers) chat(key, model string) int {
	body := `{"model":"` + model + `","messages":[{"role":"user","content":"Hello"}]}`
	return w.send("/v1/chat/completions", "application/json", body, "Bearer "+key)
}

func (w *watchers) send(path, kind, body, authorization string) int {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Gateways[0].URL+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", kind)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body) // its status tells
	_ = response.Body.Close()
	return response.StatusCode
}

// flood sends 200 requests whose prompts are as long as the log keeps them: some 2,000 of them take
// all the room that entries have which wait.
func (w *watchers) flood() {
	const clients, each = 8, 25
	body := `{"model":"openai/gpt-test","messages":[{"role":"user","content":"` + strings.Repeat("word ", 16<<10) + `"}]}`
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			for range each {
				w.send("/v1/chat/completions", "application/json", body, "Bearer "+stack.AdminToken)
			}
		})
	}
	asking.Wait()
}

func (w *watchers) remove(id string) {
	w.t.Helper()
	w.Gateways[0].MustAdmin(w.t, http.StatusNoContent, http.MethodDelete, "/admin/api/tokens/"+id, nil)
}

// fail has the simulator answer every request by a scenario.
func (w *watchers) fail(scenario string) {
	w.t.Helper()
	if err := w.Sim.SetRule(upstreamsim.Rule{Scenario: scenario}); err != nil {
		w.t.Fatal(err)
	}
}

// Alerts are fired by their faults, and resolved after them, by a real Prometheus and a real
// Alertmanager. It takes minutes: "make alerts" runs it.
func TestAlertsFire(t *testing.T) {
	if os.Getenv("ALERTS") == "" {
		t.Skip("takes minutes: run by make alerts")
	}
	certificates := filepath.Join(t.TempDir(), "tls")
	stack.Certificates(t, "--days", "1", certificates)
	s := stack.Start(t, stack.Options{
		GatewayEnv:    append(stack.TLSEnv(certificates, "gateway"), "DEGRADED_TIME=1h"),
		TokenstoreEnv: append(stack.TLSEnv(certificates, "tokenstore"), "CONNECTION_AGE=10s"),
	})
	s.AddTokens("openai", "o", 4, 0)
	w := watch(t, s)
	gateway, redis := s.Gateways[0], s.RedisClient()
	ok := func() { w.chat(stack.AdminToken, "openai/gpt-test") }
	ok()

	t.Run("certificates that end soon", func(t *testing.T) {
		w.await("CarouselCertificateExpiring", "", "firing", nil)
		for _, service := range []string{"gateway", "tokenstore"} {
			if err := os.Remove(filepath.Join(certificates, service, "tls.crt")); err != nil {
				t.Fatal(err)
			}
		}
		stack.Certificates(t, certificates)
		w.await("CarouselCertificateExpiring", "", "resolved", nil)
	})
	t.Run("an account that is logged out", func(t *testing.T) {
		made, err := w.Sim.CreateAccounts(1, upstreamsim.AccountSettings{})
		if err != nil {
			t.Fatal(err)
		}
		account := made[0]
		w.PutUpstream("lost", map[string]any{"driver": "cursor", "base_url": w.SimURL, "settings": map[string]string{"protocol": "agent", "site_url": w.SimURL}})
		var token stack.Token
		gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
			"upstream": "lost", "token": account.AccessToken, "refresh_token": account.RefreshToken,
		}).JSON(t, &token)
		for _, revoke := range []func(string) error{w.Sim.RevokeRefresh, w.Sim.RevokeAccess} {
			if err := revoke(account.Subject); err != nil {
				t.Fatal(err)
			}
		}
		w.await("CarouselLoginNeeded", "lost", "firing", func() { w.chat(stack.AdminToken, "lost/composer-2.5") })
		w.await("CarouselTokenParked", "lost", "firing", nil)
		w.remove(token.ID)
		w.await("CarouselLoginNeeded", "lost", "resolved", nil)
		w.await("CarouselTokenParked", "lost", "resolved", nil)
	})
	t.Run("a pool without usable tokens", func(*testing.T) {
		w.PutCursor("dry")
		token := w.AddExpiring("dry", stack.SoonExpired)
		w.await("CarouselPoolDry", "dry", "firing", nil)
		w.await("CarouselTokenExpired", "dry", "firing", nil)
		w.remove(token)
		w.await("CarouselPoolDry", "dry", "resolved", nil)
		w.await("CarouselTokenExpired", "dry", "resolved", nil)
	})
	t.Run("a pool with few", func(*testing.T) {
		w.PutCursor("short")
		w.AddTokens("short", "s", 1, 0)
		var expired []string
		for range 4 {
			expired = append(expired, w.AddExpiring("short", stack.SoonExpired))
		}
		w.await("CarouselPoolShort", "short", "firing", nil)
		for _, id := range expired {
			w.remove(id)
		}
		w.await("CarouselPoolShort", "short", "resolved", nil)
	})
	t.Run("a pool that shrinks", func(*testing.T) {
		w.PutCursor("shrinking")
		left := w.AddTokens("shrinking", "d", 60, 0)
		w.await("CarouselPoolDrySoon", "shrinking", "firing", func() {
			if len(left) > 1 {
				w.remove(left[0].ID)
				left = left[1:]
			}
		})
		w.await("CarouselPoolDrySoon", "shrinking", "resolved", nil)
	})
	t.Run("a token that expires", func(*testing.T) {
		w.PutCursor("expiring")
		token := w.AddExpiring("expiring", 6*time.Hour)
		w.await("CarouselTokenExpiring", "expiring", "firing", nil)
		w.remove(token)
		w.await("CarouselTokenExpiring", "expiring", "resolved", nil)
	})
	t.Run("an upstream that refuses all tokens", func(*testing.T) {
		w.fail("http-401")
		w.await("CarouselGuardOpen", "openai", "firing", ok)
		w.await("CarouselFailures", "openai", "firing", ok)
		w.Sim.ClearRules()
		w.await("CarouselGuardOpen", "openai", "resolved", ok)
		w.await("CarouselFailures", "openai", "resolved", ok)
	})
	t.Run("requests that wait", func(*testing.T) {
		w.PutUpstream("busy", map[string]any{"driver": "openai", "base_url": w.SimURL + "/v1", "models": []string{"sim-delay-20000"}})
		w.AddTokens("busy", "b", 1, 1)
		var asking sync.WaitGroup
		for range 2 {
			asking.Go(func() { w.chat(stack.AdminToken, "busy/sim-delay-20000") })
		}
		w.await("CarouselQueue", "busy", "firing", nil)
		asking.Wait()
		w.await("CarouselQueue", "busy", "resolved", nil)
	})
	t.Run("an upstream that takes its time", func(*testing.T) {
		w.PutUpstream("late", map[string]any{"driver": "openai", "base_url": w.SimURL + "/v1", "models": []string{"sim-delay-35000"}})
		w.AddTokens("late", "l", 1, 0)
		w.chat(stack.AdminToken, "late/sim-delay-35000")
		w.await("CarouselFirstByteSlow", "late", "firing", nil)
		w.await("CarouselFirstByteSlow", "late", "resolved", nil)
	})
	t.Run("a Redis that hangs", func(*testing.T) {
		w.AwaitReserves("openai")
		w.Redis.Freeze()
		w.await("CarouselStoreDown", "", "firing", ok)
		w.await("CarouselDegraded", "", "firing", ok)
		w.await("CarouselLogStalled", "", "firing", ok)
		w.await("CarouselLogDropping", "", "firing", w.flood)
		w.Redis.Thaw()
		w.await("CarouselStoreDown", "", "resolved", nil)
		w.await("CarouselDegraded", "", "resolved", nil)
		w.await("CarouselLogStalled", "", "resolved", nil)
		w.await("CarouselLogDropping", "", "resolved", nil)
	})
	t.Run("a Redis that is slow", func(*testing.T) {
		w.await("CarouselScriptSlow", "", "firing", func() {
			w.Redis.Freeze()
			<-time.After(500 * time.Millisecond) // the fault itself
			w.Redis.Thaw()
		})
		w.await("CarouselScriptSlow", "", "resolved", ok)
	})
	t.Run("a Redis that deletes", func(t *testing.T) {
		set := func(name, value string) {
			if err := redis.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Error(err)
			}
		}
		set("maxmemory-policy", "allkeys-lru")
		w.await("CarouselStoreWarning", "", "firing", nil)
		set("maxmemory-policy", "noeviction")
		w.await("CarouselStoreWarning", "", "resolved", nil)
		used := stack.Metric(t, w.TokenstoreOps(), "carousel_tokenstore_redis_memory_bytes", `redis="pool"`)
		set("maxmemory", fmt.Sprintf("%.0f", used/0.85))
		w.await("CarouselRedisMemory", "", "firing", nil)
		set("maxmemory", "0")
		w.await("CarouselRedisMemory", "", "resolved", nil)
	})
	t.Run("somebody who guesses the admin token", func(*testing.T) {
		guess := func() {
			w.send("/admin/login", "application/x-www-form-urlencoded", url.Values{"token": {"sk-carousel-guess"}}.Encode(), "")
		}
		w.await("CarouselLoginsRefused", "", "firing", guess)
		w.await("CarouselLoginsRefused", "", "resolved", nil)
	})
	t.Run("a budget that ends", func(t *testing.T) {
		var key struct{ Secret string }
		gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", map[string]any{
			"name": "spender", "budgets": []map[string]any{{"unit": "requests", "amount": "2", "period": "day"}},
		}).JSON(t, &key)
		spend := func() { w.chat(key.Secret, "openai/gpt-test") }
		w.await("CarouselBudgetNear", "", "firing", spend)
		w.await("CarouselBudgetSpent", "", "firing", spend)
		w.await("CarouselBudgetSpent", "", "resolved", nil)
		w.await("CarouselBudgetNear", "", "resolved", nil)
	})
	t.Run("a gateway that is gone", func(*testing.T) {
		gateway.Kill()
		w.await("CarouselDown", "", "firing", nil)
		w.await("CarouselAbsent", "", "firing", nil)
		gateway.Start()
		w.await("CarouselDown", "", "resolved", nil)
		w.await("CarouselAbsent", "", "resolved", nil)
	})
}
