package agent

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const patience = time.Minute

// exchange is a run on the side of the upstream.
type exchange struct {
	t      *testing.T
	w      http.ResponseWriter
	r      *http.Request
	first  *agentv1.AgentRunRequest
	frames *decoder
}

// send sends frames.
func (x *exchange) send(frames ...[]byte) {
	for _, frame := range frames {
		_, _ = x.w.Write(frame) // an error tells that the client has left
	}
	_ = http.NewResponseController(x.w).Flush()
}

// sendNamed sends vectors.
func (x *exchange) sendNamed(names ...string) {
	var all []byte
	for _, name := range names {
		all = append(all, vectorOf(x.t, name)...)
	}
	x.send(all)
}

// receive reads a message; nil where the client has left.
func (x *exchange) receive() *agentv1.AgentClientMessage {
	next, err := x.frames.next()
	if err != nil {
		return nil
	}
	message := &agentv1.AgentClientMessage{}
	if err := proto.Unmarshal(next.payload, message); err != nil {
		x.t.Error(err)
	}
	return message
}

// serve is a client for an upstream that speaks HTTP/2 without TLS.
func serve(t *testing.T, script func(*exchange)) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{t: t, w: w, r: r, frames: newDecoder(r.Body)}
		if r.URL.Path == runPath {
			x.first = x.receive().GetRunRequest()
		}
		w.Header().Set("Content-Type", fault.FrameType)
		script(x)
	}))
	upstreamtest.OverHTTP2(server)
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: server.Config.Protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return clientOf(server.URL, transport)
}

func clientOf(base string, transport http.RoundTripper) *Client {
	return New(Config{
		RunBase: base, Base: base, Transport: transport, Version: "cli-2026.10.01-e373342", FirstByte: time.Minute, Idle: 2 * time.Minute,
		StructuredTools: []string{"composer-*", "default", "auto"},
	})
}

func callOf(messages ...chat.Message) *upstream.Call {
	if len(messages) == 0 {
		messages = []chat.Message{said(chat.User, "Hi")}
	}
	return &upstream.Call{
		Request:    &chat.Request{ID: "req", Model: "composer-2.5", Messages: messages, Tools: []chat.ToolSpec{weather}},
		Model:      "composer-2.5",
		Credential: upstream.Credential{Secret: secret.New("access-token")},
	}
}

func said(role chat.Role, text string) chat.Message {
	return chat.Message{Role: role, Parts: []chat.Part{{Text: text}}}
}

// answer is what a call yielded.
type answer struct {
	text, thought string
	calls         []chat.Block
	arguments     []string
	finish        chat.FinishReason
	usage         *chat.Usage
	failure       *upstream.Failure
}

func collectAnswer(ctx context.Context, t *testing.T, c *Client, call *upstream.Call) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got answer
	for event, err := range c.Chat(ctx, call) {
		if err != nil {
			if !errors.As(err, &got.failure) {
				t.Fatalf("not a *Failure: %v", err)
			}
			continue
		}
		switch {
		case event.Kind == chat.ReasoningBlock:
			got.thought += event.Text
		case event.Kind != chat.CallBlock:
			got.text += event.Text
		case event.Open != nil:
			got.calls, got.arguments = append(got.calls, *event.Open), append(got.arguments, event.Text)
		default:
			got.arguments[len(got.arguments)-1] += event.Text
		}
		if event.Finish != chat.Unfinished {
			got.finish = event.Finish
		}
		if event.Usage != nil {
			got.usage = event.Usage
		}
	}
	return got
}

