package upstreamsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/grammar"
)

// object is JSON in the making.
type object = map[string]any

// list is a list in the making.
type list = []any

// saying is a request of one user text.
func saying(model, text string, more ...object) object {
	body := object{"model": model, "max_tokens": 1024, "messages": list{object{"role": "user", "content": text}}}
	for _, fields := range more {
		for name, value := range fields {
			if value == nil {
				delete(body, name)
			} else {
				body[name] = value
			}
		}
	}
	return body
}

var streamed = object{"stream": true}

func entryOf(role string, content any) object { return object{"role": role, "content": content} }

func textOf(text string) object { return object{"type": "text", "text": text} }

const anthropicKey = "sk-ant-org-acme-1"

// messagesRequest is a request as the SDKs before October 2026 make it.
func messagesRequest(ctx context.Context, t testing.TB, base, path string, body any) *http.Request {
	t.Helper()
	raw, isRaw := body.([]byte)
	if !isRaw {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", anthropicKey)
	r.Header.Set("Anthropic-Version", oldVersion)
	return r
}

// vendorReply is what tests read of a message or an error.
type vendorReply struct {
	ID, Type, Role, Model string
	Content               []contentBlock
	StopReason            string  `json:"stop_reason"`
	StopSequence          *string `json:"stop_sequence"`
	StopDetails           *struct{ Category string }
	Usage                 replyUsage
	Error                 vendorError
	RequestID             string `json:"request_id"`
}

type contentBlock struct {
	Type, Text, Thinking, Signature, Data, ID, Name string
	Input                                           json.RawMessage
}

type replyUsage struct {
	Input    int `json:"input_tokens"`
	Written  int `json:"cache_creation_input_tokens"`
	Read     int `json:"cache_read_input_tokens"`
	Creation struct {
		Short int `json:"ephemeral_5m_input_tokens"`
		Long  int `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Output  int `json:"output_tokens"`
	Details struct {
		Thinking int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

func (r *vendorReply) text() string {
	text := ""
	for _, block := range r.Content {
		text += block.Text
	}
	return text
}

func decodeReply(t testing.TB, raw []byte) vendorReply {
	t.Helper()
	var got vendorReply
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return got
}

// played is a stream of messages, put together by the grammar of the dialect.
type played struct {
	vendorReply
	names  []string // of the events
	failed vendorError
	ended  bool // by message_stop
	rest   string
}

// playBack reads a stream and fails where it breaks the grammar.
func playBack(t testing.TB, raw string) played {
	t.Helper()
	var got played
	open := -1
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	for {
		event, rest, found := strings.Cut(raw, "\n\n")
		if !found {
			got.rest = raw
			return got
		}
		raw = rest
		var name, data string
		for line := range strings.SplitSeq(event, "\n") {
			field, value, _ := strings.Cut(line, ":")
			switch field {
			case "event":
				name = strings.TrimPrefix(value, " ")
			case "data":
				data = strings.TrimPrefix(value, " ")
			}
		}
		if name == "" && data == "" {
			continue // a comment
		}
		var frame struct {
			Type    string
			Index   int
			Message vendorReply
			Block   contentBlock `json:"content_block"`
			Delta   struct {
				contentBlock
				PartialJSON  string  `json:"partial_json"`
				StopReason   string  `json:"stop_reason"`
				StopSequence *string `json:"stop_sequence"`
			}
			Usage replyUsage
			Error vendorError
		}
		if err := json.Unmarshal([]byte(data), &frame); err != nil {
			got.rest = event
			return got
		}
		if frame.Type != name {
			t.Fatalf("the event %q is of type %q", name, frame.Type)
		}
		if got.ended || (len(got.names) == 0) != (name == "message_start" || name == "error") && name != "error" {
			t.Fatalf("%q after %q", name, got.names)
		}
		got.names = append(got.names, name)
		switch name {
		case "message_start":
			got.vendorReply = frame.Message
		case "content_block_start":
			if open >= 0 || frame.Index != len(got.Content) {
				t.Fatalf("block %d begins, open is %d of %d", frame.Index, open, len(got.Content))
			}
			open = frame.Index
			got.Content = append(got.Content, frame.Block)
		case "content_block_delta":
			if frame.Index != open {
				t.Fatalf("a delta of block %d, open is %d", frame.Index, open)
			}
			block := &got.Content[open]
			block.Text += frame.Delta.Text
			block.Thinking += frame.Delta.Thinking
			block.Signature += frame.Delta.Signature
			if frame.Delta.PartialJSON != "" {
				if string(block.Input) == "{}" {
					block.Input = nil
				}
				block.Input = append(block.Input, frame.Delta.PartialJSON...)
			}
		case "content_block_stop":
			if frame.Index != open {
				t.Fatalf("block %d ends, open is %d", frame.Index, open)
			}
			open = -1
		case "message_delta":
			if open >= 0 {
				t.Fatal("message_delta inside a block")
			}
			got.StopReason, got.StopSequence, got.Usage = frame.Delta.StopReason, frame.Delta.StopSequence, frame.Usage
		case "message_stop":
			got.ended = true
		case "ping":
		case "error":
			got.failed = frame.Error
		default:
			t.Fatalf("an event %q", name)
		}
	}
}

// bothWays asks for a message whole and streamed, and compares the two.
func bothWays(t *testing.T, sim *Simulator, body object, headers ...string) vendorReply {
	t.Helper()
	ask := func(body object) *recorder {
		r := messagesRequest(t.Context(), t, "http://sim", messagesPath, body)
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
		}
		return record(sim, r)
	}
	whole := decodeReply(t, ask(body).all())
	stream := object{}
	for name, value := range body {
		stream[name] = value
	}
	stream["stream"] = true
	got := playBack(t, string(ask(stream).all()))
	if !got.ended {
		t.Fatalf("the stream has no end: %q", got.names)
	}
	normalize := func(r vendorReply) vendorReply {
		r.ID = ""
		r.Usage = replyUsage{Output: r.Usage.Output, Details: r.Usage.Details}
		for i := range r.Content {
			r.Content[i].Signature, r.Content[i].Data, r.Content[i].ID = "", "", ""
		}
		return r
	}
	a, b := decodeReply(t, mustJSON(t, whole)), decodeReply(t, mustJSON(t, got.vendorReply))
	if diff := cmp.Diff(normalize(a), normalize(b)); diff != "" {
		t.Errorf("whole and streamed differ:\n%s", diff)
	}
	return whole
}

func mustJSON(t testing.TB, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAnthropicExactBytes(t *testing.T) {
	t.Parallel()
	const head = `{"model":"claude-sonnet-4-5-2026-01-01","id":"msg_sim0000000000000001","type":"message","role":"assistant"`
	const counts = `{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,` +
		`"output_tokens_details":{"thinking_tokens":0},"server_tool_use":null`
	const usage = counts + `,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},` +
		`"service_tier":"standard","inference_geo":"not_available","speed":"standard"}`
	for name, test := range map[string]struct {
		body object
		want []string
	}{
		"message": {saying("claude-sonnet-4-5", "\"a\\b\"\n\x01"), []string{
			head + `,"content":[{"type":"text","text":"\"a\\b\"\n\u0001"}],"container":null,"diagnostics":null,"stop_reason":"end_turn","stop_sequence":null,` +
				`"stop_details":null,"usage":` + usage + `}`,
		}},
		"stream": {saying("claude-sonnet-4-5", "\"a\\b\"\n\x01", streamed), []string{
			"event: message_start\ndata: " + `{"type":"message_start","message":` + head +
				`,"content":[],"container":null,"diagnostics":null,"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":` + usage + "}}\n\n",
			"event: ping\ndata: {\"type\":\"ping\"}\n\n",
			"event: content_block_start\ndata: " + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
			"event: content_block_delta\ndata: " +
				`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"a\\b\"\n\u0001"}}` + "\n\n",
			"event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":0}` + "\n\n",
			"event: message_delta\ndata: " +
				`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null},"usage":` + counts + "}}\n\n",
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath+"?beta=true", test.body))
			got := r.flushed
			if len(got) == 0 {
				got = []string{string(r.all())}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnthropicByTheGrammar holds what is right by the API to the judge of clients.
func TestAnthropicByTheGrammar(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"echo", "unicode", "tool-call", "describe", "reasoning", "redacted-thinking", "server-tool", "finish-length", "finish-window",
		"refusal", "finish-pause", "limit-reached", "sse-crlf", "sse-comments", "empty", "error-after-text", "error-529", "overloaded", "one-call", "reasoning-call",
		"text-call-text-call", "reasoning-text-call", "call-then-text", "call-cut", "call-empty-arguments", "cached", "error-first",
		"error-context-length", "http-500", "count-3",
	} {
		for _, more := range []object{nil, {"thinking": object{"type": "adaptive"}}, {"max_tokens": 2}, {"max_tokens": 0}} {
			body := saying("sim-"+name, hello, object{"tools": list{toolOf("look"), toolOf("hear")}}, more)
			whole := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, body))
			body["stream"] = true
			streamed := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, body))
			var broken []grammar.Violation
			if whole.status >= http.StatusBadRequest {
				broken = grammar.Messages.Error(whole.status, whole.all(), grammar.Options{Native: true})
			} else {
				broken = grammar.Messages.Answer(whole.all(), grammar.Options{Native: true})
			}
			if streamed.status < http.StatusBadRequest {
				stream := grammar.Messages.Stream(grammar.Options{Native: true})
				_, _ = stream.Write(streamed.all()) // it never fails
				broken = append(broken, stream.End()...)
			}
			for _, violation := range broken {
				t.Errorf("%s with %v: %s", name, more, violation)
			}
		}
	}
}

