package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/sse"
)

// carrier is a use case for side endpoints.
type carrier func(ctx context.Context, req *carried.Request, yield func(carried.Piece, error) bool)

func (carrier) Chat(context.Context, *chat.Request, caller.Caller, lease.Choice) iter.Seq2[chat.Event, error] {
	return func(func(chat.Event, error) bool) {}
}

func (r carrier) Carry(ctx context.Context, req *carried.Request, _ caller.Caller, _ lease.Choice) iter.Seq2[carried.Piece, error] {
	return func(yield func(carried.Piece, error) bool) { r(ctx, req, yield) }
}

// answers passes on an answer in pieces, and where err is not nil breaks then.
func answers(contentType string, err error, pieces ...string) carrier {
	return func(_ context.Context, _ *carried.Request, yield func(carried.Piece, error) bool) {
		head := &carried.Head{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Length: -1}
		if !yield(carried.Piece{Head: head}, nil) {
			return
		}
		for _, piece := range pieces {
			if !yield(carried.Piece{Bytes: []byte(piece)}, nil) {
				return
			}
		}
		if err != nil {
			yield(carried.Piece{}, err)
		}
	}
}

// Status, head and bytes are the upstream's.
func TestCarriedAnswer(t *testing.T) {
	t.Parallel()
	e := newEdge(t, carrier(func(_ context.Context, req *carried.Request, yield func(carried.Piece, error) bool) {
		if req.Model != "m" || req.Route.Name != "audio/speech" || req.Query != "x=1" || req.Session != "s" || req.ID == "" {
			t.Errorf("%+v", req)
		}
		_ = yield(carried.Piece{Head: &carried.Head{
			Status: http.StatusAccepted, Length: 4, FallbackModel: "other",
			Header: http.Header{"Content-Type": {"audio/mpeg"}, "Content-Disposition": {"attachment"}, "X-Upstream-Request-Id": {"req_1"}},
		}}, nil) && yield(carried.Piece{Bytes: []byte("\x00\xff")}, nil) && yield(carried.Piece{Bytes: []byte("\r\n")}, nil) &&
			yield(carried.Piece{Usage: &chat.Usage{Prompt: 7, Source: chat.UsageReported}}, nil)
	}), nil)
	r := request(t, http.MethodPost, "/v1/audio/speech?key=right&x=1", "", `{"model":"m","input":"hi"}`)
	r.Header.Set("X-Session-Id", "s")
	w := do(t, e, r)
	if w.Code != http.StatusAccepted || w.Body.String() != "\x00\xff\r\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "audio/mpeg", "Content-Disposition": "attachment", "X-Upstream-Request-Id": "req_1", "Content-Length": "4",
		"X-Content-Type-Options": "nosniff", "X-Carousel-Fallback-Model": "other",
	} {
		if w.Header().Get(name) != want {
			t.Errorf("%s: %q", name, w.Header().Get(name))
		}
	}
	if log := e.log.String(); !strings.Contains(log, `"route":"/v1/audio/speech"`) || !strings.Contains(log, `"prompt_tokens":7`) || !strings.Contains(log, `"model":"m"`) {
		t.Error(log)
	}
}