// The headers of the upstream's own command line, and no others.
func TestHeaders(t *testing.T) {
	t.Parallel()
	var header http.Header
	var host, method string
	c := serve(t, func(x *exchange) {
		header, host, method = x.r.Header.Clone(), x.r.Proto, x.r.Method
		if x.r.Header.Get("X-Request-Id") != x.first.GetRunId() {
			t.Errorf("run %q in the request %q", x.first.GetRunId(), x.r.Header.Get("X-Request-Id"))
		}
		x.sendNamed("text-Hi", "turn-ended", "end")
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if got := collectAnswer(ctx, t, c, callOf()); got.text != "Hi" || got.finish != chat.Stop || got.usage.Prompt != 10837 {
		t.Fatalf("%+v", got)
	}
	const uuid = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	const trace = `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`
	want := map[string]string{
		"Authorization": "^Bearer access-token$", "Backend-Traceparent": trace, "Connect-Accept-Encoding": "^gzip$",
		"Connect-Protocol-Version": "^1$", "Content-Type": "^application/connect\\+proto$", "Traceparent": trace,
		"User-Agent": "^connect-es/1.6.1$", "X-Cursor-Client-Type": "^cli$", "X-Cursor-Client-Version": "^cli-2026.10.01-e373342$",
		"X-Ghost-Mode": "^true$", "X-Original-Request-Id": uuid, "X-Request-Id": uuid,
	}
	if got := slices.Sorted(maps.Keys(header)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("headers %q", got)
	}
	for name, form := range want {
		if !regexp.MustCompile(form).MatchString(header.Get(name)) {
			t.Errorf("%s: %q", name, header.Get(name))
		}
	}
	if header.Get("Traceparent") != header.Get("Backend-Traceparent") || header.Get("X-Request-Id") != header.Get("X-Original-Request-Id") {
		t.Error("two that are to be equal differ")
	}
	if host != "HTTP/2.0" || method != http.MethodPost {
		t.Errorf("%s over %s", method, host)
	}
}

// A whole turn as the upstream plays it: questions in between, and an answer at the end.
func TestATurn(t *testing.T) {
	t.Parallel()
	var closes int
	c := serve(t, func(x *exchange) {
		x.sendNamed("context-question", "set-blob")
		for range 3 {
			if x.receive().GetExecClientControlMessage().GetStreamClose() != nil {
				closes++
			}
		}
		x.sendNamed("thinking-hm", "thinking-completed", "read-question")
		for range 2 {
			if x.receive().GetExecClientControlMessage().GetStreamClose() != nil {
				closes++
			}
		}
		x.sendNamed("text-Hi", "step-completed", "checkpoint", "turn-ended", "end")
		if last := x.receive(); last != nil {
			t.Errorf("after the end came %v", last)
		}
	})
	if got := collectAnswer(t.Context(), t, c, callOf()); got.thought != "hm" || got.text != "Hi" || got.failure != nil {
		t.Errorf("%+v", got)
	}
	if closes != 2 {
		t.Errorf("%d questions were closed", closes)
	}
}

// A run that ends in calls is left by a reset, without a result.
func TestARunThatEndsInCalls(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	c := serve(t, func(x *exchange) {
		x.sendNamed("token-7", "checkpoint", "call-started", "call-written", "call")
		for message := x.receive(); message != nil; message = x.receive() {
			t.Errorf("sent %v", message)
		}
		<-x.r.Context().Done()
		close(left)
	})
	got := collectAnswer(t.Context(), t, c, callOf())
	if len(got.calls) != 1 || got.calls[0].Name != "get_weather" || got.arguments[0] != `{"city":"Paris"}` || got.finish != chat.CalledTools {
		t.Errorf("%+v", got)
	}
	if got.usage == nil || got.usage.Source != chat.UsageEstimated || got.usage.Prompt != 11342 {
		t.Errorf("%+v", got.usage)
	}
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("the run was not left")
	}
}

// What is refused before anything came is tried once more, and never again.
func TestTheSecondRun(t *testing.T) {
	t.Parallel()
	history := []chat.Message{said(chat.User, "Hi"), said(chat.Assistant, "Hello"), said(chat.User, "And you?")}
	refusal := func(code, message string) []byte {
		return framed(flagEnd, []byte(`{"error":{"code":"`+code+`","message":"`+message+`"}}`))
	}
	for name, test := range map[string]struct {
		messages []chat.Message
		before   []byte
		refusal  []byte
		runs     int
		flat     bool
	}{
		"a history that is refused":     {history, nil, refusal("invalid_argument", "bad turns"), 2, true},
		"a blob that is not found":      {history, nil, refusal("internal", "Blob not found"), 2, true},
		"no history":                    {history[:1], nil, refusal("invalid_argument", "bad"), 1, false},
		"after a word":                  {history, vectorOf(t, "text-Hi"), refusal("invalid_argument", "bad turns"), 1, false},
		"after a thought":               {history, vectorOf(t, "thinking-hm"), refusal("invalid_argument", "bad turns"), 1, false},
		"exhausted without a word":      {history[:1], nil, refusal("resource_exhausted", "Error"), 2, false},
		"exhausted, and it says so":     {history, nil, refusal("resource_exhausted", "usage limit"), 1, false},
		"a token that is not logged in": {history, nil, refusal("unauthenticated", "Error"), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var runs []*agentv1.AgentRunRequest
			var originals []string
			c := serve(t, func(x *exchange) {
				mu.Lock()
				runs, originals = append(runs, x.first), append(originals, x.r.Header.Get("X-Original-Request-Id"))
				mu.Unlock()
				x.send(test.before, test.refusal)
			})
			if got := collectAnswer(t.Context(), t, c, callOf(test.messages...)); got.failure == nil {
				t.Error("it ended well")
			}
			if len(runs) != test.runs {
				t.Fatalf("%d runs", len(runs))
			}
			if len(runs) == 1 {
				return
			}
			first, second := runs[0], runs[1]
			if first.GetConversationId() == second.GetConversationId() || first.GetRunId() == second.GetRunId() || originals[0] != originals[1] {
				t.Errorf("ids %q and %q, originals %q", first.GetConversationId(), second.GetConversationId(), originals)
			}
			if flat := len(second.GetConversationState().GetTurns()) == 0 && strings.Contains(second.GetAction().GetUserMessageAction().GetUserMessage().GetText(), "Hello"); flat != test.flat {
				t.Errorf("flat is %t: %v", flat, second)
			}
		})
	}
}

