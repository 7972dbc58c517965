package responses_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/dialecttest"
	"carousel.internal/gateway/internal/dialect/responses"
)

// raw is an event as an upstream sent it.
func raw(json string) chat.Raw {
	name, _, _ := strings.Cut(strings.TrimPrefix(json, `{"type": "`), `"`)
	return chat.Raw{Dialect: responses.Dialect, Name: name, JSON: []byte(json)}
}

// theirs is an answer as an upstream has it, in that state.
func theirs(status, model, output, usage string) string {
	return `{"id":"resp_theirs","object":"response","created_at":1700000007,"status":"` + status + `","younger":1e400, "model":"` + model + `","output":[` + output + `],"error":null,"store":true,"usage":` + usage + `}`
}

const theirUsage = `{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":11}`

// nativeEvents are those of an upstream that calls the model so.
func nativeEvents(model string) []chat.Event {
	const item = `{"id":"msg_t","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]}`
	return []chat.Event{
		{Raw: raw(`{"type": "response.created","response":` + theirs("in_progress", model, "", "null") + `,"sequence_number":0}`)},
		{Raw: raw(`{"type": "response.in_progress","response":` + theirs("in_progress", model, "", "null") + `,"sequence_number":1}`)},
		{Raw: raw(`{"type": "response.output_item.added","output_index":0,"item":{"id":"msg_t","type":"message","status":"in_progress","role":"assistant","content":[]},"sequence_number":2}`)},
		{Raw: raw(`{"type": "response.content_part.added","item_id":"msg_t","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]},"sequence_number":3}`), Open: &chat.Block{}},
		{Raw: raw(`{"type": "response.output_text.delta","item_id":"msg_t","output_index":0,"content_index":0,"delta":"\u0048i","obfuscation":"xyz","logprobs":[],"sequence_number":4}`), Text: "Hi", More: true},
		{Raw: raw(`{"type": "response.output_text.done","item_id":"msg_t","output_index":0,"content_index":0,"text":"Hi","logprobs":[],"sequence_number":5}`)},
		{Raw: raw(`{"type": "response.content_part.done","item_id":"msg_t","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]},"sequence_number":6}`), Close: true},
		{Raw: raw(`{"type": "response.output_item.done","output_index":0,"item":` + item + `,"sequence_number":7}`)},
		{Raw: raw(`{"type": "response.completed","response":` + theirs("completed", model, item, theirUsage) + `,"sequence_number":8}`), Finish: chat.Stop, Usage: &chat.Usage{Prompt: 9, Completion: 2}},
	}
}

// nativeWire is what the events are when nothing is changed.
func nativeWire(events []chat.Event) string {
	var wire strings.Builder
	for _, event := range events {
		wire.WriteString("event: " + event.Raw.Name + "\ndata: " + string(event.Raw.JSON) + "\n\n")
	}
	return wire.String()
}

// The upstream's own events are passed on, byte for byte but for the model's name.
func TestNativeEvents(t *testing.T) {
	t.Parallel()
	request := decoded(t, codexHeader, `"input":"Hi","stream":true`)
	if got, want := streamed(t, request, nativeEvents("fable")...), nativeWire(nativeEvents("fable")); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	got := streamed(t, request, nativeEvents("their-name")...)
	if want := nativeWire(nativeEvents("fable")); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if answer := strictly(t, got); answer.ID != "resp_theirs" || allOf(answer.Output[0]) != "Hi" {
		t.Errorf("%+v", answer)
	}
}

