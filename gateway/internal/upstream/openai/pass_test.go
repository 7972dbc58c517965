package openai

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// rawCall is a call that is carried as it is.
func rawCall(path, body string) *upstream.RawCall {
	return &upstream.RawCall{
		Path: path, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(body)),
		Open:       func() io.Reader { return strings.NewReader(body) },
		Credential: upstream.Credential{Secret: secret.New(testKey)},
	}
}

func upstreamOf(t *testing.T, settings map[string]string, handler http.HandlerFunc) *Driver {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // from then on the server sees a client leave
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	driver := newTestDriver(t, server.URL+"/v1?api-version=3", settings)
	t.Cleanup(driver.Close)
	return driver
}

// passed makes a call and reads the answer to its end.
func passed(t *testing.T, driver *Driver, call *upstream.RawCall) (answer *upstream.RawAnswer, body string, failure *upstream.Failure) {
	t.Helper()
	answer, err := driver.Pass(t.Context(), call)
	if err != nil {
		if !errors.As(err, &failure) {
			t.Fatalf("%T: %v", err, err)
		}
		return nil, "", failure
	}
	data, err := io.ReadAll(answer.Body)
	if err != nil && !errors.As(err, &failure) {
		t.Errorf("%T: %v", err, err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	return answer, string(data), failure
}

func TestPassSendsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	driver := upstreamOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for name, want := range map[string]string{
			"Authorization": "Bearer " + testKey, "Content-Type": `multipart/form-data; boundary="a b"`, "Accept": "text/vtt",
			"Accept-Encoding": "identity", "Idempotency-Key": "k", "User-Agent": "carousel",
		} {
			if r.Header.Get(name) != want {
				t.Errorf("%s: %q", name, r.Header.Get(name))
			}
		}
		if string(body) != "\x00\xff" || r.ContentLength != 2 || r.Method != http.MethodPost || r.URL.String() != "/v1/audio/transcriptions?api-version=3&x=%20" {
			t.Errorf("%q, %d bytes, %s %s", body, r.ContentLength, r.Method, r.URL)
		}
		for name, value := range map[string]string{
			"Content-Type": "text/vtt; charset=utf-8", "Content-Disposition": `attachment; filename="a"`, "X-Request-Id": "req_1",
			"Openai-Organization": "org", "X-Ratelimit-Remaining-Requests": "3", "Set-Cookie": "a=b", "Openai-Processing-Ms": "12",
		} {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "WEBVTT\n")
	})
	call := rawCall("audio/transcriptions", "\x00\xff")
	call.Query = "x=%20"
	call.Header = http.Header{"Content-Type": {`multipart/form-data; boundary="a b"`}, "Accept": {"text/vtt"}, "Idempotency-Key": {"k"}}
	answer, body, failure := passed(t, driver, call)
	if failure != nil {
		t.Fatal(failure)
	}
	want := map[string]string{
		"Content-Type": "text/vtt; charset=utf-8", "Content-Disposition": `attachment; filename="a"`, "X-Upstream-Request-Id": "req_1", "Openai-Processing-Ms": "12",
	}
	if answer.Status != http.StatusCreated || body != "WEBVTT\n" || answer.Length != 7 || len(answer.Header) != len(want) {
		t.Errorf("%d, %q, %d bytes, %v", answer.Status, body, answer.Length, answer.Header)
	}
	for name, value := range want {
		if answer.Header.Get(name) != value {
			t.Errorf("%s: %q", name, answer.Header.Get(name))
		}
	}
}

const streamType = "text/event-stream; charset=utf-8"