// The second run's answer is the answer.
func TestTheSecondRunAnswers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs := 0
	c := serve(t, func(x *exchange) {
		mu.Lock()
		runs++
		second := runs == 2
		mu.Unlock()
		if second {
			x.sendNamed("text-Hi", "turn-ended", "end")
		} else {
			x.send(framed(flagEnd, []byte(`{"error":{"code":"resource_exhausted","message":"Error"}}`)))
		}
	})
	if got := collectAnswer(t.Context(), t, c, callOf()); got.text != "Hi" || got.failure != nil {
		t.Errorf("%+v", got)
	}
}

func TestHowStreamsBreak(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script func(*exchange)
		class  upstream.Class
		text   string
	}{
		"a reset":                   {func(x *exchange) { x.sendNamed("text-Hi"); panic(http.ErrAbortHandler) }, upstream.Transport, "Hi"},
		"a reset before the answer": {func(*exchange) { panic(http.ErrAbortHandler) }, upstream.Transport, ""},
		"a lost connection":         {func(x *exchange) { x.sendNamed("text-Hi"); upstreamtest.Cut(x.r) }, upstream.Truncated, "Hi"},
		"a lost connection at once": {func(x *exchange) { upstreamtest.Cut(x.r) }, upstream.Transport, ""},
		"the end of the stream":     {func(x *exchange) { x.sendNamed("text-Hi") }, upstream.Truncated, "Hi"},
		"an empty turn":             {func(x *exchange) { x.sendNamed("turn-ended", "end") }, upstream.Truncated, ""},
		"another version of HTTP":   {func(x *exchange) { x.w.WriteHeader(464) }, upstream.OutdatedClient, ""},
		"a refusal":                 {func(x *exchange) { x.w.WriteHeader(401) }, upstream.Auth, ""},
		"a refusal at a balancer":   {func(x *exchange) { x.w.Header().Set("Content-Type", "text/html"); x.w.WriteHeader(502) }, upstream.Broken, ""},
		"a message that is none":    {func(x *exchange) { x.send(envelope([]byte{0xff})) }, upstream.Truncated, ""},
		"a body that is left open":  {func(x *exchange) { x.sendNamed("text-Hi", "turn-ended", "end"); <-x.r.Context().Done() }, "", "Hi"},
		"no end frame, but an end":  {func(x *exchange) { x.sendNamed("text-Hi", "turn-ended"); <-x.r.Context().Done() }, "", "Hi"},
		"a reset after the turn":    {func(x *exchange) { x.sendNamed("text-Hi", "turn-ended"); panic(http.ErrAbortHandler) }, "", "Hi"},
		"frames that are packed": {func(x *exchange) {
			x.send(framed(flagPacked, packed(vectorOf(x.t, "text-Hi")[headLen:])), framed(flagPacked|flagEnd, packed([]byte("{}"))))
		}, "", "Hi"},
		"a token that no header takes": {nil, upstream.Auth, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, test.script)
			call := callOf()
			if test.script == nil {
				call.Credential.Secret = secret.New("a\nb")
			}
			got := collectAnswer(t.Context(), t, c, call)
			if got.text != test.text || (got.failure == nil) != (test.class == "") || got.failure != nil && got.failure.Class != test.class {
				t.Errorf("%q, %v", got.text, got.failure)
			}
		})
	}
}

