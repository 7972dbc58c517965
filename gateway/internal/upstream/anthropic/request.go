package anthropic

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// oldVersion is the version of the API that is asked for where the client says none. The
// one after it refuses sampling.
const oldVersion = "2023-06-01"

// newRequest makes the HTTP request for a call. Its body is whole, so that it
// can be sent again when a pooled connection turns out to be dead.
func (d *Driver) newRequest(ctx context.Context, call *upstream.Call) *http.Request {
	native := d.Speaks(call.Request.Source.Dialect)
	address := *d.messagesURL
	body, edited := []byte(nil), false
	if native {
		address.RawQuery = call.Request.Source.Query
		body, edited = edit(call.Request.Source.JSON, call.Model, call.WithoutSeals)
	}
	if !edited {
		body = d.build(call)
	}
	header := headerOf(call, native)
	header.Set("Content-Type", "application/json")
	return post(ctx, &address, header, body)
}

// headerOf are the headers of a request: those of a client of the same dialect go on.
func headerOf(call *upstream.Call, native bool) http.Header {
	header := make(http.Header, 8)
	if native {
		for name, values := range call.Request.Source.Header {
			header[name] = values
		}
	}
	header.Set("Accept-Encoding", "identity") // events must not wait in a compressor
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "carousel")
	}
	header.Set("Accept", "application/json")
	if call.Request != nil && call.Request.Stream {
		header.Set("Accept", "text/event-stream")
	}
	if header.Get("Anthropic-Version") == "" {
		header.Set("Anthropic-Version", oldVersion)
	}
	if !call.Credential.Secret.Empty() {
		header.Set("X-Api-Key", call.Credential.Secret.Reveal())
	}
	return header
}

func post(ctx context.Context, address *url.URL, header http.Header, body []byte) *http.Request {
	request := &http.Request{
		Method: http.MethodPost, URL: address, Host: address.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return request.WithContext(ctx)
}

// edit makes the client's body fit: the model under the upstream's name for it, and where the
// upstream has refused a seal, no thoughts of earlier turns. All else stays byte for byte. It
// answers false for what is no JSON object with a model.
func edit(source []byte, model string, withoutSeals bool) ([]byte, bool) {
	s := rawjson.Over(source)
	changed := rawjson.NewEdit(nil, source)
	hasModel := false
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "model":
			hasModel = true
			s.Kind() // goes to the value's first byte
			from := s.Pos()
			if old := s.Skip(); old != nil {
				if name := string(rawjson.AppendString(nil, model)); name != string(old) {
					changed.Replace(from, s.Pos(), name)
				}
			}
		case key == "messages":
			stripThoughts(&s, &changed, withoutSeals)
		case key == "thinking" && withoutSeals: // without its thoughts a tool loop can't go on thinking
			s.Kind()
			from := s.Pos()
			s.Skip()
			changed.Replace(from, s.Pos(), `{"type":"disabled"}`)
		default:
			s.Skip()
		}
	}
	switch {
	case s.End() != nil || !hasModel:
		return nil, false
	case changed.Unchanged(): // a large body is not copied for nothing
		return source, true
	}
	return changed.Bytes(), true
}
