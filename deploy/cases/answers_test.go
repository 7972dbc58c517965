package cases

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// upstreamCase is an answer of an upstream, and what must come back of it whether the
// client asks for a stream or not.
type upstreamCase struct {
	// file is the body; its end says the content type, unless types does. A type of
	// "" is none.
	file   string
	types  []string
	header []string
	check  func(t *testing.T, got answer)
	// sdk checks what the official client collects from a stream, where that is of
	// interest.
	sdk func(t *testing.T, got openai.ChatCompletion)
}

var upstreamCases = []upstreamCase{
	{file: "s01-last-event-without-empty-line.sse", check: says("good day")},
	{file: "s02-last-counts-without-empty-line.sse", check: counted("good day", usage{5, 6})},
	{file: "s03-null-as-keep-alive.sse", check: says("good day")},
	{file: "s04-empty-data-as-keep-alive.sse", check: says("good day")},
	{file: "s05-object-as-keep-alive.sse", check: says("good day")},
	{file: "s06-delta-null.sse", check: says("good day")},
	{file: "s07-call-without-index.sse", check: calls("tool_calls", `lookup k1 {"x":1}`), sdk: func(t *testing.T, got openai.ChatCompletion) {
		t.Helper()
		if made := got.Choices[0].Message.ToolCalls; len(made) != 1 || made[0].ID != "k1" || made[0].Function.Name != "lookup" || made[0].Function.Arguments != `{"x":1}` {
			t.Errorf("the client collects the calls %+v", made)
		}
	}},
	{file: "s08-arguments-as-object.json", check: calls("tool_calls", `lookup k1 {"x":1}`), sdk: func(t *testing.T, got openai.ChatCompletion) {
		t.Helper()
		if made := got.Choices[0].Message.ToolCalls; len(made) != 1 || made[0].Function.Arguments != `{"x":1}` {
			t.Errorf("the client collects the calls %+v", made)
		}
	}},
	{file: "s09-picture-beside-empty-text.json", check: picture},
	{file: "s10-picture-beside-empty-text.sse", check: picture},
	{file: "s11-sealed-thoughts-only.sse", check: other("reasoning_details", `[{"type":"reasoning.encrypted","data":"AAAA"}]`)},
	{file: "s12-finish-is-the-word-null.sse", check: says("good day")},
	{file: "s13-half-an-answer-and-an-error.json", check: broken("the provider went away")},
	{file: "s14-finish-is-error.sse", check: broken("error")},
	{file: "s15-error-beside-no-choices.json", check: fails(503, "upstream_auth", "login failed: this key is not valid")},
	{file: "s16-packed-unasked.sse.gz", header: []string{"Content-Encoding", "gzip"}, check: says("good day")},
	{file: "s17-events-for-whom-wants-none.sse", types: []string{"text/plain", "application/json", ""}, check: says("good day")},
	{file: "s18-bare-error-in-a-stream.sse", check: fails(429, "rate_limit_exceeded", "the quota of this key is used up")},
	{file: "s19-pair-cut-in-two.sse", check: says("a😀b")},
	{file: "s20-error-that-says-nothing.sse", check: says("good day")},
	{file: "s21-done-in-other-words.sse", check: says("good day")},
	{file: "s22-empty-but-counted.json", check: counted("", usage{900, 212})},
}

func init() {
	for _, each := range upstreamCases {
		holds[caseOf(each.file)] = each.holds
	}
}

// caseOf is the name of a case by its file.
func caseOf(file string) string {
	name, _, _ := strings.Cut(file, "-")
	return name
}

func (c upstreamCase) holds(t *testing.T) {
	body := input(t, c.file)
	types := c.types
	if types == nil {
		types = []string{"text/event-stream"}
		if path.Ext(c.file) == ".json" {
			types = []string{"application/json"}
		}
	}
	for i, contentType := range types {
		for form, stream := range map[string]bool{"streamed": true, "whole": false} {
			t.Run(form+" from "+cmp.Or(contentType, "no type"), func(t *testing.T) {
				// One each: what the first request does to the tokens is not the second's.
				upstream := answering(t, fmt.Sprint(caseOf(c.file), "-", form, "-", i+1), bytesOf(contentType, body, c.header...))
				got := upstream.ask(t, stream)
				c.check(t, got)
				asked := upstream.take()
				if got.Failure == nil && len(asked) != 1 {
					t.Errorf("the upstream was asked %d times", len(asked))
				}
				for _, request := range asked {
					if accepts := request.Header.Get("Accept-Encoding"); accepts != "identity" {
						t.Errorf("the upstream is told to encode with %q", accepts)
					}
				}
				if streamed := got.Chunks != nil; streamed && got.Done == (got.Failure != nil) {
					t.Errorf("done: %t, failure: %v", got.Done, got.Failure)
				}
				if stream && c.sdk != nil {
					c.sdk(t, upstream.collect(t))
				}
				if t.Failed() {
					t.Logf("status %d: %.2000s", got.Status, got.Body)
				}
			})
		}
	}
}