// pipes is an upstream without a network, so that time can be made to pass.
type pipes func(request *http.Request, answer *io.PipeWriter)

// RoundTrip implements http.RoundTripper.
func (p pipes) RoundTrip(request *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	context.AfterFunc(request.Context(), func() { _ = writer.CloseWithError(request.Context().Err()) })
	go p(request, writer)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{"Content-Type": {fault.FrameType}}, Body: reader, Request: request,
	}, nil
}

// Signs of life come every 5 seconds while a run is open, whatever it waits for; also while
// the reader of the answer takes its time.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var beats []time.Duration
		began := time.Now()
		done := make(chan struct{})
		upstreamSide := pipes(func(request *http.Request, answer *io.PipeWriter) {
			defer close(done)
			_, _ = answer.Write(vectorOf(t, "text-Hi"))
			frames := newDecoder(request.Body)
			for {
				next, err := frames.next()
				if err != nil {
					return
				}
				message := &agentv1.AgentClientMessage{}
				if proto.Unmarshal(next.payload, message) == nil && message.GetClientHeartbeat() != nil {
					beats = append(beats, time.Since(began))
				}
				if len(beats) == 4 {
					_, _ = answer.Write(append(append([]byte{}, vectorOf(t, "turn-ended")...), vectorOf(t, "end")...))
					_ = answer.Close()
				}
			}
		})
		c := clientOf("http://upstream.test", upstreamSide)
		for event, err := range c.Chat(t.Context(), callOf()) {
			if err != nil {
				t.Error(err)
			}
			if event.Text != "" {
				time.Sleep(12 * time.Second) // the client reads slowly
			}
		}
		<-done
		if want := []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second}; !slices.Equal(beats, want) {
			t.Errorf("signs of life after %v", beats)
		}
	})
}

// A call that waits for the rest of its turn is told to be alive too.
func TestSignsOfLifeOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var sent []string
		began := time.Now()
		go pulse(ctx, func(m *agentv1.AgentClientMessage) {
			kind := "run"
			if m.GetExecClientControlMessage().GetHeartbeat().GetId() == 2 {
				kind = "call"
			}
			sent = append(sent, kind+" "+time.Since(began).String())
		}, func() []uint32 { return []uint32{2} })
		time.Sleep(7 * time.Second)
		cancel()
		synctest.Wait()
		if want := []string{"call 3s", "run 5s", "call 6s"}; !slices.Equal(sent, want) {
			t.Errorf("%q", sent)
		}
	})
}

// A client that hangs up resets the stream, though nothing more is to be sent.
func TestHangingUp(t *testing.T) {
	t.Parallel()
	noticed := make(chan struct{})
	c := serve(t, func(x *exchange) {
		x.sendNamed("text-Hi")
		<-x.r.Context().Done()
		close(noticed)
	})
	for event, err := range c.Chat(t.Context(), callOf()) {
		if err != nil || event.Text != "" {
			break
		}
	}
	select {
	case <-noticed:
	case <-time.After(patience):
		t.Error("the upstream does not notice")
	}
}

// What is here when the time for it is over has come in time: it is us who look late, on a machine
// that has stopped for a while.
func TestWhatIsHereIsNotLate(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := play(t)
		s.watch.limits = limits{first: 0, begin: time.Hour, silence: time.Hour, stall: time.Hour}
		r := &run{reactor: s.reactor, outbox: newOutbox(nil), arrivals: make(chan arrival, 2)}
		r.arrivals <- arrival{
			messages: []*agentv1.AgentServerMessage{fromServer(t, "text-Hi"), fromServer(t, "turn-ended")}, end: vectorOf(t, "end")[headLen:],
		}
		r.arrivals <- arrival{err: io.EOF}
		if failure, whole := r.react(t.Context(), func(chat.Event, error) bool { return true }); failure != nil || !whole {
			t.Fatal(failure)
		}
	}
}
