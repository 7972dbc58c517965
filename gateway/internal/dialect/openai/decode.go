package openai

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Decode reads the body of a chat completions request. Its error is always a
// *chat.Error that says what is wrong and where.
//
// It is strict about what it understands and where the official API is: types,
// roles, contents. What is wrong with a message becomes the request's HistoryFault,
// since an upstream that gets the client's own bytes judges them itself. A byte order
// mark is ignored. Fields and content parts that it does not know are left to
// upstreams that do: they stay in the request's Source, which keeps body; the
// caller must not change it afterwards.
func Decode(body []byte, id string, now time.Time) (*chat.Request, error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if !utf8.Valid(body) {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid UTF-8: see byte %d", invalidAt(body))
	}
	d := decoder{
		s: rawjson.Over(body),
		req: &chat.Request{
			ID: id, Created: now,
			Source: chat.Source{Dialect: Dialect, JSON: body},
		},
	}
	err := d.request()
	if fault := d.s.End(); err == nil && fault != nil {
		err = syntaxError(body, fault)
	}
	if err == nil {
		err = d.validate()
	}
	if err != nil {
		return nil, err
	}
	return d.req, nil
}

// byteOrderMark is what some editors and PowerShell put before a text.
var byteOrderMark = []byte("\xef\xbb\xbf")

func invalidAt(body []byte) int {
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(body)
}

func syntaxError(body []byte, fault *rawjson.SyntaxError) error {
	if len(body) == 0 {
		return chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
	}
	return chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", fault)
}

// decoder goes over a body once. Its methods consume one value each; they answer
// nil when the scanner has met a fault, which Decode then reports.
type decoder struct {
	s   rawjson.Scanner
	req *chat.Request
	// parts of all messages; each message has a stretch of it.
	parts []chat.Part

	hasMessages bool
	hasOptions  bool // stream_options, not null
}

// mismatch is the error for a value of the wrong type. The fault of a value that
// is no JSON at all is left to the scanner.
func (d *decoder) mismatch(param, wanted string) error {
	kind := d.s.Kind()
	if kind == rawjson.Invalid {
		d.s.Skip()
		return nil
	}
	return invalid(param, "`%s` must be %s, but is %s", param, wanted, kind)
}

func invalid(param, format string, args ...any) error {
	err := chat.Errorf(chat.InvalidRequest, format, args...)
	err.Param = param
	return err
}