// TestAnthropicAnswers is about the answers that are successes, both ways.
func TestAnthropicAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body   object
		text   string
		stop   string
		kinds  []string // of the blocks; one text by default
		output int      // tokens; not looked at where 0
	}{
		"echo":            {body: saying("claude-x", hello), text: hello, stop: "end_turn"},
		"last user text":  {body: saying("claude-x", hello, object{"messages": list{entryOf("user", "one"), entryOf("assistant", "two"), entryOf("user", list{textOf("three"), textOf("four")})}}), text: "three\nfour", stop: "end_turn"},
		"count":           {body: saying("sim-count-12", hello), text: CountText(12), stop: "end_turn", output: 12},
		"unicode":         {body: saying("claude-sim-unicode", hello), text: UnicodeText(), stop: "end_turn"},
		"limit":           {body: saying("sim-count-12", hello, object{"max_tokens": 5}), text: CountText(5), stop: "max_tokens", output: 5},
		"no output":       {body: saying("sim-count-12", hello, object{"max_tokens": 0}), stop: "max_tokens", kinds: []string{}},
		"stop sequence":   {body: saying("sim-count-12", hello, object{"stop_sequences": list{"9", "7 8"}}), text: CountText(6), stop: "stop_sequence"},
		"prefill":         {body: saying("claude-x", "one two", object{"messages": list{entryOf("user", "one two"), entryOf("assistant", "one")}}), text: " two", stop: "end_turn"},
		"empty":           {body: saying("sim-empty", hello), stop: "end_turn", kinds: []string{}},
		"length":          {body: saying("sim-finish-length", hello), text: hello, stop: "max_tokens"},
		"window":          {body: saying("sim-finish-window", hello), text: hello, stop: "model_context_window_exceeded"},
		"refusal":         {body: saying("sim-refusal", hello), text: hello, stop: "refusal"},
		"pause":           {body: saying("sim-finish-pause", hello), text: hello, stop: "pause_turn"},
		"thinking":        {body: saying("claude-x", hello, object{"thinking": object{"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}), text: hello, stop: "end_turn", kinds: []string{"thinking", "text"}},
		"adaptive":        {body: saying("claude-x", hello, object{"thinking": object{"type": "adaptive", "display": "omitted"}}), text: hello, stop: "end_turn", kinds: []string{"thinking", "text"}},
		"thinking off":    {body: saying("claude-x", hello, object{"thinking": object{"type": "disabled"}}), text: hello, stop: "end_turn"},
		"reasoning":       {body: saying("sim-reasoning", hello), text: hello, stop: "end_turn", kinds: []string{"thinking", "text"}},
		"redacted":        {body: saying("sim-redacted-thinking", hello), text: hello, stop: "end_turn", kinds: []string{"redacted_thinking", "thinking", "text"}},
		"server tool":     {body: saying("sim-server-tool", hello), text: "Searching." + hello, stop: "end_turn", kinds: []string{"text", "server_tool_use", "web_search_tool_result", "text"}},
		"other line ends": {body: saying("sim-sse-crlf", hello), text: hello, stop: "end_turn"},
		"no spaces":       {body: saying("sim-sse-no-space", hello), text: hello, stop: "end_turn"},
		"comments":        {body: saying("sim-sse-comments", hello), text: hello, stop: "end_turn"},
		"one write":       {body: saying("sim-one-write", hello), text: hello, stop: "end_turn"},
		"split bytes":     {body: saying("sim-split-bytes", hello), text: hello, stop: "end_turn"},
		"delay":           {body: saying("sim-delay-1", hello), text: hello, stop: "end_turn"},
		"limit reached":   {body: saying("sim-limit-reached", hello), text: hello, stop: "end_turn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			got := bothWays(t, sim, test.body)
			if got.text() != test.text || got.StopReason != test.stop || got.Model != test.body["model"].(string)+ModelSuffix {
				t.Errorf("got %+v", got)
			}
			kinds := []string{}
			for _, block := range got.Content {
				kinds = append(kinds, block.Type)
			}
			if want := test.kinds; want == nil && !slices.Equal(kinds, []string{"text"}) || want != nil && !slices.Equal(kinds, want) {
				t.Errorf("blocks %q", kinds)
			}
			if test.output > 0 && got.Usage.Output != test.output {
				t.Errorf("%d tokens of output", got.Usage.Output)
			}
			noViolations(t, sim)
		})
	}
}

func TestAnthropicEchoRequestIsTheBody(t *testing.T) {
	t.Parallel()
	body := []byte(` {"model":"sim-echo-request", "max_tokens": 9999,"messages":[{"content":"hé","role":"user"}]}` + "\n")
	got := decodeReply(t, record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, body)).all())
	if got.text() != string(body) {
		t.Errorf("got %q", got.text())
	}
}

