package openai

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// recorder is a Sink that keeps what it is given.
type recorder struct {
	payloads []string
	more     []bool
	flushes  int
	err      error
}

func (r *recorder) Heartbeat(func() string) {}

func (r *recorder) Event(_ string, payload []byte, more bool) error {
	r.payloads = append(r.payloads, string(payload))
	r.more = append(r.more, more)
	return r.err
}

func (r *recorder) Flush() error {
	r.flushes++
	return r.err
}

func streamRequest() *chat.Request {
	return &chat.Request{ID: "chatcmpl-1", Created: now, Model: "up/gpt", Stream: true}
}

const chunkHead = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt","choices":[`

func encode(t *testing.T, req *chat.Request, options dialect.Options, events ...chat.Event) []string {
	t.Helper()
	var sink recorder
	e := NewStreamEncoder(req, options, &sink)
	for _, ev := range events {
		if err := e.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range sink.payloads {
		if !json.Valid([]byte(payload)) {
			t.Errorf("not JSON: %s", payload)
		}
	}
	judgeStream(t, req, options, events, sink.payloads)
	return sink.payloads
}

func raw(text string) chat.Raw { return chat.Raw{Dialect: Dialect, JSON: []byte(text)} }

func TestStreamComposesChunks(t *testing.T) {
	t.Parallel()
	counted := streamRequest()
	counted.IncludeUsage = true
	usage := &chat.Usage{Prompt: 3, Completion: 4}
	tests := map[string]struct {
		req     *chat.Request
		options dialect.Options
		events  []chat.Event
		want    []string
	}{
		"role only on the first chunk": {
			streamRequest(),
			dialect.Options{},
			[]chat.Event{{Text: "He"}, {Text: "llo"}, {Finish: chat.Stop}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":"He"},"finish_reason":null}]}`,
				`{"index":0,"delta":{"content":"llo"},"finish_reason":null}]}`,
				`{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			},
		},
		"an event that only says that the answer has begun": {
			streamRequest(),
			dialect.Options{},
			[]chat.Event{{}, {Text: "x"}, {}, {Finish: chat.Length}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
				`{"index":0,"delta":{"content":"x"},"finish_reason":null}]}`,
				`{"index":0,"delta":{},"finish_reason":"length"}]}`,
			},
		},
		"an empty answer still opens with the role": {
			streamRequest(),
			dialect.Options{},
			[]chat.Event{{Finish: chat.Stop}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
				`{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			},
		},
		"counts only when asked for": {
			streamRequest(),
			dialect.Options{},
			[]chat.Event{{Text: "x"}, {Finish: chat.Stop, Usage: usage}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}`,
				`{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			},
		},
		"counts come last, without choices, and are null before": {
			counted,
			dialect.Options{},
			[]chat.Event{{Text: "x"}, {Finish: chat.Stop}, {Usage: usage}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}],"usage":null}`,
				`{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`,
				`],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
			},
		},
		"counts have the details that clients price by": {
			counted,
			dialect.Options{},
			[]chat.Event{{Text: "x"}, {Finish: chat.Refused}, {Usage: &chat.Usage{Prompt: 30, CacheRead: 20, CacheWrite: 5, Completion: 4, Reasoning: 2}}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}],"usage":null}`,
				`{"index":0,"delta":{},"finish_reason":"content_filter"}],"usage":null}`,
				`],"usage":{"prompt_tokens":30,"completion_tokens":4,"total_tokens":34,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":5},` +
					`"completion_tokens_details":{"reasoning_tokens":2}}}`,
			},
		},
		"the finish chunk can be left out": {
			counted,
			dialect.Options{OmitFinish: true},
			[]chat.Event{{Text: "x", Finish: chat.Stop, Usage: usage}},
			[]string{
				`{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}],"usage":null}`,
				`],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
			},
		},
		"reasoning and tool calls": {
			streamRequest(),
			dialect.Options{},
			[]chat.Event{
				{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Text: "hm", Close: true},
				{Block: 1, Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "f"}, Close: true},
				{Block: 2, Kind: chat.CallBlock, Open: &chat.Block{ID: "d", Name: "g"}, Text: "{"},
				{Block: 2, Kind: chat.CallBlock, Text: `"a":1}`, Close: true},
				{Finish: chat.CalledTools},
			},
			[]string{
				`{"index":0,"delta":{"role":"assistant","reasoning_content":"hm"},"finish_reason":null}]}`,
				`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}`,
				`{"index":0,"delta":{"tool_calls":[{"index":1,"id":"d","type":"function","function":{"name":"g","arguments":"{"}}]},"finish_reason":null}]}`,
				`{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"\"a\":1}"}}]},"finish_reason":null}]}`,
				`{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, tail := range test.want {
				want = append(want, chunkHead+tail)
			}
			if got := encode(t, test.req, test.options, test.events...); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestStreamPassesOnTheUpstreamsChunks(t *testing.T) {
	t.Parallel()
	counted := streamRequest()
	counted.IncludeUsage = true
	const spaced = `{ "id" : "x", "created":1.5e9,"system_fingerprint":"fp",  "model":"gpt-2024", "choices":[{"index":0,"delta":{"content":"\u00e9","new":[1, 2]},"logprobs":{"id":"inner"},"finish_reason":null}],"usage":null,"odd":{"model":"no"}}`
	tests := map[string]struct {
		req     *chat.Request
		options dialect.Options
		event   chat.Event
		want    []string
	}{
		"all else stays as it is": {
			counted,
			dialect.Options{},
			chat.Event{Text: "é", Raw: raw(spaced)},
			[]string{`{ "id" : "chatcmpl-1", "created":1763800000,"system_fingerprint":"fp",  "model":"up/gpt", "choices":[{"index":0,"delta":{"content":"\u00e9","new":[1, 2]},"logprobs":{"id":"inner"},"finish_reason":null}],"usage":null,"odd":{"model":"no"},"object":"chat.completion.chunk"}`},
		},
		"counts that nobody asked for are cut out": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Text: "é", Raw: raw(spaced)},
			[]string{`{ "id" : "chatcmpl-1", "created":1763800000,"system_fingerprint":"fp",  "model":"up/gpt", "choices":[{"index":0,"delta":{"content":"\u00e9","new":[1, 2]},"logprobs":{"id":"inner"},"finish_reason":null}],"odd":{"model":"no"},"object":"chat.completion.chunk"}`},
		},
		"a chunk of counts is dropped": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Usage: &chat.Usage{}, Raw: raw(`{"id":"x","choices":[],"usage":{"prompt_tokens":1}}`)},
			nil,
		},
		"a chunk of counts that was asked for": {
			counted,
			dialect.Options{},
			chat.Event{Usage: &chat.Usage{}, Raw: raw(`{"id":"x","created":1,"model":"y","choices":[],"usage":{"prompt_tokens":1,"details":{}}}`)},
			[]string{`{"id":"chatcmpl-1","created":1763800000,"model":"up/gpt","choices":[],"usage":{"prompt_tokens":1,"details":{}},"object":"chat.completion.chunk"}`},
		},
		"counts beside a choice are cut out": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Usage: &chat.Usage{}, Raw: raw(`{"id":1,"created":1,"model":1,"choices":[{}],"usage":{"a":{"b":1}},"x":2}`)},
			[]string{`{"id":"chatcmpl-1","created":1763800000,"model":"up/gpt","choices":[{}],"x":2,"object":"chat.completion.chunk"}`},
		},
		"counts before all else are cut out": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw(`{"usage":{"a":{"b":1}} , "id":1,"created":1,"model":1}`)},
			[]string{`{ "id":"chatcmpl-1","created":1763800000,"model":"up/gpt","object":"chat.completion.chunk"}`},
		},
		"what is missing is added": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw(`{"usage":{},"choices":[{}] }`)},
			[]string{`{"choices":[{}] ,"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt"}`},
		},
		"counts alone": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw(`{"usage":1,"usage":2 }`)},
			[]string{`{ "id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt"}`},
		},
		"keys twice and escaped": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw(`{"id":"a","\u0069d":"b","created":1,"model":"c","usage":1,"us\u0061ge":2,"x":3}`)},
			[]string{`{"id":"chatcmpl-1","\u0069d":"chatcmpl-1","created":1763800000,"model":"up/gpt","x":3,"object":"chat.completion.chunk"}`},
		},
		"the kind of object": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw(`{"id":"","object":"","created":0,"model":"","choices":[{}]}`)},
			[]string{`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt","choices":[{}]}`},
		},
		"many lines become one": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Raw: raw("{\"id\":1,\r\n\"created\":2,\n\"model\":3}")},
			[]string{`{"id":"chatcmpl-1",  "created":1763800000, "model":"up/gpt","object":"chat.completion.chunk"}`},
		},
		"garbage is composed anew": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Text: "x", Raw: raw(`{"id":1`)},
			[]string{chunkHead + `{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}`},
		},
		"a whole answer becomes chunks": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Text: "x", Finish: chat.Stop, Raw: chat.Raw{Dialect: Dialect, JSON: []byte(`{"id":1}`), Whole: true}},
			[]string{
				chunkHead + `{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}`,
				chunkHead + `{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			},
		},
		"another dialect is composed": {
			streamRequest(),
			dialect.Options{},
			chat.Event{Text: "x", Raw: chat.Raw{Dialect: "other", JSON: []byte(`{}`)}},
			[]string{chunkHead + `{"index":0,"delta":{"role":"assistant","content":"x"},"finish_reason":null}]}`},
		},
		"the end is the upstream's own, also after a call (64)": {
			streamRequest(),
			dialect.Options{},
			chat.Event{
				Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "f"}, Text: "{}", Close: true, Finish: chat.Stop,
				Raw: raw(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`),
			},
			[]string{chunkHead + `{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`},
		},
		"a finish with text loses its reason when it is to be omitted": {
			streamRequest(),
			dialect.Options{OmitFinish: true},
			chat.Event{Text: "x", Finish: chat.Stop, Raw: raw(`{"id":1,"created":1,"model":1,"choices":[{"delta":{"content":"x"},"finish_reason":"stop","x":1}]}`)},
			[]string{`{"id":"chatcmpl-1","created":1763800000,"model":"up/gpt","choices":[{"delta":{"content":"x"},"finish_reason":null,"x":1}],"object":"chat.completion.chunk"}`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := encode(t, test.req, test.options, test.event); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A list of no choices stands beside the counts alone, as long as the answer has not ended:
// some clients give up on another one. What stood beside it goes with the next chunk. Trap 72.
func TestChunksWithoutChoices(t *testing.T) {
	t.Parallel()
	const (
		head    = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt","choices":[`
		said    = head + `{"index":0,"delta":{"content":"x"},"finish_reason":null}]`
		ended   = head + `{"index":0,"delta":{},"finish_reason":"stop"}]`
		filters = `{"id":"","created":0,"model":"","choices":[],"usage":null,"prompt_filter_results":[{"a": 1}]}`
		counts  = head + `],"usage":{"prompt_tokens":1}}`
	)
	filtered := chat.Event{Raw: raw(filters)}
	text := chat.Event{Text: "x", Raw: chat.Raw{Dialect: Dialect, JSON: []byte(said + "}"), Shape: 1, TextFrom: strings.Index(said, `"x"`) + 1, TextTo: strings.Index(said, `"x"`) + 2}}
	end := chat.Event{Finish: chat.Stop, Raw: raw(ended + "}")}
	usage := chat.Event{Usage: &chat.Usage{Prompt: 1}, Raw: raw(counts)}
	const aside = `,"prompt_filter_results":[{"a": 1}]}`
	for name, test := range map[string]struct {
		events []chat.Event
		want   []string
	}{
		"first":           {[]chat.Event{filtered, text, text, end, usage}, []string{said + aside, said + "}", ended + "}", counts}},
		"twice":           {[]chat.Event{filtered, {Raw: raw(`{"choices":[],"b":2}`)}, text}, []string{said + aside[:len(aside)-1] + `,"b":2}`}},
		"between texts":   {[]chat.Event{text, text, filtered, text, text}, []string{said + "}", said + "}", said + aside, said + "}"}},
		"after the end":   {[]chat.Event{text, end, {Raw: raw(head + `],"b":2}`)}}, []string{said + "}", ended + "}", head + `],"b":2}`}},
		"nothing else":    {[]chat.Event{{Raw: raw(head + `]}`)}, text}, []string{said + "}"}},
		"more than fits":  {[]chat.Event{{Raw: raw(head + `],"b":"` + strings.Repeat("b", maxAside) + `","c":3}`)}, text}, []string{said + `,"c":3}`}},
		"and a text then": {[]chat.Event{filtered, {Text: "y"}, text}, []string{chunkHead + `{"index":0,"delta":{"role":"assistant","content":"y"},"finish_reason":null}],"usage":null}`, said + aside}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := streamRequest()
			req.IncludeUsage = true
			if got := encode(t, req, dialect.Options{}, test.events...); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestOmittedFinishOfAnUpstreamKeepsItsCounts(t *testing.T) {
	t.Parallel()
	req := streamRequest()
	req.IncludeUsage = true
	got := encode(t, req, dialect.Options{OmitFinish: true},
		chat.Event{Text: "x", Raw: raw(`{"id":1,"created":1,"model":1}`)},
		chat.Event{Finish: chat.Stop, Usage: &chat.Usage{Prompt: 1, Completion: 1}, Raw: raw(`{"choices":[{"finish_reason":"stop"}],"usage":{}}`)})
	if len(got) != 2 || got[1] != chunkHead+`],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}` {
		t.Errorf("got %q", got)
	}
}

// Of several choices each ends, and only the first end is an event's.
func TestOmittedFinishOfSeveralChoices(t *testing.T) {
	t.Parallel()
	const head = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt","choices":[`
	got := encode(t, streamRequest(), dialect.Options{OmitFinish: true},
		chat.Event{Raw: raw(head + `{"index":1,"delta":{"role":"assistant"},"finish_reason":null}]}`)},
		chat.Event{Text: "x", Raw: raw(head + `{"index":0,"delta":{"content":"x"},"finish_reason":null}]}`)},
		chat.Event{Finish: chat.Stop, Raw: raw(head + `{"index":0,"delta":{},"finish_reason":"stop"}]}`)},
		chat.Event{Text: "y", Raw: raw(head + `{"index":1,"delta":{"content":"y"},"finish_reason":"length"}]}`)},
		chat.Event{Raw: raw(head + `{"index":2,"delta":{},"finish_reason":"stop"}]}`)})
	want := []string{
		head + `{"index":1,"delta":{"role":"assistant"},"finish_reason":null}]}`,
		head + `{"index":0,"delta":{"content":"x"},"finish_reason":null}]}`,
		head + `{"index":1,"delta":{"content":"y"},"finish_reason":null}]}`,
		head + `{"index":2,"delta":{},"finish_reason":null}]}`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A chunk that ends the answer may have content that events have no name for.
func TestOmittedFinishKeepsWhatStandsBesideIt(t *testing.T) {
	t.Parallel()
	const head = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"up/gpt","choices":[{"index":0,"delta":{`
	const picture = `"images":[{"type":"image_url","image_url":{"url":"data:,x"}}]`
	for delta, kept := range map[string]bool{
		picture: true, `"content":"",` + picture: true, `"role":"assistant","content":"","refusal":null`: false, `"tool_calls":[]`: false, ``: false,
	} {
		got := encode(t, streamRequest(), dialect.Options{OmitFinish: true},
			chat.Event{Text: "x", Raw: raw(head + `"content":"x"},"finish_reason":null}]}`)},
			chat.Event{Finish: chat.Stop, Raw: raw(head + delta + `},"finish_reason":"stop"}]}`)})
		want := []string{head + `"content":"x"},"finish_reason":null}]}`}
		if kept {
			want = append(want, head+delta+`},"finish_reason":null}]}`)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", delta, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestStreamTellsTheSinkWhatFollows(t *testing.T) {
	t.Parallel()
	var sink recorder
	e := NewStreamEncoder(streamRequest(), dialect.Options{}, &sink)
	for _, ev := range []chat.Event{
		{Text: "a", More: true},
		{Text: "b", Finish: chat.Stop},
		{Usage: &chat.Usage{}, Raw: raw(`{"choices":[],"usage":{}}`), More: true},
		{Usage: &chat.Usage{}, Raw: raw(`{"choices":[],"usage":{}}`)},
	} {
		if err := e.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Done(); err != nil {
		t.Fatal(err)
	}
	if want := []bool{true, true, false, true}; !reflect.DeepEqual(sink.more, want) || sink.flushes != 1 {
		t.Errorf("more %v, %d flushes", sink.more, sink.flushes)
	}
	if sink.payloads[3] != "[DONE]" {
		t.Errorf("ends with %s", sink.payloads[3])
	}
}

func TestStreamAnswersTheSinksError(t *testing.T) {
	t.Parallel()
	sink := &recorder{err: errors.New("gone")}
	e := NewStreamEncoder(streamRequest(), dialect.Options{}, sink)
	for _, ev := range []chat.Event{{Text: "x", Finish: chat.Stop}, {Finish: chat.Stop}, {}, {Text: "x", Raw: raw(`{}`)}} {
		if err := e.Event(ev); !errors.Is(err, sink.err) {
			t.Errorf("%+v: %v", ev, err)
		}
	}
	if !errors.Is(e.Done(), sink.err) {
		t.Error("Done hides the error")
	}
}

// Splicing changes three values, may remove one, and leaves the rest alone.
func FuzzPassOn(f *testing.F) {
	f.Add([]byte(`{"id":"a","object":"x","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"usage":null}`), true)
	f.Add([]byte(`{"usage":{"a":1},"x":{"id":[]}}`), false)
	f.Add([]byte(`{"choices":[{"finish_reason":"stop"}]}`), false)
	f.Add([]byte(` { } `), true)
	f.Fuzz(func(t *testing.T, data []byte, stripUsage bool) {
		st, _ := newStamp(streamRequest(), "x")
		got, _, ok := st.appendStamped([]byte("before"), data, removal{usage: stripUsage})
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			if ok && json.Valid(data) {
				t.Fatalf("accepted %q", data)
			}
			if !ok && string(got) != "before" {
				t.Fatalf("left %q behind", got)
			}
			return
		}
		if !ok {
			if strings.Count(string(data), "[")+strings.Count(string(data), "{") > 500 {
				return // nested too deep for us
			}
			t.Fatalf("refused %q", data)
		}
		want["id"], want["object"] = json.RawMessage(`"chatcmpl-1"`), json.RawMessage(`"x"`)
		want["created"], want["model"] = json.RawMessage("1763800000"), json.RawMessage(`"up/gpt"`)
		if stripUsage {
			delete(want, "usage")
		}
		var result map[string]json.RawMessage
		if err := json.Unmarshal(got[len("before"):], &result); err != nil {
			t.Fatalf("%q became %q: %v", data, got, err)
		}
		if !reflect.DeepEqual(result, want) {
			t.Fatalf("%q became %q", data, got)
		}
	})
}

