package e2e_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

const backupPassphrase = "correct horse battery"

type restorePlan struct {
	Plan struct {
		Digest  string
		Applied bool
		Counts  []struct {
			Kind, Action string
			Count        int
		}
		Items []struct{ Kind, Action, Name, Detail string }
	}
}

// count is how many of a kind, empty: of all, something is done with.
func (p restorePlan) count(kind, action string) int {
	total := 0
	for _, each := range p.Plan.Counts {
		if (kind == "" || each.Kind == kind) && each.Action == action {
			total += each.Count
		}
	}
	return total
}

// sendRestore sends a form with a backup.
func sendRestore(t *testing.T, gateway *stack.Gateway, file []byte, fields map[string]string) answered {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "a.backup.age")
	if err == nil {
		_, err = part.Write(file)
	}
	for name, value := range fields {
		if err == nil {
			err = form.WriteField(name, value)
		}
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return send(t, gateway, http.MethodPost, "/admin/api/restore", stack.AdminToken, body.String(), map[string]string{"Content-Type": form.FormDataContentType()})
}

// restoreThere plans or applies a restore.
func restoreThere(t *testing.T, gateway *stack.Gateway, file []byte, fields map[string]string) (plan restorePlan) {
	t.Helper()
	fields["passphrase"] = backupPassphrase
	got := sendRestore(t, gateway, file, fields)
	if got.status != http.StatusOK {
		t.Fatalf("restore: %d %s", got.status, got.body)
	}
	if err := json.Unmarshal(got.body, &plan); err != nil {
		t.Fatal(err)
	}
	return plan
}

// fillPair gives a pair something of everything and returns the secret of a client key.
func fillPair(t *testing.T, s *stack.Stack) string {
	t.Helper()
	gateway := s.Gateways[0]
	s.AddTokens("openai", "backup", 3, 4)
	s.AddTokens("cursor", "backup-cursor", 1, 0)
	s.PutUpstream("more", map[string]any{
		"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"more-1"}, "settings": map[string]string{"first_byte_timeout": "90s"},
	})
	for path, body := range map[string]any{
		"PUT routes/fast": map[string]any{"match": "quick-*", "targets": []map[string]any{{"upstream": "openai", "model": "gpt-test"}}},
		"PATCH settings":  map[string]any{"max_attempts": 5, "default_instructions": "Be brief."},
		"PUT pages":       map[string]any{"path": "/about", "type": "html", "content": "<p>ours</p>"},
		"PUT prices":      map[string]any{"prices": []map[string]any{{"match": "gpt-test", "input_per_million": "1.5", "output_per_million": "6"}}},
	} {
		method, path, _ := strings.Cut(path, " ")
		gateway.MustAdmin(t, http.StatusOK, method, "/admin/api/"+path, body)
	}
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/notifications/destinations", map[string]any{
		"name": "on call", "kind": "slack", "url": "https://hooks.slack.example/services/sk-secret-hook", "disabled": true,
	})
	var made struct{ Secret string }
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", map[string]any{
		"name": "Anna's laptop", "models": []string{"gpt-*", "quick-*"}, "limits": map[string]any{"requests_per_minute": 60},
	}).JSON(t, &made)
	return made.Secret
}

// A backup of a full pair, restored into an empty one, makes the two alike: what they export is
// equal, and who has a client key of the first chats with the second at once.
func TestABackupMakesAnotherPairAlike(t *testing.T) {
	full := stack.Start(t, stack.Options{})
	empty := stack.Start(t, stack.Options{})
	secret := fillPair(t, full)
	from, into := full.Gateways[0], empty.Gateways[0]
	made := from.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/backup", map[string]any{"passphrase": backupPassphrase})
	for _, hidden := range []string{"sk-secret", "Anna's laptop", "carousel backup"} {
		if bytes.Contains(made.Body, []byte(hidden)) {
			t.Errorf("the file shows %q", hidden)
		}
	}

	before := stack.Exports(t, into)
	plan := restoreThere(t, into, made.Body, map[string]string{"mode": "plan"})
	if plan.Plan.Applied || plan.count("token", "add") != 4 || plan.count("upstream", "add") != 1 || plan.count("upstream", "change") != 2 || plan.count("key", "add") != 1 || plan.count("destination", "add") != 1 {
		t.Errorf("the plan is %+v", plan.Plan)
	}
	if diff := stack.Difference(before, stack.Exports(t, into)); diff != "" {
		t.Fatalf("planning changed %s", diff)
	}
	applied := restoreThere(t, into, made.Body, map[string]string{"mode": "apply", "digest": plan.Plan.Digest})
	if !applied.Plan.Applied || applied.count("", "refuse") != 0 {
		t.Errorf("applied: %+v", applied.Plan)
	}
	for _, model := range []string{"gpt-test", "quick-one"} {
		if got := send(t, into, http.MethodPost, "/v1/chat/completions", secret, chatBody(model, "Hello", false), nil); got.status != http.StatusOK {
			t.Errorf("a chat with %s and the first pair's key: %d %s", model, got.status, got.body)
		}
	}
	if diff := stack.Difference(stack.Exports(t, from), stack.Exports(t, into)); diff != "" {
		t.Errorf("the pairs export different %s", diff)
	}

	again := restoreThere(t, into, made.Body, map[string]string{"mode": "plan", "remove_others": "true"})
	if changes := again.count("", "add") + again.count("", "change") + again.count("", "remove"); changes != 0 {
		t.Errorf("a second restore would change %+v", again.Plan.Items)
	}
}

// A restore that is refused changes nothing: with another passphrase, of a file that is not whole,
// or when something has changed since the plan.
func TestARefusedRestoreChangesNothing(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	fillPair(t, s)
	file := gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/backup", map[string]any{"passphrase": backupPassphrase}).Body
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 4})
	plan := restoreThere(t, gateway, file, map[string]string{"mode": "plan"})
	if plan.count("", "change") != 1 || len(plan.Plan.Items) != 1 || plan.Plan.Items[0].Detail != "4 → 5" {
		t.Errorf("the plan is %+v", plan.Plan)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 3})
	before := stack.Exports(t, gateway)
	flipped := bytes.Clone(file)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		file   []byte
		phrase string
		status int
	}{
		"another passphrase": {file, backupPassphrase + "?", http.StatusBadRequest},
		"cut off":            {file[:len(file)-1], backupPassphrase, http.StatusBadRequest},
		"changed":            {flipped, backupPassphrase, http.StatusBadRequest},
		"another plan":       {file, backupPassphrase, http.StatusPreconditionFailed},
	} {
		got := sendRestore(t, gateway, c.file, map[string]string{"mode": "apply", "digest": plan.Plan.Digest, "passphrase": c.phrase})
		if got.status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, got.status, c.status, got.body)
		}
	}
	if diff := stack.Difference(before, stack.Exports(t, gateway)); diff != "" {
		t.Errorf("it changed %s", diff)
	}
}