// Every byte of a good answer goes on as it came, and its counts are read beside.
func TestPassedAnswers(t *testing.T) {
	t.Parallel()
	vector := strings.Repeat("0.12345678,", 20000) + "1"
	picture := strings.Repeat("iVBORw0KGgo", 20000)
	counted := func(prompt, completion int) *chat.Usage {
		return &chat.Usage{Prompt: prompt, Completion: completion, Source: chat.UsageReported}
	}
	for _, c := range []struct {
		name, media, body string
		usage             *chat.Usage
	}{
		{"embeddings", "application/json", `{"object":"list","data":[{"embedding":[` + vector + `],"usage":{"prompt_tokens":99}}],"usage":{"prompt_tokens":8,"total_tokens":8}}`, counted(8, 0)},
		{"completions", "application/json", ` {"choices":[{"text":"\"usage\":{"}],"usage" : {"prompt_tokens":8, "completion_tokens":3,"x":{"y":1}} } `, counted(8, 3)},
		{
			"counts of caches and thinking", "application/json",
			`{"choices":[{"text":"a"}],"usage":{"prompt_tokens":8,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":3}}}`,
			&chat.Usage{Prompt: 8, CacheRead: 5, Completion: 4, Reasoning: 3, Source: chat.UsageReported},
		},
		{"pictures", "application/json", `{"usage":{"input_tokens":50,"output_tokens":4160,"total_tokens":4210},"data":[{"b64_json":"` + picture + `"}]}`, counted(50, 4160)},
		{"rerank", "application/json", `{"results":[],"usage":{"total_tokens":7}}`, counted(7, 0)},
		{"sounds by the second", "application/json", `{"text":"","usage":{"type":"duration","seconds":9}}`, nil},
		{"counts that are none", "application/json", `{"text":"a","usage":null}`, nil},
		{"counts that are too long", "application/json", `{"text":"a","usage":{"x":"` + strings.Repeat("x", 2*maxKept) + `","prompt_tokens":1}}`, nil},
		{"an error that is null", "application/json", `{"error":null,"results":[{"flagged":false}]}`, nil},
		{"no text at all", "application/json", `{"text":""}`, nil},
		{"a byte order mark", "application/json", "\xef\xbb\xbf" + `{"text":"a","usage":{"prompt_tokens":1}}`, counted(1, 0)},
		{"text", "text/plain", "{curly\n", nil},
		{"sound", "audio/mpeg", "\xff\xfb\x00" + strings.Repeat("\x00", 100000), nil},
		{"a stream of text", streamType, "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n", counted(1, 2)},
		{"a stream without [DONE]", streamType, "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}\n\n", nil},
		{"a stream of pictures", streamType, ": hello\r\n\r\nevent: image_generation.partial_image\r\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"" + picture + "\"}\r\n\r\n" +
			"event: image_generation.completed\r\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"" + picture + "\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\r\n\r\n", counted(1, 2)},
		{"a stream of words", streamType, "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"transcript.text.done\",\"usage\":{\"type\":\"tokens\",\n" +
			"data: \"input_tokens\":14,\"output_tokens\":5}}", counted(14, 5)},
		{"a stream of something else", streamType, "data: {\"x\":1}\n\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 7, 1 << 20} {
				if size == 1 && len(c.body) > 1<<16 {
					continue
				}
				driver := upstreamOf(t, nil, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", c.media)
					_, _ = io.WriteString(w, c.body)
				})
				call := rawCall("x", "{}")
				call.Vectors = upstream.Floats
				answer, err := driver.Pass(t.Context(), call)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{answer.Body}, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				if got.String() != c.body {
					t.Errorf("in pieces of %d: %d bytes became %d", size, len(c.body), got.Len())
				}
				usage, told := answer.End()
				if told != nil || fmt.Sprint(usage) != fmt.Sprint(c.usage) && (usage == nil || c.usage == nil || *usage != *c.usage) {
					t.Errorf("in pieces of %d: %+v, %v", size, usage, told)
				}
				_ = answer.Body.Close()
			}
		})
	}
}