// complete demands a whole answer with one end.
func complete(t *testing.T, got answer) {
	t.Helper()
	if got.Status != 200 || got.Failure != nil || len(got.Finish) != 1 {
		t.Errorf("status %d, failure %+v, finish %q", got.Status, got.Failure, got.Finish)
	}
}

// says demands a whole answer with that text.
func says(text string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		complete(t, got)
		if got.Text != text {
			t.Errorf("text %q, want %q", got.Text, text)
		}
	}
}

// counted demands the upstream's own counts as well.
func counted(text string, want usage) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		says(text)(t, got)
		if got.Usage == nil || *got.Usage != want {
			t.Errorf("usage %+v, want %+v", got.Usage, want)
		}
	}
}

// calls demands calls, each as its name, id and arguments.
func calls(finish string, want ...string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		complete(t, got)
		var made []string
		for _, call := range got.Calls {
			made = append(made, call.Function.Name+" "+call.ID+" "+call.Function.Arguments)
		}
		if !reflect.DeepEqual(made, want) || !reflect.DeepEqual(got.Finish, []string{finish}) {
			t.Errorf("calls %q, finish %q; want %q, %q", made, got.Finish, want, finish)
		}
	}
}

// other demands a member of the message that is nothing but data to the gateway.
func other(name, want string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		complete(t, got)
		if values := got.Others[name]; len(values) != 1 || !sameJSON(values[0], want) {
			t.Errorf("%s: %s, want %s", name, values, want)
		}
	}
}

func sameJSON(got json.RawMessage, want string) bool {
	var a, b any
	return json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}

func picture(t *testing.T, got answer) {
	t.Helper()
	says("")(t, got)
	other("images", `[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]`)(t, got)
}

// broken demands an error for half an answer: 502 where nothing has been sent, else an
// error event.
func broken(words string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		if got.Failure == nil || !strings.Contains(got.Failure.Message, words) || got.Chunks == nil && got.Status != 502 {
			t.Errorf("status %d, failure %+v; want 502 or an error event with %q", got.Status, got.Failure, words)
		}
	}
}

// fails demands an error before anything else, with the upstream's words.
func fails(status int, code, words string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		if got.Status != status || got.Failure == nil || got.Failure.Code != code || !strings.Contains(got.Failure.Message, words) {
			t.Errorf("status %d, failure %+v; want %d, %s, %q", got.Status, got.Failure, status, code, words)
		}
	}
}

// collect asks with the official client and returns what it makes of a stream.
func (u *scripted) collect(t *testing.T) openai.ChatCompletion {
	t.Helper()
	client := pair.Gateways[0].SDK()
	stream := client.Chat.Completions.NewStreaming(passedOn(t.Context()), openai.ChatCompletionNewParams{
		Model: u.Name, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("a")},
	})
	defer func() { _ = stream.Close() }()
	var collected openai.ChatCompletionAccumulator
	for stream.Next() {
		if !collected.AddChunk(stream.Current()) {
			t.Fatalf("the client does not take %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil || len(collected.Choices) != 1 {
		t.Fatalf("the client: %v, %d choices", err, len(collected.Choices))
	}
	u.take()
	return collected.ChatCompletion
}

func init() {
	holds["h03"] = anEventOfNineMebibytes
}

// An image model's picture is in one event, as base64 in the text or as a member.
func anEventOfNineMebibytes(t *testing.T) {
	picture := strings.Repeat("QUJD", 9<<18)
	const head, end = `{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,`, `,"finish_reason":"stop"}]}`
	const chunk, last = `{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":`, `,"finish_reason":null}]}`
	for place, message := range map[string]string{
		"text":   `{"role":"assistant","content":"` + picture + `"}`,
		"images": `{"role":"assistant","content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + picture + `"}}]}`,
	} {
		for form, body := range map[string]string{
			"whole": head + `"message":` + message + end,
			"stream": "data: " + chunk + message + last + "\n\n" +
				"data: " + chunk + `{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
		} {
			for asked, stream := range map[string]bool{"stream": true, "whole": false} {
				t.Run(place+" in a "+form+" for a "+asked, func(t *testing.T) {
					upstream := answering(t, strings.Join([]string{"h03", place, form, asked}, "-"), bytesOf("", []byte(body)))
					got := upstream.ask(t, stream)
					complete(t, got)
					if place == "text" && got.Text != picture {
						t.Errorf("%d bytes of text", len(got.Text))
					}
					if images := got.Others["images"]; place == "images" && (len(images) != 1 || !strings.Contains(string(images[0]), picture)) {
						t.Errorf("%d images", len(images))
					}
					if asked := len(upstream.take()); asked != 1 {
						t.Errorf("the upstream was asked %d times", asked)
					}
				})
			}
		}
	}
}
