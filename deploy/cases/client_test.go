package cases

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
)

func init() {
	holds["h01"] = silenceBeforeTheFirstWord
	holds["h02"] = heartbeatsAreNoEvents
	holds["h04"] = bodiesInOtherCodings
	holds["h05"] = slashesTooMany
	holds["h06"] = keysInOtherPlaces
}

const (
	// heartbeat is what the pair is started with. An upstream is silent until somebody has heard
	// beats of them, or, where nobody counts, for silence.
	heartbeat = 250 * time.Millisecond
	beats     = 3
	silence   = (beats + 1) * heartbeat
	// patience is how long a client waits for a byte: a heartbeat comes in far less.
	patience = stack.Slack
)

// heard has a value for each heartbeat that a client has read, once it counts.
var heard atomic.Pointer[chan struct{}]

// counting has heartbeats counted until stop is called.
func counting() (stop func()) {
	counted := make(chan struct{}, 100)
	heard.Store(&counted)
	return func() { heard.Store(nil) }
}

// hear counts the heartbeats in what was read.
func hear(text []byte) {
	counted := heard.Load()
	if counted == nil {
		return
	}
	for range bytes.Count(append([]byte("\n"), text...), []byte("\n:")) {
		select {
		case *counted <- struct{}{}:
		default: // more than anybody waits for
		}
	}
}

// rest is silence.
func rest(ctx context.Context) {
	counted := heard.Load()
	if counted == nil {
		select {
		case <-time.After(silence):
		case <-ctx.Done():
		}
		return
	}
	for len(*counted) > 0 { // of before
		<-*counted
	}
	for range beats {
		select {
		case <-*counted:
		case <-ctx.Done():
			return
		}
	}
}

// The chunks of a stream that says "good day".
const (
	roleChunk  = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}` + "\n\n"
	goodChunk  = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"good"},"finish_reason":null}]}` + "\n\n"
	dayChunk   = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" day"},"finish_reason":null}]}` + "\n\n"
	finishPart = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
)

// stepwise streams parts; an empty one is silence.
func stepwise(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range parts {
			if part == "" {
				rest(r.Context())
				continue
			}
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// failing answers with an error, after silence.
func failing(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stepwise("")(discarded{w}, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"message":"broken today","type":"server_error","param":null,"code":null}}`)
	}
}

// discarded keeps what stepwise sets from the response.
type discarded struct{ http.ResponseWriter }

func (discarded) Header() http.Header { return http.Header{} }

// impatient asks the upstream for a stream and gives up after patience without a byte.
func (u *scripted) impatient(t *testing.T) (status int, body string) {
	t.Helper()
	response := send(t, http.MethodPost, "/v1/chat/completions", u.question(), "Authorization", "Bearer "+stack.AdminToken)
	defer func() { _ = response.Body.Close() }()
	var got strings.Builder
	buffer := make([]byte, 4<<10)
	for {
		silent := time.AfterFunc(patience, func() { _ = response.Body.Close() })
		n, err := response.Body.Read(buffer)
		silent.Stop()
		hear(buffer[:n])
		got.Write(buffer[:n])
		if err == io.EOF {
			return response.StatusCode, got.String()
		}
		if err != nil {
			t.Fatalf("%v after %q", err, got.String())
		}
	}
}

func (u *scripted) question() []byte {
	return fmt.Appendf(nil, `{"model":%q,"stream":true,"messages":[{"role":"user","content":"a"}]}`, u.Name)
}

