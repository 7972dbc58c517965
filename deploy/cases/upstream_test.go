package cases

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// tokensOfCase is how many tokens the upstream of a case has: enough to see whether one
// request goes to several.
const tokensOfCase = 3

// scripted is an upstream of the driver `openai` that gives the same answer to every
// chat request and keeps what it was asked.
type scripted struct {
	// Name is the upstream's, and that of its only model.
	Name string

	mu       sync.Mutex
	requests []received
}

// received is a request as it arrived.
type received struct {
	Header http.Header
	Body   []byte
}

// answering configures an upstream in the pair that serves every chat request with the
// handler.
func answering(t *testing.T, name string, handler http.HandlerFunc) *scripted {
	t.Helper()
	u := &scripted{Name: name}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			http.NotFound(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		u.mu.Lock()
		u.requests = append(u.requests, received{r.Header.Clone(), body})
		u.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	pair.PutUpstream(name, map[string]any{"driver": "openai", "base_url": server.URL + "/v1", "models": []string{name}})
	pair.AddTokens(name, name, tokensOfCase, 0)
	return u
}

// bytesOf answers with status 200 and exactly the body. An empty type is none.
func bytesOf(contentType string, body []byte, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // or net/http would guess one
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = w.Write(body)
	}
}

// take removes and returns what was asked since the last time.
func (u *scripted) take() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.requests
	u.requests = nil
	return taken
}