// A whole answer of which the members are known is stamped as one that is read again.
func FuzzWholeWithItsMembers(f *testing.F) {
	f.Add(`{"id":"a","object":"x","created":1,"model":"m","choices":[{"index":0}],"usage":{"a":1}}`)
	f.Add(` { "choices" : [ ] , "model" : null , "usage" : null } `)
	f.Add(`{"usage":1,"id":"a","id":"b","choices":["}"]}`)
	f.Fuzz(func(t *testing.T, answer string) {
		if !strings.HasPrefix(answer, "{") || !strings.Contains(answer, `"choices"`) {
			return // no driver takes it for an answer
		}
		var members chat.Members
		s := rawjson.Over([]byte(answer))
		others := false
		for ok := s.Object(); ok; ok = s.Member() {
			name, from := string(s.Key()), s.Pos()
			s.Skip()
			switch name {
			case "id", "object", "created", "model", "usage":
				members.Note(name, from, s.Pos())
			}
			others = true
		}
		if s.End() != nil || !others {
			return
		}
		members.End()
		st, _ := newStamp(streamRequest(), "x")
		want, wantCounted := st.whole(&chat.Raw{JSON: []byte(answer)})
		got, counted := st.whole(&chat.Raw{JSON: []byte(answer), Members: &members})
		if string(got) != string(want) || counted != wantCounted {
			t.Errorf("%s became\n%s, want\n%s", answer, got, want)
		}
	})
}

