package httpapi_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/remembered"
)

// diary is a small dialect whose answers are kept. Requests are an entry, answers what is said
// to it; both are readable in the tests.
type diary struct {
	openai.API
	journal *journal
}

// entry is a request of the dialect.
type entry struct {
	Model    string   `json:"model"`
	Words    []string `json:"words"`
	Stream   bool     `json:"stream,omitempty"`
	Previous string   `json:"previous_response_id,omitempty"`
	Keep     *bool    `json:"keep,omitempty"` // true where it is missing
}

// said is an answer of the dialect.
type said struct {
	ID   string `json:"id"`
	Said string `json:"said"`
	Kept bool   `json:"kept"`
	// Previous is the answer that it goes on with, where that is kept here.
	Previous string `json:"previous_response_id,omitempty"`
}

// journal has what happened in the order in which it did.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, ", ")
}

func (diary) Name() string { return "diary" }
func (diary) Path() string { return "/v1/diary" }

func (diary) Decode(in dialect.Incoming) (*chat.Request, error) {
	var e entry
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, chat.Errorf(chat.InvalidRequest, "%s", err)
	}
	return &chat.Request{
		ID: in.RequestID, Created: in.Received, Model: e.Model, Stream: e.Stream,
		Source:   chat.Source{Dialect: "diary", JSON: in.Body, Header: http.Header{"Previous": {in.Previous}}},
		Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: strings.Join(e.Words, " ")}}}},
	}, nil
}

func (d diary) Stream(request *chat.Request, _ dialect.Options, sink dialect.Sink) dialect.Stream {
	return &telling{answering: answering{request: request, journal: d.journal}, sink: sink}
}

func (d diary) Whole(request *chat.Request, _ dialect.Options) dialect.Whole {
	return &answering{request: request, journal: d.journal}
}

// answering is an answer on its way, whole.
type answering struct {
	request   *chat.Request
	journal   *journal
	text      string
	native    bool
	forgotten bool
}

func (a *answering) Add(event chat.Event) {
	a.text += event.Text
	a.native = a.native || event.Raw.Dialect == "diary"
}

func (a *answering) JSON() []byte {
	a.journal.note("end")
	_, body, _ := a.Answer()
	return body
}

func (a *answering) Answer() (id string, body []byte, native bool) {
	id = "resp_" + a.request.ID
	if a.native {
		id = "resp_native"
	}
	unwanted := bytes.Contains(a.request.Source.JSON, []byte(`"keep":false`))
	body, _ = json.Marshal(said{ID: id, Said: a.text, Kept: !a.forgotten && !unwanted, Previous: a.request.Source.Header["Previous"][0]})
	return id, body, a.native
}

func (a *answering) Forgotten() { a.forgotten = true }

// telling is an answer as a stream.
type telling struct {
	answering
	sink dialect.Sink
	told bool
}

func (t *telling) Event(event chat.Event) error {
	t.Add(event)
	return t.sink.Event("", []byte(`{"delta":"`+event.Text+`"}`), false)
}

// InBackground is for diaries that are kept however long it takes.
func (t *telling) InBackground() string {
	if !t.native || t.told || !bytes.Contains(t.request.Source.JSON, []byte("overnight")) {
		return ""
	}
	t.told = true
	return "resp_native"
}

func (t *telling) Done() error { return t.sink.Event("end", t.JSON(), false) }

func (diary) Wishes(body []byte) dialect.Wishes {
	var e entry
	if json.Unmarshal(body, &e) != nil {
		return dialect.Wishes{}
	}
	return dialect.Wishes{Previous: e.Previous, Keep: e.Keep == nil || *e.Keep}
}

func (diary) Resume(body []byte, earlier dialect.Remembered) ([]byte, error) {
	var e entry
	var input []string
	var answer said
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	if json.Unmarshal(earlier.Input, &input) != nil || json.Unmarshal(earlier.Answer, &answer) != nil {
		return nil, chat.Errorf(chat.Internal, "what is kept is broken")
	}
	e.Words, e.Previous = slices.Concat(input, []string{answer.Said}, e.Words), ""
	return json.Marshal(e)
}

func (diary) Input(body []byte) ([]byte, error) {
	var e entry
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	return json.Marshal(e.Words)
}

func (diary) InputPage(input []byte, query url.Values) ([]byte, error) {
	if query.Get("limit") == "0" {
		return nil, chat.Errorf(chat.InvalidRequest, "`limit` must be at least 1")
	}
	return []byte(`{"data":` + string(input) + `}`), nil
}

func (diary) Deleted(id string) []byte { return []byte(`{"id":"` + id + `","deleted":true}`) }

func (diary) Unknown(id, param string) *chat.Error {
	err := chat.Errorf(chat.NotFound, "there is no answer %s: replay from the start", id)
	if err.Err = errNoPage; param != "" {
		err.Kind, err.Param = chat.InvalidRequest, param
	}
	return err
}

func (diary) CountPath() string { return "/v1/diary/size" }

func (d diary) DecodeCount(in dialect.Incoming) (*chat.Request, error) { return d.Decode(in) }

func (diary) Count(tokens int) []byte { return fmt.Appendf(nil, `{"words":%d}`, tokens) }