// One that has no names for its events is read by their types.
func TestNativeEventsWithoutNames(t *testing.T) {
	t.Parallel()
	events := nativeEvents("their-name")
	for i := range events {
		events[i].Raw.Name = ""
	}
	if got, want := streamed(t, decoded(t, nil, `"input":"Hi"`), events...), nativeWire(nativeEvents("fable")); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// Trap 59: what comes after the last event is nothing.
func TestTrap59EventsAfterTheEnd(t *testing.T) {
	t.Parallel()
	events := append(nativeEvents("fable"), chat.Event{Raw: raw(`{"type": "response.output_text.delta","delta":"more","sequence_number":9}`)}, chat.Event{Usage: &chat.Usage{Prompt: 1}})
	if got, want := streamed(t, decoded(t, nil, `"input":"Hi"`), events...), nativeWire(nativeEvents("fable")); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for _, model := range []string{"fable", "their-name"} { // the model is named as the client did, in each event
		for _, frame := range framesOf(streamed(t, decoded(t, nil, `"input":"Hi"`), nativeEvents(model)...)) {
			if strings.Contains(frame.data, "their-name") {
				t.Errorf("%s", frame.data)
			}
		}
	}
}

// A whole answer likewise, and one that was asked for as a stream.
func TestNativeWholeAnswers(t *testing.T) {
	t.Parallel()
	request := decoded(t, nil, `"input":"Hi"`)
	body := theirs("completed", "their-name", "", theirUsage)
	want := strings.Replace(body, "their-name", "fable", 1)
	if got := wholly(t, request, chat.Event{Raw: chat.Raw{Dialect: responses.Dialect, Whole: true, JSON: []byte(body)}, Text: "x", Finish: chat.Stop}); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var last struct{ Response json.RawMessage }
	events := nativeEvents("fable")
	if err := json.Unmarshal(events[len(events)-1].Raw.JSON, &last); err != nil {
		t.Fatal(err)
	}
	if got := wholly(t, request, nativeEvents("their-name")...); got != string(last.Response) {
		t.Errorf("%s\nwant\n%s", got, last.Response)
	}
}

// An upstream that has not counted is counted for: clients fail without.
func TestNativeAnswersWithoutUsage(t *testing.T) {
	t.Parallel()
	events := nativeEvents("fable")
	last := &events[len(events)-1]
	last.Raw.JSON = []byte(strings.Replace(string(last.Raw.JSON), theirUsage, "null", 1))
	last.Usage = nil
	events = append(events, chat.Event{Usage: &chat.Usage{Prompt: 7, Completion: 3}})
	if answer := strictly(t, streamed(t, decoded(t, nil, `"input":"Hi"`), events...)); answer.Usage.Input != 7 || answer.Usage.Total != 10 {
		t.Errorf("%+v", answer.Usage)
	}
}

// A native stream that breaks, or ends without its last event, has failed; its id and its time
// stay.
func TestNativeStreamsThatBreak(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(dialect.Stream){
		"it breaks": func(s dialect.Stream) {
			if !s.(dialect.Breaker).Break(chat.Errorf(chat.UpstreamProtocol, "cut"), requestID, true) {
				t.Error("not told")
			}
		},
		"it just ends": func(s dialect.Stream) { _ = s.Done() },
	} {
		var sink dialecttest.Recorder
		stream := api.Stream(decoded(t, nil, `"input":"Hi"`), dialect.Options{}, &sink)
		for _, event := range nativeEvents("fable")[:5] {
			if err := stream.Event(event); err != nil {
				t.Fatal(err)
			}
		}
		last(stream)
		answer := strictly(t, string(sink.Close()))
		if answer.Status != "failed" || answer.Error.Code != "server_error" || answer.ID != "resp_theirs" || answer.Created != 1700000007 {
			t.Errorf("%s: %+v", name, answer)
		}
	}
}

// Trap 54: in long silences Codex is sent an event that counts, since comments don't feed its
// timer; all numbers go on behind it. Others are sent comments alone: their readers may not
// know the event.
func TestTrap54SilencesOfCodex(t *testing.T) {
	t.Parallel()
	ours := []chat.Event{
		{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a"},
		{Kind: chat.TextBlock, Text: "b"},
		{Kind: chat.TextBlock, Text: "c", Close: true},
		{Finish: chat.Stop, Usage: &chat.Usage{}},
	}
	for name, events := range map[string][]chat.Event{"composed": ours, "native": nativeEvents("fable")} {
		for _, codex := range []bool{true, false} {
			header := codexHeader
			if !codex {
				header = nil
			}
			var sink dialecttest.Recorder
			sink.Beat = func() string { return ": still here\n" }
			stream := api.Stream(decoded(t, header, `"input":"Hi","stream":true`), dialect.Options{}, &sink)
			const silences = 21
			for range silences { // before anything has come there is no number yet
				sink.Silence()
			}
			for _, event := range events {
				event.More = false
				if err := stream.Event(event); err != nil {
					t.Fatal(err)
				}
				for range silences {
					sink.Silence()
				}
			}
			if err := stream.Done(); err != nil {
				t.Fatal(err)
			}
			sink.Silence()
			wire := string(sink.Close())
			strictly(t, wire)
			keepalives := strings.Count(wire, "event: keepalive\n")
			want := 0
			if codex {
				want = (len(events) - 1) * (silences / 4)
				if name == "composed" { // its last event has yet to be written
					want = len(events) * (silences / 4)
				}
			}
			if keepalives != want || strings.Count(wire, ": still here\n") != silences*(len(events)+1)+1-want {
				t.Errorf("%s, Codex %t: %d keepalives, want %d", name, codex, keepalives, want)
			}
			if strings.HasPrefix(wire, "event: keepalive") {
				t.Errorf("%s: a keepalive before the start", name)
			}
		}
	}
}

// busy is a sink whose silence begins while an event is written.
type busy struct {
	dialecttest.Recorder
	said []string
}

func (b *busy) Event(name string, payload []byte, more bool) error {
	if b.Beat != nil {
		for range 8 {
			b.said = append(b.said, b.Beat())
		}
	}
	return b.Recorder.Event(name, payload, more)
}

// A number is never taken while an event with it is on its way.
func TestSilencesWhileAnEventIsWritten(t *testing.T) {
	t.Parallel()
	var sink busy
	stream := api.Stream(decoded(t, codexHeader, `"input":"Hi","stream":true`), dialect.Options{}, &sink)
	for i := range 5 {
		if err := stream.Event(chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Text: strconv.Itoa(i), Close: true}); err != nil {
			t.Fatal(err)
		}
	}
	_ = stream.Done()
	strictly(t, string(sink.Close()))
	for _, said := range sink.said {
		if said != ": still here\n" {
			t.Errorf("said %q", said)
		}
	}
}

// An answer that the upstream makes in the background is known by its id, once that is said.
func TestAnswersInTheBackground(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{`"input":"Hi","background":true`: "resp_theirs", `"input":"Hi","background":false`: "", `"input":"Hi"`: ""} {
		var sink dialecttest.Recorder
		stream := api.Stream(decoded(t, nil, fields), dialect.Options{}, &sink)
		background := stream.(dialect.Background)
		var told []string
		for _, event := range nativeEvents("fable") {
			told = append(told, background.InBackground())
			_ = stream.Event(event)
		}
		if got := strings.Join(told, ""); got != want || told[0] != "" {
			t.Errorf("%s: %q", fields, told)
		}
	}
}
