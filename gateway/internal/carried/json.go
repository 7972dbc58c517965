package carried

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// ReadJSON reads a request whose body is JSON, which nobody may change from then on.
// Errors are *chat.Error.
func ReadJSON(route *Route, client http.Header, body []byte) (*Request, error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	r := &Request{Route: route, Header: headerOf(client, "application/json"), source: bytes.NewReader(body), size: int64(len(body))}
	r.written = func(model string) []byte { return rawjson.AppendString(nil, model) }
	if route.Vectors {
		r.Vectors = "float" // unless the client says otherwise
	}
	s := rawjson.Over(body)
	if kind := s.Kind(); kind != rawjson.Object && kind != rawjson.Invalid {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, but is %s", kind)
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if err := r.member(&s); err != nil {
			return nil, err
		}
	}
	if fault := s.End(); fault != nil {
		if len(body) == 0 {
			return nil, chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
		}
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", fault)
	}
	return r, r.validate()
}

// member consumes the value of one field.
func (r *Request) member(s *rawjson.Scanner) error {
	switch key := string(s.Key()); key {
	case "model":
		return r.modelIn(s)
	case "stream":
		if s.Kind() == rawjson.Bool {
			r.Stream = s.Bool() || r.Stream
			return nil
		}
		s.Skip() // the upstream judges it
	case "stream_format":
		r.Stream = textOf(s) == "sse" || r.Stream
	case "encoding_format":
		if format := textOf(s); r.Route.Vectors && format != "" {
			r.Vectors = format
		}
	case "user":
		r.User = textOf(s)
	case "prompt_cache_key":
		r.Session = textOf(s)
	case "max_tokens":
		r.MaxTokens = countOf(s)
	case "n", "best_of":
		r.Choices = max(r.Choices, countOf(s))
	case r.Route.Prompt:
		r.Prompt = promptOf(s)
	default:
		s.Skip()
	}
	return nil
}

// modelIn reads the model's name and where it stands. Of a field that is there twice the
// last one counts, as for every JSON parser.
func (r *Request) modelIn(s *rawjson.Scanner) error {
	switch kind := s.Kind(); kind {
	case rawjson.String:
		from := s.Pos()
		r.Model = s.Text()
		r.names = append(r.names, span{int64(from), int64(s.Pos())})
	case rawjson.Null, rawjson.Invalid:
		s.Skip()
	default:
		return badModel("`model` must be a string, but is %s", kind)
	}
	return nil
}

// textOf consumes a value; of what is no string nothing is told.
func textOf(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	return s.Text()
}

// countOf consumes a value; of what is no count nothing is told. The largest is told of larger
// ones.
func countOf(s *rawjson.Scanner) int {
	count, err := strconv.ParseInt(string(s.Skip()), 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0 // its upstream will refuse it
	}
	return int(max(count, 0))
}

// promptOf consumes a value of any kind.
func promptOf(s *rawjson.Scanner) string {
	if s.Kind() == rawjson.String {
		return s.Text()
	}
	return string(s.Skip())
}
