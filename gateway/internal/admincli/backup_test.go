package admincli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aPlan = `{"plan":{"made_at":"2026-11-21T12:00:00Z","applied":false,"remove_others":false,"digest":"d1",
 "counts":[{"kind":"token","action":"add","count":2},{"kind":"key","action":"change","count":1}],
 "items":[{"kind":"token","action":"add","name":"work"},{"kind":"token","action":"add","name":"spare"},{"kind":"key","action":"change","name":"CI","detail":"its limits"}],"unreadable":{}}}`

const phrase = "correct horse battery"

// backups is an API that makes and restores backups, and a file that holds the passphrase.
func backups(t *testing.T, plan string) (a *api, passphrase string) {
	t.Helper()
	a = newAPI(t)
	a.also = map[string]string{"POST /backup": "sealed", "POST /restore": plan}
	passphrase = filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte(phrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, passphrase
}

func TestBackup(t *testing.T) {
	a, passphrase := backups(t, aPlan)
	file := filepath.Join(t.TempDir(), "all.age")
	got := a.run(t, "", "backup", file, "--passphrase-file", passphrase)
	if content, err := os.ReadFile(file); err != nil || string(content) != "sealed" || got.code != 0 || !strings.Contains(got.stdout, file) {
		t.Fatalf("%+v; the file has %q, %v", got, content, err)
	}
	if asked := a.asked[0]; asked != `POST /backup {"passphrase":"`+phrase+`"}` {
		t.Errorf("asked %s", asked)
	}
	if again := a.run(t, "", "backup", file, "--passphrase-file", passphrase); again.code != 1 || !strings.Contains(again.stderr, "already") {
		t.Errorf("over another file: %+v", again)
	}
	if out := a.run(t, "", "backup", "-", "--passphrase-file", passphrase); out.stdout != "sealed" {
		t.Errorf("to standard output: %+v", out)
	}
	if none := a.run(t, "", "backup", "-"); none.code != 1 || !strings.Contains(none.stderr, "--passphrase-file") {
		t.Errorf("without a passphrase: %+v", none)
	}
}

// A backup that lacks something is a backup, and is told to lack it.
func TestABackupThatIsNotAll(t *testing.T) {
	a, passphrase := backups(t, strings.Replace(aPlan, `"unreadable":{}`, `"unreadable":{"tokens":["t7"],"upstreams":["u3"]}`, 1))
	a.told = map[string]string{"X-Carousel-Unreadable-Tokens": "t7,t8", "X-Carousel-Unreadable-Upstreams": "u3"}
	const why = "not in the backup, because the store could not read it when it was made: "
	if got := a.run(t, "", "backup", "-", "--passphrase-file", passphrase); got.code != 1 || got.stdout != "sealed" || !strings.Contains(got.stderr, why+"tokens t7, t8; upstreams u3") {
		t.Errorf("made: %+v", got)
	}
	if got := a.run(t, "sealed", "restore", "-", "--passphrase-file", passphrase); got.code != 0 || !strings.Contains(got.stdout, why+"tokens t7; upstreams u3") {
		t.Errorf("restored: %+v", got)
	}
}

// A new passphrase is typed twice, one to open a backup with once; neither is shown.
func TestPassphrasesAreTyped(t *testing.T) {
	a, _ := backups(t, aPlan)
	for name, c := range map[string]struct {
		args, lines []string
		code        int
		says        string
	}{
		"twice":            {[]string{"backup", "-"}, []string{phrase, phrase}, 0, "sealed"},
		"two others":       {[]string{"backup", "-"}, []string{phrase, phrase + "x"}, 1, "differ"},
		"once":             {[]string{"restore", "-"}, []string{phrase}, 0, "2 to add, 1 to change"},
		"one that is weak": {[]string{"backup", "-"}, []string{"short", "short"}, 1, "at least 12 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			person := &terminal{lines: c.lines}
			got := a.runTyped(t, person, withKey, "sealed", c.args...)
			if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.says) || len(person.lines) != 0 {
				t.Errorf("%+v, %d lines are left", got, len(person.lines))
			}
			if strings.Contains(got.stdout+got.stderr, phrase) {
				t.Error("the passphrase is shown")
			}
		})
	}
}

// A restore shows what it would change, and changes it only when it is told to: what was shown.
func TestRestore(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		plan   string
		modes  []string
		code   int
		prints []string
	}{
		"what it would change": {nil, aPlan, []string{"plan"}, 0, []string{"work", "its limits", "2 to add, 1 to change", "--yes"}},
		"carried out":          {[]string{"--yes"}, aPlan, []string{"plan", "apply"}, 0, []string{"work"}},
		"without others":       {[]string{"--remove-others"}, aPlan, []string{"plan"}, 0, nil},
		"refused in part":      {nil, strings.ReplaceAll(aPlan, "change", "refuse"), []string{"plan"}, 1, []string{"1 refused"}},
		"for scripts":          {[]string{"-o", "csv"}, aPlan, []string{"plan"}, 0, []string{"kind,action,name,detail"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, passphrase := backups(t, c.plan)
			got := a.run(t, "sealed", append([]string{"restore", "-", "--passphrase-file", passphrase}, c.args...)...)
			if got.code != c.code || len(a.asked) != len(c.modes) {
				t.Fatalf("%+v, asked %q", got, a.asked)
			}
			for i, mode := range c.modes {
				for _, part := range []string{"POST /restore", phrase, "sealed", `name="mode"` + "\r\n\r\n" + mode + "\r\n"} {
					if !strings.Contains(a.asked[i], part) {
						t.Errorf("%q is not in what was asked: %s", part, a.asked[i])
					}
				}
				if removes := strings.Contains(a.asked[i], `name="remove_others"`+"\r\n\r\ntrue"); removes != (name == "without others") {
					t.Errorf("others are removed: %v", removes)
				}
				if digest := strings.Contains(a.asked[i], `name="digest"`+"\r\n\r\nd1\r\n"); digest != (mode == "apply") {
					t.Errorf("the digest is said: %v", digest)
				}
			}
			for _, text := range c.prints {
				if !strings.Contains(got.stdout, text) {
					t.Errorf("%q is not in the output:\n%s", text, got.stdout)
				}
			}
		})
	}
}
