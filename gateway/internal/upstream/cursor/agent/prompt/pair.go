package prompt

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// findResults notes where the results are, by the ids of their calls.
func (b *builder) findResults() {
	b.results = map[string][]*found{}
	for i := range b.request.Messages {
		for j := range b.request.Messages[i].Parts {
			if result := b.request.Messages[i].Parts[j].Result; result != nil {
				b.results[result.CallID] = append(b.results[result.CallID], &found{result: result, message: i, part: j})
			}
		}
	}
}

// callOf is a call with the first result behind it that no other call has taken.
func (b *builder) callOf(source *chat.Call, message int) *call {
	sent := b.names.Sent(source.Name)
	made := &call{id: b.callID(source.ID), name: declaredName(sent), sent: sent, arguments: argumentsOf(source), result: noResult}
	for _, each := range b.results[source.ID] {
		if each.taken || each.message <= message {
			continue
		}
		each.taken = true
		made.result, made.failed = b.resultText(each.result), each.result.Failed
		break
	}
	return made
}

// callID is the id of a call in the history: the client's, unless an earlier call has it.
func (b *builder) callID(own string) string {
	own = valid(own)
	if own == "" {
		own = "call"
	}
	id := own
	for b.callIDs[id] > 0 {
		b.callIDs[own]++
		id = own + "_" + strconv.Itoa(b.callIDs[own])
	}
	b.callIDs[id]++
	return id
}

// checkResults refuses a result of no call: the upstream would refuse the whole history.
func (b *builder) checkResults() error {
	for i := range b.request.Messages {
		for j := range b.request.Messages[i].Parts {
			result := b.request.Messages[i].Parts[j].Result
			if result == nil {
				continue
			}
			for _, each := range b.results[result.CallID] {
				if each.message == i && each.part == j && !each.taken {
					return b.refuse(chat.InvalidRequest, i, j,
						"this is the result of call "+strconv.Quote(chat.Cut(result.CallID, 64))+", and no call before it has this id and no result yet")
				}
			}
		}
	}
	return nil
}

// What stands in a result for its images.
const (
	imagesFollow = "(Its images are in the next message.)"
	imagesUnseen = "(It has images, which you can't be shown.)"
)

// resultText is a result without its images, which stand behind it. A model that sees none is
// told so: the user has not chosen what a tool returns, and can't take it back.
func (b *builder) resultText(result *chat.Result) string {
	var texts []string
	images := false
	for i := range result.Parts {
		part := &result.Parts[i]
		switch {
		case part.Image != nil:
			images = true
		case part.Document != nil && part.Document.Text != "":
			texts = append(texts, paper(part.Document))
		case part.IsText():
			texts = append(texts, part.Text)
		}
	}
	switch {
	case images && b.options.Choice.Vision:
		texts = append(texts, imagesFollow)
	case images:
		texts = append(texts, imagesUnseen)
	}
	return valid(strings.Join(texts, "\n"))
}

// arguments are what a call was given: an object, as text and by its members.
type arguments struct {
	json    []byte
	members map[string]*structpb.Value
}

// maxDepth bounds how deep a JSON value is nested: messages have bounds of their own.
const maxDepth = 100

// argumentsOf reads a call's arguments. None are an empty object, and what the model has
// written wrong, as what is free text, stands in one.
func argumentsOf(source *chat.Call) arguments {
	if source.Custom {
		return wrapped(upstream.FreeProperty, source.Arguments)
	}
	text := strings.TrimSpace(source.Arguments)
	if text == "" {
		text = "{}"
	}
	var members map[string]any
	if json.Unmarshal([]byte(text), &members) != nil || members == nil || !shallow(members, maxDepth) {
		return wrapped("arguments", source.Arguments)
	}
	object, err := structpb.NewStruct(members)
	if err != nil {
		return wrapped("arguments", source.Arguments)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, rawjson.Mended([]byte(valid(text)))) != nil {
		return wrapped("arguments", source.Arguments)
	}
	return arguments{json: compact.Bytes(), members: object.GetFields()}
}

// wrapped is an object with one text.
func wrapped(name, text string) arguments {
	object := append([]byte(`{"`), name...)
	object = append(object, `":`...)
	object = append(rawjson.AppendString(object, text), '}')
	return arguments{json: object, members: map[string]*structpb.Value{name: structpb.NewStringValue(valid(text))}}
}

// shallow tells whether a value is nested at most so deep.
func shallow(value any, most int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, each := range value {
			if most == 0 || !shallow(each, most-1) {
				return false
			}
		}
	case []any:
		for _, each := range value {
			if most == 0 || !shallow(each, most-1) {
				return false
			}
		}
	}
	return true
}
