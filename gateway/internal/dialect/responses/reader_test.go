package responses_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// frame is an event of a stream.
type frame struct {
	name, data string
}

// framesOf are the events on a wire, without what is no event.
func framesOf(wire string) (frames []frame) {
	var next frame
	for line := range strings.SplitSeq(wire, "\n") {
		name, isName := strings.CutPrefix(line, "event: ")
		data, isData := strings.CutPrefix(line, "data: ")
		switch {
		case isName:
			next.name = name
		case isData:
			next.data += data
		case line == "" && next.data != "":
			frames = append(frames, next)
			next = frame{}
		}
	}
	return frames
}

// wireItem is an item as SDKs read it.
type wireItem struct {
	ID, Type, Status, Role, Name, Namespace, Arguments, Input string
	CallID                                                    string  `json:"call_id"`
	Sealed                                                    *string `json:"encrypted_content"`
	Content, Summary                                          []wirePart
}

type wirePart struct {
	Type, Text, Refusal string
	Annotations         []any
}

// wireResponse is an answer as SDKs read it.
type wireResponse struct {
	ID, Object, Model, Status string
	Created                   int64 `json:"created_at"`
	Output                    []wireItem
	Error                     *struct{ Code, Message string }
	Incomplete                *struct{ Reason string } `json:"incomplete_details"`
	Usage                     *struct {
		Input int `json:"input_tokens"`
		In    struct {
			Cached *int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Output int `json:"output_tokens"`
		Out    struct {
			Reasoning *int `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
		Total int `json:"total_tokens"`
	}
	Store    bool
	Previous *string `json:"previous_response_id"`
}

// wireEvent is an event as a strict client reads it.
type wireEvent struct {
	Type             string
	Number           *int `json:"sequence_number"`
	Response         *wireResponse
	Item             *wireItem
	OutputIndex      *int   `json:"output_index"`
	ItemID           string `json:"item_id"`
	ContentIndex     *int   `json:"content_index"`
	SummaryIndex     *int   `json:"summary_index"`
	Part             *wirePart
	Delta            *string
	Text, Refusal    *string
	Arguments, Input *string
	Name             *string
}

// read goes over a stream as a strict client does: what it can't place is an error. It returns
// what the answer came to.
func read(wire string) (*wireResponse, error) {
	var items, done []wireItem
	text := ""
	open := false
	var last *wireResponse
	for at, frame := range framesOf(wire) {
		var e wireEvent
		if err := json.Unmarshal([]byte(frame.data), &e); err != nil {
			return nil, fmt.Errorf("event %d: %w: %s", at, err, frame.data)
		}
		wrong := func(what string) error { return fmt.Errorf("event %d: %s: %s", at, what, frame.data) }
		switch {
		case last != nil:
			return nil, wrong("after the end")
		case e.Type != frame.name:
			return nil, wrong("the name is " + frame.name)
		case e.Number == nil || *e.Number != at:
			return nil, wrong(fmt.Sprintf("not number %d", at))
		}
		if e.ItemID != "" && (!open || e.ItemID != items[len(items)-1].ID || *e.OutputIndex != len(items)-1) {
			return nil, wrong("of no item that is open")
		}
		switch e.Type {
		case "keepalive", "response.in_progress":
		case "response.created":
			if at != 0 || e.Response.Status != "in_progress" || len(e.Response.Output) > 0 || e.Response.Usage != nil {
				return nil, wrong("created")
			}
		case "response.output_item.added":
			if open || *e.OutputIndex != len(items) {
				return nil, wrong("an item within another")
			}
			if len(e.Item.Content)+len(e.Item.Summary)+len(e.Item.Arguments)+len(e.Item.Input) > 0 {
				return nil, wrong("an item that begins with a content")
			}
			items, text, open = append(items, *e.Item), "", true
		case "response.output_item.done":
			added := items[len(items)-1]
			if !open || *e.OutputIndex != len(items)-1 || e.Item.ID != added.ID || e.Item.Type != added.Type {
				return nil, wrong("the end of no item")
			}
			if all := allOf(*e.Item); all != text {
				return nil, wrong("the pieces were " + text)
			}
			done, open = append(done, *e.Item), false
		case "response.content_part.added", "response.reasoning_summary_part.added":
			if e.Part.Text+e.Part.Refusal != "" || e.ContentIndex == nil && e.SummaryIndex == nil {
				return nil, wrong("a part")
			}
		case "response.content_part.done", "response.reasoning_summary_part.done":
			if e.Part.Text+e.Part.Refusal != text {
				return nil, wrong("the end of a part")
			}
		case "response.completed", "response.incomplete", "response.failed":
			last = e.Response
			if e.Type != "response."+last.Status || open && last.Status != "failed" {
				return nil, wrong("the end")
			}
			if !reflect.DeepEqual(last.Output, done) && len(last.Output)+len(done) > 0 {
				return nil, wrong("the output is not what the items were")
			}
		default:
			switch {
			case e.Delta != nil && strings.HasSuffix(e.Type, ".delta"):
				text += *e.Delta
			case strings.HasSuffix(e.Type, ".done"):
				for _, whole := range []*string{e.Text, e.Refusal, e.Arguments, e.Input} {
					if whole != nil && *whole != text {
						return nil, wrong("the end of a text")
					}
				}
			default:
				return nil, wrong("an event of an unknown kind")
			}
		}
	}
	if last == nil {
		return nil, fmt.Errorf("no end: %s", wire)
	}
	return last, usable(last)
}

// usable tells whether a client can do with an answer.
func usable(r *wireResponse) error {
	switch usage := r.Usage; {
	case r.ID == "" || r.Object != "response" || r.Model == "" || r.Output == nil:
		return fmt.Errorf("an answer without its members: %+v", r)
	case r.Status == "failed":
		if r.Error == nil || r.Error.Code == "" || r.Error.Message == "" {
			return fmt.Errorf("a failure that says nothing: %+v", r)
		}
	case usage == nil || usage.In.Cached == nil || usage.Out.Reasoning == nil || usage.Total != usage.Input+usage.Output:
		return fmt.Errorf("usage %+v", usage)
	}
	seen := map[string]bool{}
	for _, item := range r.Output {
		if item.ID == "" || seen[item.ID] {
			return fmt.Errorf("the id of %+v", item)
		}
		seen[item.ID] = true
		switch item.Type {
		case "message":
			if item.Role != "assistant" || len(item.Content) == 0 {
				return fmt.Errorf("the message %+v", item)
			}
		case "function_call", "custom_tool_call":
			if item.CallID == "" || item.Name == "" || seen[item.CallID] {
				return fmt.Errorf("the call %+v", item)
			}
			seen[item.CallID] = true
		case "reasoning":
			if item.Summary == nil {
				return fmt.Errorf("the reasoning %+v", item)
			}
		}
	}
	return nil
}

// allOf is the text of an item.
func allOf(item wireItem) string {
	text := item.Arguments + item.Input
	for _, part := range append(item.Content, item.Summary...) {
		text += part.Text + part.Refusal
	}
	return text
}

// strictly is read for a stream that must be good.
func strictly(t testing.TB, wire string) *wireResponse {
	t.Helper()
	answer, err := read(wire)
	if err != nil {
		t.Fatalf("%v\n%s", err, wire)
	}
	return answer
}