// send sends a request to the pair with a client that has patience for the head of the
// answer as well. header has pairs of a name and a value.
func send(t *testing.T, method, path string, body []byte, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(passedOn(t.Context()), method, pair.Gateways[0].URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: stack.Judged(t, &http.Transport{ResponseHeaderTimeout: patience, DisableKeepAlives: true})}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func silenceBeforeTheFirstWord(t *testing.T) {
	defer counting()()
	var tries atomic.Int64
	second := func(first, then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) == 1 {
				first(w, r)
				return
			}
			then(w, r)
		}
	}
	for _, test := range []struct {
		name     string
		upstream http.HandlerFunc
		want     string
		whole    bool
		asked    int
	}{
		{"silent", stepwise("", goodChunk, dayChunk, finishPart), `" day"`, true, 1},
		{"a role, and silent", stepwise(roleChunk, "", goodChunk, dayChunk, finishPart), `" day"`, true, 1},
		{"another token after silence", second(failing(429), stepwise("", goodChunk, dayChunk, finishPart)), `" day"`, true, 2},
		{"another token after a role", second(stepwise(roleChunk, ""), stepwise(goodChunk, dayChunk, finishPart)), `" day"`, true, 2},
		{"a failure", failing(400), "broken today", false, 1},
	} {
		tries.Store(0)
		upstream := answering(t, "h01-"+strings.NewReplacer(" ", "-", ",", "").Replace(test.name), test.upstream)
		status, body := upstream.impatient(t)
		if status != http.StatusOK || !strings.Contains(body, test.want) || strings.Contains(body, "[DONE]") != test.whole {
			t.Errorf("%s: %d %q", test.name, status, body)
		}
		if !test.whole && !strings.Contains(body, `data: {"error":{`) {
			t.Errorf("%s: no error event: %q", test.name, body)
		}
		if asked := len(upstream.take()); asked != test.asked {
			t.Errorf("%s: %d requests to the upstream", test.name, asked)
		}
	}
	t.Run("all tokens are busy", func(t *testing.T) {
		upstream := answering(t, "h01-busy", stepwise("", "", goodChunk, dayChunk, finishPart))
		for _, token := range pair.Gateways[0].Tokens(t) {
			if token.Upstream == upstream.Name {
				pair.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+token.ID, map[string]any{"cap": 1, "enabled": token.Alias == upstream.Name+"-1"})
			}
		}
		done := make(chan string)
		go func() {
			_, body := upstream.impatient(t)
			done <- body
		}()
		_, body := upstream.impatient(t)
		for _, body := range []string{body, <-done} {
			if !strings.Contains(body, `" day"`) || !strings.Contains(body, "[DONE]") {
				t.Errorf("%q", body)
			}
		}
	})
}

func heartbeatsAreNoEvents(t *testing.T) {
	upstream := answering(t, "h02", stepwise(goodChunk, "", dayChunk, finishPart))
	stop := counting()
	_, body := upstream.impatient(t)
	stop()
	told := 0
	before := ""
	for line := range strings.Lines(body) {
		if line == "\n" && !strings.HasPrefix(before, "data: ") {
			t.Errorf("an empty line after %q, which old clients take for an event", before)
		}
		if strings.HasPrefix(line, ":") {
			told++
		}
		before = line
	}
	if told < beats {
		t.Errorf("%d heartbeats in %q", told, body)
	}
	client := pair.Gateways[0].SDK()
	stream := client.Chat.Completions.NewStreaming(passedOn(t.Context()), openai.ChatCompletionNewParams{
		Model: upstream.Name, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("a")},
	})
	text := ""
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
		}
	}
	if err := stream.Err(); err != nil || text != "good day" {
		t.Errorf("the official client: %q, %v", text, err)
	}
}

func packedWith(open func(io.Writer) (io.WriteCloser, error), plain []byte) []byte {
	var packed bytes.Buffer
	writer, err := open(&packed)
	if err != nil {
		panic(err) // the options are wrong
	}
	_, _ = writer.Write(plain)
	_ = writer.Close()
	return packed.Bytes()
}