// What is kept of one chunk's beginning changes nothing in the next.
func FuzzPassOnAfterAnother(f *testing.F) {
	f.Add([]byte(`{"id":"a","x":[{}],"choices":[{"delta":{}}]}`), []byte(`{"id":"a","x":[{}],"choices":[],"usage":{},"model":"m"}`), true, false)
	f.Add([]byte(`{"choices":[]}`), []byte(`{"choices":[],"choices":1,"created":2} `), true, true)
	f.Add([]byte(`{"choices":[]}`), []byte(`{"choices": `), false, true)
	f.Add([]byte(`{"usage":1,"choices":[]}`), []byte(`{"usage":1,"choices":[]}`), true, true)
	f.Fuzz(func(t *testing.T, first, second []byte, stripUsage, stripFinish bool) {
		fresh, _ := newStamp(streamRequest(), "x")
		learned := fresh
		learned.learns = true
		for _, data := range [][]byte{first, second, first} {
			remove := removal{usage: stripUsage, finish: stripFinish}
			want, wantHas, wantOK := fresh.appendStamped([]byte("before"), data, remove)
			got, has, ok := learned.appendStamped([]byte("before"), data, remove)
			if string(got) != string(want) || has != wantHas || ok != wantOK {
				t.Fatalf("%q after %q: got %q, %+v, %v, want %q, %+v, %v", data, first, got, has, ok, want, wantHas, wantOK)
			}
		}
	})
}

