package admincli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/admincli"
)

// person's terminal: it is so wide, and answers what it is asked for with the lines.
type terminal struct {
	width int
	lines []string
	asked []string
	err   error
}

func (f *terminal) Width() int { return f.width }

func (f *terminal) Typed() bool { return f.lines != nil || f.err != nil }

func (f *terminal) ReadHidden(_ context.Context, prompt string) (string, error) {
	f.asked = append(f.asked, prompt)
	if len(f.lines) == 0 {
		return "", f.err
	}
	line := f.lines[0]
	f.lines = f.lines[1:]
	return line, nil
}

func (a *api) runAt(t *testing.T, person *terminal, env map[string]string, args ...string) result {
	t.Helper()
	return a.runTyped(t, person, env, "", args...)
}

func (a *api) runTyped(t *testing.T, person *terminal, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := admincli.Run(t.Context(), append([]string{"admin"}, args...), admincli.Environment{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Terminal: person, Now: func() time.Time { return now }, ConfigFolder: at(""),
		Getenv: func(name string) string {
			if name == "CAROUSEL_URL" {
				return a.URL
			}
			return env[name]
		},
	})
	return result{code, stdout.String(), stderr.String()}
}

var withKey = map[string]string{"CAROUSEL_KEY": key}

func TestTablesFitTheTerminal(t *testing.T) {
	for _, test := range []struct {
		width int
		want  string
	}{
		{0, "PATH                         TYPE                 BYTES\n/t43sgzi3xonn4qm2o/and/more  a type that is long  3\n"},
		{60, "PATH                         TYPE                 BYTES\n/t43sgzi3xonn4qm2o/and/more  a type that is long  3\n"},
		{50, "PATH                    TYPE                 BYTES\n/t43sgzi3xonn4qm2o/an…  a type that is long  3\n"},
		{40, "PATH                  TYPE         BYTES\n/t43sgzi3xonn4qm2o/…  a type tha…  3\n"},
		{36, "PATH                  TYPE      BYT…\n/t43sgzi3xonn4qm2o/…  a type …  3\n"},
		{35, "PATH                  TYPE\n/t43sgzi3xonn4qm2o/…  a type that …\n(no room for BYTES: -o csv has all)\n"},
		{10, "PATH\n/t43sgzi3xonn4qm2o/…\n(no room for TYPE, BYTES: -o csv has all)\n"},
	} {
		a := newAPI(t)
		a.also = map[string]string{"GET /pages": `{"pages":[{"path":"/t43sgzi3xonn4qm2o/and/more","type":"a type that is long","content":"abc"}]}`}
		got := a.runAt(t, &terminal{width: test.width}, map[string]string{"CAROUSEL_KEY": key, "NO_COLOR": "1"}, "pages", "list").stdout
		if got != test.want {
			t.Errorf("at %d columns:\n%s\nwant\n%s", test.width, got, test.want)
		}
	}
}

