package codex

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Item is an item of an answer, as far as it is used.
type Item struct {
	Type string
	// Text is that of a message, or the summary of what was thought.
	Text string
	// Sealed is the encrypted content of what was thought.
	Sealed string
	// CallID, Namespace and Name are of calls; Arguments are the JSON of a function's, or the
	// free text that a custom tool gets.
	CallID, Namespace, Name, Arguments string
	// History is the item as the next request has it.
	History json.RawMessage
}

// Calls tells whether the client is to do something.
func (i Item) Calls() bool { return i.Type == "function_call" || i.Type == "custom_tool_call" }

// wireItem has the fields that are read. Pointers and raw values tell what is missing, or of
// another type, from what is empty.
type wireItem struct {
	Type             string          `json:"type"`
	Role             *string         `json:"role,omitempty"`
	Content          json.RawMessage `json:"content,omitempty"`
	Phase            *string         `json:"phase,omitempty"`
	Summary          *[]wirePart     `json:"summary,omitempty"`
	EncryptedContent *string         `json:"encrypted_content,omitempty"`
	CallID           *string         `json:"call_id,omitempty"`
	Namespace        *string         `json:"namespace,omitempty"`
	Name             *string         `json:"name,omitempty"`
	Arguments        *string         `json:"arguments,omitempty"`
	Input            *string         `json:"input,omitempty"`
}

type wirePart struct {
	Type string  `json:"type"`
	Text *string `json:"text"`
}

// parseItem reads an item that is done. The client drops one that has an error here, without a
// word. Of types that it does not know it keeps nothing but the type.
func parseItem(raw json.RawMessage) (Item, error) {
	var named struct {
		Type *string `json:"type"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return Item{}, err
	}
	if named.Type == nil {
		return Item{}, errors.New("it has no type")
	}
	read, known := readers[*named.Type]
	if !known {
		return Item{Type: *named.Type}, nil
	}
	var wire wireItem
	if err := json.Unmarshal(raw, &wire); err != nil {
		return Item{}, err
	}
	item, err := read(&wire)
	if err != nil {
		return Item{}, fmt.Errorf("%s: %w", wire.Type, err)
	}
	item.Type = wire.Type
	item.History, err = json.Marshal(wire) // without ids and status, as they were
	return item, err
}

// readers read the items that are used, by type.
var readers = map[string]func(*wireItem) (Item, error){
	"message":          readMessage,
	"reasoning":        readReasoning,
	"function_call":    readFunctionCall,
	"custom_tool_call": readCustomCall,
}

func readMessage(wire *wireItem) (Item, error) {
	var parts []wirePart
	switch {
	case wire.Role == nil:
		return Item{}, errors.New("it has no role")
	case wire.Content == nil:
		return Item{}, errors.New("it has no content")
	}
	if err := json.Unmarshal(wire.Content, &parts); err != nil {
		return Item{}, fmt.Errorf("content: %w", err)
	}
	text, err := textOf(parts, "output_text")
	if err != nil {
		return Item{}, err
	}
	wire.Content, err = json.Marshal(parts) // annotations and logprobs are not kept
	return Item{Text: text}, err
}

func readReasoning(wire *wireItem) (Item, error) {
	if wire.Summary == nil {
		return Item{}, errors.New("it has no summary")
	}
	text, err := textOf(*wire.Summary, "summary_text")
	if err != nil {
		return Item{}, err
	}
	if wire.Content != nil {
		var parts []wirePart
		if err := json.Unmarshal(wire.Content, &parts); err != nil {
			return Item{}, fmt.Errorf("content: %w", err)
		}
		if _, err := textOf(parts, "reasoning_text", "text"); err != nil {
			return Item{}, err
		}
	}
	return Item{Text: text, Sealed: given(wire.EncryptedContent)}, nil
}

// textOf joins parts that are all of these types.
func textOf(parts []wirePart, types ...string) (string, error) {
	text := ""
	for _, part := range parts {
		allowed := false
		for _, each := range types {
			allowed = allowed || part.Type == each
		}
		if !allowed || part.Text == nil {
			return "", fmt.Errorf("a part of type %q, with text: %t", part.Type, part.Text != nil)
		}
		text += *part.Text
	}
	return text, nil
}

func readFunctionCall(wire *wireItem) (Item, error) {
	if wire.Name == nil || wire.CallID == nil || wire.Arguments == nil {
		return Item{}, errors.New("it has no name, call_id or arguments")
	}
	return Item{CallID: *wire.CallID, Namespace: given(wire.Namespace), Name: *wire.Name, Arguments: *wire.Arguments}, nil
}

func readCustomCall(wire *wireItem) (Item, error) {
	if wire.Name == nil || wire.CallID == nil || wire.Input == nil {
		return Item{}, errors.New("it has no name, call_id or input")
	}
	return Item{CallID: *wire.CallID, Namespace: given(wire.Namespace), Name: *wire.Name, Arguments: *wire.Input}, nil
}

func given(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