// A form comes in whole, however it is sent: traps 74 and 75.
func TestCarriedForm(t *testing.T) {
	t.Parallel()
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	file, _ := writer.CreateFormFile("file", "a.mp3")
	_, _ = file.Write(bytes.Repeat([]byte("\x00\xff\r\n--"), 500_000)) // more than is kept in memory
	_ = writer.WriteField("model", "whisper-1")
	_ = writer.Close()
	sent := form.Bytes()
	for name, body := range map[string]io.Reader{
		"with a length": bytes.NewReader(sent),
		"in chunks":     struct{ io.Reader }{bytes.NewReader(sent)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, carrier(func(_ context.Context, req *carried.Request, yield func(carried.Piece, error) bool) {
				out := req.Body("other")
				got, err := io.ReadAll(out.Open())
				want := bytes.Replace(sent, []byte("whisper-1"), []byte("other"), 1)
				if err != nil || req.Model != "whisper-1" || !bytes.Equal(got, want) || out.Length != int64(len(want)) ||
					req.Header.Get("Content-Type") != writer.FormDataContentType() {
					t.Errorf("model %q, %d bytes of %d, %v", req.Model, len(got), len(want), err)
				}
				answers("text/plain", nil, "words")(t.Context(), req, yield)
			}), nil)
			server := httptest.NewServer(e)
			defer server.Close()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/audio/transcriptions", body)
			r.Header.Set("Content-Type", writer.FormDataContentType())
			r.Header.Set("Authorization", key)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK || string(got) != "words" {
				t.Errorf("%d %s", response.StatusCode, got)
			}
		})
	}
}

var errBroke = chat.Errorf(chat.UpstreamProtocol, "the answer ended early")

// Whatever goes wrong, no client takes half an answer for a whole one.
func TestCarriedFailures(t *testing.T) {
	t.Parallel()
	const stream = "text/event-stream; charset=utf-8"
	for _, c := range []struct {
		name, path, body string
		relay            carrier
		status           int
		answer           string // a part of it
		cut              bool
	}{
		{"no model", "/v1/embeddings", `{}`, nil, 400, `"param":"model"`, false},
		{"no JSON", "/v1/embeddings", `{`, nil, 400, "not valid JSON", false},
		{"before the answer", "/v1/embeddings", `{"model":"m"}`, func(_ context.Context, _ *carried.Request, yield func(carried.Piece, error) bool) {
			yield(carried.Piece{}, chat.Errorf(chat.RateLimited, "slow down"))
		}, 429, "slow down", false},
		{"before a stream", "/v1/completions", `{"model":"m","stream":true}`, func(_ context.Context, _ *carried.Request, yield func(carried.Piece, error) bool) {
			yield(carried.Piece{}, chat.Errorf(chat.RateLimited, "slow down"))
		}, 429, "slow down", false},
		{"no answer at all", "/v1/embeddings", `{"model":"m"}`, func(context.Context, *carried.Request, func(carried.Piece, error) bool) {}, 502, "is empty", false},
		{"in the middle", "/v1/audio/speech", `{"model":"m"}`, answers("audio/mpeg", errBroke, "abc"), 200, "abc", true},
		{"in the middle of a stream", "/v1/completions", `{"model":"m","stream":true}`, answers(stream, errBroke, "data: 1\n\n"), 200, "data: 1\n\n\ndata: {\"error\"", false},
		{"in the middle of a line", "/v1/completions", `{"model":"m","stream":true}`, answers(stream, errBroke, "data: {"), 200, "data: {\n\ndata: {\"error\"", false},
		{"in the middle of a stream that nobody asked for", "/v1/completions", `{"model":"m"}`, answers(stream, errBroke, "data: 1\n\n"), 200, "data: {\"error\"", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(newEdge(t, c.relay, nil))
			defer server.Close()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", key)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != c.status || !strings.Contains(string(got), c.answer) || (err != nil) != c.cut {
				t.Errorf("%d %q, %v", response.StatusCode, got, err)
			}
		})
	}
}

// A connection that is cut leaves a line in the log.
func TestACutAnswerIsLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t, answers("audio/mpeg", errBroke, "abc"), nil)
	func() {
		defer func() {
			if cause, _ := recover().(error); !errors.Is(cause, http.ErrAbortHandler) {
				t.Errorf("%v", cause)
			}
		}()
		do(t, e, request(t, http.MethodPost, "/v1/audio/speech", key, `{"model":"m"}`))
	}()
	if log := e.log.String(); strings.Count(log, `"msg":"request done"`) != 1 || !strings.Contains(log, "ended early") {
		t.Error(log)
	}
}

