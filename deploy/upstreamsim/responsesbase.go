package upstreamsim

import (
	"net/http"
	"strings"
)

// bases are paths before /v1 under which the OpenAI side has no /v1/responses, as servers have
// that speak Chat alone; each answers in its own way.
var bases = map[string]struct {
	status            int
	contentType, body string
}{
	"/chat-only": {
		http.StatusNotFound, jsonType,
		`{"error":{"message":"Invalid URL (POST /v1/responses)","type":"invalid_request_error","param":null,"code":null}}`,
	},
	"/chat-only-fastapi": {http.StatusNotFound, jsonType, `{"detail":"Not Found"}`},
	"/chat-only-page":    {http.StatusNotFound, "text/plain; charset=utf-8", "404 page not found\n"},
	"/chat-only-method":  {http.StatusMethodNotAllowed, jsonType, `{"detail":"Method Not Allowed"}`},
}

// serveBase answers under a base, if the path has one. A request for what the base does not have
// is among the Lookups, by its path: it is how one finds out.
func (s *Simulator) serveBase(w http.ResponseWriter, r *http.Request) bool {
	first, rest, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	base, known := bases["/"+first]
	if !found || !known {
		return false
	}
	if path := "/" + rest; path != responsesPath && !strings.HasPrefix(path, responsesPath+"/") {
		r = r.Clone(r.Context())
		r.URL.Path = path
		s.ServeHTTP(w, r)
		return true
	}
	s.book.Load().look(r.URL.Path, nil, Violation{})
	s.watchers.notify()
	w.Header().Set("Content-Type", base.contentType)
	w.WriteHeader(base.status)
	_, _ = w.Write([]byte(base.body)) // the client may be gone
	return true
}

// answerProbe answers a request of nothing, by which one finds out whether there is a Responses
// API: it is among the Lookups, and breaks no assertion. false: the request is another one.
func (s *Simulator) answerProbe(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.Path != responsesPath || r.ContentLength != int64(len("{}")) {
		return false
	}
	b := s.book.Load()
	b.look(r.URL.Path, nil, Violation{})
	s.watchers.notify()
	if token := bearer(r); token == "" || !s.accepts(b.tokens.get(token)) {
		writeError(w, http.StatusUnauthorized, statusError(http.StatusUnauthorized, ""))
	} else {
		writeError(w, http.StatusBadRequest, missing("model").apiError)
	}
	return true
}