// TestAnthropicFailures is about errors with a status, whole and streamed alike.
func TestAnthropicFailures(t *testing.T) {
	t.Parallel()
	for model, test := range map[string]struct {
		status  int
		kind    string
		message string // a part of it
		headers []string
		without []string
	}{
		"sim-overloaded":            {529, "overloaded_error", "Overloaded", nil, []string{"Retry-After"}},
		"sim-http-529":              {529, "overloaded_error", "Overloaded", nil, nil},
		"sim-rate-limit":            {429, "rate_limit_error", "rate limit", []string{"Retry-After", "Anthropic-Ratelimit-Requests-Reset"}, nil},
		"sim-http-429":              {429, "rate_limit_error", "rate limit", []string{"Retry-After"}, nil},
		"sim-rate-limit-reset":      {429, "rate_limit_error", "rate limit", []string{"Anthropic-Ratelimit-Tokens-Reset"}, []string{"Retry-After"}},
		"sim-rate-limit-bare":       {429, "rate_limit_error", "rate limit", nil, []string{"Retry-After", "Anthropic-Ratelimit-Tokens-Reset"}},
		"sim-credit-exhausted":      {400, "invalid_request_error", "credit balance is too low", nil, nil},
		"sim-spend-limit":           {400, "invalid_request_error", "specified API usage limits", nil, nil},
		"sim-organization-disabled": {403, "permission_error", "organization has been disabled", nil, nil},
		"sim-http-401":              {401, "authentication_error", "invalid x-api-key", nil, nil},
		"sim-http-402":              {402, "billing_error", "billing", nil, nil},
		"sim-http-403":              {403, "permission_error", "permission", nil, nil},
		"sim-http-404":              {404, "not_found_error", "model: sim-http-404", nil, nil},
		"sim-nonsense":              {404, "not_found_error", "model: sim-nonsense", nil, nil},
		"sim-http-409":              {409, "conflict_error", "conflict", nil, nil},
		"sim-http-413":              {413, "request_too_large", "maximum size", nil, nil},
		"sim-http-500":              {500, "api_error", "Internal server error", nil, nil},
		"sim-http-503":              {503, "api_error", "Internal server error", []string{"Retry-After"}, nil},
		"sim-http-504":              {504, "timeout_error", "timed out", nil, nil},
		"sim-error-context-length":  {400, "invalid_request_error", "prompt is too long: 200009 tokens > 200000 maximum", nil, nil},
		"sim-error-context-sum":     {400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 1024 > 1009", nil, nil},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", model, stream), func(t *testing.T) {
				t.Parallel()
				sim := New(Options{})
				r := record(sim, messagesRequest(t.Context(), t, "http://sim", messagesPath, saying(model, "Hello", object{"stream": stream})))
				got := decodeReply(t, r.all())
				if r.status != test.status || got.Type != "error" || got.Error.Type != test.kind || !strings.Contains(got.Error.Message, test.message) {
					t.Errorf("got %d %s", r.status, r.all())
				}
				if id := r.header.Get("Request-Id"); id == "" || id != got.RequestID {
					t.Errorf("request ids %q and %q", id, got.RequestID)
				}
				for _, name := range test.headers {
					if r.header.Get(name) == "" {
						t.Errorf("there is no %s", name)
					}
				}
				for _, name := range test.without {
					if r.header.Get(name) != "" {
						t.Errorf("there is a %s", name)
					}
				}
				noViolations(t, sim)
			})
		}
	}
}

