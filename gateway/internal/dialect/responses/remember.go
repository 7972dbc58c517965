package responses

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// Wishes implements dialect.Rememberer.
func (API) Wishes(body []byte) dialect.Wishes {
	previous, store := twoMembers(withoutMark(body), previousField, storeField)
	return dialect.Wishes{Previous: asText(previous), Keep: string(store) != "false"}
}

// withoutMark is a body without the byte order mark that some clients put before it.
func withoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// Resume implements dialect.Rememberer.
func (API) Resume(body []byte, earlier dialect.Remembered) ([]byte, error) {
	body = withoutMark(body)
	own, err := inputItems(body)
	if err != nil {
		return nil, err
	}
	list := append(make([]byte, 0, len(earlier.Input)+len(earlier.Answer)+len(own)), '[')
	for _, items := range [][]byte{earlier.Input, member(earlier.Answer, "output"), own} {
		list = appendElements(list, items)
	}
	list = append(list, ']')
	return changed(body, change{previousField, ""}, change{inputField, string(list)}), nil
}

// inputItems is a body's input as an array; a question is a message.
func inputItems(body []byte) ([]byte, error) {
	value := bytes.TrimSpace(member(body, inputField))
	switch {
	case len(value) == 0:
		return []byte("[]"), nil
	case value[0] == '[':
		return value, nil
	case value[0] == '"':
		dst := append([]byte(`[{"type":"message","role":"user","content":[{"type":"input_text","text":`), value...)
		return append(dst, `}]}]`...), nil
	}
	return nil, invalid(inputField, "must be %s or an array of items", aString)
}

// Input implements dialect.Rememberer.
func (API) Input(body []byte) ([]byte, error) {
	items, err := inputItems(withoutMark(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(items)
	base := hex.EncodeToString(sum[:12])
	dst := append(make([]byte, 0, len(items)+len(items)/4), '[')
	s := rawjson.Over(items)
	n := 0
	for ok := s.Array(); ok; ok = s.Element() {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, listed(s.Skip(), base+"_"+strconv.Itoa(n))...)
		n++
	}
	if fault := s.End(); fault != nil {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", fault)
	}
	return append(dst, ']'), nil
}

// listed is an item of a request as the API lists it: with an id and a type, and what a message
// says as parts.
func listed(item []byte, id string) []byte {
	if textOf(item, "type") == "" {
		item = changed(item, change{"type", `"message"`})
	}
	kind := textOf(item, "type")
	if said := member(item, "content"); kind == "message" && len(said) > 0 && said[0] == '"' {
		part := `{"type":"input_text","text":` + string(said) + `}`
		if textOf(item, "role") == "assistant" {
			part = `{"type":"output_text","text":` + string(said) + `,"annotations":[]}`
		}
		item = changed(item, change{"content", "[" + part + "]"})
	}
	if textOf(item, "id") == "" {
		item = changed(item, change{"id", `"` + idPrefixOf(kind) + id + `"`})
	}
	return item
}

// idPrefixOf begins the id of an item of that type. The vendor refuses ids that begin otherwise,
// and gets them where a conversation moves to it.
func idPrefixOf(kind string) string {
	switch kind {
	case "message":
		return prefixes[chat.TextBlock]
	case "reasoning":
		return prefixes[chat.ReasoningBlock]
	case "function_call":
		return prefixes[chat.CallBlock]
	case "custom_tool_call":
		return customPrefix
	case "function_call_output":
		return "fco_"
	case "custom_tool_call_output":
		return "ctco_"
	case "compaction":
		return compactionPrefix
	}
	return prefixes[chat.OpaqueBlock]
}

// The sizes of a page of items.
const (
	defaultPage = 20
	maxPage     = 100
)

// InputPage implements dialect.Rememberer.
func (API) InputPage(input []byte, query url.Values) ([]byte, error) {
	limit := defaultPage
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return nil, invalid("limit", "must be a whole number from 1 to %d", maxPage)
		}
	}
	var items [][]byte
	s := rawjson.Over(input)
	for ok := s.Array(); ok; ok = s.Element() {
		items = append(items, s.Skip())
	}
	switch order := query.Get("order"); order {
	case "", "desc":
		slices.Reverse(items)
	case "asc":
	default:
		return nil, invalid("order", "must be asc or desc, but is %q", chat.Cut(order, longestWord))
	}
	if after := query.Get("after"); after != "" {
		at := -1
		for i, item := range items {
			if textOf(item, "id") == after {
				at = i
			}
		}
		if at < 0 {
			return nil, invalid("after", "names no item of the input: %q", chat.Cut(after, longestWord))
		}
		items = items[at+1:]
	}
	more := len(items) > limit
	return appendItems(items[:min(limit, len(items))], more), nil
}

func appendItems(page [][]byte, more bool) []byte {
	dst := append([]byte(`{"object":"list","data":[`), bytes.Join(page, []byte(","))...)
	dst = append(dst, `],"has_more":`...)
	dst = strconv.AppendBool(dst, more)
	if len(page) == 0 {
		return append(dst, `,"first_id":null,"last_id":null}`...)
	}
	dst = append(dst, `,"first_id":`...)
	dst = append(dst, member(page[0], "id")...)
	dst = append(dst, `,"last_id":`...)
	return append(append(dst, member(page[len(page)-1], "id")...), '}')
}

// Deleted implements dialect.Rememberer.
func (API) Deleted(id string) []byte {
	dst := rawjson.AppendString([]byte(`{"id":`), id)
	return append(dst, `,"object":"response","deleted":true}`...)
}

// Unknown implements dialect.Rememberer.
func (API) Unknown(id, param string) *chat.Error {
	failure := chat.Errorf(chat.NotFound, "no answer with the id %q is kept: it may be too old, deleted, another key's, or asked for with store=false",
		chat.Cut(id, longestWord))
	if failure.Err = errUnknownAnswer; param != "" {
		failure.Kind, failure.Param = chat.InvalidRequest, param
		failure.Message += "; send the whole conversation in `input`"
	}
	return failure
}