// What has not begun well is a failure before anything goes on, so that another token can
// be tried.
func TestPassFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		class  upstream.Class
		says   string
	}{
		{"a bad key", answerWith(401, "application/json", `{"error":{"message":"no","code":"invalid_api_key"}}`), upstream.Auth, "no"},
		{"a limit", answerWith(429, "application/json", `{"error":{"message":"slow down","type":"requests"}}`), upstream.RateLimit, "slow down"},
		{"a used-up quota", answerWith(429, "application/json", `{"error":{"message":"pay","code":"insufficient_quota"}}`), upstream.Quota, "pay"},
		{"a wrong request", answerWith(400, "application/json", `{"error":{"message":"too long","param":"input"}}`), upstream.CallerFault, "too long"},
		{"no such endpoint", answerWith(404, "text/plain", "404 page not found"), upstream.CallerFault, "404 page not found"},
		{"no such model", answerWith(404, "application/json", `{"error":{"message":"no","code":"model_not_found"}}`), upstream.ModelUnknown, "no"},
		{"broken", answerWith(500, "text/html", "<html>"), upstream.Broken, "status 500"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, upstream.Broken, "base_url"},
		{"an error with status 200", answerWith(200, "application/json", `{"error":{"message":"bad key","code":"invalid_api_key"}}`), upstream.Auth, "bad key"},
		{"an error object without a wrapper", answerWith(200, "application/json", `{"object":"error","message":"slow","type":"rate_limit_error","code":429}`), upstream.RateLimit, "slow"},
		{"a page", answerWith(200, "text/html; charset=utf-8", "<html>"), upstream.Broken, "a page instead"},
		{"nothing", answerWith(200, "application/json", ""), upstream.Truncated, "empty"},
		{"a stream of nothing", answerWith(200, streamType, ": hello\n\n"), upstream.Truncated, "empty"},
		{"a stream that begins with an error", answerWith(200, streamType, ": hello\n\nevent: error\ndata: {\"message\":\"slow\",\"type\":\"rate_limit_error\"}\n\ndata: x\n\n"), upstream.RateLimit, "slow"},
		{"a stream that is an error", answerWith(200, streamType, `data: {"error":{"message":"bad key","code":"invalid_api_key"}}`), upstream.Auth, "bad key"},
		{"a hang-up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, upstream.Transport, "hangs up"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, upstream.Broken, "silent for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patience := "1m" // a busy machine takes its time
			if c.name == "silence" {
				patience = "100ms"
			}
			driver := upstreamOf(t, map[string]string{"answer_timeout": patience}, c.answer)
			_, _, failure := passed(t, driver, rawCall("x", "{}"))
			if failure == nil || failure.Class != c.class || !strings.Contains(failure.Message, c.says) {
				t.Errorf("%v", failure)
			}
			if errors.Is(failure, upstream.ErrUnsent) {
				t.Error("it is said that nothing was sent")
			}
		})
	}
}

