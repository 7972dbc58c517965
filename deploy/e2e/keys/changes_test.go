package keys_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// soon is how long a change may take to hold everywhere.
const soon = 8 * time.Second

// changes: what an admin does to a key at one gateway holds at all of them within a second. A
// stream that is open goes on to its end.
func (f *fleet) changes(t *testing.T) {
	k := f.create(t, nil)
	everywhere := func(want string) {
		t.Helper()
		for i, gateway := range f.Gateways {
			if got := f.ask(t.Context(), gateway.URL, k.Secret, body(model, 0)); outcome(got) != want {
				t.Errorf("gateway %d, before: %s %s", i+1, outcome(got), got.text)
			}
		}
	}
	becomes := func(what string, status int, change func()) {
		t.Helper()
		change()
		began := time.Now()
		for i, gateway := range f.Gateways {
			stack.Eventually(t, what, 10*time.Second, func() bool {
				return f.ask(t.Context(), gateway.URL, k.Secret, body(model, 0)).status == status
			})
			if took := time.Since(began); took > soon {
				t.Errorf("%s: it holds at gateway %d after %s", what, i+1, took)
			}
		}
	}
	path := "/admin/api/keys/" + k.ID
	patch := func(fields map[string]any) func() {
		return func() { f.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, path, fields) }
	}
	everywhere(served)
	stream := f.stream(t, f.Gateways[2], k.Secret)

	becomes("it is disabled", http.StatusUnauthorized, patch(map[string]any{"disabled": true}))
	becomes("it is enabled", http.StatusOK, patch(map[string]any{"disabled": false}))
	becomes("it may use other models only", http.StatusNotFound, patch(map[string]any{"models": []string{"claude-*"}}))
	becomes("it may use all", http.StatusOK, patch(map[string]any{"models": nil}))
	becomes("it has a limit", http.StatusTooManyRequests, patch(map[string]any{"budgets": []map[string]any{{"unit": "tokens", "amount": "1", "period": "total"}}}))
	becomes("it has none", http.StatusOK, patch(map[string]any{"budgets": []map[string]any{}}))
	becomes("it is for other networks", http.StatusForbidden, patch(map[string]any{"networks": []string{"192.0.2.0/24"}}))
	becomes("it is for all", http.StatusOK, patch(map[string]any{"networks": nil}))
	becomes("it has expired", http.StatusUnauthorized, patch(map[string]any{"expires_at": "2026-01-01T00:00:00Z"}))
	becomes("it never expires", http.StatusOK, patch(map[string]any{"expires_at": nil}))
	becomes("it is deleted", http.StatusUnauthorized, func() { f.Gateways[0].Admin(t, http.MethodDelete, path, nil) })

	if text := <-stream; !strings.Contains(text, "data: [DONE]") || strings.Contains(text, `"error"`) {
		t.Errorf("the stream that was open has not come to its end: %s", text)
	}
}

// stream begins a slow stream, and answers all of it when it has ended.
func (f *fleet) stream(t *testing.T, gateway *stack.Gateway, secret string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	text := `{"model":"openai/sim-slow","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat(question+" ", 10) + `"}]}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := f.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 1)
	go func() { // ends with the answer, or its deadline
		defer func() { _ = response.Body.Close() }()
		var lines strings.Builder
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			lines.WriteString(scanner.Text() + "\n")
		}
		all <- lines.String()
	}()
	return all
}
