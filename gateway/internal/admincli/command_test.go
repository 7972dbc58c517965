package admincli_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/admincli"
)

// runWhole is a command line from its first word on.
func (a *api) runWhole(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := admincli.Run(t.Context(), args, admincli.Environment{
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: func() time.Time { return now }, ConfigFolder: at(""),
		Program: admincli.Program{Name: "carousel", Version: "v1.2.3", Services: []admincli.Service{{
			Name: "gateway", Short: "Run a gateway", Words: []string{"serve\tRun it"},
			Run: func(_ context.Context, args []string) int {
				stdout.WriteString("gateway " + strings.Join(args, " "))
				return len(args)
			},
		}}},
		Getenv: func(name string) string {
			if name == "CAROUSEL_URL" {
				return a.URL
			}
			return env[name]
		},
	})
	return result{code, stdout.String(), stderr.String()}
}

func TestTakes(t *testing.T) {
	for line, want := range map[string]bool{
		"": false, "serve": false, "config": false, "--config x admin": false,
		"admin": true, "admin tokens list": true, "completion bash": true, "__complete admin t": true, "__completeNoDesc admin": true, "help": true,
	} {
		if got := admincli.Takes(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestHelp(t *testing.T) {
	for args, says := range map[string]string{
		"help":                     "Run a gateway\n",
		"admin help":               "Exit codes: 0 done; 1 failed, or done in part only; 2 wrong use.",
		"admin --help":             "$CAROUSEL_PROXY_PASSWORD",
		"admin help tokens":        "carousel admin tokens COMMAND",
		"admin tokens add --help":  "carousel admin tokens add --upstream cursor --alias work",
		"admin help tokens import": "exit code is 1 when any was",
	} {
		a := newAPI(t)
		got := a.runWhole(t, nil, strings.Fields(args)...)
		if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, says) {
			t.Errorf("%s: code %d, %s%s", args, got.code, got.stdout, got.stderr)
		}
		if len(a.asked) > 0 {
			t.Errorf("%s: asked %q", args, a.asked)
		}
	}
}

// An address may have a password, for a proxy in front.
func TestHelpShowsNoPassword(t *testing.T) {
	for _, address := range []string{"https://me:pass@c.example", "me:pass@c.example", "https://me:pa%ss@c.example"} {
		for _, args := range []string{"help", "tokens list"} {
			got := run(t, map[string]string{"CAROUSEL_URL": address, "CAROUSEL_KEY": key}, "", append(strings.Fields(args), "--help")...)
			if strings.Contains(got.stdout+got.stderr, "me:pa") {
				t.Errorf("%s: %s%s", address, got.stdout, got.stderr)
			}
		}
	}
}

// Services take their arguments, and tell about themselves, by themselves.
func TestServices(t *testing.T) {
	for line, want := range map[string]result{
		"gateway":              {0, "gateway ", ""},
		"gateway serve --loud": {2, "gateway serve --loud", ""},
		"help gateway":         {1, "gateway --help", ""},
		"--version":            {0, "v1.2.3\n", ""},
		"__complete gateway s": {0, "serve\tRun it\n:0\n", "Completion ended with directive: ShellCompDirectiveDefault\n"},
		"gatewy":               {2, "", "there is no command \"gatewy\"; did you mean \"gateway\"?\n"},
	} {
		got := newAPI(t).runWhole(t, nil, strings.Fields(line)...)
		if got.code != want.code || got.stdout != want.stdout || !strings.HasPrefix(got.stderr, want.stderr) {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	for args, offers := range map[string]string{
		"__complete ":         "gateway\tRun a gateway\n",
		"__complete a":        "admin\tManage",
		"__complete admin to": "tokens\tThe tokens of the pool\n",
		"__complete admin tokens list --state pa":         "parked\n",
		"__complete admin usage -o ":                      "yaml\n",
		"__complete admin tokens show wor":                "work\tcooling\n",
		"__complete admin keys edit ":                     "k1\tCI\n",
		"__complete admin prices import --format litellm": "litellm\n",
		"completion bash":                                 "__complete",
		"completion zsh":                                  "#compdef carousel",
		"completion fish":                                 "complete -c carousel",
		"completion powershell":                           "Register-ArgumentCompleter",
	} {
		a := newAPI(t)
		a.also = map[string]string{"GET /keys?limit=1000": `{"keys":[` + ciKey + `]}`, "GET /tokens?limit=1000&q=wor": `{"tokens":[` + workToken + `],"next":""}`}
		got := a.runWhole(t, withKey, strings.Split(args, " ")...)
		if got.code != 0 || !strings.Contains(got.stdout, offers) {
			t.Errorf("%s: code %d, %s%s", args, got.code, got.stdout, got.stderr)
		}
	}
}

func TestCompletionForNoShell(t *testing.T) {
	for args, says := range map[string]string{
		"completion":        `"carousel completion" needs a command: bash, fish, powershell, zsh`,
		"completion bsh":    `there is no command "completion bsh"; did you mean "bash"?`,
		"completion bash x": "",
	} {
		if got := newAPI(t).runWhole(t, nil, strings.Fields(args)...); got.code == 0 || got.stdout != "" || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: code %d, %s%s", args, got.code, got.stdout, got.stderr)
		}
	}
}

// Nobody is asked for a key while a shell completes a line, and what can't be had is not offered.
func TestCompletionWithoutAnAnswer(t *testing.T) {
	for name, env := range map[string]map[string]string{"no key": nil, "a wrong key": {"CAROUSEL_KEY": "x"}, "a key to type": {"CAROUSEL_KEY_FILE": "-"}} {
		if got := newAPI(t).runWhole(t, env, "__complete", "admin", "tokens", "show", ""); got.code != 0 || got.stdout != ":4\n" {
			t.Errorf("%s: code %d, %q", name, got.code, got.stdout)
		}
	}
}

func TestTimesAgo(t *testing.T) {
	for text, want := range map[string]string{
		"1h":                        "2026-11-22T11:00:00Z",
		"90m":                       "2026-11-22T10:30:00Z",
		"7d":                        "2026-11-15T12:00:00Z",
		"2026-11-01":                "2026-11-01T00:00:00Z",
		"2026-11-22T10:00:00+01:00": "2026-11-22T09:00:00Z",
		"2026-11-22T10:00:00.5Z":    "2026-11-22T10:00:00.5Z",
	} {
		a := newAPI(t)
		a.run(t, "", "logs", "list", "--from", text)
		want := "GET /logs?from=" + strings.ReplaceAll(want, ":", "%3A") + "&limit=50"
		if len(a.asked) != 1 || a.asked[0] != want {
			t.Errorf("%s: asked %q, want %s", text, a.asked, want)
		}
	}
	for _, text := range []string{"0d", "-1h", "yesterday", "2026-13-01", "999999999d"} {
		if got := newAPI(t).run(t, "", "logs", "list", "--from", text); got.code != 2 || !strings.Contains(got.stderr, "--from: how long ago wanted") {
			t.Errorf("%s: code %d, %s", text, got.code, got.stderr)
		}
	}
}
