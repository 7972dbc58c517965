package responses

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// compactPrompt is what a model is asked at the end of a conversation that is to become short.
const compactPrompt = "Write this conversation in short, for yourself: you will go on with nothing but what you write now. " +
	"Keep what the user wants, word by word where the words matter; what has been decided and why; what has been done, " +
	"with names of files, commands and results; what is still to be done, and what comes next. Write nothing else, and call no tools."

// compactionPrefix begins the id of a conversation in short.
const compactionPrefix = "cmp_"

// ofAnswers are fields that shape the answers of a conversation, and not its short form.
var ofAnswers = []string{"stream", "stream_options", toolsField, choiceField, "parallel_tool_calls", "text", "include", "max_output_tokens"}

// CompactPath implements dialect.Compacter.
func (API) CompactPath() string { return "/v1/responses/compact" }

// Compact implements dialect.Compacter. The request is one like any other, so that an upstream
// of the dialect can be given it too.
func (a API) Compact(in dialect.Incoming) (*chat.Request, error) {
	body := withoutMark(in.Body)
	items, err := inputItems(body)
	if err != nil {
		return nil, err
	}
	list := appendElements([]byte{'['}, items)
	if len(list) > len("[") {
		list = append(list, ',')
	}
	list = append(list, `{"type":"message","role":"user","content":[{"type":"input_text","text":`...)
	list = append(rawjson.AppendString(list, compactPrompt), `}]}]`...)
	changes := []change{{inputField, string(list)}, {storeField, "false"}}
	for _, name := range ofAnswers {
		changes = append(changes, change{name: name})
	}
	in.Body = changed(body, changes...)
	return a.decode(in)
}

// Compacted implements dialect.Compacter.
func (a API) Compacted(request *chat.Request) dialect.Whole {
	return &compacted{whole{answer: a.begin(request)}}
}

// compacted gathers a conversation in short.
type compacted struct{ whole }

// JSON is the answer: one item that has all of it, which the client sends in the place of what
// it was made of.
func (c *compacted) JSON() []byte {
	answer := c.whole.JSON()
	dst := append([]byte(nil), `{"id":`...)
	dst = rawjson.AppendString(dst, c.request.ID)
	dst = append(dst, `,"object":"response.compaction","created_at":`...)
	dst = strconv.AppendInt(dst, c.request.Created.Unix(), 10)
	dst = append(dst, `,"output":[{"id":`...)
	dst = rawjson.AppendString(dst, c.itemID(compactionPrefix))
	dst = append(dst, `,"type":"compaction","encrypted_content":`...)
	dst = rawjson.AppendString(dst, chat.SealSummary(textIn(member(answer, "output"))))
	dst = append(dst, `}],"usage":`...)
	if usage := member(answer, "usage"); c.own != nil && len(usage) > 0 {
		return append(append(dst, usage...), '}')
	}
	return append(appendUsage(dst, c.usage), '}')
}

// textIn is all that an answer's messages say.
func textIn(output []byte) (text string) {
	s := rawjson.Over(output)
	for ok := s.Array(); ok; ok = s.Element() {
		item := s.Skip()
		if textOf(item, "type") != "message" {
			continue
		}
		parts := rawjson.Over(member(item, "content"))
		for ok := parts.Array(); ok; ok = parts.Element() {
			text += textOf(parts.Skip(), "text")
		}
	}
	return text
}
