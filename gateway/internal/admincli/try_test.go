package admincli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTry(t *testing.T) {
	for name, test := range map[string]struct {
		args                  []string
		stdin                 string
		asked, stdout, stderr string
	}{
		"a question": {
			[]string{"gpt-4o", "Hello", "you!"},
			"", `POST /v1/chat/completions {"messages":[{"content":"Hello you!","role":"user"}],"model":"gpt-4o"}`,
			"Hi\ufffd[31m!\n", "(stop; 3 + 2 tokens)\n",
		},
		"from standard input": {
			[]string{"gpt-4o"},
			"Hello", `POST /v1/chat/completions {"messages":[{"content":"Hello","role":"user"}],"model":"gpt-4o"}`,
			"Hi\ufffd[31m!\n", "(stop; 3 + 2 tokens)\n",
		},
		"below a prefix": {
			[]string{"gpt-4o", "Hello", "--route-prefix", "/own/"},
			"", `POST /own/v1/chat/completions {"messages":[{"content":"Hello","role":"user"}],"model":"gpt-4o"}`,
			"Own.\n", "(; 0 + 0 tokens)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			got := a.run(t, test.stdin, append([]string{"try"}, test.args...)...)
			if got != (result{0, test.stdout, test.stderr}) || len(a.asked) != 1 || a.asked[0] != test.asked {
				t.Errorf("got %+v, asked %q", got, a.asked)
			}
		})
	}
}

// What is to be set is told without the gateway and without the admin token; a client key's secret
// comes from a file.
func TestConnect(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(secret, []byte("sk-carousel-k1-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, shows := range map[string][]string{
		"codex --model fast":             {"# Codex, ~/.codex/config.toml:", `model = "fast"`, `base_url = "https://c.example/v1"`, "export CAROUSEL_KEY='YOUR_KEY'"},
		"claude-code --route-prefix own": {"export ANTHROPIC_BASE_URL='https://c.example/own'", "ANTHROPIC_MODEL='YOUR_MODEL'"},
		"cursor --secret-file " + secret: {"OpenAI API Key            sk-carousel-k1-secret\n"},
		"cursor --secret-file -":         {"OpenAI API Key            sk-carousel-k1-piped\n"},
	} {
		got := run(t, map[string]string{"CAROUSEL_URL": "https://c.example/"}, "sk-carousel-k1-piped\n", append([]string{"connect"}, strings.Fields(args)...)...)
		if got.code != 0 {
			t.Errorf("%s: code %d, %s", args, got.code, got.stderr)
		}
		for _, text := range shows {
			if !strings.Contains(got.stdout, text) {
				t.Errorf("%s: %q is not in\n%s", args, text, got.stdout)
			}
		}
	}
	if got := run(t, nil, "", "connect", "cursor", "--secret-file", secret+"x"); got.code != 1 {
		t.Errorf("code %d, %s", got.code, got.stderr)
	}
}
