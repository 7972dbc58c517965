package web

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A shell reads the command as it was meant, whatever the texts have in them, and it has no secret
// in it.
func TestCurl(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	const odd = "it's `id` $(id) \"$HOME\" \\ <b> \n!! 你好"
	said := []message{{"system", "Be brief."}, {"user", odd}, {"assistant", "yes"}}
	for dialect, c := range map[string]struct {
		stream bool
		want   []string
		body   string
	}{
		"": {
			false,
			[]string{"http://here/base/v1/chat/completions", "-H", "Authorization: Bearer key", "-H", "Content-Type: application/json", "-d"},
			`{"model":"m'","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":ODD},{"role":"assistant","content":"yes"}]}`,
		},
		"openai": {
			true,
			[]string{"-N", "http://here/base/v1/chat/completions", "-H", "Authorization: Bearer key", "-H", "Content-Type: application/json", "-d"},
			`{"model":"m'","stream":true,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":ODD},{"role":"assistant","content":"yes"}]}`,
		},
		"responses": {
			true,
			[]string{"-N", "http://here/base/v1/responses", "-H", "Authorization: Bearer key", "-H", "Content-Type: application/json", "-d"},
			`{"model":"m'","stream":true,"input":[{"role":"system","content":"Be brief."},{"role":"user","content":ODD},{"role":"assistant","content":"yes"}]}`,
		},
		"anthropic": {
			false,
			[]string{"http://here/base/v1/messages", "-H", "Authorization: Bearer key", "-H", "Content-Type: application/json", "-H", "anthropic-version: 2023-06-01", "-d"},
			`{"model":"m'","max_tokens":1024,"system":"Be brief.","messages":[{"role":"user","content":ODD},{"role":"assistant","content":"yes"}]}`,
		},
	} {
		command := curlOf(&tokenstorev1.LogEntry{Dialect: dialect, Model: "m'", Stream: c.stream}, said, "/base")
		run := exec.CommandContext(t.Context(), shell, "-c", `curl() { for word; do printf '%s\0' "$word"; done; }`+"\n"+command)
		run.Env = []string{"CAROUSEL=http://here", "KEY=key", "HOME=/nowhere"}
		out, err := run.Output()
		if err != nil {
			t.Fatalf("%q: %v of %s", dialect, err, command)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		body := words[len(words)-1]
		if diff := cmp.Diff(c.want, words[:len(words)-1]); diff != "" {
			t.Errorf("%q: %s", dialect, diff)
		}
		text, _ := json.Marshal(odd)
		var got, want any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%q: %v of %s", dialect, err, body)
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(c.body, "ODD", string(text))), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", dialect, diff)
		}
	}
}

func TestNoCurl(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"a side endpoint":    curlOf(&tokenstorev1.LogEntry{Dialect: "openai/embeddings"}, []message{{"user", "a"}}, ""),
		"no text was kept":   curlOf(&tokenstorev1.LogEntry{Dialect: "openai"}, nil, ""),
		"an API of tomorrow": curlOf(&tokenstorev1.LogEntry{Dialect: "new"}, []message{{"user", "a"}}, ""),
	} {
		if command != "" {
			t.Errorf("%s: %s", name, command)
		}
	}
}

// What is said again is what a chat can have: tools answer as the user, and nothing is empty.
func TestConversation(t *testing.T) {
	t.Parallel()
	got := conversation([]message{{"", "before"}, {"system", "s"}, {"user", ""}, {"user", "u"}, {"assistant", "a"}, {"tool", "result"}})
	if diff := cmp.Diff([]message{{"user", "before"}, {"system", "s"}, {"user", "u"}, {"assistant", "a"}, {"user", "result"}}, got); diff != "" {
		t.Error(diff)
	}
}
