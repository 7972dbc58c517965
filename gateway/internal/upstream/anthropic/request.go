package anthropic

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// oldVersion is the version of the API that is asked for where the client says none. The
// one after it refuses sampling.
const oldVersion = "2023-06-01"

// newRequest makes the HTTP request for a call, with what has become of the client's tools in it.
// Its body is whole, so that it can be sent again when a pooled connection turns out to be dead.
func (d *Driver) newRequest(ctx context.Context, call *upstream.Call) (*http.Request, sentTools) {
	native := d.Speaks(call.Request.Source.Dialect)
	var tools sentTools
	address := *d.messagesURL
	body, edited := []byte(nil), false
	if native {
		address.RawQuery = call.Request.Source.Query
		body, edited = edit(call.Request.Source.JSON, call.Model, call.WithoutSeals)
	}
	if !edited {
		wrapped := *call
		wrapped.Request, tools.free = upstream.WrapFreeTools(call.Request)
		tools.names = upstream.NewToolNames(call.Request, maxToolName)
		body = d.build(&wrapped, tools.names)
	}
	return post(ctx, &address, headerOf(call, native), body), tools
}

// sentTools is what has become of the tools of a request of another dialect. Its zero value leaves
// them as the client has them.
type sentTools struct {
	names *upstream.ToolNames
	free  upstream.FreeTools
}

// own makes, of an event about what the upstream was sent, one about what the client knows.
func (t *sentTools) own(event *chat.Event) {
	if t.names == nil {
		return
	}
	if event.Open != nil {
		event.Open.Name = t.names.Own(event.Open.Name)
	}
	t.free.Unwrap(event)
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

// post makes a request with a JSON body.
func post(ctx context.Context, address *url.URL, header http.Header, body []byte) *http.Request {
	header.Set("Content-Type", "application/json")
	request := &http.Request{
		Method: http.MethodPost, URL: address, Host: address.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return request.WithContext(ctx)
}

// edit makes the client's body fit: the model under the upstream's name for it, and no thoughts
// of another upstream, or none at all where the upstream has refused a seal. All else stays byte
// for byte. It answers false for what is no JSON object with a model.
func edit(source []byte, model string, withoutSeals bool) ([]byte, bool) {
	e := bodyEdit{withoutSeals: withoutSeals, strips: withoutSeals || chat.MayHaveForeignSeals(source)}
	s := rawjson.Over(source)
	hasModel := false
	for ok := s.Object(); ok; ok = s.Member() {
		key := string(s.Key())
		s.Kind() // goes to the value's first byte
		from := s.Pos()
		switch {
		case key == "messages" && e.strips:
			e.stripMessages(&s)
			continue
		case key == "thinking" && e.strips:
			e.thinking = span{from, 0}
		case key == "context_management" && e.strips:
			e.management = span{from, 0}
		}
		old := s.Skip()
		switch {
		case key == "model":
			hasModel = true
			if name := string(rawjson.AppendString(nil, model)); name != string(old) {
				e.replace(span{from, s.Pos()}, name)
			}
		case e.thinking.from == from:
			e.thinking.to = s.Pos()
		case e.management.from == from:
			e.management.to = s.Pos()
		}
	}
	if s.End() != nil || !hasModel {
		return nil, false
	}
	e.stopThinking(source)
	return e.apply(source), true
}