// errNoPage is by which the dialect knows its own error about an id.
var errNoPage = errors.New("there is no such page")

func (d diary) Error(err error, requestID string) dialect.Error {
	answer := d.API.Error(err, requestID)
	if errors.Is(err, errNoPage) {
		answer.Header.Set("X-Diary", "no page")
	}
	return answer
}

func (diary) CompactPath() string { return "/v1/diary/compact" }

func (d diary) Compact(in dialect.Incoming) (*chat.Request, error) {
	request, err := d.Decode(in)
	if err == nil {
		request.Messages[0].Parts[0].Text += " in short"
	}
	return request, err
}

func (d diary) Compacted(request *chat.Request) dialect.Whole {
	return d.Whole(request, dialect.Options{})
}

// cupboard is a store of answers in memory. Where err is set, it fails with that; where stuck
// is, nothing can be deleted.
type cupboard struct {
	journal    *journal
	err, stuck error

	mu   sync.Mutex
	kept map[string]remembered.Answer
}

func (*cupboard) at(id string, owner remembered.Owner) string {
	return fmt.Sprintf("%s of %x", id, owner)
}

func (c *cupboard) Put(ctx context.Context, answer *remembered.Answer) error {
	if err := cmp.Or(c.err, context.Cause(ctx)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.journal.note("put")
	c.kept[c.at(answer.ID, answer.Owner)] = *answer
	return nil
}

func (c *cupboard) Get(ctx context.Context, id string, owner remembered.Owner) (*remembered.Answer, error) {
	if err := cmp.Or(c.err, context.Cause(ctx)); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found, is := c.kept[c.at(id, owner)]
	if !is {
		return nil, remembered.ErrNone
	}
	return &found, nil
}

func (c *cupboard) Delete(_ context.Context, id string, owner remembered.Owner) error {
	if err := cmp.Or(c.err, c.stuck); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, is := c.kept[c.at(id, owner)]; !is {
		return remembered.ErrNone
	}
	c.journal.note("deleted")
	delete(c.kept, c.at(id, owner))
	return nil
}

// all lists what is kept.
func (c *cupboard) all() []remembered.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.kept))
}

// confidant is a relay that answers entries, and notes what it is asked. native: what answers
// keeps its answers itself. refuses is the error of whatever it is asked.
type confidant struct {
	journal *journal
	native  bool
	own     bool // the answer is made with a token that the caller brought
	refuses error

	mu     sync.Mutex
	asked  []*chat.Request
	passed []*carried.Request
	from   caller.Caller // of what was passed last
	choice lease.Choice
}

func (r *confidant) Chat(_ context.Context, request *chat.Request, _ caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.choice = append(r.asked, request), choice
	return func(yield func(chat.Event, error) bool) {
		if r.refuses != nil {
			yield(chat.Event{}, r.refuses)
			return
		}
		for _, event := range r.answer() {
			if !yield(event, nil) {
				return
			}
		}
		r.journal.note("answered")
	}
}

func (r *confidant) answer() []chat.Event {
	origin := chat.Origin{Upstream: "far", TokenID: "tok_1"}
	if r.own {
		origin.TokenID = ""
	}
	first := chat.Event{Begin: &chat.Beginning{Origin: origin}}
	if r.native {
		first.Raw.Dialect = "diary"
	}
	return []chat.Event{first, {Text: "I"}, {Text: " see"}, {Finish: chat.Stop}}
}

func (r *confidant) Carry(_ context.Context, request *carried.Request, from caller.Caller, choice lease.Choice) iter.Seq2[carried.Piece, error] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed, r.from, r.choice = append(r.passed, request), from, choice
	return func(yield func(carried.Piece, error) bool) {
		if r.refuses != nil {
			yield(carried.Piece{}, r.refuses)
			return
		}
		head := carried.Head{Status: 200, Header: map[string][]string{"Content-Type": {"application/json"}}, Length: -1}
		more := yield(carried.Piece{Head: &head}, nil)
		r.journal.note("passed")
		_ = more && yield(carried.Piece{Bytes: []byte(`{"from":"far"}`)}, nil)
	}
}

// CountTokens counts words.
func (r *confidant) CountTokens(_ context.Context, request *chat.Request, _ caller.Caller, _ lease.Choice) (int, error) {
	return len(strings.Fields(request.Messages[0].Parts[0].Text)), nil
}

// study is a public port that speaks the diary.
type study struct {
	*edge
	journal  *journal
	cupboard *cupboard
	relay    *confidant
}

// newStudy makes one; change may be nil.
func newStudy(t *testing.T, change func(*httpapi.Deps)) *study {
	t.Helper()
	s := &study{journal: &journal{}}
	s.cupboard = &cupboard{journal: s.journal, kept: map[string]remembered.Answer{}}
	s.relay = &confidant{journal: s.journal}
	s.edge = newEdge(t, s.relay, func(d *httpapi.Deps) {
		d.Dialects = []dialect.Dialect{openai.API{}, diary{journal: s.journal}}
		d.Tokens = s.relay
		d.Remembered = &remembered.Desk{Store: s.cupboard, Timeout: time.Minute}
		if change != nil {
			change(d)
		}
	})
	return s
}
