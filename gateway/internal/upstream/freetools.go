package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// Tools that take free text, at upstreams where each tool takes an object: the text is the only
// property of one.
const (
	// FreeProperty is its name, and freeSchema the schema of the object.
	FreeProperty = "input"
	freeSchema   = `{"type":"object","properties":{"` + FreeProperty + `":{"type":"string"}},"required":["` + FreeProperty + `"]}`
)

// FreeTools turns calls of an answer back into those of tools that take free text. Its zero value
// knows none. It is for one answer.
type FreeTools struct {
	names map[string]bool
	// open is the call that is under way, if it is one of them.
	open    freeText
	calling bool
}

// WrapFreeTools returns the request as an upstream can be asked where each tool takes an object:
// with functions in the place of tools that take free text, and so in what has been called. It is
// the request itself where that has none. What the upstream answers is for Unwrap.
func WrapFreeTools(request *chat.Request) (*chat.Request, FreeTools) {
	var free FreeTools
	for i := range request.Tools {
		if tool := &request.Tools[i]; tool.Kind == chat.Custom {
			if free.names == nil {
				free.names = map[string]bool{}
			}
			free.names[tool.Name] = true
		}
	}
	if free.names == nil && !callsFreely(request) {
		return request, free
	}
	wrapped := *request
	wrapped.Tools = make([]chat.ToolSpec, len(request.Tools))
	for i := range request.Tools {
		wrapped.Tools[i] = WrapFreeTool(&request.Tools[i])
	}
	wrapped.Messages = make([]chat.Message, len(request.Messages))
	for i := range request.Messages {
		wrapped.Messages[i] = wrapCalls(request.Messages[i])
	}
	return &wrapped, free
}

// callsFreely tells whether a tool that takes free text has been called.
func callsFreely(request *chat.Request) bool {
	for i := range request.Messages {
		if hasFreeCall(&request.Messages[i]) {
			return true
		}
	}
	return false
}

func hasFreeCall(message *chat.Message) bool {
	for i := range message.Parts {
		if call := message.Parts[i].Call; call != nil && call.Custom {
			return true
		}
	}
	return false
}

// wrapCalls is a message with functions called in the place of tools that take free text.
func wrapCalls(message chat.Message) chat.Message {
	if !hasFreeCall(&message) {
		return message
	}
	message.Parts = append([]chat.Part(nil), message.Parts...)
	for i := range message.Parts {
		if call := message.Parts[i].Call; call != nil && call.Custom {
			wrapped := *call
			wrapped.Custom, wrapped.Arguments = false, WrapFreeText(call.Arguments)
			message.Parts[i].Call = &wrapped
		}
	}
	return message
}

// WrapFreeTool is a function that takes the text of a tool that takes free text; any other tool
// stays as it is.
func WrapFreeTool(tool *chat.ToolSpec) chat.ToolSpec {
	if tool.Kind != chat.Custom {
		return *tool
	}
	description := tool.Description
	if syntax, grammar := GrammarOf(tool); grammar != "" && !strings.Contains(description, grammar) {
		description = strings.TrimSpace(description + "\n\n`" + FreeProperty + "` has to follow this grammar (" + syntax + "):\n" + grammar)
	}
	return chat.ToolSpec{Kind: chat.Function, Name: tool.Name, Description: description, Schema: []byte(freeSchema), Cache: tool.Cache}
}

// GrammarOf is the grammar of the text that a tool takes, with the name of its notation, as far as
// the tool's own definition has one; both may be empty.
func GrammarOf(tool *chat.ToolSpec) (syntax, grammar string) {
	if tool.Own == nil {
		return "", ""
	}
	type rules struct {
		Syntax     string `json:"syntax"`
		Definition string `json:"definition"`
	}
	type format struct {
		rules
		Grammar rules `json:"grammar"`
	}
	var own struct { // the two APIs that have such tools differ in where they say it
		Format format `json:"format"`
		Custom struct {
			Format format `json:"format"`
		} `json:"custom"`
	}
	if json.Unmarshal(tool.Own.JSON, &own) != nil {
		return "", ""
	}
	outer, inner := own.Format, own.Custom.Format
	return cmp.Or(outer.Syntax, outer.Grammar.Syntax, inner.Syntax, inner.Grammar.Syntax),
		cmp.Or(outer.Definition, outer.Grammar.Definition, inner.Definition, inner.Grammar.Definition)
}

// WrapFreeText is an object with the text as its only property.
func WrapFreeText(text string) string {
	var object bytes.Buffer
	object.WriteString(`{"` + FreeProperty + `":`)
	encoder := json.NewEncoder(&object)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string has a JSON form
	return strings.TrimSuffix(object.String(), "\n") + "}"
}

// UnwrapFreeText is the text that the arguments of a wrapped call have.
func UnwrapFreeText(arguments string) string {
	var free freeText
	return free.take(arguments) + free.end()
}

// Unwrap makes, of an event of a wrapped call, one of the call that the client knows.
func (f *FreeTools) Unwrap(event *chat.Event) {
	if event.Kind != chat.CallBlock || f.names == nil {
		return
	}
	if open := event.Open; open != nil && f.names[open.Name] && !open.Custom {
		open.Custom, f.calling, f.open = true, true, freeText{}
	}
	if !f.calling {
		return
	}
	event.Text = f.open.take(event.Text)
	if event.Close {
		event.Text += f.open.end()
		f.calling = false
	}
}
