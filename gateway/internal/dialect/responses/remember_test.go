package responses_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

// What a body asks of what is kept.
func TestWishesOfBodies(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]dialect.Wishes{
		`{"model":"m"}`: {Keep: true},
		`{"store":null,"previous_response_id":null}`:              {Keep: true},
		`{"store":true,"previous_response_id":"resp_\u0031"}`:     {Keep: true, Previous: "resp_1"},
		`{"previous_response_id":7,"store":false}`:                {},
		"\xef\xbb\xbf" + `{"store":false}`:                        {},
		`{"metadata":{"store":false,"previous_response_id":"x"}}`: {Keep: true},
		``:      {Keep: true},
		`[]`:    {Keep: true},
		`{"sto`: {Keep: true},
	} {
		if got := api.Wishes([]byte(body)); got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
}

// Trap 57: a body that goes on with an answer that is kept stands by itself: the items that
// went in, those that came out, its own.
func TestTrap57GoingOnWithAnAnswer(t *testing.T) {
	t.Parallel()
	earlier := dialect.Remembered{
		Input:  []byte(`[{"id":"msg_1","type":"message","role":"user","content":[{"type":"input_text","text":"one"}]}]`),
		Answer: []byte(`{"id":"resp_1","instructions":"old","output":[{"id":"rs_2","type":"reasoning","summary":[],"encrypted_content":"carousel:a:b"},{"id":"msg_2","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"two","annotations":[]}]}]}`),
	}
	for name, test := range map[string]struct{ body, want string }{
		"a question":        {`{"model":"m","previous_response_id":"resp_1","input":"three"}`, "user: one\nassistant: <thought  a:b true> two\nuser: three"},
		"items":             {`{"model":"m","input":[{"role":"user","content":"three"}] , "previous_response_id":"resp_1"}`, "user: one\nassistant: <thought  a:b true> two\nuser: three"},
		"new instructions":  {`{"previous_response_id":"resp_1","model":"m","instructions":"new","input":"three"}`, "system: new\nuser: one\nassistant: <thought  a:b true> two\nuser: three"},
		"nothing to add":    {`{"model":"m","previous_response_id":"resp_1"}`, "user: one\nassistant: <thought  a:b true> two"},
		"null":              {`{"model":"m","previous_response_id":"resp_1","input":null}`, "user: one\nassistant: <thought  a:b true> two"},
		"an empty list":     {"\xef\xbb\xbf" + `{"model":"m","input":[ ],"previous_response_id":"resp_1"}`, "user: one\nassistant: <thought  a:b true> two"},
		"one key twice":     {`{"model":"m","input":"lost","previous_response_id":"x","input":"three","previous_response_id":"resp_1"}`, "user: one\nassistant: <thought  a:b true> two\nuser: three"},
		"what is no list":   {`{"model":"m","input":7,"previous_response_id":"resp_1"}`, ""},
		"half of a request": {`{"model":"m","input":"three","previous_response_id":"resp_1"`, ""},
	} {
		body, err := api.Resume([]byte(test.body), earlier)
		var request *chat.Request
		if err == nil {
			request, err = api.Decode(dialect.Incoming{Body: body})
		}
		if (err != nil) != (test.want == "") {
			t.Errorf("%s: %v\n%s", name, err, body)
		}
		if err != nil {
			continue
		}
		if got := shown(request.Messages); got != test.want || len(request.Asks) > 0 || strings.Contains(string(body), "previous_response_id") {
			t.Errorf("%s: %s\n%s", name, got, body)
		}
	}
	// With nothing before it, it is as it was.
	if body, err := api.Resume([]byte(`{"model":"m","input":"three","x":1e400}`), dialect.Remembered{}); err != nil ||
		string(body) != `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"three"}]}],"x":1e400}` {
		t.Errorf("%s, %v", body, err)
	}
}

