package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// An admin hands out a key: its secret is seen once, and what the pages show to paste works as it
// stands there.
func TestKeysInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	tab := login(t, gateway, "/admin/keys")
	tab.See("main", "No keys yet")

	secret := createKey(t, tab)
	pasteTexts(t, tab)
	seeOnce(t, tab, gateway, secret)
	renewed := rotateInABrowser(t, tab, secret)
	deleteAndRestore(t, tab, gateway, renewed)
	holdKey(t, tab, gateway, renewed)
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// createKey fills in the dialog, wrong at first, and answers the secret.
func createKey(t *testing.T, tab *browser.Tab) string {
	t.Helper()
	tab.Click("#new-key")
	tab.See("#key-dialog", "New key")
	tab.Type("#k-name", "Build server")
	tab.Type("#k-requests", "600")
	tab.Type("#k-amount-1", "ten")
	tab.Expect("400")
	tab.Follow("#key-save")
	tab.See("#k-amount-1-problem", "such as 10.50")
	tab.Type("#k-amount-1", "10.50")
	tab.Type("#k-zone-1", "Europe/Berlin")
	tab.Type("#k-models", "gpt-*")
	tab.Follow("#key-save")
	tab.See("main", "Copy it now")
	secret := shownText(tab, "secret")
	if !strings.HasPrefix(secret, "sk-carousel-") {
		t.Fatalf("the secret is %q", secret)
	}
	return secret
}

func shownText(tab *browser.Tab, id string) string {
	return browser.Eval[string](tab, fmt.Sprintf("document.getElementById(%q).textContent", id))
}

// pasteTexts executes what is shown for clients that are here: in a shell, and as a Go program.
func pasteTexts(t *testing.T, tab *browser.Tab) {
	t.Helper()
	choose(tab, "connect-model", "gpt-test")
	browser.Eval[any](tab, "document.getElementById('connect-model').dispatchEvent(new Event('change'))")
	for _, client := range []string{"curl-chat", "curl-messages", "curl-responses"} {
		run(t, client, t.TempDir(), shownText(tab, "paste-"+client+"-0"))
	}
	for _, client := range []string{"openai-go", "anthropic-go"} {
		folder := t.TempDir()
		program := filepath.Join(folder, "main.go")
		if err := os.WriteFile(program, []byte(shownText(tab, "paste-"+client+"-1")), 0o600); err != nil {
			t.Fatal(err)
		}
		var variables strings.Builder
		for line := range strings.Lines(shownText(tab, "paste-"+client+"-0")) {
			if !strings.HasPrefix(line, "go get ") { // the module is here, in the version that the tests have
				variables.WriteString(line)
			}
		}
		run(t, client, filepath.Join(stack.Root(t), "deploy"), variables.String()+"exec go run '"+program+"'")
	}
}

// run executes a text in a shell; the simulator says what it was told.
func run(t *testing.T, client, folder, text string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-e")
	command.Dir, command.Stdin = folder, strings.NewReader(text)
	command.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "ANTHROPIC_API_KEY=unset-by-the-text")
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "Hello") || strings.Contains(string(output), `"error":{`) {
		t.Errorf("%s: %v\n%s\n%s", client, err, text, output)
	}
}

// seeOnce looks for the secret where it must not be.
func seeOnce(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, secret string) {
	t.Helper()
	if at := browser.Eval[string](tab, "location.href"); strings.Contains(at, secret) || !strings.Contains(at, "/admin/keys/") || strings.HasSuffix(at, "/new") {
		t.Errorf("the page's address is %s", at)
	}
	tab.Leave("to load it again", func() { browser.Eval[any](tab, "location.reload()") })
	tab.See("#key-limits", "$10.50")
	if content := browser.Eval[string](tab, "document.documentElement.outerHTML"); strings.Contains(content, secret) {
		t.Error("the secret is shown again")
	}
	tab.Expect("ERR_CACHE_MISS") // the page before was a form that was sent
	tab.Leave("the way back", func() { browser.Eval[any](tab, "history.back()") })
	tab.Until("the page before is there", "!location.pathname.match(/keys.[a-z2-7]{16}$/)")
	if content := browser.Eval[string](tab, "document.documentElement.outerHTML"); strings.Contains(content, secret) {
		t.Error("the secret is in the history")
	}
	tab.Go(gateway.URL + "/admin/keys")
	tab.See("#key-table", "Build server")
	if rows := browser.Eval[int](tab, "document.querySelectorAll('#key-table tbody tr').length"); rows != 1 {
		t.Errorf("%d keys", rows)
	}
}

func rotateInABrowser(t *testing.T, tab *browser.Tab, secret string) string {
	t.Helper()
	tab.Follow("#key-table .title a")
	tab.See("h1", "Build server")
	tab.Click("#rotate summary")
	choose(tab, "keep", "1h")
	tab.Follow("#key-rotate")
	tab.See("main", "The old one goes on until")
	renewed := shownText(tab, "secret")
	if renewed == secret || !strings.HasPrefix(renewed, secret[:len("sk-carousel-")+16]) {
		t.Errorf("the new secret is %q", renewed)
	}
	return renewed
}

