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
	var d decoder
	if err := d.read(body, id, now); err != nil {
		return nil, err
	}
	return d.finish()
}

// read goes over a body.
func (d *decoder) read(body []byte, id string, now time.Time) error {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if !utf8.Valid(body) {
		return chat.Errorf(chat.InvalidRequest, "the request body is not valid UTF-8: see byte %d", invalidAt(body))
	}
	d.s = rawjson.Over(body)
	d.req = &chat.Request{
		ID: id, Created: now,
		Source: chat.Source{Dialect: Dialect, JSON: body},
	}
	err := d.request()
	if fault := d.s.End(); err == nil && fault != nil {
		err = syntaxError(body, fault)
	}
	return err
}

// finish returns what has been read, if it is a request of this API's form.
func (d *decoder) finish() (*chat.Request, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	if d.displaced {
		d.req.Locate = locate(d.req.Messages)
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
	hasInput    bool            // in the form of the Responses API
	noted       map[string]bool // see noteOnce
	byName      bool            // some result names its call by the function alone
	hasNewLimit bool            // max_completion_tokens
	// displaced: a message has parts that do not stand in its content.
	displaced bool
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
		from := d.s.Pos()
		switch string(d.s.Key()) {
		case "model":
			d.req.Model, err = d.text("model")
			d.noteMember("model", from)
		case "messages":
			err = d.messages()
		case "stream":
			d.req.Stream, err = d.boolean("stream")
			d.noteMember("stream", from)
		case "stream_options":
			err = d.streamOptions()
			d.noteMember("stream_options", from)
		case "user":
			d.req.User, err = d.optionalText("user")
			d.askIf(d.req.User != "", "user", chat.Tuning)
		case "prompt_cache_key":
			d.req.Session, err = d.optionalText("prompt_cache_key")
			d.askIf(d.req.Session != "", "prompt_cache_key", chat.Tuning)
		default:
			d.other(nameOf(d.s.Key()))
		}
		if err != nil {
			return err
		}
	}
	d.req.Source.Members.End()
	return nil
}

// noteMember notes a member that upstreams may be told otherwise. Its value begins at from, and has
// been consumed.
func (d *decoder) noteMember(name string, from int) {
	d.req.Source.Members.Note(name, from, d.s.Pos())
}

// other consumes a field that is no part of the conversation, in this API's form.
func (d *decoder) other(field string) {
	if inputFields[field] {
		d.hasInput = d.hasInput || (field == "input" || field == "instructions") && d.s.Kind() != rawjson.Null
		d.s.Skip()
		return
	}
	d.ask(field)
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
	}
	d.req.IncludeUsage = d.req.IncludeUsage && d.req.Stream // some clients ask for it in any case
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
	d.req.IncludeUsage = false
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil
	case rawjson.Object:
	default:
		return d.mismatch("stream_options", "an object")
	}
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
	switch d.s.Kind() {
	case rawjson.Array:
	case rawjson.Null:
		d.s.Skip()
		return nil
	default:
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
	pairCalls(d.req.Messages, d.byName)
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
var roles = rolesByName(map[string]chat.Role{
	"system": chat.System, "developer": chat.System,
	"user": chat.User, "human": chat.User,
	"assistant": chat.Assistant, "ai": chat.Assistant,
	"tool": chat.Tool, "function": chat.Tool,
})

// namedRole is a role with its name.
type namedRole struct {
	name string
	role chat.Role
}

func rolesByName(names map[string]chat.Role) map[string]namedRole {
	roles := make(map[string]namedRole, len(names))
	for name, role := range names {
		roles[name] = namedRole{name, role}
	}
	return roles
}

// roleAt is textAt for a role, without a copy of a name that is known.
func (d *decoder) roleAt(at place) (string, error) {
	if d.s.Kind() != rawjson.String {
		return "", d.mismatchAt(at, "role", "a string")
	}
	word := d.s.Word()
	if known, is := roles[string(word)]; is {
		return known.name, nil
	}
	return string(word), nil
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
