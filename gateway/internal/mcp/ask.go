package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"carousel.internal/gateway/internal/jsonapi"
)

// idForm is that of ids in paths, which so lead to nothing else.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// question is a call of the admin API.
type question struct {
	method, path string
	query        url.Values
	// body is nil for none.
	body any
}

// ask has the admin API answer a question, for who is visiting.
func (s *Server) ask(ctx context.Context, q question, into any) error {
	if q.method != http.MethodGet {
		ctx = context.WithoutCancel(ctx) // who hangs up leaves nothing half done, and no change that is not audited
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	v := visitOf(ctx)
	if v.request == nil {
		return errors.New("nobody asks") // a fault of ours
	}
	r := v.request.Clone(jsonapi.WithActor(ctx, v.actor()))
	r.Method, r.URL, r.RequestURI = q.method, &url.URL{Path: "/admin/api/" + q.path, RawQuery: q.query.Encode()}, ""
	for _, name := range []string{"If-Match", "Content-Encoding"} { // they are about the body that came
		r.Header.Del(name)
	}
	r.Body, r.ContentLength = http.NoBody, 0
	if q.body != nil {
		packed, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(packed)), int64(len(packed))
	}
	w := &answer{header: http.Header{"X-Request-Id": {v.id}}, status: http.StatusOK}
	s.admin.ServeHTTP(w, r)
	return w.read(into)
}

// get is ask for a question alone.
func get[T any](ctx context.Context, s *Server, path string, query url.Values) (T, error) {
	var told T
	err := s.ask(ctx, question{method: http.MethodGet, path: path, query: query}, &told)
	return told, err
}

// answer is what the admin API writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header             { return a.header }
func (a *answer) WriteHeader(status int)          { a.status = status }
func (a *answer) Write(piece []byte) (int, error) { return a.body.Write(piece) }

// read reads what was answered, or returns what was wrong.
func (a *answer) read(into any) error {
	if a.status >= http.StatusBadRequest {
		var failure struct{ Message string }
		if json.Unmarshal(a.body.Bytes(), &failure) != nil || failure.Message == "" {
			return fmt.Errorf("the admin API answers %d", a.status)
		}
		return errors.New(failure.Message)
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		return errors.New("the admin API answers something else than JSON")
	}
	return json.Unmarshal(a.body.Bytes(), into)
}

// values makes a query of names and values in turn; what is empty is left out.
func values(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// checkID refuses what is no id.
func checkID(field, id string) error {
	if !idForm.MatchString(id) {
		return fmt.Errorf("%s: an id wanted, as answers have it", field)
	}
	return nil
}
