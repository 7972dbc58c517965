package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	key   = "Bearer right"
	hello = `{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}`
	// helloStream is hello, streamed.
	helloStream = `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
)

// relay is a use case made of a function.
type relay func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool)

func (r relay) Chat(ctx context.Context, req *chat.Request, _ caller.Caller, _ lease.Choice) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) { r(ctx, req, yield) }
}

func (relay) Carry(context.Context, *carried.Request, caller.Caller, lease.Choice) iter.Seq2[carried.Piece, error] {
	return func(func(carried.Piece, error) bool) {}
}

// says answers events and, where err is not nil, breaks then.
func says(err error, events ...chat.Event) relay {
	return func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		for _, event := range events {
			if !yield(event, nil) {
				return
			}
		}
		if err != nil {
			yield(chat.Event{}, err)
		}
	}
}

var greeting = []chat.Event{
	{},
	{Text: "Hel", More: true},
	{Text: "lo"},
	{Finish: chat.Stop},
	{Usage: &chat.Usage{Prompt: 3, Completion: 2, Source: chat.UsageReported}},
}

// edge is a handler under test and what it leaves behind.
type edge struct {
	http.Handler
	log      *lines
	registry *prometheus.Registry
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newEdge(t testing.TB, relay httpapi.Relay, change func(*httpapi.Deps)) *edge {
	t.Helper()
	e := &edge{log: &lines{}, registry: prometheus.NewRegistry()}
	logger := slog.New(slog.NewJSONHandler(e.log, nil))
	deps := httpapi.Deps{
		Dialects: []dialect.Dialect{openai.API{}},
		Relay:    relay,
		Models: func() []chat.Model {
			return []chat.Model{{ID: "gpt-4o", OwnedBy: "openai", Created: 1706659200}, {ID: "vendor/model", OwnedBy: "vendor", Created: 1}}
		},
		Settings: func() *tokenstorev1.Settings { return nil },
		Gate:     auth.New(secret.New("right"), nil),
		Metrics:  metrics.New(e.registry),
		Access:   accesslog.New(logger),
		Log:      logger,
		Options:  httpapi.Options{Version: "1.2.3"},
	}
	if change != nil {
		change(&deps)
	}
	e.Handler = judged(t, deps)
	return e
}

func request(t testing.TB, method, path, authorization, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func do(t testing.TB, handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// keysOf lists the members of a JSON object, at the given path.
func keysOf(t *testing.T, body []byte, path ...string) []string {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, step := range path {
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(object[step], &inner); err != nil {
			t.Fatalf("%s: %v in %s", step, err, body)
		}
		object = inner
	}
	return slices.Sorted(maps.Keys(object))
}

type errorObject struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

func errorOf(t *testing.T, body []byte) errorObject {
	t.Helper()
	if keys := keysOf(t, body); !slices.Equal(keys, []string{"error"}) {
		t.Fatalf("keys %v", keys)
	}
	if keys := keysOf(t, body, "error"); !slices.Equal(keys, []string{"code", "message", "param", "type"}) {
		t.Fatalf("error keys %v", keys)
	}
	var object errorObject
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	if object.Error.Message == "" {
		t.Error("the error has no message")
	}
	return object
}

// Every public route, with every method that it takes and one that it does not,
// in every state of the caller's key, with every error that it documents.
func TestRoutes(t *testing.T) {
	t.Parallel()
	list := []string{"data", "object"}
	model := []string{"created", "id", "object", "owned_by"}
	health := []string{"endpoints", "models", "status", "uptime", "version"}
	stats := []string{"endpoints", "models", "stats", "status", "uptime", "version"}
	answer := []string{"choices", "created", "id", "model", "object", "usage"}
	cases := []struct {
		name, method, path, key, body string
		status                        int
		keys                          []string // of a good answer
		code                          string   // of a bad one
	}{
		{"list", "GET", "/v1/models", "", "", 200, list, ""},
		{"list, with a wrong key", "GET", "/v1/models", "Bearer wrong", "", 200, list, ""},
		{"list, POST", "POST", "/v1/models", "", "", 405, nil, "method_not_allowed"},
		{"model", "GET", "/v1/models/gpt-4o", "", "", 200, model, ""},
		{"model with a slash", "GET", "/v1/models/vendor/model", "", "", 200, model, ""},
		{"model with an escaped slash", "GET", "/v1/models/vendor%2Fmodel", "", "", 200, model, ""},
		{"unknown model", "GET", "/v1/models/nope", "", "", 404, nil, "model_not_found"},
		{"list, a slash too many", "GET", "/v1/models/", "", "", 200, list, ""},
		{"delete a model", "DELETE", "/v1/models/gpt-4o", "", "", 405, nil, "method_not_allowed"},

		{"chat", "POST", "/v1/chat/completions", key, hello, 200, answer, ""},
		{"chat, no key", "POST", "/v1/chat/completions", "", hello, 401, nil, "unauthorized"},
		{"chat, wrong key", "POST", "/v1/chat/completions", "Bearer wrong", hello, 401, nil, "unauthorized"},
		{"chat, key before body", "POST", "/v1/chat/completions", "", "{", 401, nil, "unauthorized"},
		{"chat, no JSON", "POST", "/v1/chat/completions", key, "{", 400, nil, "invalid_request"},
		{"chat, nothing", "POST", "/v1/chat/completions", key, "", 400, nil, "invalid_request"},
		{"chat, no messages", "POST", "/v1/chat/completions", key, `{"model":"gpt-4o","messages":[]}`, 400, nil, "empty_messages"},
		{"chat, GET", "GET", "/v1/chat/completions", key, "", 405, nil, "method_not_allowed"},

		{"health", "GET", "/health", "", "", 200, health, ""},
		{"health, admin", "GET", "/health", key, "", 200, stats, ""},
		{"health, wrong key", "GET", "/health", "Bearer wrong", "", 200, health, ""},
		{"health, POST", "POST", "/health", "", "", 405, nil, "method_not_allowed"},

		{"nowhere", "GET", "/nowhere", "", "", 404, nil, "not_found"},
		{"nowhere, POST", "POST", "/v1/nowhere", key, hello, 404, nil, "not_found"},
		{"a slash too many", "GET", "/health/", "", "", 404, nil, "not_found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, says(nil, greeting...), nil)
			w := do(t, e, request(t, c.method, c.path, c.key, c.body))
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(w.Header().Get("X-Request-Id")) {
				t.Errorf("request id %q", w.Header().Get("X-Request-Id"))
			}
			if c.keys != nil {
				if got := keysOf(t, w.Body.Bytes()); !slices.Equal(got, c.keys) {
					t.Errorf("keys %v, want %v", got, c.keys)
				}
				return
			}
			if got := errorOf(t, w.Body.Bytes()).Error.Code; got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
			}
			if c.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestHeadWhereGetIs(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newEdge(t, nil, nil))
	defer server.Close()
	for path, status := range map[string]int{
		"/health": 200, "/v1/models": 200, "/v1/models/gpt-4o": 200,
		"/v1/models/nope": 404, "/nowhere": 404, "/v1/chat/completions": 405,
	} {
		answer := send(t, server, "HEAD", path, nil)
		body := read(t, answer)
		if answer.StatusCode != status || body != "" || answer.ContentLength <= 0 {
			t.Errorf("%s: %d, length %d, body %q", path, answer.StatusCode, answer.ContentLength, body)
		}
	}
}

func send(t *testing.T, server *httptest.Server, method, path string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", key)
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRoutePrefix(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Options.RoutePrefix = "/api" })
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/v1/models", "", 200},
		{"GET", "/api/v1/models/gpt-4o", "", 200},
		{"POST", "/api/v1/chat/completions", hello, 200},
		{"GET", "/v1/models", "", 404},
		{"GET", "/health", "", 200}, // the prefix is for /v1 alone
		{"GET", "/api/health", "", 404},
	} {
		if w := do(t, e, request(t, c.method, c.path, key, c.body)); w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.status)
		}
	}
}

func TestModelLists(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	const first = `{"id":"gpt-4o","object":"model","created":1706659200,"owned_by":"openai"}`
	const second = `{"id":"vendor/model","object":"model","created":1,"owned_by":"vendor"}`
	if got := do(t, e, request(t, "GET", "/v1/models", "", "")).Body.String(); got != `{"object":"list","data":[`+first+`,`+second+`]}` {
		t.Errorf("list %s", got)
	}
	if got := do(t, e, request(t, "GET", "/v1/models/vendor/model", "", "")).Body.String(); got != second {
		t.Errorf("one %s", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	var got struct {
		Status, Version   string
		Uptime            int64
		Models, Endpoints []string
		Stats             struct {
			Started        string
			TotalRequests  int `json:"total_requests"`
			ActiveRequests int `json:"active_requests"`
			System         struct {
				Memory struct{ RSS uint64 }
				CPU    struct{ Usage float64 }
			}
		}
	}
	w := do(t, e, request(t, "GET", "/health", key, ""))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "healthy" || got.Version != "1.2.3" || !slices.Equal(got.Models, []string{"gpt-4o", "vendor/model"}) {
		t.Errorf("got %s", w.Body)
	}
	want := []string{
		"/api/hello", "/health", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions", "/v1/completions", "/v1/embeddings",
		"/v1/images/edits", "/v1/images/generations", "/v1/images/variations", "/v1/key", "/v1/models", "/v1/models/{id}", "/v1/moderations", "/v1/rerank",
	}
	if !slices.Equal(got.Endpoints, want) {
		t.Errorf("endpoints %v", got.Endpoints)
	}
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} [+-]\d\d:\d\d$`).MatchString(got.Stats.Started) {
		t.Errorf("started %q", got.Stats.Started)
	}
	if got.Stats.TotalRequests != 1 || got.Stats.ActiveRequests != 0 || got.Stats.Started == "" || got.Stats.System.Memory.RSS == 0 {
		t.Errorf("stats %+v", got.Stats)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	cases := []struct {
		name, method, path string
		headers            map[string]string
		status             int
		open               bool
	}{
		{"preflight", "OPTIONS", "/v1/chat/completions", map[string]string{
			"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "authorization,content-type,x-stainless-os,x-stainless-retry-count",
		}, 204, true},
		{"answer", "GET", "/v1/models", map[string]string{"Origin": "https://app.example"}, 200, true},
		{"error", "POST", "/v1/chat/completions", map[string]string{"Origin": "https://app.example"}, 401, true},
		{"no origin", "GET", "/v1/models", nil, 200, false},
		{"elsewhere", "GET", "/health", map[string]string{"Origin": "https://app.example"}, 200, false},
		{"preflight elsewhere", "OPTIONS", "/health", map[string]string{
			"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
		}, 405, false},
		{"no preflight", "OPTIONS", "/v1/models", map[string]string{"Origin": "https://app.example"}, 405, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, c.method, c.path, "", hello)
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			w := do(t, e, r)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); (got == "*") != c.open {
				t.Errorf("allowed origin %q", got)
			}
			if wanted := c.headers["Access-Control-Request-Headers"]; wanted != "" {
				if got := w.Header().Get("Access-Control-Allow-Headers"); got != wanted {
					t.Errorf("allowed headers %q", got)
				}
				if !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "POST") {
					t.Error("POST is not allowed")
				}
			}
		})
	}
}