// Of a request that is at fault the client gets the upstream's own words; of a token never.
func TestPassQuotesTheUpstream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		quoted bool
	}{
		{"a wrong request", 422, `{"error":{"message":"no","param":"input","x":1}}`, true},
		{"too large", 400, `{"error":{"message":"no","code":"context_length_exceeded"}}`, true},
		{"another form", 400, `{"detail":[{"loc":["body","input"],"msg":"no"}]}`, false},
		{"words", 404, "404 page not found", false},
		{"half an object", 400, `{"error":{"message":"no"`, false},
		{"the key in it", 400, `{"error":{"message":"no ` + testKey + `"}}`, false},
		{"a bad key", 401, `{"error":{"message":"no"}}`, false},
		{"a limit", 429, `{"error":{"message":"no"}}`, false},
		{"broken", 500, `{"error":{"message":"no"}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			driver := upstreamOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Request-Id", "req_1")
				answerWith(c.status, "application/json", c.body)(w, r)
			})
			_, _, failure := passed(t, driver, rawCall("x", "{}"))
			if failure == nil || failure.Status != c.status {
				t.Fatalf("%v", failure)
			}
			if c.quoted != (string(failure.JSON) == c.body && failure.Dialect == dialect && len(failure.Header["X-Upstream-Request-Id"]) == 1) || !c.quoted && failure.JSON != nil {
				t.Errorf("%s %q, %v", failure.Dialect, failure.JSON, failure.Header)
			}
		})
	}
}

// Who has heard nothing of a request has not begun it.
func TestPassTellsThatNothingWasSent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	driver := newTestDriver(t, "http://"+listener.Addr().String(), nil)
	_ = listener.Close()
	_, _, failure := passed(t, driver, rawCall("x", "{}"))
	if failure == nil || failure.Class != upstream.Transport || !errors.Is(failure, upstream.ErrUnsent) {
		t.Errorf("%v", failure)
	}
}

// An answer that breaks in the middle ends with a failure, and never as if it were whole.
func TestPassedAnswersThatBreak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, media, body, says string
		class                   upstream.Class
		length                  string
	}{
		{"a sound", "audio/mpeg", "abc", "broke", upstream.Truncated, "10"},
		{"a stream of text without its end", streamType, "data: {\"choices\":[{\"text\":\"a\"}]}\n\n", "ended early", upstream.Truncated, ""},
		{"a stream of pictures without its end", streamType, "data: {\"type\":\"image_generation.partial_image\"}\n\n", "ended early", upstream.Truncated, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			driver := upstreamOf(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.media)
				if c.length != "" {
					w.Header().Set("Content-Length", c.length)
				}
				_, _ = io.WriteString(w, c.body)
			})
			_, body, failure := passed(t, driver, rawCall("x", "{}"))
			if failure == nil || failure.Class != c.class || !strings.Contains(failure.Message, c.says) || body != c.body {
				t.Errorf("%q, %v", body, failure)
			}
		})
	}
}

// The client has read an error that stands in the middle of a stream: all that is left is
// to know it.
func TestPassKnowsAnErrorInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{
		"data: {\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}\n\n",
		"event: error\ndata: {\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}\n\n",
		"data: {\"type\":\"error\",\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}",
	} {
		body := "data: {\"type\":\"a.delta\"}\n\n" + wrong
		answer, got, failure := passed(t, upstreamOf(t, nil, answerWith(200, streamType, body)), rawCall("x", "{}"))
		if failure != nil || got != body {
			t.Fatalf("%q, %v", got, failure)
		}
		if _, told := answer.End(); told == nil || told.Class != upstream.RateLimit || told.Message != "slow" {
			t.Errorf("%v", told)
		}
	}
}

// What must not be begun twice is sent once, over a connection of its own, also where the
// upstream hangs up.
func TestPassOnce(t *testing.T) {
	t.Parallel()
	var connections, requests int
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Path == "/once" {
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections++
		}
	}
	server.Start()
	defer server.Close()
	driver := newTestDriver(t, server.URL, nil)
	defer driver.Close()
	_, _, _ = passed(t, driver, rawCall("first", "{}"))
	call := rawCall("once", "{}")
	call.Once = true
	_, _, failure := passed(t, driver, call)
	if failure == nil || failure.Class != upstream.Transport || errors.Is(failure, upstream.ErrUnsent) {
		t.Errorf("%v", failure)
	}
	if server.Close(); requests != 2 || connections != 2 {
		t.Errorf("%d requests over %d connections", requests, connections)
	}
}

// A refusal of a large body is not lost in the middle of it.
func TestPassAsksBeforeALargeBody(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 16<<20)
	for _, c := range []struct {
		name  string
		taken bool
	}{{"refused", false}, {"taken", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !c.taken {
					answerWith(http.StatusUnauthorized, "application/json", `{"error":{"message":"no"}}`)(w, r)
					return
				}
				n, err := io.Copy(io.Discard, r.Body)
				if n != int64(len(large)) || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
				answerWith(http.StatusOK, "application/json", `{"data":[]}`)(w, r)
			}))
			defer server.Close()
			driver := newTestDriver(t, server.URL, nil)
			defer driver.Close()
			call := rawCall("images/edits", large)
			call.Once = true
			_, _, failure := passed(t, driver, call)
			if c.taken != (failure == nil) || failure != nil && failure.Class != upstream.Auth {
				t.Errorf("%v", failure)
			}
		})
	}
}

// An upstream that packs its answer though nobody asked for it is understood.
func TestPassUnpacks(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = io.WriteString(writer, `{"text":"a"}`)
	_ = writer.Close()
	driver := upstreamOf(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	answer, body, failure := passed(t, driver, rawCall("x", "{}"))
	if failure != nil || body != `{"text":"a"}` || answer.Length != -1 {
		t.Errorf("%q, %d bytes, %v", body, answer.Length, failure)
	}
}

// The upstream learns at once that its client has gone.
func TestPassIsCancelled(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	driver := upstreamOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", streamType)
		_, _ = io.WriteString(w, "data: {\"choices\":[]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	answer, err := driver.Pass(ctx, rawCall("x", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if n, err := answer.Body.Read(buffer); err != nil || n == 0 {
		t.Fatalf("%d, %v", n, err)
	}
	cancel()
	_, err = answer.Body.Read(buffer)
	if failure := classOf(err); failure != upstream.ClientGone {
		t.Errorf("%v", err)
	}
	<-gone
	_ = answer.Body.Close()
}

// A silence in the middle of an answer is as long as the settings allow.
func TestPassedAnswersMayNotBeSilent(t *testing.T) {
	t.Parallel()
	for idle := 100 * time.Millisecond; ; idle *= 2 {
		driver := upstreamOf(t, map[string]string{"idle_timeout": idle.String()}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "audio/mpeg")
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		_, body, failure := passed(t, driver, rawCall("x", "{}"))
		if failure == nil || failure.Class != upstream.Broken {
			t.Fatalf("%q, %v", body, failure)
		}
		if body == "abc" {
			return
		}
		if idle > 5*time.Second { // a machine that stops for longer than that shows nothing
			t.Fatalf("%q came before the silence", body)
		}
	}
}

// What an upstream keeps of answers is read, deleted and cancelled where it is.
func TestPassOfKeptAnswers(t *testing.T) {
	t.Parallel()
	const broken = `{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"oops"},"output":[]}`
	const unknown = `{"error":{"message":"Response with id 'resp_9' not found.","type":"invalid_request_error","param":"id","code":null}}`
	driver := upstreamOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch asked := r.Method + " " + r.URL.String() + " " + string(body); asked {
		case "GET /v1/responses/resp_1?api-version=3&include=a ":
			_, _ = io.WriteString(w, broken)
		case "DELETE /v1/responses/resp_1?api-version=3 ":
			_, _ = io.WriteString(w, `{"id":"resp_1","object":"response","deleted":true}`)
		case "POST /v1/responses/resp_1/cancel?api-version=3 {}":
			_, _ = io.WriteString(w, `{"id":"resp_1","object":"response","status":"cancelled"}`)
		case "GET /v1/responses/resp_1?api-version=3&stream=true ":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, eventsOf(`{"type":"response.created","response":{}}`, `{"type":"response.failed","response":{"error":{"code":"x"}}}`))
		case "GET /v1/responses/resp_9?api-version=3 ":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, unknown)
		default:
			t.Errorf("asked %q", asked)
		}
	})
	for _, test := range []struct {
		method, path, query string
		stream              bool
	}{{http.MethodGet, "resp_1", "include=a", false}, {http.MethodDelete, "resp_1", "", false}, {"", "resp_1/cancel", "", false}, {http.MethodGet, "resp_1", "stream=true", true}} {
		call := &upstream.RawCall{Method: test.method, Path: "responses/" + test.path, Query: test.query, Stream: test.stream, Header: http.Header{}, Once: test.method == ""}
		if test.method == "" {
			call = rawCall(call.Path, `{}`)
		}
		answer, body, failure := passed(t, driver, call)
		if failure != nil || answer.Status != http.StatusOK || body == "" {
			t.Errorf("%s %s: %q, %v", test.method, test.path, body, failure)
		}
	}
	_, _, failure := passed(t, driver, &upstream.RawCall{Method: http.MethodGet, Path: "responses/resp_9", Header: http.Header{}})
	if failure == nil || failure.Class != upstream.CallerFault || failure.Status != 404 || failure.Dialect != responsesDialect || string(failure.JSON) != unknown {
		t.Errorf("got %+v", failure)
	}
}