// Nor does what is kept of what stands around one chunk's text.
func FuzzPassOnTextAfterText(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":"`, "a", "b", `"}}],"usage":{}}`, true)
	f.Add(`{"id":1,"usage":{},"choices":[{"delta":{"content":"`, "a", "b", `"}}]}`, true)
	f.Add(`{"x":"`, "choices", "id", `","choices":[],"model":""}`, false)
	f.Add(`{"choices":[],"`, "x", "id", `":1}`, false)
	f.Fuzz(func(t *testing.T, before, first, second, after string, stripUsage bool) {
		fresh, _ := newStamp(streamRequest(), "x")
		learned := fresh
		learned.learns = true
		remove := removal{usage: stripUsage}
		for _, text := range []string{first, second, first} {
			chunk := raw(before + text + after)
			chunk.Shape, chunk.TextFrom, chunk.TextTo = 1, len(before), len(before)+len(text)
			if _, ok := rawjson.Inside([]byte(text)); !ok {
				return // the driver's promise
			}
			want, _, ok := fresh.appendStamped(nil, chunk.JSON, remove)
			if !ok {
				return
			}
			var document struct{ Choices json.RawMessage }
			if json.Unmarshal(chunk.JSON, &document) != nil || strings.Count(string(chunk.JSON), `"choices"`) != 1 ||
				!strings.Contains(string(document.Choices), text+after[:min(1, len(after))]) {
				return // the text is in the choices, and there are no two of them
			}
			got, ok := learned.appendText(nil, &chunk, remove)
			if ok && string(got) != string(want) {
				t.Fatalf("%q became %q, want %q", chunk.JSON, got, want)
			}
			stamped, _, _ := learned.appendStamped(nil, chunk.JSON, remove)
			learned.learnText(&chunk, stamped, remove)
		}
	})
}

