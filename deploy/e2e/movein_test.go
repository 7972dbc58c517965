package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
)

// moved is what `carousel admin move-in -o json` prints.
type moved struct {
	Applied bool
	Counts  struct{ Taken, Changed, Same, Left int }
	Items   []struct{ Kind, Name, To, Outcome, Reason string }
}

// moveIn runs the command and looks for secrets in what it prints: those of the files are made up,
// and all told by one of these.
func moveIn(t *testing.T, at *stack.Gateway, args ...string) moved {
	t.Helper()
	output := stack.Command(t, at, append([]string{"move-in", "-o", "json"}, args...)...)
	if secret := regexp.MustCompile(`(?i)fake|hunter2|eyJ\w{4}`).FindString(output); secret != "" {
		t.Errorf("%v prints a secret, %s", args, secret)
	}
	var report moved
	if err := json.Unmarshal([]byte(output), &report); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	return report
}

// tagged are the tokens with a tag, each as its upstream, its name and whether it is enabled.
func tagged(t *testing.T, at *stack.Gateway, tag string) map[string]bool {
	t.Helper()
	var page struct{ Tokens []stack.Token }
	at.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?limit=1000&tag="+tag, nil).JSON(t, &page)
	tokens := map[string]bool{}
	for _, each := range page.Tokens {
		tokens[fmt.Sprintf("%s %s %s", each.Upstream, each.Alias, each.Token)] = each.Enabled
	}
	return tokens
}

// What each kind of gateway keeps gets into the pool by the command line. A dry run changes
// nothing, and a second run takes nothing twice. The files are those of gateway/internal/foreign.
func TestMoveInEveryFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format string
		files  []string
		// tokens are how many are in the pool then, disabled how many of them are.
		tokens, disabled int
	}{
		{"litellm", []string{"litellm.yaml"}, 7, 0},
		{"cliproxyapi", []string{"cliproxyapi.yaml", "codex-user@example.com.json", "cursor-work.json"}, 7, 1},
		{"gpt-load", []string{"gpt-load.db"}, 3, 1},
		{"gpt-load", []string{"gpt-load-groups.json"}, 2, 1},
		{"one-api", []string{"one-api.db"}, 7, 2},
		{"sub2api", []string{"sub2api.json"}, 3, 0},
		{"cursor-api", []string{"cursor-api.tokens"}, 2, 0},
		{"cursor-api", []string{"cursor-api.json"}, 2, 1},
	} {
		t.Run(c.files[0], func(t *testing.T) {
			t.Parallel()
			gateway := stack.StartLocal(t)
			var files []string
			for _, name := range c.files {
				files = append(files, filepath.Join("../../gateway/internal/foreign/testdata", name))
			}
			plan := moveIn(t, gateway, append(files, "--dry-run")...)
			if there := tagged(t, gateway, "from-"+c.format); plan.Applied || len(there) > 0 {
				t.Fatalf("a dry run leaves %v", there)
			}
			done := moveIn(t, gateway, files...)
			if !done.Applied || done.Counts != plan.Counts {
				t.Errorf("planned %+v, done %+v: %+v", plan.Counts, done.Counts, done.Items)
			}
			tokens, disabled := tagged(t, gateway, "from-"+c.format), 0
			for _, enabled := range tokens {
				if !enabled {
					disabled++
				}
			}
			if len(tokens) != c.tokens || disabled != c.disabled {
				t.Errorf("%d tokens, %d of them disabled, want %d and %d: %v", len(tokens), disabled, c.tokens, c.disabled, tokens)
			}
			again := moveIn(t, gateway, files...)
			if again.Counts.Taken > 0 || fmt.Sprint(tagged(t, gateway, "from-"+c.format)) != fmt.Sprint(tokens) {
				t.Errorf("a second time: %+v %+v", again.Counts, again.Items)
			}
			for _, each := range again.Items {
				if each.Outcome == "changed" && each.Kind != "setting" {
					t.Errorf("a second time: %+v", each)
				}
			}
		})
	}
}

// A gateway's configuration is moved in, and its clients are served by the names that they know.
// The routes are taken back as one change.
func TestMovedInModelsServe(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	file := filepath.Join(t.TempDir(), "config.yaml")
	config := fmt.Sprintf("model_list:\n- model_name: house-model\n  litellm_params: {model: openai/gpt-test, api_base: %s/v1, api_key: sk-moved-in-token-0123456789}\n", s.SimURL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := moveIn(t, gateway, file); report.Counts.Taken != 2 || report.Counts.Same != 1 { // the upstream is there
		t.Fatalf("%+v", report)
	}
	client := gateway.SDK()
	ask := func() error {
		_, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
			Model: "house-model", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
		})
		return err
	}
	s.Eventually("the gateway knows the route", stack.Slack, func() bool { return ask() == nil })
	var audit struct {
		Entries []struct {
			Action    string `json:"action"`
			RequestID string `json:"request_id"`
		} `json:"entries"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/audit", nil).JSON(t, &audit)
	for _, entry := range audit.Entries {
		if entry.Action == "moved in" {
			gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/audit/"+entry.RequestID+"/undo", nil)
		}
	}
	s.Eventually("the route is gone", stack.Slack, func() bool {
		refused, is := errors.AsType[*openai.Error](ask())
		return is && refused.StatusCode == http.StatusNotFound
	})
}