func (d *decoder) request() error {
	if kind := d.s.Kind(); kind != rawjson.Object {
		if kind == rawjson.Invalid {
			d.s.Skip()
			return nil
		}
		return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, but is %s", kind)
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		var err error
		switch string(d.s.Key()) {
		case "model":
			d.req.Model, err = d.text("model")
		case "messages":
			err = d.messages()
		case "stream":
			d.req.Stream, err = d.boolean("stream")
		case "stream_options":
			err = d.streamOptions()
		case "user":
			d.req.User, err = d.optionalText("user")
			d.askIf(d.req.User != "", "user", chat.Tuning)
		case "prompt_cache_key":
			d.req.Session, err = d.optionalText("prompt_cache_key")
			d.askIf(d.req.Session != "", "prompt_cache_key", chat.Tuning)
		default:
			d.ask(string(d.s.Key()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// validate checks what can only be judged at the end.
func (d *decoder) validate() error {
	switch {
	case d.req.Model == "":
		return invalid(ModelParam, "`model` is missing: name the model that shall answer")
	case !d.hasMessages:
		return invalid("messages", "`messages` is missing: it must be an array of messages")
	case len(d.req.Messages) == 0:
		err := chat.Errorf(chat.EmptyMessages, "`messages` is empty: it must have at least one message")
		err.Param = "messages"
		return err
	case d.hasOptions && !d.req.Stream:
		return invalid("stream_options", "`stream_options` is only allowed when `stream` is true")
	}
	return nil
}

// text consumes a string.
func (d *decoder) text(param string) (string, error) {
	if d.s.Kind() != rawjson.String {
		return "", d.mismatch(param, "a string")
	}
	return d.s.Text(), nil
}

// optionalText consumes a string or null.
func (d *decoder) optionalText(param string) (string, error) {
	if d.s.Kind() == rawjson.Null {
		d.s.Skip()
		return "", nil
	}
	return d.text(param)
}

// boolean consumes a boolean or null, which is false.
func (d *decoder) boolean(param string) (bool, error) {
	switch d.s.Kind() {
	case rawjson.Bool:
		return d.s.Bool(), nil
	case rawjson.Null:
		d.s.Skip()
		return false, nil
	default:
		return false, d.mismatch(param, "a boolean")
	}
}

func (d *decoder) streamOptions() error {
	d.req.IncludeUsage, d.hasOptions = false, false
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil
	case rawjson.Object:
	default:
		return d.mismatch("stream_options", "an object")
	}
	d.hasOptions = true
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if string(d.s.Key()) != "include_usage" {
			d.s.Skip()
			continue
		}
		var err error
		if d.req.IncludeUsage, err = d.boolean("stream_options.include_usage"); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) messages() error {
	if d.s.Kind() != rawjson.Array {
		return d.mismatch("messages", "an array of messages")
	}
	d.hasMessages = true
	d.req.Messages = make([]chat.Message, 0, 4)
	d.parts = make([]chat.Part, 0, 4)
	d.req.HistoryFault = nil // the last of equal keys counts
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		start := d.s
		message, err := d.message(len(d.req.Messages))
		if err != nil { // the upstream's to judge, if it speaks this dialect
			if d.req.HistoryFault == nil {
				d.req.HistoryFault = chat.AsError(err)
			}
			d.s = start
			d.s.Skip()
		}
		d.req.Messages = append(d.req.Messages, message)
	}
	return nil
}

// place is where in the request a decoder is. It becomes text only in an error.
type place struct {
	message int
	part    int // -1: not inside a content part
	call    int // -1: not inside a tool call
}

func (p place) param(field string) string {
	text := "messages[" + strconv.Itoa(p.message) + "]"
	if p.part >= 0 {
		text += ".content[" + strconv.Itoa(p.part) + "]"
	}
	if p.call >= 0 {
		text += ".tool_calls[" + strconv.Itoa(p.call) + "]"
	}
	if field != "" {
		text += "." + field
	}
	return text
}

// roles are the names of each role. "function" is how results of calls were named
// before there were tools.
var roles = map[string]chat.Role{
	"system": chat.System, "developer": chat.System,
	"user": chat.User, "human": chat.User,
	"assistant": chat.Assistant, "ai": chat.Assistant,
	"tool": chat.Tool, "function": chat.Tool,
}

// draft is a message of which not all is known yet: the role may come last.
type draft struct {
	chat.Message
	role       string
	hasRole    bool
	hasContent bool // neither absent nor null
	calls      []chat.Part
	callID     string
	// refusal is what an assistant said instead of a content, at most one part.
	refusal []chat.Part
	// speaks tells that an assistant's message says something in another way
	// than by its content: a call, a refusal, audio.
	speaks bool
}

// message consumes a message. What it returns beside an error is what it has read.
func (d *decoder) message(index int) (chat.Message, error) {
	at := place{message: index, part: -1, call: -1}
	if d.s.Kind() != rawjson.Object {
		return chat.Message{}, d.mismatchAt(at, "", "an object")
	}
	var m draft
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := d.messageField(&m, at); err != nil {
			return m.Message, err
		}
	}
	if d.s.Failed() {
		return chat.Message{}, nil
	}
	err := m.validate(at)
	return m.Message, err
}

func (d *decoder) messageField(m *draft, at place) (err error) {
	switch string(d.s.Key()) {
	case "role":
		m.role, err = d.textAt(at, "role")
		m.hasRole = true
	case "content":
		m.Parts, m.hasContent, err = d.content(at)
	case "tool_calls":
		m.calls, err = d.toolCalls(at)
		m.speaks = m.speaks || len(m.calls) > 0
	case "tool_call_id":
		if d.s.Kind() == rawjson.Null {
			d.s.Skip()
			break
		}
		m.callID, err = d.textAt(at, "tool_call_id")
	case "refusal":
		m.refusal, err = d.refusal(at)
		m.speaks = m.speaks || m.refusal != nil
	case "audio", "function_call":
		m.speaks = m.speaks || d.s.Kind() != rawjson.Null
		d.askOfMessage(at, string(d.s.Key()))
	case "name":
		d.askOfMessage(at, "name")
	default:
		d.s.Skip()
	}
	return err
}

// assemble puts what is said beside the content among the parts.
func (m *draft) assemble() {
	switch {
	case m.Role == chat.Tool:
		m.Parts = []chat.Part{{Result: &chat.Result{CallID: m.callID, Parts: m.Parts}}}
	case len(m.calls) > 0:
		m.Parts = append(m.Parts, m.calls...) // the parts' capacity ends with them
	}
}

func (m *draft) validate(at place) error {
	if !m.hasRole {
		return invalid(at.param("role"), "`%s` is missing", at.param("role"))
	}
	role, known := roles[m.role]
	if !known {
		return invalid(at.param("role"),
			"`%s` must be system, developer, user, assistant or tool, but is %q", at.param("role"), cut(m.role))
	}
	m.Role, m.Developer = role, m.role == "developer"
	if !m.hasContent && (role != chat.Assistant || !m.speaks) {
		return invalid(at.param("content"),
			"`%s` is missing: it must be a string or an array of content parts", at.param("content"))
	}
	if !m.hasContent {
		m.Parts = m.refusal
	}
	if m.role == "tool" && m.callID == "" {
		return invalid(at.param("tool_call_id"),
			"`%s` is missing: it must name the call that the message answers", at.param("tool_call_id"))
	}
	m.assemble()
	return nil
}

// cut keeps a client's own words short in an error.
func cut(text string) string {
	const longest = 64
	if len(text) <= longest {
		return text
	}
	end := longest
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// content consumes a message's content. present is false for null.
func (d *decoder) content(at place) (parts []chat.Part, present bool, err error) {
	start := len(d.parts)
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil, false, nil
	case rawjson.String:
		d.parts = append(d.parts, chat.Part{Text: d.s.Text()})
	case rawjson.Array:
		at.part = 0
		for ok := d.s.Array(); ok; ok = d.s.Element() {
			if err := d.part(at); err != nil {
				return nil, false, err
			}
			at.part++
		}
		if at.part == 0 && !d.s.Failed() {
			at.part = -1
			return nil, false, invalid(at.param("content"), "`%s` is an empty array: it must have at least one part", at.param("content"))
		}
	default:
		return nil, false, d.mismatchAt(at, "content", "a string or an array of content parts")
	}
	return d.parts[start:len(d.parts):len(d.parts)], true, nil
}

// part consumes one content part. Of the types that the canonical form has no
// room for (audio, files) their name is kept; Source has the rest.
func (d *decoder) part(at place) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatchAt(at, "", "an object")
	}
	from := d.s.Pos()
	var kind, text, refusal, url string
	var hasKind, hasText, hasURL bool
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		var err error
		switch string(d.s.Key()) {
		case "type":
			hasKind = true
			kind, err = d.textAt(at, "type")
		case "text":
			if d.s.Kind() == rawjson.String {
				hasText = true
				text = d.s.Text()
			} else {
				err = d.mismatchAt(at, "text", "a string")
			}
		case "refusal":
			if d.s.Kind() == rawjson.String {
				refusal = d.s.Text()
			} else {
				d.s.Skip()
			}
		case "image_url":
			hasURL = true
			url, err = d.imageURL(at)
		default:
			d.s.Skip()
		}
		if err != nil {
			return err
		}
	}
	if d.s.Failed() {
		return nil
	}
	whole := d.req.Source.JSON[from:d.s.Pos()]
	switch {
	case !hasKind:
		return invalid(at.param("type"), "`%s` is missing: it must be text, image_url or another type of content", at.param("type"))
	case kind == "text" && !hasText:
		return invalid(at.param("text"), "`%s` is missing: it must be a string", at.param("text"))
	case kind == "text":
		d.parts = append(d.parts, chat.Part{Text: text})
	case kind == "image_url" && !hasURL:
		return invalid(at.param("image_url"), "`%s` is missing: it must be an object with a `url`", at.param("image_url"))
	case kind == "image_url":
		d.parts = append(d.parts, chat.Part{Image: &chat.Image{URL: url}})
	case kind == "refusal": // what an assistant said instead of a text
		d.parts = append(d.parts, chat.Part{Text: refusal, Refusal: true})
	default:
		d.parts = append(d.parts, chat.Part{Opaque: &chat.Opaque{Dialect: Dialect, Type: cut(kind), JSON: whole}})
	}
	return nil
}

