package openai

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
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

// newRequest makes the HTTP request for a call. Its body is whole, so that it
// can be sent again when a pooled connection turns out to be dead.
func (d *Driver) newRequest(ctx context.Context, call *upstream.Call) *http.Request {
	body := d.body(call)
	header := make(http.Header, 6)
	header["Accept-Encoding"] = identity
	header["Content-Type"] = jsonType
	header["User-Agent"] = userAgent
	header["Accept"] = jsonType
	if call.Request.Stream {
		header["Accept"] = acceptStream
	}
	authorize(header, call.Credential)
	request := &http.Request{
		Method: http.MethodPost, URL: d.chatURL, Host: d.chatURL.Host, Header: header,
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

// body is the JSON to send. It may be the client's own, which nobody changes.
func (d *Driver) body(call *upstream.Call) []byte {
	req := call.Request
	if req.Source.Dialect == dialect {
		if edited, ok := d.edit(req.Source.JSON, call.Model, req.Stream); ok {
			return edited
		}
	}
	return d.build(call)
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
			e.replace(strconv.FormatBool(stream))
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
	if stream && !hasStream {
		e.insert(end, `"stream":true`, kept)
	}
	if stream && d.settings.includeUsage && !hasOptions {
		e.insert(end, `"stream_options":{"include_usage":true}`, kept)
	}
	if e.edit.Unchanged() { // a large body is not copied for nothing
		return source, true
	}
	return e.edit.Bytes(), true
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

// build renders a request of another dialect from its canonical form.
func (d *Driver) build(call *upstream.Call) []byte {
	req := call.Request
	dst := append(make([]byte, 0, 1024+len(req.Source.JSON)), `{"model":`...)
	dst = rawjson.AppendString(dst, call.Model)
	dst = append(dst, `,"messages":[`...)
	for i := range req.Messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMessage(dst, &req.Messages[i])
	}
	dst = append(dst, ']')
	if req.User != "" {
		dst = append(dst, `,"user":`...)
		dst = rawjson.AppendString(dst, req.User)
	}
	if req.Stream {
		dst = append(dst, `,"stream":true`...)
		if d.settings.includeUsage {
			dst = append(dst, `,"stream_options":{"include_usage":true}`...)
		}
	}
	return append(dst, '}')
}

// appendMessage writes a message; one with the results of several calls becomes several.
func appendMessage(dst []byte, message *chat.Message) []byte {
	if message.Role == chat.Tool {
		return appendResults(dst, message.Parts)
	}
	var calls []*chat.Call
	for _, part := range message.Parts {
		if part.Call != nil {
			calls = append(calls, part.Call)
		}
	}
	dst = append(dst, `{"role":`...)
	dst = rawjson.AppendString(dst, string(message.Role))
	dst = append(dst, `,"content":`...)
	dst = appendContent(dst, message.Parts, len(calls) > 0)
	if len(calls) > 0 {
		dst = append(dst, `,"tool_calls":[`...)
		for i, call := range calls {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCall(dst, call)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendCall(dst []byte, call *chat.Call) []byte {
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, call.ID)
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = rawjson.AppendString(dst, call.Name)
	dst = append(dst, `,"arguments":`...)
	dst = rawjson.AppendString(dst, call.Arguments)
	return append(dst, `}}`...)
}

func appendResults(dst []byte, parts []chat.Part) []byte {
	for i, part := range parts {
		if part.Result == nil {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"role":"tool","content":`...)
		dst = appendContent(dst, part.Result.Parts, false)
		dst = append(dst, `,"tool_call_id":`...)
		dst = rawjson.AppendString(dst, part.Result.CallID)
		dst = append(dst, '}')
	}
	return dst
}

// appendContent writes a lone text as a string, which every upstream reads, and
// anything else as parts.
func appendContent(dst []byte, all []chat.Part, calls bool) []byte {
	parts := slices.DeleteFunc(slices.Clone(all), func(part chat.Part) bool { return part.Image == nil && !part.IsText() })
	switch {
	case len(parts) == 0 && calls:
		return append(dst, "null"...)
	case len(parts) == 0:
		return append(dst, `""`...)
	case len(parts) == 1 && parts[0].Image == nil:
		return rawjson.AppendString(dst, parts[0].Text)
	}
	dst = append(dst, '[')
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		if part.Image != nil {
			dst = append(dst, `{"type":"image_url","image_url":{"url":`...)
			dst = rawjson.AppendString(dst, part.Image.URL)
			dst = append(dst, `}}`...)
		} else {
			dst = append(dst, `{"type":"text","text":`...)
			dst = rawjson.AppendString(dst, part.Text)
			dst = append(dst, '}')
		}
	}
	return append(dst, ']')
}
