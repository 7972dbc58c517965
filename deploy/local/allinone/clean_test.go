package allinone

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing that a first try writes can be committed by accident, wherever its data is.
func TestAFirstTryLeavesTheCloneClean(t *testing.T) {
	t.Setenv("PORT", "0")
	t.Setenv("AUTH_TOKEN", "")
	t.Setenv("LOG_LEVEL", "warn")
	t.Setenv("TOKEN_FILE", "")
	t.Setenv("TOKEN_LIST_FILE", "")
	t.Setenv("SEAL_KEY_FILE", "")
	ignored, err := os.ReadFile("../../../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"./data", "./elsewhere"} {
		t.Run(data, func(t *testing.T) {
			clone := t.TempDir()
			t.Chdir(clone)
			git(t, "init", "-q")
			if err := os.WriteFile(".gitignore", ignored, 0o600); err != nil {
				t.Fatal(err)
			}
			p := begin(t, data)
			key := p.find(`export CAROUSEL=http\S+ KEY=(sk-carousel-[\w-]+)`)
			const write = `{"tokens": "mine::eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhdXRoMHx1c2VyXzAxIiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2F1dGhlbnRpY2F0aW9uLmN1cnNvci5zaCIsInNjb3BlIjoib3BlbmlkIHByb2ZpbGUgZW1haWwgb2ZmbGluZV9hY2Nlc3MiLCJhdWQiOiJodHRwczovL2N1cnNvci5jb20iLCJ0eXBlIjoic2Vzc2lvbiIsInRpbWUiOiIxNzM1Njg5NjAwIiwicmFuZG9tbmVzcyI6IjAwMDAwMDAxLTRlNWYtNjc4OSJ9.KqgzeFWJWjLDaTaKItyvpGoPgXhIXWeSNW4U51ghz1U\n"}`
			for range 2 { // the second one keeps the version before
				if answer := p.ask(http.MethodPost, "/update-tokeninfo", key, write); !strings.Contains(answer, `"success"`) {
					t.Fatalf("the token file is not written: %s", answer)
				}
			}
			p.end()
			for _, name := range []string{".token", ".token-list", "seal.key"} {
				if _, err := os.Stat(filepath.Join(data, name)); err != nil {
					t.Errorf("not in the data folder: %v", err)
				}
			}
			if said := git(t, "status", "--porcelain", "--untracked-files=all"); said != "?? .gitignore\n" {
				t.Errorf("git would commit\n%s", said)
			}
		})
	}
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, said)
	}
	return string(said)
}

// A folder that somebody has files in is left as it is: it may be the repository.
func TestOnlyAFreshDataFolderIgnoresItself(t *testing.T) {
	full, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "main.go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]bool{full: false, empty: true, filepath.Join(t.TempDir(), "a", "b"): true} {
		if err := prepareData(folder); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(folder, ".gitignore")); (err == nil) != want {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// A place that a person has named is kept.
func TestFilesArePlacedInTheDataFolder(t *testing.T) {
	t.Setenv("SEAL_KEY_FILE", "")
	t.Setenv("TOKEN_FILE", "/etc/carousel/tokens")
	t.Setenv("TOKEN_LIST_FILE", "")
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("seal_key_file: /etc/carousel/seal.key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, store, err := configure(options{data: "there", config: config})
	if err != nil || store.SealKeyFile != "/etc/carousel/seal.key" || store.TokenFile != "/etc/carousel/tokens" || store.TokenListFile != "there/.token-list" {
		t.Errorf("%q, %q, %q, %v", store.SealKeyFile, store.TokenFile, store.TokenListFile, err)
	}
}

// Who has token files where the command is started is told that they are not read.
func TestStrayTokenFilesAreTold(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(".token", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := stray("data/.token", "data/.token-list"); len(got) != 1 || got[0] != ".token" {
		t.Errorf("got %q", got)
	}
	if got := stray("./.token", ".token-list"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	var said strings.Builder
	welcome(&said, greeting{addr: ":3000", data: "there", stray: []string{".token"}})
	if !strings.Contains(said.String(), "./.token is not read: move it to there") {
		t.Errorf("said %s", said.String())
	}
}