func TestAnthropicStatusesWithoutTheVendorsError(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{"sim-http-502-html": "<h1>502 Bad Gateway</h1>", "sim-http-500-empty": ""} {
		r := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, saying(model, "Hello")))
		if got := string(r.all()); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", model, got)
		}
	}
}

func TestAnthropicContextSumFitsWithLessOutput(t *testing.T) {
	t.Parallel()
	bothWays(t, New(Options{}), saying("sim-error-context-sum", hello, object{"max_tokens": 1000}))
}

// TestAnthropicErrorsInStreams is about a 200 that is none.
func TestAnthropicErrorsInStreams(t *testing.T) {
	t.Parallel()
	for model, test := range map[string]struct {
		kind string
		text string
	}{
		"sim-error-529":            {"overloaded_error", ""},
		"sim-error-429":            {"rate_limit_error", ""},
		"sim-error-after-text":     {"overloaded_error", hello},
		"sim-error-after-text-500": {"api_error", hello},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			r := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, saying(model, hello, streamed)))
			got := playBack(t, string(r.all()))
			if got.failed.Type != test.kind || got.text() != test.text || got.ended || got.names[len(got.names)-1] != "error" {
				t.Errorf("got %q, %+v", got.names, got.vendorReply)
			}
			whole := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, saying(model, hello)))
			if failure := decodeReply(t, whole.all()).Error.Type; failure != test.kind {
				t.Errorf("whole: %s", whole.all())
			}
		})
	}
}