// A stream has heartbeats, also before it begins, and never inside of a line. An answer
// that turns out to be none after them is an error.
func TestCarriedHeartbeats(t *testing.T) {
	t.Parallel()
	const beat = ": still here\n"
	for _, c := range []struct{ name, contentType, want string }{
		{"a stream", "text/event-stream", beat + "data: 1\n\n" + beat + "data: 2\n\n"},
		{"no stream", "application/json", beat + `data: {"error":{"message":"a stream was asked for, and the upstream answers with \"application/json\""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t, carrier(func(_ context.Context, _ *carried.Request, yield func(carried.Piece, error) bool) {
					time.Sleep(1100 * time.Millisecond)
					if !yield(carried.Piece{Head: &carried.Head{Status: 200, Header: http.Header{"Content-Type": {c.contentType}}, Length: -1}}, nil) {
						return
					}
					_ = yield(carried.Piece{Bytes: []byte("data: ")}, nil)
					time.Sleep(1100 * time.Millisecond) // in the middle of a line
					_ = yield(carried.Piece{Bytes: []byte("1\n\n")}, nil)
					time.Sleep(1100 * time.Millisecond)
					_ = yield(carried.Piece{Bytes: []byte("data: 2\n\n")}, nil)
				}), func(deps *httpapi.Deps) { deps.Options.Stream = sse.Options{Heartbeat: time.Second} })
				w := do(t, e, request(t, http.MethodPost, "/v1/completions", key, `{"model":"m","stream":true}`))
				if got := w.Body.String(); w.Code != http.StatusOK || !strings.HasPrefix(got, c.want) {
					t.Errorf("%d %q", w.Code, got)
				}
			})
		})
	}
}

// What belongs to one account is told to be so, whatever the method.
func TestBoundEndpoints(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil), func(deps *httpapi.Deps) { deps.Options.RoutePrefix = "/api" })
	for _, path := range []string{
		"/files", "/files/file-1/content", "/batches", "/uploads", "/vector_stores/vs_1", "/fine_tuning/jobs", "/realtime", "/assistants", "/threads/t/runs",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			w := do(t, e, request(t, method, "/api/v1"+path, key, ""))
			if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "one account of the upstream") {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	if w := do(t, e, request(t, http.MethodGet, "/v1/files", key, "")); strings.Contains(w.Body.String(), "account") {
		t.Errorf("without the prefix: %s", w.Body)
	}
	if w := do(t, e, request(t, http.MethodGet, "/api/v1/embeddings", key, "")); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET of an endpoint: %d", w.Code)
	}
	if w := do(t, e, request(t, http.MethodPost, "/api/v1/embeddings", "", `{"model":"m"}`)); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", w.Code)
	}
	if w := do(t, e, request(t, http.MethodGet, "/health", "", "")); !strings.Contains(w.Body.String(), `"/api/v1/images/edits"`) || strings.Contains(w.Body.String(), "/files") {
		t.Errorf("%s", w.Body)
	}
}

// insistent is a dialect that takes every client for its own.
type insistent struct{ openai.API }

func (insistent) Path() string                { return "/v1/insistent" }
func (insistent) Recognizes(http.Header) bool { return true }
func (insistent) Error(error, string) dialect.Error {
	return dialect.Error{Status: http.StatusTeapot, JSON: []byte(`"its own error"`)}
}

// The side endpoints are the first dialect's, whatever headers a client sends.
func TestSideEndpointsSpeakTheFirstDialect(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil), func(deps *httpapi.Deps) { deps.Dialects = append(deps.Dialects, insistent{}) })
	if w := do(t, e, request(t, http.MethodPost, "/v1/embeddings", key, "{}")); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"param":"model"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(t, e, request(t, http.MethodGet, "/v1/nothing", key, "")); w.Body.String() != `"its own error"` {
		t.Errorf("elsewhere: %d %s", w.Code, w.Body)
	}
}
