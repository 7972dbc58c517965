package responses

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// echo is what an answer repeats of its request.
type echo struct {
	// members are JSON members with a comma before each.
	members []byte
	// store tells whether the answer is to be kept; sealed, whether its reasoning is to be
	// such as the client can bring back.
	store, sealed bool
}

// echoed are the fields that are repeated, and what stands in their place where a request does
// not have them, or null.
var echoed = []struct{ name, unsaid string }{
	{"background", "false"},
	{instructionsField, "null"},
	{"max_output_tokens", "null"},
	{"max_tool_calls", "null"},
	{"metadata", "{}"},
	{"parallel_tool_calls", "true"},
	{previousField, "null"},
	{"prompt_cache_key", "null"},
	{"reasoning", `{"effort":null,"summary":null}`},
	{"safety_identifier", "null"},
	{"service_tier", "null"},
	{"temperature", "null"},
	{"text", `{"format":{"type":"text"}}`},
	{choiceField, `"auto"`},
	{toolsField, "[]"},
	{"top_p", "null"},
	{"truncation", `"disabled"`},
	{"user", "null"},
}

// echoIndex is where each field stands among them.
var echoIndex = func() map[string]int {
	index := map[string]int{}
	for i, each := range echoed {
		index[each.name] = i
	}
	return index
}()

// echoOf reads what is repeated of a request.
func echoOf(source *chat.Source) echo {
	out := echo{store: true}
	values := make([][]byte, len(echoed))
	size := 0
	if source.Dialect == Dialect {
		s := rawjson.Over(source.JSON)
		for ok := s.Object(); ok; ok = s.Member() {
			at, known := echoIndex[string(s.Key())]
			switch {
			case known:
				values[at] = s.Skip()
				size += len(values[at])
			case string(s.Key()) == storeField:
				out.store = string(s.Skip()) != "false"
			case string(s.Key()) == "include":
				out.sealed = bytes.Contains(s.Skip(), []byte(`"`+sealedReasoning+`"`))
			default:
				s.Skip()
			}
		}
	}
	out.members = make([]byte, 0, size+512)
	for i, each := range echoed {
		out.members = append(out.members, `,"`...)
		out.members = append(out.members, each.name...)
		out.members = append(out.members, `":`...)
		switch value := values[i]; {
		case each.name == previousField && source.Previous != "":
			out.members = rawjson.AppendString(out.members, source.Previous)
		case value == nil || string(value) == "null":
			out.members = append(out.members, each.unsaid...)
		default:
			out.members = append(out.members, rawjson.Mended(value)...)
		}
	}
	flatten(out.members)
	return out
}

// flatten makes JSON text one line. A line break in it is only ever white space between
// tokens, and some clients read one line an event.
func flatten(text []byte) {
	for _, lineBreak := range []byte{'\n', '\r'} {
		for i := bytes.IndexByte(text, lineBreak); i >= 0; i = bytes.IndexByte(text, lineBreak) {
			text[i] = ' '
		}
	}
}
