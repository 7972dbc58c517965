package pairs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// exchange is a request as it came to the upstream, and the answer that went back.
type exchange struct {
	path, query string
	header      http.Header
	body        []byte
	status      int
	answer      bytes.Buffer
	given       http.Header
}

// tap stands before an upstream and keeps what passes, by the model that is asked for:
// each test asks for one of its own.
type tap struct {
	url  string
	next http.Handler
	mu   sync.Mutex
	seen map[string][]*exchange
}

func newTap(t *testing.T, next http.Handler) *tap {
	t.Helper()
	tapped := &tap{next: next, seen: map[string][]*exchange{}}
	server := httptest.NewServer(tapped)
	t.Cleanup(server.Close)
	tapped.url = server.URL
	return tapped
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var named struct {
		Model string `json:"model"`
	}
	_ = json.Unmarshal(body, &named) // what has no model is kept under ""
	passing := &exchange{path: r.URL.Path, query: r.URL.RawQuery, header: r.Header.Clone(), body: body, status: http.StatusOK}
	p.mu.Lock()
	p.seen[named.Model] = append(p.seen[named.Model], passing)
	p.mu.Unlock()
	p.next.ServeHTTP(&tee{ResponseWriter: w, tap: p, into: passing}, r)
}

// got are the exchanges about a model so far, oldest first. What has come of the answers of
// those that go on is not to be read.
func (p *tap) got(model string) []*exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*exchange(nil), p.seen[model]...)
}

// answerOf is what has been sent so far.
func (p *tap) answerOf(of *exchange) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return of.answer.String()
}

// tee keeps an answer while it is written.
type tee struct {
	http.ResponseWriter
	tap  *tap
	into *exchange
}

func (w *tee) WriteHeader(status int) {
	w.tap.mu.Lock()
	w.into.status, w.into.given = status, w.Header().Clone()
	w.tap.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

func (w *tee) Write(piece []byte) (int, error) {
	w.tap.mu.Lock()
	w.into.answer.Write(piece)
	w.tap.mu.Unlock()
	return w.ResponseWriter.Write(piece)
}

// Unwrap is for http.ResponseController.
func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }
