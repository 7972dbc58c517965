package openai

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

// A stream becomes a whole answer with every member that it has.
func TestAStreamBecomesAWholeAnswer(t *testing.T) {
	t.Parallel()
	message := func(members string) string {
		return `{"object":"chat.completion","choices":[{"index":0,"message":{` + members + `},"finish_reason":"stop"}]}`
	}
	for name, test := range map[string]struct {
		chunks []string
		want   string
	}{
		"what chunks have in common": {
			[]string{
				`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`,
				`{"id":"c","object":"chat.completion.chunk","created":2,"model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}`,
				`{"id":"c","object":"chat.completion.chunk","created":2,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x":[1]}`,
				`{"id":"c","object":"chat.completion.chunk","created":2,"model":"m","choices":[],"usage":{"prompt_tokens":1,"details":{"a":2}}}`,
			},
			`{"id":"c","created":2,"model":"m","system_fingerprint":"f","usage":{"prompt_tokens":1,"details":{"a":2}},"x":[1],"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}`,
		},
		"texts and lists grow": {
			[]string{delta(`"content":"a\n","reasoning":"b","images":[{"u":1}]`), delta(`"content":"\u00e9","reasoning":"c","new":"d","images":[{"u":2}]`), delta(`"new":"e"`), finished},
			message(`"content":"a\n\u00e9","reasoning":"bc","images":[{"u":1},{"u":2}],"new":"de","role":"assistant"`),
		},
		"names don't": {
			[]string{delta(`"role":"assistant","audio":{"id":"a","data":"x"}`), delta(`"role":"assistant","audio":{"id":"a","data":"y","expires_at":7}`), delta(`"audio":{"transcript":"z","expires_at":8}`), finished},
			message(`"role":"assistant","audio":{"id":"a","data":"xy","expires_at":8,"transcript":"z"},"content":null`),
		},
		"numbered elements are one": {
			[]string{delta(`"reasoning_details":[{"index":0,"type":"reasoning.text","text":"a"}]`), delta(`"reasoning_details":[{"index":0,"type":"reasoning.text","text":"b","signature":null},{"index":1,"type":"reasoning.encrypted","data":"c"}]`), delta(`"reasoning_details":[{"index":0,"signature":"s"}]`), finished},
			message(`"reasoning_details":[{"index":0,"type":"reasoning.text","text":"ab","signature":"s"},{"index":1,"type":"reasoning.encrypted","data":"c"}],"role":"assistant","content":null`),
		},
		"log probabilities": {
			[]string{`{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a"}],"refusal":null}}]}`, `{"choices":[{"index":0,"delta":{"content":"b"},"logprobs":null}]}`, `{"choices":[{"index":0,"delta":{"content":"c"},"logprobs":{"content":[{"token":"c"}]},"finish_reason":"stop"}]}`},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"content":"abc","role":"assistant"},"logprobs":{"content":[{"token":"a"},{"token":"c"}],"refusal":null},"finish_reason":"stop"}]}`,
		},
		"calls": {
			[]string{
				calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}}`), calling(`{"id":"b","type":"function","function":{"name":"g","arguments":{"y":2}}}`), calling(`{"index":0,"function":{"arguments":"1}"}}`),
				`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
			},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{\"y\":2}"}}],"role":"assistant","content":null},"finish_reason":"tool_calls"}]}`,
		},
		"content in parts and as a text": {
			[]string{delta(`"content":[{"type":"thinking","thinking":"a"}]`), delta(`"content":"b"`), delta(`"content":""`), finished},
			message(`"content":[{"type":"thinking","thinking":"a"},{"type":"text","text":"b"}],"role":"assistant"`),
		},
		"content as a text and in parts": {
			[]string{delta(`"content":"a"`), delta(`"content":[{"type":"image","data":"b"}]`), finished},
			message(`"content":[{"type":"text","text":"a"},{"type":"image","data":"b"}],"role":"assistant"`),
		},
		"no finish but an end": {
			[]string{delta(`"content":"a"`)},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"content":"a","role":"assistant"},"finish_reason":"stop"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, failure := gather(t.Context(), t, answering(t, "text/event-stream", eventsOf(append(test.chunks, "[DONE]")...)), newTestCall(false))
			if failure != nil || len(events) == 0 || !events[0].Raw.Whole || events[len(events)-1].Finish == chat.Unfinished || !json.Valid(events[0].Raw.JSON) {
				t.Fatalf("got %+v, %v", events, failure)
			}
			if got := string(events[0].Raw.JSON); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestAJoinedAnswerHasABound(t *testing.T) {
	t.Parallel()
	large := eventsOf(delta(`"content":"` + strings.Repeat("x", wire.MaxAnswer/4) + `"`))
	_, failure := gather(t.Context(), t, answering(t, "", strings.Repeat(large, 5)), newTestCall(false))
	if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, "32 MiB") {
		t.Errorf("got %v", failure)
	}
	events, failure := gather(t.Context(), t, answering(t, "", strings.Repeat(large, 5)+eventsOf(finished)), newTestCall(true))
	if failure != nil || len(rawOf(events)) != 6 {
		t.Errorf("a stream has none: %d events, %v", len(events), failure)
	}
}

// A whole answer becomes a stream with every member that it has.
func TestAWholeAnswerBecomesAStream(t *testing.T) {
	t.Parallel()
	const whole = ` {"id":"c","object":"chat.completion","created":1,"model":"m","x":{"y":1},"choices":[` +
		`{"index":0,"message":{"role":"assistant","content":"a","images":[{"u":1}],"tool_calls":[{"id":"k","type":"function","function":{"name":"f","arguments":{"x":1}}}]},"logprobs":{"content":[]},"finish_reason":"tool_calls"},` +
		`{"finish_reason":"length","index":1,"message":{"role":"assistant","content":"b"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}` + "\n"
	want := []string{
		`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","x":{"y":1},"choices":[` +
			`{"index":0,"delta":{"role":"assistant","content":"a","images":[{"u":1}],"tool_calls":[{"id":"k","type":"function","function":{"name":"f","arguments":"{\"x\":1}"},"index":0}]},"logprobs":{"content":[]},"finish_reason":null},` +
			`{"finish_reason":null,"index":1,"delta":{"role":"assistant","content":"b"}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"},{"delta":{},"finish_reason":"length","index":1}]}`,
		`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`,
	}
	events, failure := gather(t.Context(), t, answering(t, "text/event-stream", whole), newTestCall(true))
	if failure != nil || !reflect.DeepEqual(rawOf(events), want) {
		t.Errorf("got\n%s, %v\nwant\n%s", strings.Join(rawOf(events), "\n"), failure, strings.Join(want, "\n"))
	}
	if last := events[len(events)-1]; last.Usage == nil || last.Usage.Completion != 4 {
		t.Errorf("counts: %+v", last)
	}
}

// packings are the ways in which something on the way packs an answer unasked.
func packings(t *testing.T, body string) map[string][]byte {
	t.Helper()
	pack := func(open func(io.Writer) io.WriteCloser) []byte {
		var packed bytes.Buffer
		w := open(&packed)
		_, _ = io.WriteString(w, body)
		_ = w.Close()
		return packed.Bytes()
	}
	zipped := pack(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	return map[string][]byte{
		"gzip": zipped, "x-gzip": zipped, "GZIP": zipped, "": zipped, "identity": []byte(body), "gzip, identity": zipped,
		"deflate": pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"deflate, gzip": func() []byte {
			inner := pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, _ = w.Write(inner)
			_ = w.Close()
			return packed.Bytes()
		}(),
		"deflate ": pack(func(w io.Writer) io.WriteCloser {
			bare, err := flate.NewWriter(w, flate.DefaultCompression)
			if err != nil {
				t.Fatal(err)
			}
			return bare
		}),
	}
}

func serving(t *testing.T, status int, encoding string, body []byte) *Driver {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return newTestDriver(t, server.URL, nil)
}

func TestPackedAnswers(t *testing.T) {
	t.Parallel()
	const whole = `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`
	for _, streamed := range []bool{true, false} {
		for form, body := range map[string]string{"whole": whole, "stream": eventsOf(said, finished, "[DONE]")} {
			for encoding, packed := range packings(t, body) {
				events, failure := gather(t.Context(), t, serving(t, 200, encoding, packed), newTestCall(streamed))
				if failure != nil || len(events) == 0 || events[0].Text != "x" {
					t.Errorf("%q, %s, streamed %t: %+v, %v", encoding, form, streamed, events, failure)
				}
			}
			for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "utf-8", "none", "chunked, UTF-8", "aws-chunked"} { // and it is not
				if events, failure := gather(t.Context(), t, serving(t, 200, encoding, []byte(body)), newTestCall(streamed)); failure != nil || len(events) == 0 {
					t.Errorf("%q announced, %s, streamed %t: %v", encoding, form, streamed, failure)
				}
			}
			for _, encoding := range []string{"br", "zstd", "compress", "gzip, gzip, gzip, gzip"} {
				_, failure := gather(t.Context(), t, serving(t, 200, encoding, []byte("\x1b\x03")), newTestCall(streamed))
				if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, encoding) || !strings.Contains(failure.Message, "identity") {
					t.Errorf("%q: %v", encoding, failure)
				}
			}
		}
	}
	for encoding, packed := range packings(t, `{"error":{"message":"the quota is used up","code":"insufficient_quota"}}`) {
		if _, failure := gather(t.Context(), t, serving(t, 429, encoding, packed), newTestCall(true)); failure == nil || failure.Class != upstream.Quota {
			t.Errorf("%q: an error: %v", encoding, failure)
		}
	}
	if _, failure := gather(t.Context(), t, serving(t, 500, "br", []byte("\x1b\x03")), newTestCall(true)); failure == nil || failure.Class != upstream.Broken || !strings.Contains(failure.Message, `"br"`) {
		t.Errorf("an error that can't be read: %v", failure)
	}
	zipped := packings(t, eventsOf(said, said, finished, "[DONE]"))["gzip"]
	if _, failure := gather(t.Context(), t, serving(t, 200, "gzip", zipped[:len(zipped)/2]), newTestCall(true)); failure == nil || failure.Class != upstream.Truncated {
		t.Errorf("cut: %v", failure)
	}
	for range wire.MaxEncodings {
		zipped = packings(t, string(zipped))["gzip"]
	}
	if _, failure := gather(t.Context(), t, serving(t, 200, "", zipped), newTestCall(true)); failure == nil || failure.Class != upstream.Truncated {
		t.Errorf("packed again and again: %v", failure)
	}
	for _, rubbish := range []string{"\x1f\x8b rubbish that goes on", string(packings(t, "x")["gzip"][:12]) + "rubbish that goes on"} {
		if _, failure := gather(t.Context(), t, serving(t, 200, "gzip", []byte(rubbish)), newTestCall(true)); failure == nil || failure.Rule != "garbled" || !strings.Contains(failure.Message, "unpacked") {
			t.Errorf("%q: %v", rubbish, failure)
		}
	}
}

// What a body is that is neither a stream nor an object, the upstream says.
func TestBodiesThatAreNoAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		class upstream.Class
		words string
	}{
		`{"error":{"message":"used up","code":"insufficient_quota"}}`: {upstream.Quota, "used up"},
		`no healthy upstream`:                                           {upstream.Truncated, "no healthy upstream"},
		`Unauthorized`:                                                  {upstream.Auth, "Unauthorized"},
		"\x28\xb5\x2f\xfd\x04\x00\x41\x00":                              {upstream.Truncated, `packed its answer with "zstd"`},
		"data: {\"message\":\"the engine is gone\"}\n\n":                {upstream.Truncated, "the engine is gone"},
		"data: {\"type\":\"ping\"}\n\n":                                 {upstream.Truncated, "ended early"},
		" <!DOCTYPE html><html><body>Attention Required!</body></html>": {upstream.Broken, "a page"},
		`<?xml version="1.0"?><Error/>`:                                 {upstream.Broken, "a page"},
		`[]`:                                                            {upstream.Truncated, "list"},
		`{}`:                                                            {upstream.Truncated, ""},
		`{"choices":[{"index":0,"message":{"cont`:                       {upstream.Truncated, "not valid JSON"},
		"":                          {upstream.Truncated, "ended early"},
		" \n\n ":                    {upstream.Truncated, "ended early"},
		"data: try again later\n\n": {upstream.Truncated, "try again later"},
	} {
		for _, media := range []string{"text/event-stream", "application/json", "text/html", "text/plain", ""} {
			for _, streamed := range []bool{true, false} {
				_, failure := gather(t.Context(), t, answering(t, media, body), newTestCall(streamed))
				if failure == nil || failure.Class != want.class || !strings.Contains(failure.Message, want.words) || failure.Message == "" {
					t.Errorf("%q as %q, streamed %t: %v", body, media, streamed, failure)
				}
			}
		}
	}
}

// FuzzCross holds that a whole answer that goes through both other forms says the same.
func FuzzCross(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"a\ud83d\ude00","x":[{"y":1}]},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	f.Add([]byte(`{"choices":[{"index":1,"message":{"content":[{"type":"text","text":"a"}],"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g"}}]},"finish_reason":"tool_calls"},{"index":0,"message":{"reasoning":"b"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		mend := mender{whole: true}
		whole := append([]byte(nil), mend.mend(data)...)
		before := parseOnly(whole, "message")
		if before.malformed || !json.Valid(data) || before.failure != nil || before.broke != nil || before.choices != 1 || bytes.Count(whole, []byte(`"choices"`)) != 1 || before.flawed {
			return
		}
		var chunks mender
		var j joining
		for _, chunk := range split(whole) {
			chunk = chunks.mend(chunk)
			if !json.Valid(chunk) {
				t.Fatalf("%q became the chunk %q", whole, chunk)
			}
			if err := j.add(chunk); err != nil {
				t.Fatal(err)
			}
		}
		again := j.whole()
		after := parseOnly(again, "message")
		if !json.Valid(again) || after.malformed {
			t.Fatalf("%q became %q", whole, again)
		}
		if before.event.Text != after.event.Text || before.event.Reasoning != after.event.Reasoning || before.event.Finish != after.event.Finish ||
			!reflect.DeepEqual(before.event.Usage, after.event.Usage) || before.said != after.said {
			t.Fatalf("%q became %q:\n%+v\n%+v", whole, again, before.event, after.event)
		}
	})
}