func deleteAndRestore(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, secret string) {
	t.Helper()
	status := func() int {
		got, _, _ := post(t, gateway, secret, chatBody("gpt-test", "Hello", false))
		return got
	}
	tab.Follow("#to-key")
	tab.Follow("#key-delete")
	tab.See("#key-gone", "can be restored for 24 hours")
	stack.Eventually(t, "the key is refused", 5*time.Second, func() bool { return status() == http.StatusUnauthorized })
	tab.Go(gateway.URL + "/admin/keys?state=deleted")
	tab.See("#key-table", "Build server")
	tab.Follow("#key-table [data-restore]")
	tab.See("#done", "The key is restored.")
	stack.Eventually(t, "the key is taken", 5*time.Second, func() bool { return status() == http.StatusOK })
	tab.Follow("#key-switch")
	tab.See("#done", "The key is disabled.")
	tab.Follow("#key-switch")
	tab.See("#done", "The key is enabled.")
	at := browser.Eval[string](tab, "location.pathname")
	tab.Go(gateway.URL + "/admin/activity")
	tab.Click("#audit tbody tr [data-undo]")
	tab.See("#audit tbody tr:nth-child(2)", "Undone")
	tab.Follow("#audit tbody a[href='" + at + "']")
	tab.See("main", "Disabled")
	tab.Follow("#key-switch")
	tab.See("#done", "The key is enabled.")
}

// holdKey looks at the page that holders of keys have.
func holdKey(t *testing.T, tab *browser.Tab, gateway *stack.Gateway, secret string) {
	t.Helper()
	tab.Go(gateway.URL + "/key")
	tab.Expect("401")
	tab.Type("#key", "sk-wrong")
	tab.Submit()
	tab.See("#problem", "wrong")
	tab.Type("#key", secret)
	tab.Submit()
	tab.See("h1", "Build server")
	tab.See("main", "$10.50")
	content := browser.Eval[string](tab, "document.documentElement.outerHTML")
	if strings.Contains(content, secret) || strings.Contains(content, `href="/admin/tokens"`) {
		t.Error("the key, or the admin's navigation, is in the page")
	}
	if address := browser.Eval[string](tab, "location.href"); address != gateway.URL+"/key" {
		t.Errorf("at %s", address)
	}
}

// The pages about keys, light and dark, wide and narrow, in both languages: nothing that keeps
// people from using them. With SCREENSHOTS=<folder> each is also drawn.
func TestKeyPagesAreAccessible(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	id, secret := fillKeys(t, gateway)
	if failed := chatsOf(t, gateway, secret, 5); failed > 0 {
		t.Errorf("%d requests failed", failed)
	}
	tab := login(t, gateway, "/admin/keys")
	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/keys", language)
		look(t, tab, "keys", language)
		tab.Click("#new-key")
		look(t, tab, "key-dialog", language)
		tab.Go(gateway.URL + "/admin/keys/new")
		look(t, tab, "key-new", language)
		tab.Go(gateway.URL + "/admin/keys/" + id)
		look(t, tab, "key", language)
		browser.Eval[any](tab, "for (const part of document.querySelectorAll('#edit, #rotate, #connect-claude-code')) part.open = true")
		look(t, tab, "key-open", language)
		tab.Follow("#key-rotate")
		tab.Until("there is a secret", "document.getElementById('secret') !== null")
		secret = shownText(tab, "secret")
		browser.Eval[any](tab, "document.getElementById('connect-cursor').open = true")
		look(t, tab, "key-secret", language)
		tab.Go(gateway.URL + "/key")
		look(t, tab, "holder-form", language)
		tab.Type("#key", secret)
		tab.Submit()
		tab.Until("the key is shown", "document.getElementById('limits-title') !== null")
		look(t, tab, "holder", language)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// look sees a page as it is, in every way of looking at it.
func look(t *testing.T, tab *browser.Tab, name, language string) {
	t.Helper()
	lookAt(t, tab, name+"-"+language)
	checkKeyboard(t, tab, name)
}

// fillKeys makes keys that are worth looking at, and answers one of them.
func fillKeys(t *testing.T, gateway *stack.Gateway) (id, secret string) {
	t.Helper()
	for _, key := range []map[string]any{
		{"name": "A program without limits"},
		{"name": "Nightly build", "tags": []string{"ci"}, "expires_at": time.Now().Add(48 * time.Hour).Format(time.RFC3339), "limits": map[string]any{"requests_per_minute": 5}},
		{
			"name": "Team of the search engine", "tags": []string{"team", "berlin"}, "models": []string{"gpt-*", "claude-*"}, "networks": []string{"127.0.0.0/8", "10.0.0.0/8"},
			"limits":  map[string]any{"requests_per_minute": 60, "tokens_per_minute": 100000, "parallel": 8},
			"budgets": []map[string]any{{"unit": "usd", "amount": "10.50", "period": "month", "time_zone": "Europe/Berlin"}, {"unit": "tokens", "amount": "5000000", "period": "total"}},
		},
	} {
		var made struct {
			Key    struct{ ID string }
			Secret string
		}
		gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", key).JSON(t, &made)
		id, secret = made.Key.ID, made.Secret
	}
	return id, secret
}

// chatsOf sends requests with a key, and answers how many failed.
func chatsOf(t *testing.T, gateway *stack.Gateway, secret string, n int) (failed int) {
	t.Helper()
	for range n {
		if status, _, _ := post(t, gateway, secret, chatBody("gpt-test", "Hello", false)); status != http.StatusOK {
			failed++
		}
	}
	return failed
}