// imageURL consumes {"url": …}, or the URL alone as some clients send it.
func (d *decoder) imageURL(at place) (url string, err error) {
	switch d.s.Kind() {
	case rawjson.String:
		url = d.s.Text()
	case rawjson.Object:
		for ok := d.s.Object(); ok; ok = d.s.Member() {
			if key := string(d.s.Key()); key == "detail" {
				d.askOfMessage(at, key)
			} else if key != "url" {
				d.s.Skip()
			} else if url, err = d.textAt(at, "image_url.url"); err != nil {
				return "", err
			}
		}
	default:
		return "", d.mismatchAt(at, "image_url", "an object with a `url`")
	}
	if url == "" && !d.s.Failed() {
		return "", invalid(at.param("image_url.url"), "`%s` is missing: it must be a data, http or https URL", at.param("image_url.url"))
	}
	return url, nil
}

// toolCalls consumes an assistant's calls. A call of a custom tool has a name and
// an input in the places of a function's name and arguments.
func (d *decoder) toolCalls(at place) ([]chat.Part, error) {
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil, nil
	case rawjson.Array:
	default:
		return nil, d.mismatchAt(at, "tool_calls", "an array")
	}
	var calls []chat.Part
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		at.call = len(calls)
		call, err := d.toolCall(at)
		if err != nil {
			return nil, err
		}
		calls = append(calls, chat.Part{Call: call})
	}
	return calls, nil
}