// TestAnthropicBrokenStreams is about streams without their end.
func TestAnthropicBrokenStreams(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	for model, test := range map[string]struct {
		broken bool // the connection
		rest   string
	}{
		"sim-eof-mid-frame":  {false, "event: content_block_delta\ndata: {\"type\""},
		"sim-eof-no-trailer": {},
		"sim-eof-no-stop":    {},
		"sim-cut":            {true, ""},
		"sim-reset":          {true, ""},
		"sim-garbage":        {false, "event: content_block_delta\ndata: {\"type\": what"},
	} {
		got := roundTrip(t, server, messagesRequest(deadline(t), t, server.URL, messagesPath, saying(model, hello, streamed)))
		if got.status != http.StatusOK || (got.err != nil) != test.broken {
			t.Errorf("%s: %d, %v", model, got.status, got.err)
		}
		if model == "sim-reset" {
			continue // the reset may overtake the text
		}
		stream := playBack(t, string(got.body))
		if stream.text() != hello || stream.ended || !strings.HasPrefix(stream.rest, test.rest) {
			t.Errorf("%s: %q", model, got.body)
		}
	}
	if got := roundTrip(t, server, messagesRequest(deadline(t), t, server.URL, messagesPath, saying("sim-reset-first", hello))); got.err == nil {
		t.Error("a reset is no answer")
	}
	noViolations(t, sim)
}

func TestAnthropicHoldsUntilReleased(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sim-hold", "sim-silence", "sim-silence-headers"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", model, stream), func(t *testing.T) {
				t.Parallel()
				sim, server := serving(t, Options{})
				answered := make(chan received, 1)
				request := messagesRequest(deadline(t), t, server.URL, messagesPath, saying(model, hello, object{"stream": stream}))
				go func() { answered <- roundTrip(t, server, request) }()
				if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
					t.Fatal(err)
				}
				sim.Release()
				if got := <-answered; got.err != nil || !strings.Contains(string(got.body), "end_turn") {
					t.Errorf("got %d %s %v", got.status, got.body, got.err)
				}
			})
		}
	}
}

func TestAnthropicPingsUntilTheClientGoes(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{Heartbeat: time.Millisecond})
	ctx, leave := context.WithCancel(deadline(t))
	response, err := server.Client().Do(messagesRequest(ctx, t, server.URL, messagesPath, saying("sim-heartbeat-only", hello, streamed)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	buffer, got := make([]byte, 256), ""
	for strings.Count(got, "event: ping\n") < 3 {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buffer[:n])
	}
	leave()
	if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Total.Cancelled == 1 }); err != nil {
		t.Error(err)
	}
}

func TestEveryAnthropicScenarioAnswersItsModel(t *testing.T) {
	t.Parallel()
	waits := []string{"hold", "silence", "silence-headers", "heartbeat-only", "slow", "oversized", "cut", "reset", "reset-first"}
	for _, name := range Scenarios(Anthropic) {
		if strings.Contains(name, "<") || slices.Contains(waits, name) {
			continue
		}
		sim := New(Options{})
		record(sim, messagesRequest(t.Context(), t, "http://sim", messagesPath, saying("claude-sim-"+name, hello)))
		ledger := sim.Ledger()
		if ledger.Total.Completed != 1 || len(ledger.Violations) > 0 {
			t.Errorf("%s: %+v", name, ledger)
		}
	}
}
