package anthropic

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// decode reads the body of a request, or with counting of a question for its tokens. Its
// error is always a *chat.Error, in the API's own words where it has some.
//
// It is strict about the types of what it understands. What is wrong with the history
// becomes the request's HistoryFault, since an upstream that gets the client's own bytes
// judges them itself. Fields that it does not know are left to upstreams that do.
func decode(in dialect.Incoming, counting bool) (*chat.Request, error) {
	body := bytes.TrimPrefix(in.Body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid UTF-8")
	}
	d := decoder{
		s: rawjson.Over(body), newRules: in.Header.Get("Anthropic-Version") == sealedSampling,
		req: &chat.Request{
			ID: idPrefix + in.RequestID, Created: in.Received, IncludeUsage: true,
			Source: chat.Source{Dialect: Dialect, JSON: body, Query: in.Query, Header: passedOn(in.Header)},
		},
	}
	err := d.request()
	if fault := d.s.End(); err == nil && fault != nil {
		err = chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", fault)
	}
	if err == nil {
		err = d.finish(counting)
	}
	if err != nil {
		return nil, err
	}
	if session := in.Header.Get(sessionHeader); session != "" {
		d.req.Session = session
	}
	return d.req, nil
}

// idPrefix is what ids of answers begin with.
const idPrefix = "msg_"

// sealedSampling is the version of the API under which sampling can't be set any more.
const sealedSampling = "2026-10-21"

// decoder goes over a body once. Its methods consume one value each; they answer nil when
// the scanner has met a fault, which decode then reports.
type decoder struct {
	s   rawjson.Scanner
	req *chat.Request
	// system are the leading instructions; the key may come after the messages.
	system  turn
	history history
	tools   toolList
	// newRules: the request is under the version of October 2026.
	newRules              bool
	hasMessages, hasLimit bool
}

func (d *decoder) request() error {
	if len(d.req.Source.JSON) == 0 {
		return chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
	}
	if kind := d.s.Kind(); kind != rawjson.Object && kind != rawjson.Invalid {
		return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, not %s", kind)
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := d.field(string(d.s.Key())); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) field(name string) (err error) {
	switch name {
	case modelField:
		d.req.Model, err = d.word(name)
		d.req.Model = strings.TrimSuffix(d.req.Model, longWindow)
	case "messages":
		err = d.messages()
	case "system":
		err = d.instructions()
	case "max_tokens":
		err = d.limit(name)
	case "stream":
		var stream *bool
		stream, err = d.boolean(name)
		d.req.Stream = stream != nil && *stream
	case "tools":
		err = d.toolList()
	case "tool_choice":
		err = d.toolChoice()
	default:
		err = d.wish(name)
	}
	return err
}

const (
	modelField = "model"
	// longWindow is what Claude Code puts behind a model's name when it believes that its
	// window has a million tokens. It is never part of the name.
	longWindow = "[1m]"
)

// limit consumes the output limit. One of zero asks for nothing but a warm cache.
func (d *decoder) limit(field string) error {
	limit, err := d.integer(field)
	switch {
	case err != nil || limit == nil:
		return err
	case *limit < 0:
		return invalid(field, "Input should be greater than or equal to 0")
	case *limit == 0:
		d.note(field, chat.State)
	}
	d.req.MaxTokens, d.hasLimit = *limit, true
	return nil
}

// finish checks what can only be judged at the end, and puts the parts together.
func (d *decoder) finish(counting bool) error {
	switch {
	case d.req.Model == "":
		return invalid(modelField, required)
	case !d.hasMessages:
		return invalid(listNames[messages], required)
	case !d.hasLimit && !counting:
		return invalid("max_tokens", required)
	}
	d.history.lead(d.system)
	d.history.end()
	d.req.Messages, d.req.Locate = d.history.messages, d.history.locate
	if !d.history.speaks {
		d.history.blame(&chat.Error{Kind: chat.EmptyMessages, Param: listNames[messages], Message: "messages: at least one message is required"})
	}
	if d.history.fault != nil {
		d.req.HistoryFault = d.history.fault
	}
	d.askForTools()
	return nil
}

func (d *decoder) note(field string, need chat.Need) {
	d.req.Asks = append(d.req.Asks, chat.Ask{Field: field, Need: need})
}

func (d *decoder) noteIf(asks bool, field string, need chat.Need) {
	if asks {
		d.note(field, need)
	}
}

// instructions consumes the leading ones: text, or text blocks.
func (d *decoder) instructions() (err error) {
	d.system = turn{}
	if d.null() {
		return nil
	}
	if err := d.content(&d.system, in(system, none)); err != nil {
		return err
	}
	d.system.dropAttribution()
	return nil
}

func (d *decoder) messages() error {
	d.hasMessages = true
	d.history = history{} // the last of equal keys counts
	return d.array(messages.name, func(i int) error {
		start := d.s
		message, err := d.message(in(messages, i))
		if err != nil { // the upstream's to judge, if it speaks this dialect
			d.history.blame(err)
			d.s = start
			d.s.Skip()
			return nil
		}
		d.history.add(message)
		return nil
	})
}

func (l list) name() string { return listNames[l] }

// message consumes one. The role may come after the content.
func (d *decoder) message(at place) (message turn, err error) {
	hasContent := false
	err = d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "role":
			message.role, err = d.text(at, "role")
		case "content":
			hasContent = true
			err = d.content(&message, at)
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return message, err
	}
	switch message.role {
	case "":
		return message, invalid(at.field("role"), required)
	case user, assistant, instructor:
	default:
		return message, invalid(at.field("role"), "Input should be 'user', 'assistant' or 'system', not '"+chat.Cut(message.role, longestWord)+"'")
	}
	switch {
	case !hasContent:
		return message, invalid(at.field("content"), required)
	case d.newRules && message.role == assistant && message.papers != nil:
		return message, invalid(message.papers.String(), "document blocks are not permitted in assistant messages")
	case d.newRules && message.role == user && message.cites != nil:
		return message, invalid(message.cites.field("citations"), "citations are not permitted in user messages")
	}
	return message, nil
}

// longestWord bounds what an error quotes of a client's own words, in bytes.
const longestWord = 64