// However text is cut into events, the client reads exactly that text.
func FuzzStreamText(f *testing.F) {
	f.Add("a\u2028b\x00\"\\", "é漢😀")
	f.Fuzz(func(t *testing.T, first, second string) {
		var sink recorder
		e := NewStreamEncoder(streamRequest(), dialect.Options{}, &sink)
		events := []chat.Event{{Text: first}, {Text: second, Finish: chat.Stop}}
		for _, ev := range events {
			_ = e.Event(ev)
		}
		judgeStream(t, streamRequest(), dialect.Options{}, events, sink.payloads)
		var got string
		for _, payload := range sink.payloads {
			var chunk struct {
				Choices []struct{ Delta struct{ Content string } }
			}
			if err := json.Unmarshal([]byte(payload), &chunk); err != nil || strings.ContainsAny(payload, "\r\n") {
				t.Fatalf("%q: %v", payload, err)
			}
			got += chunk.Choices[0].Delta.Content
		}
		if want := valid(first) + valid(second); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// valid has U+FFFD for each byte that is no UTF-8, as encoding/json does.
func valid(text string) string {
	return string([]rune(text))
}

// discard is the cheapest sink.
type discard struct{ n int }

func (*discard) Heartbeat(func() string) {}

func (d *discard) Event(_ string, payload []byte, _ bool) error { d.n += len(payload); return nil }
func (d *discard) Flush() error                                 { return nil }

func BenchmarkStreamCompose(b *testing.B) {
	e := NewStreamEncoder(streamRequest(), dialect.Options{}, &discard{})
	ev := chat.Event{Text: " a few words more"}
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Event(ev)
	}
}

func BenchmarkStreamPassOn(b *testing.B) {
	const before = `{"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"gpt-4o-2024-08-06",` +
		`"service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[{"index":0,"delta":{"content":"`
	const after = `"},"logprobs":null,"finish_reason":null}],"usage":null}`
	for name, told := range map[string]bool{"text": true, "anything": false} {
		b.Run(name, func(b *testing.B) {
			e := NewStreamEncoder(streamRequest(), dialect.Options{}, &discard{})
			ev := chat.Event{Text: " world", Raw: raw(before + " world" + after)}
			if told {
				ev.Raw.Shape, ev.Raw.TextFrom, ev.Raw.TextTo = 1, len(before), len(before+" world")
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = e.Event(ev)
			}
		})
	}
}

func BenchmarkNewStreamEncoder(b *testing.B) {
	req := streamRequest()
	req.Created = time.Unix(1763800000, 0)
	b.ReportAllocs()
	for b.Loop() {
		NewStreamEncoder(req, dialect.Options{}, nil)
	}
}

// What the canonical events say beside texts, towards clients: traps 9, 12, 13, 14, 60, 62, 64, 66.
func TestStreamsAndWholeAnswersAgreeWithTheAPI(t *testing.T) {
	t.Parallel()
	anthropic := func(seal string) *chat.Seal { return &chat.Seal{Data: seal, Maker: "anthropic"} }
	end := chat.Event{Finish: chat.Stop}
	tests := map[string]struct {
		events []chat.Event
		deltas []string // of the stream's chunks, and the last one's finish
		finish string
		whole  string // the message
	}{
		"a custom call": {
			[]chat.Event{
				{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "patch", Custom: true}},
				{Kind: chat.CallBlock, Text: "*** Begin", Close: true},
				end,
			},
			[]string{
				`{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"patch","input":""}}]}`,
				`{"tool_calls":[{"index":0,"custom":{"input":"*** Begin"}}]}`,
			},
			"tool_calls",
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"c","type":"custom","custom":{"name":"patch","input":"*** Begin"}}]}`,
		},
		"what the upstream wants back beside a call": {
			[]chat.Event{
				{Kind: chat.CallBlock, Close: true, Text: "{}", Open: &chat.Block{ID: "c", Name: "f", Extra: &chat.Opaque{Dialect: Dialect, JSON: []byte(`"extra_content":{"google":1}`)}}},
				{Block: 1, Kind: chat.CallBlock, Close: true, Text: "{}", Open: &chat.Block{ID: "d", Name: "g", Extra: &chat.Opaque{Dialect: "another", JSON: []byte(`"x":1`)}}},
				end,
			},
			[]string{
				`{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":1}}]}`,
				`{"tool_calls":[{"index":1,"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]}`,
			},
			"tool_calls",
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":1}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]}`,
		},
		"a call without arguments or id": {
			[]chat.Event{{Kind: chat.CallBlock, Open: &chat.Block{Name: "f"}, Close: true}, end},
			[]string{`{"role":"assistant","tool_calls":[{"index":0,"id":"call_0","type":"function","function":{"name":"f","arguments":""}}]}`},
			"tool_calls",
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_0","type":"function","function":{"name":"f","arguments":"{}"}}]}`,
		},
		"a call that was cut": {
			[]chat.Event{{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "f"}, Text: `{"a`, Close: true}, {Finish: chat.Length}},
			[]string{`{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}]}`},
			"length",
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}]}`,
		},
		"the upstream speaks of calls, and there are none": {
			[]chat.Event{{Text: "x", Open: &chat.Block{}, Close: true}, {Finish: chat.CalledTools}},
			[]string{`{"role":"assistant","content":"x"}`},
			"stop",
			`{"role":"assistant","content":"x","refusal":null}`,
		},
		"a refusal in words": {
			[]chat.Event{{Kind: chat.RefusalBlock, Open: &chat.Block{}, Text: "no", Close: true}, {Finish: chat.Refused}},
			[]string{`{"role":"assistant","refusal":"no"}`},
			"stop",
			`{"role":"assistant","content":null,"refusal":"no"}`,
		},
		"a refusal without words": {
			[]chat.Event{{Finish: chat.Refused}},
			[]string{`{"role":"assistant","content":""}`},
			"content_filter",
			`{"role":"assistant","content":"","refusal":null}`,
		},
		"sealed thoughts": {
			[]chat.Event{
				{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Text: "h\""},
				{Kind: chat.ReasoningBlock, Text: "m"},
				{Kind: chat.ReasoningBlock, Seal: anthropic("s1"), Close: true},
				{Block: 1, Kind: chat.ReasoningBlock, Open: &chat.Block{Redacted: true}, Seal: anthropic("s2"), Close: true},
				{Block: 2, Text: "x", Open: &chat.Block{}, Close: true},
				end,
			},
			[]string{
				`{"role":"assistant","reasoning_content":"h\""}`,
				`{"reasoning_content":"m"}`,
				`{"thinking_blocks":[{"type":"thinking","thinking":"h\"m","signature":"s1"}]}`,
				`{"thinking_blocks":[{"type":"redacted_thinking","data":"s2"}]}`,
				`{"content":"x"}`,
			},
			"stop",
			`{"role":"assistant","content":"x","reasoning_content":"h\"m","thinking_blocks":[{"type":"thinking","thinking":"h\"m","signature":"s1"},{"type":"redacted_thinking","data":"s2"}],"refusal":null}`,
		},
		"a redacted thought first": {
			[]chat.Event{{Kind: chat.ReasoningBlock, Open: &chat.Block{Redacted: true}, Seal: anthropic("s"), Close: true}, {Block: 1, Open: &chat.Block{}, Text: "x", Close: true}, end},
			[]string{`{"role":"assistant","thinking_blocks":[{"type":"redacted_thinking","data":"s"}]}`, `{"content":"x"}`},
			"stop",
			`{"role":"assistant","content":"x","thinking_blocks":[{"type":"redacted_thinking","data":"s"}],"refusal":null}`,
		},
		"another maker's seal": {
			[]chat.Event{
				{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Text: "hm"},
				{Kind: chat.ReasoningBlock, Seal: &chat.Seal{Data: "s", Maker: "cursor"}, Close: true},
				end,
			},
			[]string{`{"role":"assistant","reasoning_content":"hm"}`},
			"stop",
			`{"role":"assistant","content":"","reasoning_content":"hm","refusal":null}`,
		},
		"a thought that is too long to be kept": {
			[]chat.Event{
				{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Text: "h"},
				{Kind: chat.ReasoningBlock, Text: strings.Repeat("m", maxThought)},
				{Kind: chat.ReasoningBlock, Seal: anthropic("s1"), Close: true},
				end,
			},
			[]string{`{"role":"assistant","reasoning_content":"h"}`, `{"reasoning_content":"` + strings.Repeat("m", maxThought) + `"}`},
			"stop",
			`{"role":"assistant","content":"","reasoning_content":"h` + strings.Repeat("m", maxThought) + `","refusal":null}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := streamRequest()
			var want []string
			for _, delta := range test.deltas {
				want = append(want, chunkHead+`{"index":0,"delta":`+delta+`,"finish_reason":null}]}`)
			}
			want = append(want, chunkHead+`{"index":0,"delta":{},"finish_reason":"`+test.finish+`"}]}`)
			if got := encode(t, req, dialect.Options{}, test.events...); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %.2000s\nwant %.2000s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			c := NewCollector(req)
			for _, ev := range test.events {
				c.Add(ev)
			}
			answer := string(c.JSON())
			judgeWhole(t, test.events, answer)
			wholeHead := strings.Replace(chunkHead, "chat.completion.chunk", "chat.completion", 1)
			if want := wholeHead + `{"index":0,"message":` + test.whole + `,"finish_reason":"` + test.finish + `"}]}`; answer != want {
				t.Errorf("got  %.2000s\nwant %.2000s", answer, want)
			}
		})
	}
}

