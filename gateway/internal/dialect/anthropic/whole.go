package anthropic

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/tokencount"
)

// whole gathers the events of one answer.
type whole struct {
	request *chat.Request
	content []byte // complete blocks, with commas between them
	ids     callIDs
	ending  ending
	usage   *chat.Usage
	own     []byte // the upstream's own answer, with the client's name of the model

	open  bool
	kind  chat.BlockKind
	block chat.Block
	seal  *chat.Seal
	text  strings.Builder
}

// Add takes the next event.
func (w *whole) Add(event chat.Event) {
	if event.Raw.Dialect == Dialect && event.Raw.Whole && event.Raw.JSON != nil {
		w.own = renamed(nil, event.Raw.JSON, "", w.request.Model)
	}
	if w.own != nil {
		return
	}
	w.ending.see(&event)
	if event.Usage != nil {
		usage := *event.Usage
		w.usage = &usage
	}
	if event.Open != nil {
		w.close()
		w.open, w.kind, w.block = true, event.Kind, *event.Open
	}
	if event.Seal != nil {
		seal := *event.Seal
		w.seal = &seal
	}
	if event.Text != "" {
		if !w.open { // a driver that has not said so
			w.open, w.kind = true, event.Kind
		}
		w.text.WriteString(event.Text)
	}
	if event.Close {
		w.close()
	}
}

// close adds the block that is open to the content. One that has said nothing has never
// been.
func (w *whole) close() {
	if w.open {
		before := len(w.content)
		if before > 0 {
			w.content = append(w.content, ',')
		}
		from := len(w.content)
		if w.appendBlock(); len(w.content) == from {
			w.content = w.content[:before]
		}
	}
	w.open, w.block, w.seal = false, chat.Block{}, nil
	w.text.Reset()
}

func (w *whole) appendBlock() {
	text := w.text.String()
	switch {
	case w.kind == chat.CallBlock:
		w.content = appendCall(w.content, w.callID(), w.block.Name)
		w.content = append(appendInput(w.content, text, w.block.Custom), '}')
	case w.kind == chat.OpaqueBlock:
		if own := w.block.Opaque; own != nil && own.Dialect == Dialect {
			w.content = append(w.content, own.JSON...)
		}
	case w.kind == chat.ReasoningBlock:
		w.appendThinking(text)
	case text != "":
		w.content = append(w.content, `{"type":"text","text":`...)
		w.content = append(rawjson.AppendString(w.content, text), '}')
	}
}

func (w *whole) callID() string {
	w.ids.request = w.request
	return w.ids.of(&w.block)
}

func (w *whole) appendThinking(text string) {
	switch {
	case text == "" && w.seal == nil:
	case w.block.Redacted && w.seal != nil && w.seal.Maker == Dialect:
		w.content = append(w.content, `{"type":"redacted_thinking","data":`...)
		w.content = append(rawjson.AppendString(w.content, w.seal.Data), '}')
	default:
		w.content = append(w.content, `{"type":"thinking","thinking":`...)
		w.content = rawjson.AppendString(w.content, text)
		w.content = append(w.content, `,"signature":`...)
		w.content = append(rawjson.AppendString(w.content, signature(w.seal)), '}')
	}
}

// appendInput appends a call's input, which is an object. What an upstream has cut short, or
// what is no object, is shown as such: with nothing in its place a tool might be run.
func appendInput(dst []byte, arguments string, custom bool) []byte {
	arguments = strings.TrimSpace(arguments)
	switch {
	case custom:
		dst = append(dst, customInput...)
		return append(rawjson.AppendEscaped(dst, arguments), `"}`...)
	case arguments == "" || arguments == "null":
		return append(dst, `{}`...)
	case isObject(arguments):
		return append(dst, arguments...)
	}
	dst = append(dst, `{"INVALID_JSON":`...)
	return append(rawjson.AppendString(dst, arguments), '}')
}

func isObject(text string) bool {
	s := rawjson.Over([]byte(text))
	if s.Kind() != rawjson.Object {
		return false
	}
	s.Skip()
	return s.End() == nil
}

// JSON is the whole answer.
func (w *whole) JSON() []byte {
	if w.own != nil {
		return w.own
	}
	w.close()
	usage := w.usage
	if usage == nil {
		usage = &chat.Usage{Prompt: tokencount.Prompt(w.request)}
	}
	dst := appendHead(make([]byte, 0, len(w.content)+512), w.request)
	dst = append(dst, w.content...)
	dst = append(dst, `],`...)
	dst = appendEnding(dst, &w.ending)
	dst = append(dst, `,"usage":`...)
	return append(appendUsage(dst, usage), '}')
}