// A chain of answers: each is kept with all that went in, and the next goes on with it.
func TestAChainOfAnswers(t *testing.T) {
	t.Parallel()
	var earlier dialect.Remembered
	for turn, want := range []string{"user: 0", "user: 0\nassistant: a0\nuser: 1", "user: 0\nassistant: a0\nuser: 1\nassistant: a1\nuser: 2"} {
		body, err := api.Resume([]byte(`{"model":"m","previous_response_id":"p","input":"`+strconv.Itoa(turn)+`"}`), earlier)
		if err != nil {
			t.Fatal(err)
		}
		request, err := api.Decode(dialect.Incoming{Body: body, RequestID: requestID + strconv.Itoa(turn), Received: received, Previous: "p"})
		if err != nil || shown(request.Messages) != want {
			t.Fatalf("%v\n%s\nwant\n%s", err, shown(request.Messages), want)
		}
		var sink dialecttest.Recorder
		stream := api.Stream(request, dialect.Options{}, &sink)
		_ = stream.Event(chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a" + strconv.Itoa(turn), Close: true})
		_ = stream.Event(chat.Event{Finish: chat.Stop, Usage: &chat.Usage{Prompt: 1, Completion: 1}})
		id, answer, native := stream.(dialect.Memory).Answer()
		_ = stream.Done()
		if !strings.Contains(string(answer), `"previous_response_id":"p"`) {
			t.Errorf("it does not say what it goes on with: %s", answer)
		}
		last := framesOf(string(sink.Close()))
		if id != request.ID || native || !strings.HasSuffix(last[len(last)-1].data, `"response":`+string(answer)+`}`) {
			t.Fatalf("%s %t %s", id, native, answer)
		}
		input, err := api.Input(body)
		if err != nil {
			t.Fatal(err)
		}
		earlier = dialect.Remembered{Answer: answer, Input: input}
	}
}

// An answer that is not kept says so.
func TestForgottenAnswers(t *testing.T) {
	t.Parallel()
	ours := []chat.Event{{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a", Close: true}, {Finish: chat.Stop, Usage: &chat.Usage{}}}
	for name, events := range map[string][]chat.Event{"composed": ours, "native": nativeEvents("fable")} {
		var sink dialecttest.Recorder
		stream := api.Stream(decoded(t, nil, `"input":"Hi"`), dialect.Options{}, &sink)
		whole := api.Whole(decoded(t, nil, `"input":"Hi"`), dialect.Options{})
		for _, event := range events {
			_ = stream.Event(event)
			whole.Add(event)
		}
		for form, memory := range map[string]dialect.Memory{"streamed": stream.(dialect.Memory), "whole": whole.(dialect.Memory)} {
			id, answer, native := memory.Answer()
			var kept wireResponse
			if err := json.Unmarshal(answer, &kept); err != nil || kept.ID != id || native != (name == "native") || !kept.Store || kept.Status != "completed" {
				t.Errorf("%s, %s: %s %t %s", name, form, id, native, answer)
			}
			memory.Forgotten()
		}
		_ = stream.Done()
		if answer := strictly(t, string(sink.Close())); answer.Store {
			t.Errorf("%s, streamed: %+v", name, answer)
		}
		var answer wireResponse
		if err := json.Unmarshal(whole.JSON(), &answer); err != nil || answer.Store {
			t.Errorf("%s, whole: %+v", name, answer)
		}
	}
}

// All items of a request, as the API lists them.
func TestInputItems(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"input":"Hi"}`: `{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}],"id":"msg_"}`,
		`{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"input_text","text":"c"}]}]}`: `{"role":"user","content":[{"type":"input_text","text":"a"}],"type":"message","id":"msg_"}` +
			`{"role":"assistant","content":[{"type":"output_text","text":"b","annotations":[]}],"type":"message","id":"msg_"}` +
			`{"role":"user","content":[{"type":"input_text","text":"c"}],"type":"message","id":"msg_"}`,
		`{"input":[{"type":"function_call","id":"fc_1","call_id":"c"},{"type":"function_call","call_id":"c","id":null},{"type":"custom_tool_call"},{"type":"reasoning"},{"type":"function_call_output","output":"x"},{"type":"custom_tool_call_output","output":"x"},{"type":"compaction"},{"type":"of_tomorrow"}]}`: `{"type":"function_call","id":"fc_1","call_id":"c"}{"type":"function_call","call_id":"c","id":"fc_"}{"type":"custom_tool_call","id":"ctc_"}{"type":"reasoning","id":"rs_"}{"type":"function_call_output","output":"x","id":"fco_"}{"type":"custom_tool_call_output","output":"x","id":"ctco_"}{"type":"compaction","id":"cmp_"}{"type":"of_tomorrow","id":"item_"}`,
		`{"input":[]}`: ``,
		`{}`:           ``,
	} {
		input, err := api.Input([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var items []struct{ ID string }
		if err := json.Unmarshal(input, &items); err != nil {
			t.Fatalf("%v: %s", err, input)
		}
		got, seen := string(input), map[string]bool{}
		for _, item := range items {
			if item.ID == "" || seen[item.ID] {
				t.Errorf("%s: the id %q", body, item.ID)
			}
			seen[item.ID] = true
			if prefix, rest, _ := strings.Cut(item.ID, "_"); rest != "1" {
				got = strings.Replace(got, item.ID, prefix+"_", 1)
			}
		}
		if got = strings.ReplaceAll(strings.Trim(got, "[]"), "},{\"", "}{\""); got != strings.Trim(want, "[]") {
			t.Errorf("%s\n%s\nwant\n%s", body, got, want)
		}
	}
	for _, body := range []string{`{"input":7}`, `{"input":{}}`} {
		if _, err := api.Input([]byte(body)); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

// Pages of them, the latest first unless it is said.
func TestPagesOfInputItems(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 25 {
		list = append(list, `{"id":"i`+strconv.Itoa(i)+`"}`)
	}
	input := []byte("[" + strings.Join(list, ",") + "]")
	for query, want := range map[string]string{
		"":                          "20 true i24 i5",
		"order=asc":                 "20 true i0 i19",
		"order=asc&limit=2":         "2 true i0 i1",
		"order=asc&after=i22":       "2 false i23 i24",
		"after=i2&limit=100":        "2 false i1 i0",
		"after=i0":                  "0 false  ",
		"order=asc&limit=25":        "25 false i0 i24",
		"limit=0":                   "limit",
		"limit=101":                 "limit",
		"limit=x":                   "limit",
		"order=up":                  "order",
		"after=nothing":             "after",
		"include=x&starting_after=": "20 true i24 i5",
	} {
		values, _ := url.ParseQuery(query)
		page, err := api.InputPage(input, values)
		if err != nil {
			if failure := chat.AsError(err); failure.Param != want || failure.Kind != chat.InvalidRequest {
				t.Errorf("%s: %v", query, err)
			}
			continue
		}
		var got struct {
			Object string
			Data   []struct{ ID string }
			More   bool   `json:"has_more"`
			First  string `json:"first_id"`
			Last   string `json:"last_id"`
		}
		if err := json.Unmarshal(page, &got); err != nil || got.Object != "list" || got.Data == nil {
			t.Errorf("%s: %v %s", query, err, page)
		}
		if text := strings.Join([]string{strconv.Itoa(len(got.Data)), strconv.FormatBool(got.More), got.First, got.Last}, " "); text != want {
			t.Errorf("%s: %s, want %s", query, text, want)
		}
	}
}

// What a client is told of an answer that is not there, or not there any more.
func TestAnswersThatAreNotKept(t *testing.T) {
	t.Parallel()
	if got := string(api.Deleted(`resp_"1`)); got != `{"id":"resp_\"1","object":"response","deleted":true}` {
		t.Error(got)
	}
	for param, want := range map[string]string{"": "404 null previous_response_not_found", "previous_response_id": `400 "previous_response_id" previous_response_not_found`} {
		answer := api.Error(api.Unknown("resp_1", param), "")
		var body struct {
			Error struct {
				Message, Code string
				Param         json.RawMessage
			}
		}
		if err := json.Unmarshal(answer.JSON, &body); err != nil {
			t.Fatal(err)
		}
		if got := strconv.Itoa(answer.Status) + " " + string(body.Error.Param) + " " + body.Error.Code; got != want || !strings.Contains(body.Error.Message, "resp_1") {
			t.Errorf("%s, want %s: %s", got, want, answer.JSON)
		}
	}
}

// A conversation in short: a model writes it, and the client sends what it got in the place of
// what it was made of.
func TestConversationsInShort(t *testing.T) {
	t.Parallel()
	request, err := api.Compact(dialect.Incoming{
		Body: []byte(`{"model":"fable","instructions":"i","input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}],"tools":[{"type":"function","name":"f"}],` +
			`"tool_choice":"auto","parallel_tool_calls":true,"stream":true,"reasoning":{"effort":"low"},"store":true}`),
		RequestID: requestID, Received: received, Header: codexHeader,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := shown(request.Messages)
	if !strings.HasPrefix(got, "system: i\nuser: one\nassistant: two\nuser: Write this conversation in short") || len(request.Tools) > 0 || request.Stream ||
		request.Thinking.Effort != chat.EffortLow || api.Wishes(request.Source.JSON).Keep {
		t.Errorf("%+v\n%s", request, got)
	}
	for name, events := range map[string][]chat.Event{
		"composed": {
			{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Text: "hm", Close: true},
			{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "They greeted \"日本\".", Close: true},
			{Finish: chat.Stop, Usage: &chat.Usage{Prompt: 9, Completion: 2}},
		},
		"native": {{Raw: chat.Raw{Dialect: request.Source.Dialect, Whole: true, JSON: []byte(theirs("completed", "x",
			`{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"They greeted \"日本\"."}]}`, theirUsage))}}},
	} {
		whole := api.Compacted(request)
		for _, event := range events {
			whole.Add(event)
		}
		var answer struct {
			ID, Object string
			Created    int `json:"created_at"`
			Output     json.RawMessage
			Usage      struct {
				Input int `json:"input_tokens"`
				Total int `json:"total_tokens"`
			}
		}
		body := whole.JSON()
		if err := json.Unmarshal(body, &answer); err != nil || answer.ID != request.ID || answer.Object != "response.compaction" || answer.Created == 0 || answer.Usage.Total != 11 {
			t.Fatalf("%s: %v %s", name, err, body)
		}
		items := strings.Trim(string(answer.Output), "[]")
		back := decoded(t, nil, `"input":[`+items+`,{"role":"user","content":"Go on."}]`)
		if got := shown(back.Messages); got != "user: The conversation so far, in short:\n\nThey greeted \"日本\".\nuser: Go on." {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := api.Compact(dialect.Incoming{Body: []byte(`{"model":"m","input":7}`)}); err == nil {
		t.Error("no error")
	}
}

// FuzzResume goes on with an answer in whatever body: what could be read before can be read
// after, and says no less.
func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"model":"m","previous_response_id":"resp_1","input":"three"}`))
	f.Add([]byte(`{"previous_response_id":"a","model":"m" , "input" : [ {"role":"user","content":"x"} ], "previous_response_id":"b"}`))
	f.Add([]byte(codex))
	earlier := dialect.Remembered{
		Input:  []byte(`[{"id":"msg_1","type":"message","role":"user","content":[{"type":"input_text","text":"one"}]}]`),
		Answer: []byte(`{"output":[{"id":"msg_2","type":"message","role":"assistant","content":[{"type":"output_text","text":"two"}]}]}`),
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before, err := api.Decode(dialect.Incoming{Body: body})
		if err != nil || before.HistoryFault != nil && before.HistoryFault.Kind != chat.EmptyMessages {
			_, _ = api.Resume(body, earlier)
			_, _ = api.Input(body)
			return
		}
		resumed, err := api.Resume(body, earlier)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		after, err := api.Decode(dialect.Incoming{Body: resumed})
		if err != nil {
			t.Fatalf("%v: %s\n%s", err, body, resumed)
		}
		if len(after.Messages) < len(before.Messages)+1 || after.Model != before.Model || api.Wishes(resumed).Previous != "" {
			t.Errorf("%s\n%s", body, resumed)
		}
		input, err := api.Input(resumed)
		var items []struct{ ID string }
		if err != nil || json.Unmarshal(input, &items) != nil || len(items) < 2 || items[0].ID != "msg_1" {
			t.Errorf("%v: %s", err, input)
		}
	})
}
