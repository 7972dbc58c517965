package codex_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"carousel.internal/deploy/e2e/stack"
)

// What Codex loses or refuses where others get it wrong.
func TestTraps(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{GatewayEnv: []string{"REQUEST_BODY_LIMIT_MB=8"}}, 2)
	t.Run("47: a refusal vanishes with its message", func(t *testing.T) {
		t.Parallel()
		session, _ := s.session(t, translated, "refusal")
		text, err := session.Turn(judged(t, translated), "Hello?")
		if err != nil || !strings.Contains(text, "I can't help with that.") {
			t.Errorf("%v: %q", err, text)
		}
		readWell(t, session)
	})
	t.Run("52: a body packed with zstd", func(t *testing.T) {
		t.Parallel()
		for _, over := range upstreams {
			session, _ := s.session(t, over, "echo")
			session.Packed = true
			if text, err := session.Turn(judged(t, over), "Hello?"); err != nil || !strings.HasSuffix(text, "Hello?") || answered(session) != 1 {
				t.Errorf("%s: %v after %d requests: %q", over.name, err, len(session.Sent), text)
			}
		}
	})
	t.Run("52: a bomb of zstd", func(t *testing.T) {
		t.Parallel()
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		packed := encoder.EncodeAll([]byte(`{"model":"m","input":"`+strings.Repeat("x", 64<<20)+`"}`), nil)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.front.URL+"/v1/responses", bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Authorization": "Bearer " + stack.AdminToken, "Content-Type": "application/json", "Content-Encoding": "zstd"} {
			request.Header.Set(name, value)
		}
		response, err := stack.Client(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes that become 64 MiB: status %d", len(packed), response.StatusCode)
		}
	})
	t.Run("58: counts and ids of their types", func(t *testing.T) {
		t.Parallel()
		for _, over := range upstreams {
			session, _ := s.session(t, over, "cached")
			if _, err := session.Turn(judged(t, over), strings.Repeat("again and ", 100)); err != nil {
				t.Errorf("%s: %v", over.name, err)
				continue
			}
			answer := session.Answers[0]
			if usage := answer.Usage; usage == nil || answer.ID == "" || usage.Cached == 0 || usage.Cached >= usage.Input || usage.Output == 0 || usage.Total != usage.Input+usage.Output {
				t.Errorf("%s: %q, %+v", over.name, answer.ID, usage)
			}
		}
	})
}
