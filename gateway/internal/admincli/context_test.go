package admincli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kept is what a context has of a gateway that stands here.
func (a *api) keptAs(t *testing.T, folder, name, token string) {
	t.Helper()
	if got := runIn(t, folder, map[string]string{"CAROUSEL_KEY": token}, "", "context", "add", name, "--url", a.URL); got.code != 0 {
		t.Fatalf("%+v", got)
	}
}

func contextsFile(folder string) string { return filepath.Join(folder, "carousel", "contexts.json") }

// With a context nothing has to be in the environment.
func TestAContextIsAllThatIsNeeded(t *testing.T) {
	folder, home, team := t.TempDir(), newAPI(t), newAPI(t)
	home.keptAs(t, folder, "home", key)
	team.keptAs(t, folder, "team", key)
	ask := func(wanted *api, args ...string) {
		t.Helper()
		before := len(wanted.asked)
		if got := runIn(t, folder, nil, "", append(args, "tokens", "show", "t1")...); got.code != 0 || len(wanted.asked) == before {
			t.Errorf("%q: %+v", args, got)
		}
	}
	ask(home) // the first one is in use
	ask(team, "--context", "team")
	if got := runIn(t, folder, nil, "", "context", "use", "team"); got.code != 0 || got.stdout != "team is in use\n" {
		t.Errorf("%+v", got)
	}
	ask(team)
	ask(home, "--context", "home")
}

// The address and the key are those that are named, else those of the environment, else those of
// the context in use; and no context's key goes to another address.
func TestWhichGatewayIsAsked(t *testing.T) {
	folder, here, other := t.TempDir(), newAPI(t), newAPI(t)
	here.keptAs(t, folder, "here", key)
	here.keptAs(t, folder, "stale", "another")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env   map[string]string
		args  string
		asked *api
		code  int
		says  string
	}{
		"the context in use":                     {nil, "", here, 0, ""},
		"a gateway's own variables don't count":  {map[string]string{"AUTH_TOKEN": "x", "PORT": "1"}, "", here, 0, ""},
		"the environment":                        {map[string]string{"CAROUSEL_URL": other.URL, "CAROUSEL_KEY": key}, "", other, 0, ""},
		"the environment's key":                  {map[string]string{"CAROUSEL_KEY": "wrong"}, "", here, 1, ""},
		"a named context before the environment": {map[string]string{"CAROUSEL_URL": other.URL, "CAROUSEL_KEY": "wrong"}, "--context here", here, 0, ""},
		"an address before the environment":      {map[string]string{"CAROUSEL_URL": here.URL, "CAROUSEL_KEY": key}, "--url " + other.URL, other, 0, ""},
		"a file before the context's key":        {nil, "--context stale --key-file " + file, here, 0, ""},
		"another address has none of its keys":   {nil, "--url " + other.URL, nil, 1, "no key"},
		"the environment's address has none":     {map[string]string{"CAROUSEL_URL": other.URL}, "", nil, 1, "no key"},
		"two gateways":                           {nil, "--context here --url " + other.URL, nil, 2, "give one of them"},
		"nobody's context":                       {nil, "--context hree", nil, 1, `did you mean "here"?`},
	} {
		t.Run(name, func(t *testing.T) {
			here.asked, other.asked = nil, nil
			got := runIn(t, folder, c.env, "", append(strings.Fields(c.args), "tokens", "show", "t1")...)
			if got.code != c.code || !strings.Contains(got.stderr, c.says) {
				t.Errorf("%+v", got)
			}
			if asked := len(here.asked) > 0; asked != (c.asked == here) && c.code == 0 {
				t.Errorf("the context's gateway was asked: %v", asked)
			}
			if asked := len(other.asked) > 0; asked != (c.asked == other) {
				t.Errorf("the other gateway was asked: %v", asked)
			}
		})
	}
}