func bodiesInOtherCodings(t *testing.T) {
	upstream := answering(t, "h04", goodDay)
	plain := fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"a"}]}`, upstream.Name)
	zipped := packedWith(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, plain)
	deflated := packedWith(func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil }, plain)
	standard := packedWith(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, plain)
	for _, test := range []struct {
		coding string
		body   []byte
		status int
	}{
		{"GZIP", zipped, 200},
		{"x-gzip", zipped, 200},
		{"X-GZip, identity", zipped, 200},
		{"Identity", plain, 200},
		{"deflate", deflated, 200},
		{"ZSTD", standard, 200},
		{"zstd", standard[:len(standard)-1], 400},
		{"zstd", plain, 400},
		{"br", plain, 415},
		{"deflate", plain, 400},
		{"gzip, br", zipped, 415},
	} {
		response := send(t, http.MethodPost, "/v1/chat/completions", test.body, "Authorization", "Bearer "+stack.AdminToken, "Content-Encoding", test.coding)
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != test.status || strings.Contains(string(body), "good day") != (test.status == 200) {
			t.Errorf("%s: %d %s", test.coding, response.StatusCode, body)
		}
		if told := response.Header.Get("Accept-Encoding"); (told != "") != (test.status == 415) || told != "" && !strings.Contains(told, "gzip") {
			t.Errorf("%s: what is understood is %q", test.coding, told)
		}
	}
}

func slashesTooMany(t *testing.T) {
	upstream := answering(t, "h05", goodDay)
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"a"}]}`, upstream.Name)
	for _, path := range []string{"//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/"} {
		for _, request := range []struct{ head, want string }{
			{"POST " + path + " HTTP/1.1\r\nAuthorization: Bearer " + stack.AdminToken + fmt.Sprintf("\r\nContent-Length: %d", len(body)), "good day"},
			{"OPTIONS " + path + " HTTP/1.1\r\nAccess-Control-Request-Method: POST", "204 No Content"},
		} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(pair.Gateways[0].URL, "http://")) // a client of Go's would mend the path
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(stack.Slack))
			_, _ = fmt.Fprintf(conn, "%s\r\nHost: x\r\nOrigin: https://page.example\r\nConnection: close\r\n\r\n", request.head)
			if strings.HasPrefix(request.head, "POST") {
				_, _ = io.WriteString(conn, body)
			}
			answer, err := io.ReadAll(conn)
			_ = conn.Close()
			if err != nil || !strings.Contains(string(answer), request.want) || !strings.Contains(string(answer), "Access-Control-Allow-Origin: *") {
				t.Errorf("%s: %v %s", request.head, err, answer)
			}
		}
	}
}

func keysInOtherPlaces(t *testing.T) {
	upstream := answering(t, "h06", goodDay)
	body := fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"a"}]}`, upstream.Name)
	const key = stack.AdminToken
	for _, test := range []struct {
		name, query string
		header      []string
		status      int
		says        string
	}{
		{"x-api-key", "", []string{"x-api-key", key}, 200, "good day"},
		{"api-key", "", []string{"api-key", key}, 200, "good day"},
		{"query", "?key=" + key, nil, 200, "good day"},
		{"no scheme", "", []string{"Authorization", key}, 401, "without its scheme"},
		{"the scheme twice", "", []string{"Authorization", "Bearer Bearer " + key}, 401, "twice"},
		{"in quotes", "", []string{"Authorization", `Bearer "` + key + `"`}, 401, "in quotes"},
		{"a wrong one in the query", "?key=sk-somebody-elses", nil, 401, "the key is wrong"},
	} {
		response := send(t, http.MethodPost, "/v1/chat/completions"+test.query, body, test.header...)
		got, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != test.status || !strings.Contains(string(got), test.says) || strings.Contains(strings.ToLower(string(got)), "no key was sent") {
			t.Errorf("%s: %d %s", test.name, response.StatusCode, got)
		}
	}
	if log := pair.Gateways[0].Process.Log(); strings.Contains(log, key) || strings.Contains(log, "sk-somebody-elses") {
		t.Error("a key is in the gateway's log")
	}
}