func (d *decoder) toolCall(at place) (call *chat.Call, err error) {
	call = &chat.Call{}
	if d.s.Kind() != rawjson.Object {
		return call, d.mismatchAt(at, "", "an object")
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch key := string(d.s.Key()); key {
		case "id":
			call.ID, err = d.textAt(at, key)
		case "function", "custom":
			call.Custom = key == "custom"
			err = d.called(at, key, call)
		default:
			d.s.Skip()
		}
		if err != nil {
			return call, err
		}
	}
	return call, nil
}

// called consumes what is called and with what.
func (d *decoder) called(at place, field string, call *chat.Call) (err error) {
	if d.s.Kind() != rawjson.Object {
		return d.mismatchAt(at, field, "an object")
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch key := string(d.s.Key()); key {
		case "name":
			call.Name, err = d.textAt(at, field+".name")
		case "arguments", "input":
			if d.s.Kind() == rawjson.String {
				call.Arguments = d.s.Text()
			} else {
				err = d.mismatchAt(at, field+"."+key, "a string")
			}
		default:
			d.s.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// textAt is text for a field whose path is only made for an error.
func (d *decoder) textAt(at place, field string) (string, error) {
	if d.s.Kind() != rawjson.String {
		return "", d.mismatchAt(at, field, "a string")
	}
	return d.s.Text(), nil
}

func (d *decoder) mismatchAt(at place, field, wanted string) error {
	return d.mismatch(at.param(field), wanted)
}
