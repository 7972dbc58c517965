package openai

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// Header values that every request shares; net/http only reads them.
var (
	jsonType     = []string{"application/json"}
	acceptStream = []string{"text/event-stream"}
	userAgent    = []string{"carousel"}
	// Events must not wait in a compressor.
	identity = []string{"identity"}
)

// newRequest makes the HTTP request for a call, with the names that tools have in it. Its body
// is whole, so that it can be sent again when a pooled connection turns out to be dead.
func (d *Driver) newRequest(ctx context.Context, call *upstream.Call) (*http.Request, naming) {
	body, names := d.body(call)
	header := make(http.Header, 6)
	header["Accept-Encoding"] = identity
	header["User-Agent"] = userAgent
	header["Accept"] = jsonType
	if call.Request.Stream {
		header["Accept"] = acceptStream
	}
	authorize(header, call.Credential)
	return post(ctx, d.chatURL, header, body), names
}

// post makes a request with a JSON body, which is whole.
func post(ctx context.Context, address *url.URL, header http.Header, body []byte) *http.Request {
	header["Content-Type"] = jsonType
	request := &http.Request{
		Method: http.MethodPost, URL: address, Host: address.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return request.WithContext(ctx)
}

// authorize names the key. Upstreams on one's own machine often have none.
func authorize(header http.Header, credential upstream.Credential) {
	if !credential.Secret.Empty() {
		header["Authorization"] = []string{"Bearer " + credential.Secret.Reveal()}
	}
}

// body is the JSON to send, with the names that tools have in it. It may be the client's own,
// which nobody changes.
func (d *Driver) body(call *upstream.Call) ([]byte, naming) {
	req := call.Request
	if req.Source.Dialect == dialect {
		if edited, ok := d.fitted(&req.Source, call.Model, req.Stream); ok {
			return edited, naming{}
		}
	}
	names := d.settings.quirks.naming(req)
	if d.settings.quirks.customTools == keep {
		return d.build(call, names), names
	}
	wrapped := *call
	wrapped.Request, names.free = upstream.WrapFreeTools(req)
	return d.build(&wrapped, names), names
}

// fitted is edit for a body that the client's dialect has read: where that has noted the members,
// the body is not read again.
func (d *Driver) fitted(source *chat.Source, model string, stream bool) ([]byte, bool) {
	members := &source.Members
	wants := stream && d.settings.includeUsage
	options := members.Find("stream_options")
	if !members.Known() || members.Find("model").To == 0 || options.To != 0 && !wants {
		return d.edit(source.JSON, model, stream)
	}
	e := editing{edit: rawjson.NewEdit(nil, source.JSON)}
	for _, member := range members.All() {
		e.s = rawjson.Within(source.JSON, member.From)
		switch member.Name {
		case "model":
			e.replace(string(rawjson.AppendString(make([]byte, 0, len(model)+2), model)))
		case "stream":
			e.replaceStream(stream)
		case "stream_options":
			e.includeUsage()
		}
	}
	end := bytes.LastIndexByte(source.JSON, '}')
	e.insertMissing(end, true, stream && members.Find("stream").To == 0, wants && options.To == 0)
	return e.body(source.JSON), true
}

// edit makes the client's body fit: the model under the upstream's name for it,
// and in a stream the wish for token counts. All else stays byte for byte. It
// answers false for what is no JSON object.
func (d *Driver) edit(source []byte, model string, stream bool) ([]byte, bool) {
	modelJSON := string(rawjson.AppendString(make([]byte, 0, len(model)+2), model))
	e := editing{s: rawjson.Over(source), edit: rawjson.NewEdit(nil, source)}
	var hasModel, hasStream, hasOptions, kept bool
	for ok := e.s.Object(); ok; ok = e.s.Member() {
		start := e.s.MemberStart()
		switch string(e.s.Key()) {
		case "model":
			hasModel = true
			e.replace(modelJSON)
		case "stream":
			hasStream = true
			e.replaceStream(stream)
		case "stream_options":
			switch {
			case !stream && e.s.Kind() == rawjson.Null:
				e.s.Skip()
			case stream && d.settings.includeUsage:
				hasOptions = true
				e.includeUsage()
			default: // without a stream the API refuses it, and some clients send it in any case
				e.s.Skip()
				e.edit.CutMember(&e.s, start, !kept)
				continue
			}
		default:
			e.s.Skip()
		}
		kept = true
	}
	end := e.s.Pos() - 1 // the closing brace
	if e.s.End() != nil || !hasModel {
		return nil, false
	}
	e.insertMissing(end, kept, stream && !hasStream, stream && d.settings.includeUsage && !hasOptions)
	return e.body(source), true
}

// editing is a pass over a client's body.
type editing struct {
	s    rawjson.Scanner
	edit rawjson.Edit
}

// replace consumes a value and puts another in its place, unless it is the same.
func (e *editing) replace(with string) {
	e.s.Kind() // goes to the value's first byte
	from := e.s.Pos()
	if old := e.s.Skip(); old != nil && string(old) != with {
		e.edit.Replace(from, e.s.Pos(), with)
	}
}

// replaceStream consumes the wish for a stream. Null is as good as none.
func (e *editing) replaceStream(stream bool) {
	if stream || e.s.Kind() != rawjson.Null {
		e.replace(strconv.FormatBool(stream))
	} else {
		e.s.Skip()
	}
}

// insertMissing adds what the body lacks before the closing brace: the wish for a stream, and for
// its token counts.
func (e *editing) insertMissing(brace int, comma, stream, usage bool) {
	if stream {
		e.insert(brace, `"stream":true`, comma)
	}
	if usage {
		e.insert(brace, `"stream_options":{"include_usage":true}`, comma)
	}
}

// body is what has become of the source. A large one is not copied for nothing.
func (e *editing) body(source []byte) []byte {
	if e.edit.Unchanged() {
		return source
	}
	return e.edit.Bytes()
}

// insert adds a member before a closing brace.
func (e *editing) insert(brace int, member string, comma bool) {
	if comma {
		member = "," + member
	}
	e.edit.Replace(brace, brace, member)
}

// includeUsage consumes stream_options and makes sure that it asks for counts.
func (e *editing) includeUsage() {
	if e.s.Kind() != rawjson.Object {
		e.replace(`{"include_usage":true}`)
		return
	}
	present, kept := false, false
	for ok := e.s.Object(); ok; ok = e.s.Member() {
		if string(e.s.Key()) == "include_usage" {
			present = true
			e.replace("true")
		} else {
			e.s.Skip()
		}
		kept = true
	}
	if !present && !e.s.Failed() {
		e.insert(e.s.Pos()-1, `"include_usage":true`, kept)
	}
}
