package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	openaistream "github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"carousel.internal/deploy/e2e/codex"
)

// responsesFrames is a good stream of the Responses API, and what it means item by item.
func responsesFrames(random *rand.Rand) (frames, meaning []string) {
	add := func(kind, format string, values ...any) {
		frames = append(frames, fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d", kind, kind, len(frames))+fmt.Sprintf(format, values...)+"}\n\n")
	}
	object := func(status, output, usage string) string {
		return fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":7,"status":%q,"error":null,"incomplete_details":null,"instructions":null,"model":"m","output":[%s],`+
			`"parallel_tool_calls":true,"tools":[],"tool_choice":"auto","temperature":null,"top_p":null,"metadata":{},"usage":%s}`, status, output, usage)
	}
	add("response.created", `,"response":%s`, object("in_progress", "", "null"))
	add("response.in_progress", `,"response":%s`, object("in_progress", "", "null"))
	var output []string
	for index := range random.IntN(5) {
		text := words[random.IntN(len(words))]
		begun, deltas, done, told := responsesItem(random.IntN(4), index, text)
		meaning = append(meaning, told)
		add("response.output_item.added", `,"output_index":%d,"item":%s`, index, begun)
		for _, each := range deltas(pieces(random, text)) {
			add(each.kind, `,"output_index":%d%s`, index, each.rest)
		}
		add("response.output_item.done", `,"output_index":%d,"item":%s`, index, done)
		output = append(output, done)
	}
	const usage = `{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":12}`
	add("response.completed", `,"response":%s`, object("completed", strings.Join(output, ","), usage))
	return frames, append(meaning, "completed 5 7")
}

// itemEvent is an event within an item: its type, and the members behind output_index.
type itemEvent struct{ kind, rest string }

// responsesItem is an item of one of four kinds: as it is added, its events, as it is done, and
// what it means.
func responsesItem(kind, index int, text string) (begun string, events func(pieces []string) []itemEvent, done, told string) {
	id := fmt.Sprintf("item_%d", index)
	of := func(kind, format string, values ...any) itemEvent {
		return itemEvent{kind, fmt.Sprintf(`,"item_id":%q`, id) + fmt.Sprintf(format, values...)}
	}
	// within are the deltas and the end of a text.
	within := func(pieces []string, name, place, field string, last ...string) (all []itemEvent) {
		for _, piece := range pieces {
			all = append(all, of(name+".delta", `%s,"delta":%s`, place, quoted(piece)))
		}
		return append(all, of(name+".done", `%s,%q:%s%s`, place, field, quoted(text), strings.Join(last, "")))
	}
	switch kind {
	case 0:
		part := `{"type":"output_text","text":%s,"annotations":[],"logprobs":[]}`
		item := `{"type":"message","id":%q,"role":"assistant","status":%q,"content":[%s]}`
		return fmt.Sprintf(item, id, "in_progress", ""), func(pieces []string) []itemEvent {
			all := []itemEvent{of("response.content_part.added", `,"content_index":0,"part":`+part, `""`)}
			all = append(all, within(pieces, "response.output_text", `,"logprobs":[],"content_index":0`, "text")...)
			return append(all, of("response.content_part.done", `,"content_index":0,"part":`+part, quoted(text)))
		}, fmt.Sprintf(item, id, "completed", fmt.Sprintf(part, quoted(text))), "message " + text
	case 1:
		part := `{"type":"summary_text","text":%s}`
		item := `{"type":"reasoning","id":%q,"summary":[%s]}`
		return fmt.Sprintf(item, id, ""), func(pieces []string) []itemEvent {
			all := []itemEvent{of("response.reasoning_summary_part.added", `,"summary_index":0,"part":`+part, `""`)}
			all = append(all, within(pieces, "response.reasoning_summary_text", `,"summary_index":0`, "text")...)
			return append(all, of("response.reasoning_summary_part.done", `,"summary_index":0,"part":`+part, quoted(text)))
		}, fmt.Sprintf(item, id, fmt.Sprintf(part, quoted(text))), "reasoning " + text
	case 2:
		item := `{"type":"custom_tool_call","id":%q,"call_id":"call_%d","name":"g","input":%s,"status":%q}`
		return fmt.Sprintf(item, id, index, `""`, "in_progress"), func(pieces []string) []itemEvent {
			return within(pieces, "response.custom_tool_call_input", "", "input")
		}, fmt.Sprintf(item, id, index, quoted(text), "completed"), "custom_tool_call " + text
	default:
		text = `{"a":` + quoted(text) + `}`
		item := `{"type":"function_call","id":%q,"call_id":"call_%d","name":"f","arguments":%s,"status":%q}`
		return fmt.Sprintf(item, id, index, `""`, "in_progress"), func([]string) []itemEvent {
			return within([]string{text[:5], text[5:]}, "response.function_call_arguments", "", "arguments", `,"name":"f"`)
		}, fmt.Sprintf(item, id, index, quoted(text), "completed"), "function_call " + text
	}
}

// readResponses reads a stream as the official client's accumulator does, and as Codex does: both
// must understand it alike.
func readResponses(stream string) (meaning []string, err error) {
	events := openaistream.NewStream[responses.ResponseStreamEventUnion](openaistream.NewDecoder(response(stream)), nil)
	var read responses.ResponseAccumulator
	said := ""
	for events.Next() {
		event := events.Current()
		var same responses.ResponsesServerEventUnion // as the accumulator wants it
		if err := json.Unmarshal([]byte(event.RawJSON()), &same); err != nil {
			return nil, err
		}
		if err := read.AddEvent(same); err != nil {
			return nil, err
		}
		if event.Type == "response.output_text.delta" {
			said += event.Delta
		}
	}
	if events.Err() != nil {
		return nil, events.Err()
	}
	whole, err := read.ReconstructedResponse()
	if err != nil {
		return nil, err
	}
	if said != whole.OutputText() {
		return nil, fmt.Errorf("the deltas say %q, and the end %q", said, whole.OutputText())
	}
	answer, err := codex.Read(context.Background(), io.NopCloser(strings.NewReader(stream)), 0)
	switch {
	case err != nil:
		return nil, err
	case len(answer.Dropped)+len(answer.Stray) > 0:
		return nil, fmt.Errorf("lost to Codex: %q, and without a place: %q", answer.Dropped, answer.Stray)
	case len(answer.Items) != len(whole.Output):
		return nil, errors.New("another number of items is read by Codex")
	}
	for _, item := range answer.Items {
		meaning = append(meaning, item.Type+" "+item.Text+item.Arguments)
	}
	return append(meaning, fmt.Sprintf("%s %d %d", whole.Status, whole.Usage.InputTokens, whole.Usage.OutputTokens)), nil
}
