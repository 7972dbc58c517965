package connect_test

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/connect"
)

var target = connect.Target{
	URL: "https://gateway.example:8443/team", Key: "sk-carousel-abcdefghijklmnop-_-0123456789", Model: "openai/gpt-4o@2024:beta",
}

func TestEveryClientIsPointedAtTheGateway(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, client := range connect.Clients() {
		if client.Name == "" || seen[client.ID] || !connect.Plain(client.ID) {
			t.Errorf("%+v: an id of its own and a name are wanted", client)
		}
		seen[client.ID] = true
		all := ""
		for _, part := range client.Parts {
			all += part.Text(target)
			for _, field := range part.Fields(target) {
				all += field.Label + "=" + join(field.Value) + "\n"
			}
			if part.IsText() == (len(part.Fields(target)) > 0) {
				t.Errorf("%s: a part is a text or a dialog", client.ID)
			}
		}
		wanted := []string{target.URL, target.Key, target.Model}
		if client.ID == "open-webui" { // it asks for the list of models
			wanted = wanted[:2]
		}
		for _, want := range wanted {
			if !strings.Contains(all, want) {
				t.Errorf("%s does not say %q:\n%s", client.ID, want, all)
			}
		}
		if strings.Contains(all, "{{") || strings.Contains(all, "/v1/v1") {
			t.Errorf("%s: %s", client.ID, all)
		}
		anthropic := strings.Contains(client.ID, "claude") || strings.Contains(client.ID, "anthropic")
		if anthropic == strings.Contains(all, target.URL+"/v1") {
			t.Errorf("%s: OpenAI's clients want /v1 in the address, Anthropic's do not", client.ID)
		}
	}
}

func join(pieces []connect.Piece) string {
	var all strings.Builder
	for _, piece := range pieces {
		all.WriteString(piece.Text)
	}
	return all.String()
}

// What could mean something in a shell or in a program is never in a text.
func TestNothingNeedsToBeQuoted(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{
		"", "'; touch /tmp/x; '", `"`, "`id`", "$(id)", "a b", "a\nb", `a\b`, "-rf", "{{key}}", "<b>", "名", "a;b", "a#b", "a'b", "!x", "a*", "%41",
	} {
		if connect.Plain(hostile) {
			t.Errorf("%q passes for plain", hostile)
		}
		for _, client := range connect.Clients() {
			for _, part := range client.Parts {
				with := part.Text(connect.Target{URL: "https://" + hostile, Key: hostile, Model: hostile})
				want := part.Text(connect.Target{})
				if with != want {
					t.Errorf("%s with %q:\n%s", client.ID, hostile, with)
				}
			}
		}
	}
	for _, url := range []string{"http://localhost:3000", "https://[::1]:8443/a/b", "https://x.example"} {
		if text := connect.Clients()[0].Parts[0].Text(connect.Target{URL: url}); !strings.Contains(text, "'"+url+"'") {
			t.Errorf("%s is not shown: %s", url, text)
		}
	}
	for _, url := range []string{"javascript:alert(1)", "https://x/'", "https://x/$(id)", "https://x\n", "https://x?a", "https://u:p@x"} {
		if text := connect.Clients()[0].Parts[0].Text(connect.Target{URL: url}); strings.Contains(text, url) {
			t.Errorf("%q is shown", url)
		}
	}
}

func TestTextsAreOfTheirLanguages(t *testing.T) {
	t.Parallel()
	for _, client := range connect.Clients() {
		for _, part := range client.Parts {
			text := part.Text(target)
			switch {
			case !part.IsText():
			case part.Place == "":
				check(t, text, "sh", "-n")
			case strings.HasSuffix(part.Place, ".json"):
				if !json.Valid([]byte(text)) {
					t.Errorf("%s: no JSON: %s", client.ID, text)
				}
			case strings.HasSuffix(part.Place, ".go"):
				formatted, err := format.Source([]byte(text))
				if err != nil || string(formatted) != text {
					t.Errorf("%s: %v, formatted:\n%s", client.ID, err, formatted)
				}
			case strings.HasSuffix(part.Place, ".py"):
				check(t, text, "python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())")
			case strings.HasSuffix(part.Place, ".mjs"):
				check(t, text, "node", "--check", "--input-type=module")
			}
		}
	}
}

// check has a program read the text, where the machine has it.
func check(t *testing.T, text, program string, arguments ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Logf("%s is not here: not checked", program)
		return
	}
	command := exec.CommandContext(t.Context(), path, arguments...)
	command.Stdin = strings.NewReader(text)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", program, err, output, text)
	}
}

// The manual says what the pages say, with placeholders.
func TestTheManualHasEveryClient(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(file)
	for _, client := range connect.Clients() {
		_, section, found := strings.Cut(manual, "\n### "+client.Name+"\n")
		if !found {
			t.Errorf("docs/clients.md has no section %q", client.Name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n##")
		for _, part := range client.Parts {
			wanted := []string{part.Place, part.Text(connect.Target{})}
			for _, field := range part.Fields(connect.Target{}) {
				wanted = append(wanted, "- "+field.Label+": `"+join(field.Value)+"`\n")
			}
			for _, want := range wanted {
				if !strings.Contains(section, want) {
					t.Errorf("section %q of docs/clients.md does not have\n%s", client.Name, want)
				}
			}
		}
	}
}
