package prompt

import (
	"encoding/base64"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Roots are the messages that the upstream makes the model's prompt of: a blob of JSON each,
// whose bytes are their id.

// rooted counts the roots of an entry: its message, and one for each result.
func rooted(e entry) int { return 1 + len(e.calls()) }

// appendSystem writes the instructions, which alone are a bare text.
func appendSystem(dst []byte, text string) []byte {
	dst = append(dst, `{"role":"system","content":`...)
	return append(rawjson.AppendString(dst, text), '}')
}

// appendMessage writes an entry without its results. textual is its size without the data of
// images.
func appendMessage(dst []byte, e entry) (message []byte, textual int) {
	images := 0
	dst = append(dst, `{"role":`...)
	dst = rawjson.AppendString(dst, string(e.role))
	dst = append(dst, `,"content":[`...)
	for i, each := range e.pieces {
		if i > 0 {
			dst = append(dst, ',')
		}
		before := len(dst)
		dst = appendPiece(dst, each)
		if each.image != nil {
			images += len(dst) - before
		}
	}
	dst = append(dst, `]}`...)
	return dst, len(dst) - images
}

func appendPiece(dst []byte, p piece) []byte {
	switch {
	case p.call != nil:
		dst = append(dst, `{"type":"tool-call","toolCallId":`...)
		dst = rawjson.AppendString(dst, p.call.id)
		dst = append(dst, `,"toolName":`...)
		dst = rawjson.AppendString(dst, p.call.name)
		dst = append(dst, `,"args":`...)
		return append(append(dst, p.call.arguments.json...), '}')
	case p.image != nil:
		dst = append(dst, `{"type":"image","image":"data:`...)
		dst = append(dst, p.image.mediaType...)
		dst = append(dst, `;base64,`...)
		dst = base64.StdEncoding.AppendEncode(dst, p.image.data)
		dst = append(dst, `","mediaType":`...)
		return append(rawjson.AppendString(dst, p.image.mediaType), '}')
	case p.thought != "":
		dst = append(dst, `{"type":"reasoning","text":`...)
		return append(rawjson.AppendString(dst, p.thought), '}')
	}
	dst = append(dst, `{"type":"text","text":`...)
	return append(rawjson.AppendString(dst, p.text), '}')
}

// appendResult writes the result of a call.
func appendResult(dst []byte, c *call) []byte {
	dst = append(dst, `{"role":`...)
	dst = rawjson.AppendString(dst, string(chat.Tool))
	dst = append(dst, `,"id":`...)
	dst = rawjson.AppendString(dst, c.id)
	dst = append(dst, `,"content":[{"type":"tool-result","toolCallId":`...)
	dst = rawjson.AppendString(dst, c.id)
	dst = append(dst, `,"toolName":`...)
	dst = rawjson.AppendString(dst, c.name)
	dst = append(dst, `,"result":`...)
	dst = rawjson.AppendString(dst, c.result)
	if c.failed {
		dst = append(dst, `,"isError":true`...)
	}
	return append(dst, `}]}`...)
}

// roots keeps the messages of a history, and tells the size of their texts in bytes.
func (b *builder) roots(history []entry) (ids [][]byte, textual int) {
	if b.instructions != "" {
		root := appendSystem(nil, b.instructions)
		ids, textual = append(ids, b.keep(root)), len(root)
	}
	for _, each := range history {
		root, size := appendMessage(nil, each)
		ids, textual = append(ids, b.keep(root)), textual+size
		for _, made := range each.calls() {
			result := appendResult(nil, made)
			ids, textual = append(ids, b.keep(result)), textual+len(result)
		}
	}
	return ids, textual
}
