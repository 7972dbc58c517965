package foreign_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/foreign"
)

var update = flag.Bool("update", false, "write testdata/*.plan")

// The files in testdata have the form that the programs write, with keys that are made up; each
// says which program and version that is (of cursor-api's and CLIProxyAPI's JSON: cursor-api 0.4,
// and a login of CLIProxyAPI 7.2 and one of its forks with Cursor; sub2api.json: sub2api of August
// 2026; gpt-load-groups.json: `GET /api/groups` of gpt-load 1.4, with keys). The databases are made
// of the .sql beside them. X.plan is what becomes of X.
var fixtures = []struct{ file, format string }{
	{"litellm.yaml", "litellm"},
	{"cliproxyapi.yaml", "cliproxyapi"},
	{"codex-user@example.com.json", "cliproxyapi"},
	{"cursor-work.json", "cliproxyapi"},
	{"gpt-load.db", "gpt-load"},
	{"gpt-load-2.db", "gpt-load"},
	{"gpt-load-groups.json", "gpt-load"},
	{"one-api.db", "one-api"},
	{"sub2api.json", "sub2api"},
	{"cursor-api.tokens", "cursor-api"},
	{"cursor-api.json", "cursor-api"},
}

func load(t testing.TB, name string) foreign.File {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return foreign.File{Name: name, Content: content}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	for _, fixture := range fixtures {
		t.Run(fixture.file, func(t *testing.T) {
			t.Parallel()
			plan, err := foreign.ReadFiles([]foreign.File{load(t, fixture.file)}, "")
			if err != nil {
				t.Fatal(err)
			}
			if want := []foreign.Read{{Name: fixture.file, Format: fixture.format}}; !slices.Equal(plan.Files, want) {
				t.Errorf("it is taken for %v", plan.Files)
			}
			got, kept := written(plan), filepath.Join("testdata", fixture.file+".plan")
			if *update {
				if err := os.WriteFile(kept, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			checkPlan(t, plan)
		})
	}
}

// written is a plan as text, an item a line and what it is made of.
func written(plan foreign.Plan) string {
	var text strings.Builder
	for _, item := range plan.Items {
		fmt.Fprintf(&text, "%s: %s %s %q", item.At, item.Verdict, item.Kind, item.Name)
		switch {
		case item.Upstream != nil:
			u := item.Upstream
			fmt.Fprintf(&text, " = %s at %s, models %q, proxy %q", u.Driver, u.BaseURL, u.Models, u.Proxy.Reveal())
		case item.Token != nil:
			k := item.Token
			fmt.Fprintf(&text, " = %s for %s, refresh %q, checksum %t, proxy %q, cap %d, weight %d, disabled %t",
				k.Secret.Masked(), k.Upstream.Name, k.Refresh.Masked(), !k.Checksum.Empty(), k.Proxy.Reveal(), k.Cap, k.Weight, k.Disabled)
		case item.Route != nil:
			fmt.Fprintf(&text, " = %s for %s:", item.Route.Name, item.Route.Match)
			for _, to := range item.Route.Targets {
				fmt.Fprintf(&text, " %s/%s (priority %d, weight %d)", to.Upstream.Name, to.Model, to.Priority, to.Weight)
			}
		}
		text.WriteString("\n")
		if item.Note != "" {
			text.WriteString("  " + item.Note + "\n")
		}
	}
	return text.String()
}

var (
	upstreamForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	routeForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	// secretForm is in every made-up secret of testdata.
	secretForm = regexp.MustCompile(`fake|FAKE|hunter2|eyJ|0011223344|c2VhbGVk`)
)

// checkPlan has what holds of every plan.
func checkPlan(t *testing.T, plan foreign.Plan) {
	t.Helper()
	names := map[string]bool{}
	once := func(kind, name string) {
		if names[kind+name] {
			t.Errorf("%s %q is there twice", kind, name)
		}
		names[kind+name] = true
	}
	for _, item := range plan.Items {
		if said := fmt.Sprint(item.File, item.At, item.Kind, item.Name, item.Note); secretForm.MatchString(said) {
			t.Errorf("a secret is told: %s", said)
		}
		if item.Verdict == foreign.Left && item.Note == "" {
			t.Errorf("%+v is left without a reason", item)
		}
		if item.Verdict == foreign.Left || item.Verdict == foreign.Same {
			continue
		}
		switch {
		case item.Upstream != nil:
			once("upstream", item.Upstream.Name)
			if !upstreamForm.MatchString(item.Upstream.Name) || item.Upstream.BaseURL == "" {
				t.Errorf("an upstream %q at %q", item.Upstream.Name, item.Upstream.BaseURL)
			}
		case item.Route != nil:
			once("route", item.Route.Name)
			once("match", item.Route.Match)
			if !routeForm.MatchString(item.Route.Name) || len(item.Route.Targets) == 0 || len(item.Route.Targets) > 32 {
				t.Errorf("a route %+v", item.Route)
			}
		case item.Token != nil && item.Token.Alias != "":
			once("alias", item.Token.Alias)
		}
	}
}

// Several files are one plan: what they have in common is in it once.
func TestFilesOfOneFolder(t *testing.T) {
	t.Parallel()
	files := []foreign.File{load(t, "cliproxyapi.yaml"), load(t, "cursor-work.json"), load(t, "cursor-api.json"), load(t, "litellm.yaml")}
	plan, err := foreign.ReadFiles(files, "")
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, plan)
	at := map[string][]string{}
	for _, item := range plan.Items {
		if item.Upstream != nil {
			at[item.Upstream.Name] = append(at[item.Upstream.Name], item.File)
		}
	}
	if !slices.Equal(at["cursor"], []string{"cursor-work.json"}) || !slices.Equal(at["anthropic"], []string{"cliproxyapi.yaml"}) || len(at["openai"]) != 1 {
		t.Errorf("upstreams: %v", at)
	}
}

func TestFilesThatCantBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content, format, says string
	}{
		"empty":           {" \n", "", "it is empty"},
		"a text":          {"hello\nworld", "", "in no form that can be moved in"},
		"another YAML":    {"services:\n  web: {}\n", "", "in no form"},
		"another JSON":    {`{"a":1}`, "", "in no form"},
		"broken JSON":     {`{"accounts":[`, "", "not valid JSON"},
		"half a database": {"SQLite format 3\x00and more", "", "damaged"},
		"another format":  {"model_list: []", "sub2api", "it has not the form of sub2api"},
		"no format":       {"model_list: []", "lite", `there is no format "lite"; there is cliproxyapi, litellm, gpt-load`},
		"too large":       {"#" + strings.Repeat(" ", 9<<20) + "x", "", "at most 8 MiB"},
	} {
		_, err := foreign.ReadFiles([]foreign.File{{Name: "/home/me/" + name, Content: []byte(c.content)}}, c.format)
		problem, is := errors.AsType[*foreign.FileError](err)
		if !is || problem.File != name || !strings.Contains(problem.Problem, c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := foreign.ReadFiles(nil, ""); err == nil {
		t.Error("no file is a plan")
	}
}

// A key that is in the environment is looked up in the file, and nowhere else.
func TestKeysInTheEnvironment(t *testing.T) {
	t.Setenv("FAR_AWAY", "sk-the-gateways-own-variable")
	plan, err := foreign.ReadFiles([]foreign.File{{Name: "config.yaml", Content: []byte("model_list:\n- model_name: a\n  litellm_params: {model: openai/a, api_key: os.environ/FAR_AWAY}\n")}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if text := written(plan); !strings.Contains(text, "left token") || !strings.Contains(text, "environment variable FAR_AWAY") {
		t.Error(text)
	}
}

// A route has at most 32 targets; what is cut is told.
func TestALongRoute(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("openai-compatibility:\n- name: pool\n  base-url: https://pool.example/v1\n  api-key-entries: [{api-key: sk-1}]\n  models:\n")
	for i := range 40 {
		fmt.Fprintf(&text, "  - {name: model-%d, alias: any}\n", i)
	}
	plan, err := foreign.ReadFiles([]foreign.File{{Name: "config.yaml", Content: []byte(text.String())}}, "")
	if err != nil {
		t.Fatal(err)
	}
	last := plan.Items[len(plan.Items)-1]
	if last.Route == nil || len(last.Route.Targets) != 32 || last.Verdict != foreign.Changed || last.Note != "only the first 32 targets" {
		t.Errorf("%+v", last)
	}
}

// A file of more things than a plan may have is refused, not cut.
func TestTooManyThings(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(`[{"name":"g","channel_type":"openai","upstreams":[{"url":"https://relay.example"}],"api_keys":[`)
	for i := range 20_001 {
		fmt.Fprintf(&text, `{"key_value":"sk-%d"},`, i)
	}
	text.WriteString(`{"key_value":"sk-last"}]}]`)
	if _, err := foreign.ReadFiles([]foreign.File{{Name: "groups.json", Content: []byte(text.String())}}, ""); err == nil || !strings.Contains(err.Error(), "in parts") {
		t.Errorf("%v", err)
	}
}

func FuzzReadFiles(f *testing.F) {
	for _, fixture := range fixtures {
		f.Add(load(f, fixture.file).Content)
	}
	f.Add([]byte("a: &a [*a]\nmodel_list: *a"))
	f.Fuzz(func(t *testing.T, content []byte) {
		plan, err := foreign.ReadFiles([]foreign.File{{Name: "file", Content: content}}, "")
		if err != nil {
			return
		}
		for i := range plan.Items { // what is made up by the fuzzer is not told from a secret
			item := &plan.Items[i]
			item.Name, item.At = "", ""
			item.Note = strings.Repeat("x", min(len(item.Note), 1))
		}
		checkPlan(t, plan)
	})
}