// Letters that take two columns of a terminal are counted so.
func TestWideLettersAreAligned(t *testing.T) {
	a := newAPI(t)
	a.also = map[string]string{"GET /pages": `{"pages":[{"path":"/关于","type":"text","content":""},{"path":"/about","type":"html","content":""}]}`}
	want := "PATH    TYPE  BYTES\n/关于   text  0\n/about  html  0\n"
	if got := a.run(t, "", "pages", "list").stdout; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColours(t *testing.T) {
	for name, test := range map[string]struct {
		width  int
		env    map[string]string
		colour bool
	}{
		"a terminal":            {120, nil, true},
		"no terminal":           {0, nil, false},
		"none are wanted":       {120, map[string]string{"NO_COLOR": "1"}, false},
		"a terminal that can't": {120, map[string]string{"TERM": "dumb"}, false},
	} {
		env := map[string]string{"CAROUSEL_KEY": key}
		for name, value := range test.env {
			env[name] = value
		}
		for args, want := range map[string]string{"tokens list": "\x1b[33mcooling, for 30s\x1b[0m", "keys show k1": "\x1b[32mactive\x1b[0m"} {
			got := newAPI(t).runAt(t, &terminal{width: test.width}, env, strings.Fields(args)...).stdout
			if strings.Contains(got, want) != test.colour || strings.Contains(got, "\x1b") != test.colour {
				t.Errorf("%s, %s:\n%q", name, args, got)
			}
		}
		if got := newAPI(t).runAt(t, &terminal{width: test.width}, env, "tokens", "list", "-o", "json").stdout; strings.Contains(got, "\x1b") {
			t.Errorf("%s: colours in JSON", name)
		}
	}
}

func TestSecretsAreAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		args          string
		env           map[string]string
		lines, prompt []string
		// asked is the last request.
		asked string
	}{
		"the admin token":  {"tokens show t1", nil, []string{key}, []string{"Admin token: "}, "GET /tokens/t1"},
		"by --key-file -":  {"tokens show t1 --key-file -", withKey, []string{key + " "}, []string{"Admin token: "}, "GET /tokens/t1"},
		"not when given":   {"tokens show t1", withKey, []string{}, nil, "GET /tokens/t1"},
		"a token":          {"tokens add", withKey, []string{" secret "}, []string{"Token: "}, `POST /tokens {"enabled":true,"token":"secret","upstream":""}`},
		"a refresh token":  {"tokens add --with-refresh-token", withKey, []string{"access", "refresh"}, []string{"Token: ", "Refresh token: "}, `POST /tokens {"enabled":true,"refresh_token":"refresh","token":"access","upstream":""}`},
		"a proxy's":        {"tokens edit t1 --proxy http://me@p:1", withKey, []string{"pass"}, []string{"Password of the proxy's user, empty for none: "}, `PATCH /tokens/t1 {"proxy":"http://me:pass@p:1"}`},
		"none of a proxy":  {"tokens edit t1 --proxy http://me@p:1", withKey, []string{""}, []string{"Password of the proxy's user, empty for none: "}, `PATCH /tokens/t1 {"proxy":"http://me@p:1"}`},
		"nobody's":         {"tokens edit t1 --proxy http://p:1", withKey, []string{}, nil, `PATCH /tokens/t1 {"proxy":"http://p:1"}`},
		"the environments": {"tokens edit t1 --proxy http://me@p:1", map[string]string{"CAROUSEL_KEY": key, "CAROUSEL_PROXY_PASSWORD": "pass"}, []string{}, nil, `PATCH /tokens/t1 {"proxy":"http://me:pass@p:1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			a, person := newAPI(t), &terminal{lines: test.lines}
			got := a.runAt(t, person, test.env, strings.Fields(test.args)...)
			if got.code != 0 || !slices.Equal(person.asked, test.prompt) || a.asked[len(a.asked)-1] != test.asked {
				t.Errorf("code %d, %s, prompts %q, asked %s", got.code, got.stderr, person.asked, a.asked)
			}
			for _, secret := range []string{key, "secret", "access", "pass"} {
				if strings.Contains(strings.ReplaceAll(got.stdout, "secret ends", ""), secret) || strings.Contains(got.stderr, secret) {
					t.Errorf("%q is shown: %s%s", secret, got.stdout, got.stderr)
				}
			}
		})
	}
}

func TestNothingIsTyped(t *testing.T) {
	for _, args := range []string{"tokens list", "tokens add --key-file -"} {
		a := newAPI(t)
		got := a.runAt(t, &terminal{err: errors.New("interrupted")}, nil, strings.Fields(args)...)
		if got.code != 1 || got.stderr != "interrupted\n" || len(a.asked) > 0 {
			t.Errorf("%s: code %d, %q, asked %q", args, got.code, got.stderr, a.asked)
		}
	}
}

// From a pipe the key is the first line, and the rest is the command's.
func TestTheKeyFromAPipe(t *testing.T) {
	a := newAPI(t)
	got := a.runTyped(t, &terminal{}, nil, key+"\nsecret\n", "tokens", "add", "--key-file", "-")
	if want := `POST /tokens {"enabled":true,"token":"secret","upstream":""}`; got.code != 0 || len(a.asked) != 1 || a.asked[0] != want {
		t.Errorf("code %d, %s, asked %q", got.code, got.stderr, a.asked)
	}
	if got := a.runTyped(t, &terminal{}, nil, "\nsecret\n", "tokens", "add", "--key-file", "-"); got.code != 1 || !strings.HasPrefix(got.stderr, "no key") {
		t.Errorf("no key: code %d, %s", got.code, got.stderr)
	}
}

// Files are no terminals.
func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	a := newAPI(t)
	env := map[string]string{"CAROUSEL_URL": a.URL}
	var stderr bytes.Buffer
	code := admincli.Run(t.Context(), []string{"admin", "tokens", "list"}, admincli.Environment{
		Stdin: file, Stdout: file, Stderr: &stderr, Getenv: func(name string) string { return env[name] },
	})
	if code != 1 || !strings.HasPrefix(stderr.String(), "no key") {
		t.Errorf("code %d, %s", code, stderr.String())
	}
}