// Clients show prices by the details. Counts of an upstream need not add up.
func TestUsageDetails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		usage chat.Usage
		want  string
	}{
		"plain":       {chat.Usage{Prompt: 3, Completion: 4}, `{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}`},
		"from caches": {chat.Usage{Prompt: 1000, CacheRead: 900}, `{"prompt_tokens":1000,"completion_tokens":0,"total_tokens":1000,"prompt_tokens_details":{"cached_tokens":900}}`},
		"into caches": {chat.Usage{Prompt: 1000, CacheWrite: 90, CacheWriteHour: 10}, `{"prompt_tokens":1000,"completion_tokens":0,"total_tokens":1000,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":90}}`},
		"thinking":    {chat.Usage{Prompt: 1, Completion: 5, Reasoning: 4}, `{"prompt_tokens":1,"completion_tokens":5,"total_tokens":6,"completion_tokens_details":{"reasoning_tokens":4}}`},
		"nonsense":    {chat.Usage{Prompt: 1, CacheRead: 7, Completion: -5, Reasoning: 4}, `{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := streamRequest()
			req.IncludeUsage = true
			events := []chat.Event{{Text: "x", Open: &chat.Block{}, Close: true}, {Finish: chat.Stop, Usage: &test.usage}}
			got := encode(t, req, dialect.Options{}, events...)
			if last := got[len(got)-1]; last != chunkHead+`],"usage":`+test.want+`}` {
				t.Errorf("got %s", last)
			}
			c := NewCollector(req)
			for _, ev := range events {
				c.Add(ev)
			}
			answer := string(c.JSON())
			judgeWhole(t, events, answer)
			if !strings.HasSuffix(answer, `,"usage":`+test.want+`}`) {
				t.Errorf("got %s", answer)
			}
		})
	}
}

// Chunks of one shape that come in several lines are one line each, also those that are stamped
// by what was learned.
func TestChunksOfSeveralLines(t *testing.T) {
	t.Parallel()
	const before, after = "{\"id\":\"c\",\"choices\":[{\"index\":0,\n\"delta\":{\"content\":\"", "\"},\r\n\"finish_reason\":null}]\n}"
	for name, head := range map[string]string{"in the choices": before, "in the head": "{\n" + before[1:], "behind": strings.ReplaceAll(before, "\n", "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &recorder{}
			stream := NewStreamEncoder(streamRequest(), dialect.Options{}, sink)
			for _, word := range []string{"a", "b", "c"} {
				json := head + word + after
				raw := chat.Raw{Dialect: Dialect, JSON: []byte(json), Shape: 1, TextFrom: len(head), TextTo: len(head) + len(word)}
				if err := stream.Event(chat.Event{Text: word, Raw: raw}); err != nil {
					t.Fatal(err)
				}
			}
			for _, payload := range sink.payloads {
				if strings.ContainsAny(payload, "\r\n") {
					t.Errorf("%q", payload)
				}
			}
		})
	}
}
