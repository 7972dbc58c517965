package openai

import (
	"bytes"

	"carousel.internal/gateway/internal/rawjson"
)

// split makes the chunks of a stream out of a whole answer, for a client that asked for
// a stream: one with all that the choices say, one with how they end, and one with the
// counts, if there are any. No member of the answer is lost; the first chunk has those
// that a chunk has no place for.
func split(whole []byte) [][]byte {
	var first, last, usage []byte
	first, last = append(first, '{'), append(last, `{"choices":[`...)
	s := rawjson.Over(whole)
	for ok := s.Object(); ok; ok = s.Member() {
		key := quotedKey(&s)
		switch string(s.Key()) {
		case "choices":
			first = append(first, `"choices":[`...)
			for ok := s.Array(); ok; ok = s.Element() {
				first, last = splitChoice(&s, first, last)
			}
			first = append(bytes.TrimSuffix(first, []byte(",")), `],`...)
		case "usage":
			if value := s.Skip(); string(value) != "null" {
				usage = value
			}
		case "object":
			s.Skip()
			first = append(first, `"object":"chat.completion.chunk",`...)
		default:
			first = appendMember(first, key, s.Skip())
		}
	}
	first = append(bytes.TrimSuffix(first, []byte(",")), '}')
	last = append(bytes.TrimSuffix(last, []byte(",")), `]}`...)
	chunks := [][]byte{first, last}
	if usage != nil {
		chunks = append(chunks, append(append([]byte(`{"choices":[],"usage":`), usage...), '}'))
	}
	return chunks
}

// splitChoice consumes a choice: what it says goes to first, how it ends to last.
func splitChoice(s *rawjson.Scanner, first, last []byte) (said, ended []byte) {
	first, last = append(first, '{'), append(last, '{')
	for ok := s.Object(); ok; ok = s.Member() {
		key := quotedKey(s)
		switch string(s.Key()) {
		case "delta":
			s.Skip()
		case "message":
			first = appendMember(first, []byte(`"delta"`), s.Skip())
		case "finish_reason":
			first = append(first, `"finish_reason":null,`...)
			last = appendMember(append(last, `"delta":{},`...), key, s.Skip())
		case "index":
			value := s.Skip()
			first, last = appendMember(first, key, value), appendMember(last, key, value)
		default:
			first = appendMember(first, key, s.Skip())
		}
	}
	first = append(bytes.TrimSuffix(first, []byte(",")), `},`...)
	last = append(bytes.TrimSuffix(last, []byte(",")), `},`...)
	return first, last
}

// quotedKey is the present key as JSON.
func quotedKey(s *rawjson.Scanner) []byte { return rawjson.AppendString(nil, string(s.Key())) }

func appendMember(dst, key, value []byte) []byte {
	dst = append(append(append(dst, key...), ':'), value...)
	return append(dst, ',')
}
