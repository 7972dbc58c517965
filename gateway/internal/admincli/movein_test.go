package admincli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aMove = `{"applied":false,"files":[{"name":"a.yaml","format":"litellm"},{"name":"b.db","format":"one-api"}],"counts":{"taken":1,"changed":1,"same":0,"left":1},"items":[
 {"file":"a.yaml","at":"line 3","kind":"token","name":"work","to":"openai","token":"sk-a…0001","outcome":"taken","reason":""},
 {"file":"a.yaml","at":"line 9","kind":"route","name":"fast","to":"groq/llama","token":"","outcome":"changed","reason":"only the first 32 targets"},
 {"file":"b.db","at":"tokens, id 1","kind":"key","name":"phone","to":"","token":"","outcome":"left","reason":"make one"}]}`

func TestMoveIn(t *testing.T) {
	a := newAPI(t)
	a.also = map[string]string{"POST /move-in?dry_run=true&format=litellm": aMove, "POST /move-in": strings.Replace(aMove, `"applied":false`, `"applied":true`, 1)}
	folder := t.TempDir()
	var files []string
	for _, name := range []string{"a.yaml", "b.db"} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	got := a.run(t, "", "move-in", files[0], files[1], "--dry-run", "--format", "litellm")
	for _, want := range []string{"work sk-a…0001", "a.yaml line 3", "groq/llama", "only the first 32 targets", "b.db tokens, id 1", "1 taken, 1 changed, 0 here already, 1 left", "nothing is changed yet"} {
		if !strings.Contains(got.stdout, want) || got.code != 0 {
			t.Errorf("%q is not in %+v", want, got)
		}
	}
	for _, want := range []string{`filename="a.yaml"`, "content of a.yaml", `filename="b.db"`, "content of b.db"} {
		if !strings.Contains(a.asked[0], want) || strings.Contains(a.asked[0], folder) {
			t.Errorf("asked %s", a.asked[0])
		}
	}
	if got := a.run(t, "model_list: []", "move-in", "-"); got.code != 0 || strings.Contains(got.stdout, "nothing is changed") {
		t.Errorf("moved in: %+v", got)
	}
	if got := a.run(t, "", "move-in", "-", "--format", "lite"); got.code != 2 || !strings.Contains(got.stderr, "litellm") {
		t.Errorf("another format: %+v", got)
	}
	if got := a.run(t, "", "move-in", filepath.Join(folder, "none")); got.code != 1 || len(a.asked) != 2 {
		t.Errorf("no file: %+v, asked %d times", got, len(a.asked))
	}
}

func TestMoveOut(t *testing.T) {
	a := newAPI(t)
	a.also = map[string]string{"GET /move-out?format=litellm": "model_list: []\n"}
	a.told = map[string]string{"X-Carousel-Left-Tokens": "2"}
	got := a.run(t, "", "move-out", "--format", "litellm")
	if got.code != 0 || got.stdout != "model_list: []\n" || !strings.Contains(got.stderr, "no place for them: 2") {
		t.Errorf("%+v", got)
	}
	if got := a.run(t, "", "move-out"); got.code != 2 || !strings.Contains(got.stderr, "cliproxyapi, litellm, sub2api") {
		t.Errorf("without a format: %+v", got)
	}
}