// Outside of /v1 only configured origins may ask, and never with cookies.
func TestCORSOrigins(t *testing.T) {
	t.Parallel()
	const page, other = "https://tools.example.com", "https://evil.example.com"
	for _, c := range []struct {
		configured, origin, path string
		allowed                  string
	}{
		{"", page, "/health", ""},
		{page, page, "/health", page},
		{page, other, "/health", ""},
		{page, page + ".evil.example.com", "/health", ""},
		{page, "null", "/health", ""},
		{page, page, "/nowhere", page},
		{page, other, "/v1/models", "*"},
		{"*", other, "/health", "*"},
	} {
		e := newEdge(t, nil, func(d *httpapi.Deps) {
			if c.configured != "" {
				d.Options.CORSOrigins = []string{"https://a.example.com", c.configured}
			}
		})
		for method, status := range map[string]int{"GET": 200, "OPTIONS": 204} {
			r := request(t, method, c.path, "", "")
			r.Header.Set("Origin", c.origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization,if-match")
			w := do(t, e, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.allowed || w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%+v: %s is told %q", c, method, got)
			}
			if c.allowed != "" && c.path != "/nowhere" && w.Code != status {
				t.Errorf("%+v: %s has status %d", c, method, w.Code)
			}
			varies := c.configured == page && c.path != "/v1/models"
			if got := w.Header().Get("Vary") == "Origin"; got != varies {
				t.Errorf("%+v: Vary %q", c, w.Header().Get("Vary"))
			}
		}
	}
}

func TestNoKeyIsKnownYet(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, func(d *httpapi.Deps) { d.Gate = auth.New(secret.Value{}, func() []byte { return nil }) })
	w := do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	if w.Code != 503 || errorOf(t, w.Body.Bytes()).Error.Code != "store_unavailable" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEdge(t, relay(func(context.Context, *chat.Request, func(chat.Event, error) bool) { panic("a bug") }), nil)
	w := do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	if w.Code != 500 || strings.Contains(w.Body.String(), "a bug") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if object := errorOf(t, w.Body.Bytes()); object.Error.Code != "internal_error" || object.Error.Type != "server_error" {
		t.Errorf("%+v", object)
	}
	id := w.Header().Get("X-Request-Id")
	for _, want := range []string{"a bug", "stack", id} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// One line per request, with the documented names.
func TestAccessLine(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	w := do(t, e, request(t, "POST", "/v1/chat/completions?x=secret", key, helloStream))
	var line map[string]any
	if err := json.Unmarshal([]byte(e.log.String()), &line); err != nil {
		t.Fatalf("%v: %s", err, e.log)
	}
	for name, want := range map[string]any{
		"msg": "request done", "level": "INFO", "route": "/v1/chat/completions", "method": "POST", "status": 200.0,
		"dialect": "openai", "stream": true, "model": "gpt-4o", "events": 5.0, "finish_reason": "stop",
		"prompt_tokens": 3.0, "completion_tokens": 2.0, "usage_source": "reported", "remote_ip": "192.0.2.1",
		"request_id": w.Header().Get("X-Request-Id"), "bytes_out": float64(w.Body.Len()),
	} {
		if line[name] != want {
			t.Errorf("%s: %v, want %v", name, line[name], want)
		}
	}
	for _, name := range []string{"dur_ms", "ttft_ms"} {
		if _, there := line[name]; !there {
			t.Errorf("%s is missing", name)
		}
	}
	if strings.Contains(e.log.String(), "secret") || strings.Contains(e.log.String(), "right") {
		t.Error("the line has what it must not have")
	}
}

// What is refused before it is read has its dialect in the log, too.
func TestAccessLineOfARefusedRequest(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/v1/chat/completions": "openai", "/v1/embeddings": "openai", "/v1/messages": "anthropic", "/v1/messages/count_tokens": "anthropic",
	} {
		e := newMessagesEdge(t, nil)
		if w := do(t, e, request(t, "POST", path, "", hello)); w.Code != 401 || !strings.Contains(e.log.String(), `"dialect":"`+want+`"`) {
			t.Errorf("%s: %d, %s", path, w.Code, e.log)
		}
	}
}

