package anthropic

import (
	"encoding/base64"
	neturl "net/url"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

func (b *builder) writeTurns() {
	b.dst = append(b.dst, '[')
	for i := range b.turns {
		if i > 0 {
			b.dst = append(b.dst, ',')
		}
		b.dst = append(b.dst, `{"role":`...)
		b.dst = rawjson.AppendString(b.dst, string(b.turns[i].role))
		b.dst = append(b.dst, `,"content":[`...)
		for j := range b.turns[i].parts {
			if j > 0 {
				b.dst = append(b.dst, ',')
			}
			b.dst = b.appendBlock(b.dst, &b.turns[i].parts[j])
		}
		b.dst = append(b.dst, `]}`...)
	}
	b.dst = append(b.dst, ']')
}

// appendBlock writes a part. Of those that it can't write none comes here: Carries and
// Prepare have refused them.
func (b *builder) appendBlock(dst []byte, part *chat.Part) []byte {
	switch {
	case part.Image != nil:
		dst = appendImage(dst, part.Image)
	case part.Document != nil:
		dst = appendDocument(dst, part.Document)
	case part.Call != nil:
		dst = b.appendCall(dst, part.Call)
	case part.Result != nil:
		dst = b.appendResult(dst, part.Result)
	case part.Reasoning != nil:
		return appendThought(dst, part.Reasoning)
	default:
		dst = append(dst, `{"type":"text","text":`...)
		dst = rawjson.AppendString(dst, part.Text)
	}
	return append(appendCache(dst, part.Cache), '}')
}

// appendImage writes an image without its closing brace, as the others do too.
func appendImage(dst []byte, image *chat.Image) []byte {
	mediaType, data, inline := ofDataURL(image.URL)
	dst = append(dst, `{"type":"image","source":`...)
	if !inline {
		dst = append(dst, `{"type":"url","url":`...)
		dst = rawjson.AppendString(dst, image.URL)
		return append(dst, '}')
	}
	if sniffed := sniff(data); sniffed != "" { // many clients say png whatever it is
		mediaType = sniffed
	}
	return appendBase64(dst, mediaType, data)
}

func appendBase64(dst []byte, mediaType, data string) []byte {
	dst = append(dst, `{"type":"base64","media_type":`...)
	dst = rawjson.AppendString(dst, mediaType)
	dst = append(dst, `,"data":`...)
	dst = rawjson.AppendString(dst, data)
	return append(dst, '}')
}

func appendDocument(dst []byte, document *chat.Document) []byte {
	dst = append(dst, `{"type":"document","source":`...)
	mediaType, data, inline := ofDataURL(document.URL)
	switch {
	case document.Text != "":
		dst = appendPlain(dst, document.Text)
	case !inline:
		dst = append(dst, `{"type":"url","url":`...)
		dst = rawjson.AppendString(dst, document.URL)
		dst = append(dst, '}')
	case isPlainText(mediaType):
		text, _ := base64.StdEncoding.DecodeString(data) // Prepare has looked at it
		dst = appendPlain(dst, strings.ToValidUTF8(string(text), "\uFFFD"))
	default:
		dst = appendBase64(dst, mediaType, data)
	}
	for _, each := range []struct{ name, value string }{{"title", firstOf(document.Title, document.Name)}, {"context", document.Context}} {
		if each.value != "" {
			dst = append(dst, `,"`+each.name+`":`...)
			dst = rawjson.AppendString(dst, each.value)
		}
	}
	return dst
}

func appendPlain(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"text","media_type":"text/plain","data":`...)
	dst = rawjson.AppendString(dst, text)
	return append(dst, '}')
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isPlainText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || mediaType == "application/json"
}

func (b *builder) appendCall(dst []byte, call *chat.Call) []byte {
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = rawjson.AppendString(dst, call.ID)
	dst = append(dst, `,"name":`...)
	dst = rawjson.AppendString(dst, b.names.Sent(call.Name))
	dst = append(dst, `,"input":`...)
	return append(dst, inputOf(call.Arguments)...)
}

// inputOf is a call's arguments as an object: none are an empty one, and what the model has
// written wrong stands in one.
func inputOf(arguments string) []byte {
	if strings.TrimSpace(arguments) == "" {
		return []byte("{}")
	}
	s := rawjson.Over([]byte(arguments))
	if isObject := s.Kind() == rawjson.Object; isObject && s.Skip() != nil && s.End() == nil {
		return []byte(strings.TrimSpace(arguments))
	}
	return append(rawjson.AppendString([]byte(`{"arguments":`), arguments), '}')
}

// callID makes an id of the letters that the API takes.
func callID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, firstOf(id, "call"))
}

func (b *builder) appendResult(dst []byte, result *chat.Result) []byte {
	dst = append(dst, `{"type":"tool_result","tool_use_id":`...)
	dst = rawjson.AppendString(dst, result.CallID)
	if parts := filled(result.Parts); len(parts) > 0 {
		dst = append(dst, `,"content":[`...)
		for i := range parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = b.appendBlock(dst, &parts[i])
		}
		dst = append(dst, ']')
	}
	if result.Failed {
		dst = append(dst, `,"is_error":true`...)
	}
	return dst
}

// appendThought writes what the vendor has thought, as it was.
func appendThought(dst []byte, thought *chat.Reasoning) []byte {
	if thought.Redacted {
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
		dst = rawjson.AppendString(dst, thought.Seal)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"thinking","thinking":`...)
	dst = rawjson.AppendString(dst, thought.Text)
	dst = append(dst, `,"signature":`...)
	dst = rawjson.AppendString(dst, thought.Seal)
	return append(dst, '}')
}

// ofDataURL takes apart `data:image/png;base64,…`; false: it is another URL.
func ofDataURL(url string) (mediaType, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return "", "", false
	}
	mediaType, _, _ = strings.Cut(head, ";")
	if !strings.HasSuffix(strings.ToLower(head), ";base64") {
		if plain, err := neturl.PathUnescape(data); err == nil {
			data = plain
		}
		data = base64.StdEncoding.EncodeToString([]byte(data))
	}
	return strings.ToLower(mediaType), data, true
}

// sniff tells what an image is by how its base64 begins; empty: it is not known.
func sniff(data string) string {
	for _, known := range []struct{ prefix, mediaType string }{
		{"/9j/", "image/jpeg"}, {"iVBORw0KGgo", "image/png"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"},
	} {
		if strings.HasPrefix(data, known.prefix) {
			return known.mediaType
		}
	}
	return ""
}