// Nobody else can read the file, and nothing prints the tokens in it.
func TestContextsKeepTheirTokens(t *testing.T) {
	folder, a := t.TempDir(), newAPI(t)
	a.keptAs(t, folder, "home", key)
	if got := runIn(t, folder, map[string]string{"CAROUSEL_KEY": key}, "", "context", "add", "proxied", "--url", "https://me:pass@c.example"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	for path, mode := range map[string]os.FileMode{contextsFile(folder): 0o600, filepath.Dir(contextsFile(folder)): 0o700} {
		if about, err := os.Stat(path); err != nil || about.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, about.Mode(), err)
		}
	}
	for _, args := range []string{"list", "list -o json", "list -o yaml", "list -o csv", "use home", "use hom", "remove proxied"} {
		got := runIn(t, folder, nil, "", append([]string{"context"}, strings.Fields(args)...)...)
		if text := got.stdout + got.stderr; strings.Contains(text, key) || strings.Contains(text, "me:pass") || text == "" {
			t.Errorf("%s: %s", args, text)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(contextsFile(folder))); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// The key that is kept is one that somebody has named for it, never the one of a gateway here.
func TestWhoseTokenIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env        map[string]string
		args, kept string
	}{
		"a gateway's own":   {map[string]string{"AUTH_TOKEN": "of a gateway here"}, "", ""},
		"the environment's": {map[string]string{"AUTH_TOKEN": "of a gateway here", "CAROUSEL_KEY": "of the environment"}, "", "of the environment"},
		"a file's":          {map[string]string{"AUTH_TOKEN": "of a gateway here", "CAROUSEL_KEY_FILE": file}, "", "of the file"},
		"that of a flag":    {map[string]string{"CAROUSEL_KEY": "of the environment"}, " --key-file " + file, "of the file"},
		"nobody's":          {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			got := runIn(t, folder, c.env, "", strings.Fields("context add team --url https://team.example"+c.args)...)
			if c.kept == "" {
				if got.code != 1 || !strings.HasPrefix(got.stderr, "no key") {
					t.Errorf("%+v", got)
				}
				return
			}
			if text, err := os.ReadFile(contextsFile(folder)); err != nil || !strings.Contains(string(text), c.kept) {
				t.Errorf("%+v: %s, %v", got, text, err)
			}
		})
	}
}

func TestListOfContexts(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"b", "a"} {
		if got := runIn(t, folder, map[string]string{"CAROUSEL_KEY": key}, "", "context", "add", name, "--url", "https://"+name+".example"); got.code != 0 || got.stdout != name+" is kept, for https://"+name+".example\n" {
			t.Fatalf("%+v", got)
		}
	}
	if got := runIn(t, folder, nil, "", "context", "list"); got.stdout != "NAME  IN USE  ADDRESS\na     -       https://a.example\nb     *       https://b.example\n" {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, folder, nil, "", "context", "remove", "b"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, folder, nil, "", "context", "list", "-o", "csv"); got.stdout != "name,url,current\r\na,https://a.example,false\r\n" {
		t.Errorf("%+v", got)
	}
}

func TestContextsThatCannotBe(t *testing.T) {
	full := t.TempDir()
	for i := range 100 {
		name := "c" + strings.Repeat("x", i/10) + string(rune('0'+i%10))
		if i == 0 {
			newAPI(t).keptAs(t, full, name, key)
			continue
		}
		if got := runIn(t, full, map[string]string{"CAROUSEL_KEY": key}, "", "context", "add", name); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(contextsFile(broken)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(contextsFile(broken), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		folder, args string
		code         int
		says         string
	}{
		"no home":             {"", "context add home", 1, "contexts have no place here"},
		"no home, by name":    {"", "tokens list --context home", 1, "contexts have no place here"},
		"a name of two words": {t.TempDir(), "context add a/b", 2, "a context's name has up to 64 letters"},
		"no address":          {t.TempDir(), "context add home --url here", 1, "the gateway's address must be like"},
		"a long address":      {t.TempDir(), "context add home --url https://" + strings.Repeat("x", 3000), 1, "an address may have 2048 bytes"},
		"one too many":        {full, "context add another", 1, "there are 100 contexts, which is the most"},
		"two names":           {t.TempDir(), "context add home --context team", 2, "here a context is an argument"},
		"nothing to use":      {t.TempDir(), "context use home", 1, `there is no context "home"`},
		"nothing to remove":   {t.TempDir(), "context remove home", 1, `there is no context "home"`},
		"a broken file":       {broken, "tokens list", 1, "mend or remove " + contextsFile(broken)},
		"no command":          {t.TempDir(), "context", 2, "needs a command: add, list, remove, use"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runIn(t, c.folder, map[string]string{"CAROUSEL_KEY": key}, "", strings.Fields(c.args)...)
			if got.code != c.code || !strings.Contains(got.stderr, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
	// Who has no folder keeps no contexts, and needs none.
	if got := run(t, nil, "", "tokens", "list"); got.code != 1 || !strings.HasPrefix(got.stderr, "no key") {
		t.Errorf("%+v", got)
	}
}