func TestAccessLineTellsOfCacheAndThinking(t *testing.T) {
	t.Parallel()
	usage := &chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 50, Reasoning: 40, Source: chat.UsageReported}
	e := newEdge(t, says(nil, chat.Event{Text: "Hello"}, chat.Event{Finish: chat.Stop}, chat.Event{Usage: usage}), nil)
	do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	for _, want := range []string{
		`"prompt_tokens":1000`, `"completion_tokens":50`, `"cache_read_tokens":900`, `"cache_write_tokens":60`, `"cache_write_hour_tokens":20`, `"reasoning_tokens":40`,
	} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("%s is missing: %s", want, e.log)
		}
	}
}

func TestLevelsSayWhoShouldLook(t *testing.T) {
	t.Parallel()
	for kind, want := range map[chat.Kind]string{
		chat.InvalidRequest: "INFO", chat.UpstreamUnavailable: "WARN", chat.Internal: "ERROR",
	} {
		e := newEdge(t, says(chat.Errorf(kind, "because")), nil)
		do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
		if !strings.Contains(e.log.String(), `"level":"`+want+`"`) || !strings.Contains(e.log.String(), `"error_kind":"`+string(kind)+`"`) {
			t.Errorf("%s: %s", kind, e.log)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	do(t, e, request(t, "POST", "/v1/chat/completions", key, helloStream))
	do(t, e, request(t, "GET", "/some/path/nobody/knows", "", ""))
	got := e.counted(t)
	for name, want := range map[string]float64{
		"carousel_gateway_requests_total,/v1/chat/completions,200,true": 1,
		"carousel_gateway_requests_total,unmatched,404,false":           1,
		"carousel_gateway_request_seconds,/v1/chat/completions":         1,
		"carousel_gateway_ttft_seconds,true":                            1,
		"carousel_gateway_stream_events_total":                          5,
		"carousel_gateway_errors_total,not_found":                       1,
		"carousel_gateway_in_flight":                                    0,
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s: %v (there: %v), want %v", name, value, there, want)
		}
	}
}

// counted are all metrics by their name and the values of their labels.
func (e *edge) counted(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += "," + label.GetValue()
			}
			got[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return got
}
