package responses

import (
	"bytes"
	"cmp"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// decode reads the body of a request. Its error is always a *chat.Error.
//
// It is strict about the types of what it understands. What is wrong with the items becomes
// the request's HistoryFault, since an upstream that gets the client's own bytes judges them
// itself. Fields, items and tools that it does not know are left to upstreams that do:
// clients are younger than gateways.
func (a API) decode(in dialect.Incoming) (*chat.Request, error) {
	body := bytes.TrimPrefix(in.Body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid UTF-8")
	}
	d := decoder{
		s: rawjson.Over(body), besideChat: a.BesideChat,
		req: &chat.Request{
			ID: idPrefix + in.RequestID, Created: in.Received, IncludeUsage: true,
			Source: chat.Source{Dialect: Dialect, JSON: body, Query: in.Query, Previous: in.Previous, Header: passedOn(in.Header)},
		},
	}
	err := d.request()
	if fault := d.s.End(); err == nil && fault != nil {
		err = chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", fault)
	}
	if err == nil {
		err = d.finish()
	}
	if err != nil {
		return nil, err
	}
	d.req.Session = cmp.Or(session(in.Header), d.req.Session)
	return d.req, nil
}

// idPrefix begins the ids of answers.
const idPrefix = "resp_"

// decoder goes over a body once. Its methods consume one value each; they answer nil when
// the scanner has met a fault, which decode then reports.
type decoder struct {
	s   rawjson.Scanner
	req *chat.Request
	// instructions stand before all items, wherever their field does.
	instructions string
	history      history
	tools        tools
	choice       choice
	update       update
	noted        map[chat.Ask]bool // see noteOnce
	hasInput     bool
	// fault is the first thing that is wrong beside the items, and an upstream's to judge as they are.
	fault      *chat.Error
	besideChat bool // see API
	// hasState: there is a conversation elsewhere that the request goes on with.
	hasState bool
	// refers: an item stands for what only the vendor has.
	refers bool
}

func (d *decoder) request() error {
	if len(d.req.Source.JSON) == 0 {
		return chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
	}
	if kind := d.s.Kind(); kind != rawjson.Object && kind != rawjson.Invalid {
		return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, but is %s", kind)
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
		d.req.Model, err = d.text(name)
	case inputField:
		err = d.input()
	case instructionsField:
		d.instructions, err = d.text(name)
	case "stream":
		var stream *bool
		stream, err = d.boolean(name)
		d.req.Stream = stream != nil && *stream
	case toolsField:
		d.tools.offered, err = d.toolList(toolsField, false)
	case choiceField:
		err = d.toolChoice()
	default:
		err = d.wish(name)
	}
	return err
}

// The names of fields that several functions know.
const (
	modelField        = "model"
	inputField        = "input"
	instructionsField = "instructions"
	toolsField        = "tools"
	choiceField       = "tool_choice"
	previousField     = "previous_response_id"
	storeField        = "store"
)

// finish checks what can only be judged at the end, and puts the parts together.
func (d *decoder) finish() error {
	if d.req.Model == "" {
		return invalid(modelField, "is missing: name the model that shall answer")
	}
	d.history.end(d.instructions)
	d.req.Messages, d.req.Locate = d.history.messages, d.history.locate
	if !d.history.speaks && !d.hasState && !d.refers {
		words := "is empty: it must have at least one item"
		if !d.hasInput {
			words = "is missing: it must be a string or an array of items"
		}
		fault := invalid(inputField, words)
		fault.Kind = chat.EmptyMessages
		d.history.blame(fault)
	}
	d.settle()
	d.configure()
	d.req.HistoryFault = cmp.Or(d.fault, d.history.fault)
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

// noteOnce takes note of what may stand in a request any number of times.
func (d *decoder) noteOnce(field string, need chat.Need) {
	ask := chat.Ask{Field: field, Need: need}
	if d.noted[ask] {
		return
	}
	if d.noted == nil {
		d.noted = map[chat.Ask]bool{}
	}
	d.noted[ask] = true
	d.req.Asks = append(d.req.Asks, ask)
}

// noteElsewhere takes note of the first item that stands for what only the vendor has.
func (d *decoder) noteElsewhere(at place) {
	if !d.refers {
		d.note(at.String(), chat.State)
	}
	d.refers = true
}
