package conf_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/secret"
)

type upstream struct {
	Name     string            `key:"name"`
	Settings map[string]string `key:"settings"`
}

type config struct {
	Port      int           `key:"port"`
	Open      bool          `key:"open"`
	Wait      time.Duration `key:"wait"`
	Token     secret.Value  `key:"token"`
	Upstreams []upstream    `key:"upstreams"`
}

func defaults() config { return config{Port: 3000, Wait: time.Second} }

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, set := pairs[name]; return value, set }
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	got, given := defaults(), []string{}
	err := conf.Load(&got, conf.Source{
		File:    file(t, "port: 4000\nopen: true\nupstreams:\n  - name: a\n    settings: {x: y}\n"),
		Environ: environment(map[string]string{"PORT": "5000", "OPEN": ""}),
		Given:   func(key string) { given = append(given, key) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Port != 5000 || !got.Open || got.Wait != time.Second {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(given, []string{"port", "open", "upstreams"}) {
		t.Errorf("given: %q", given)
	}
	if len(got.Upstreams) != 1 || got.Upstreams[0].Settings["x"] != "y" {
		t.Errorf("upstreams: %+v", got.Upstreams)
	}
}

func TestSecretFromFile(t *testing.T) {
	got := defaults()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := conf.Load(&got, conf.Source{Environ: environment(map[string]string{"TOKEN_FILE": path})}); err != nil {
		t.Fatal(err)
	}
	if got.Token.Reveal() != "hush" {
		t.Errorf("got %q", got.Token.Reveal())
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	got := defaults()
	err := conf.Load(&got, conf.Source{
		File: file(t, "prot: 1\nshared: 2\n"), Foreign: []string{"shared"},
		Environ: environment(map[string]string{"PORT": "many", "WAIT": "long", "TOKEN": "hush", "TOKEN_FILE": "/nowhere"}),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"prot: unknown key", "port: a whole number wanted", "wait: a duration", "token: set it or token_file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	for _, unwanted := range []string{"hush", "shared"} {
		if strings.Contains(err.Error(), unwanted) {
			t.Errorf("%q in:\n%v", unwanted, err)
		}
	}
}
