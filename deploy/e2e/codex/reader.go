package codex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// DefaultIdle is how long a stream may send no frame.
const DefaultIdle = 300 * time.Second

// Answer is what a stream has said.
type Answer struct {
	ID    string
	Usage *Usage
	// Items are those that were done and are understood, in order; of types that are unknown
	// too.
	Items []Item
	// Shown is what was displayed while it came: text and what was thought.
	Shown string
	// Dropped tells of items that the client loses without a word, Stray of deltas for which
	// there is no item, and of others that can't be displayed. Both are faults of who writes
	// the stream, and none of the client's errors.
	Dropped, Stray []string
	// Lingered is how long the stream went on after it had said that it failed: so long the
	// user waits for nothing.
	Lingered time.Duration
	// First is when the first of Shown came; zero: none did.
	First time.Time
}

// Usage is what was counted.
type Usage struct{ Input, Cached, Output, Reasoning, Total int64 }

// Text is what the messages say.
func (a *Answer) Text() string {
	text := ""
	for _, item := range a.Items {
		if item.Type == "message" {
			text += item.Text
		}
	}
	return text
}

// Calls are the items that want something done.
func (a *Answer) Calls() (calls []Item) {
	for _, item := range a.Items {
		if item.Calls() {
			calls = append(calls, item)
		}
	}
	return calls
}

// Read reads a stream to its end, and closes it. idle bounds the time between two frames that are
// JSON; 0: DefaultIdle. An error is a *Failure, or the context's; what has come before it is in
// the answer.
func Read(ctx context.Context, stream io.ReadCloser, idle time.Duration) (*Answer, error) {
	if idle == 0 {
		idle = DefaultIdle
	}
	coming, stop := make(chan frame), make(chan struct{})
	read := make(chan struct{})
	go func() { // ends with the stream, which is closed below
		defer close(read)
		readFrames(stream).each(coming, stop)
	}()
	defer func() {
		close(stop)
		_ = stream.Close()
		<-read
	}()
	r := &reading{answer: new(Answer)}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.answer, ctx.Err()
		case <-timer.C:
			return r.answer, broken("idle timeout waiting for SSE")
		case next := <-coming:
			if next.err != nil {
				return r.answer, r.ended(next.err)
			}
			understood, done := r.take(next.data)
			if done {
				return r.answer, nil
			}
			if understood {
				timer.Reset(idle)
			}
		}
	}
}

// reading is a stream that is being read.
type reading struct {
	answer  *Answer
	failure *Failure // what the end will be, as the stream has said
	said    time.Time
	active  bool // there is an item to which deltas belong
}

// ended is what the end of the stream means where nothing was completed.
func (r *reading) ended(err error) error {
	switch {
	case r.failure != nil:
		r.answer.Lingered = time.Since(r.said)
		return r.failure
	case errors.Is(err, io.EOF):
		return broken("stream closed before response.completed")
	}
	return broken("%v", err)
}

func (r *reading) fails(failure *Failure) {
	r.failure, r.said = failure, time.Now()
}

// wireEvent has the fields of events that are read.
type wireEvent struct {
	Type         string          `json:"type"`
	Response     json.RawMessage `json:"response"`
	Item         json.RawMessage `json:"item"`
	Delta        *string         `json:"delta"`
	SummaryIndex *int64          `json:"summary_index"`
	ContentIndex *int64          `json:"content_index"`
	CallID       *string         `json:"call_id"`
	ItemID       *string         `json:"item_id"`
}

// take reads a frame. understood: it was JSON; done: the answer is complete.
func (r *reading) take(data string) (understood, done bool) {
	var event wireEvent
	if json.Unmarshal([]byte(data), &event) != nil {
		return false, false
	}
	switch event.Type {
	case "response.output_item.added":
		if item, err := parseItem(event.Item); err != nil {
			r.stray("an item was added that is none: %v", err)
		} else {
			r.active = item.Type == "message" || item.Type == "reasoning" || item.Type == "custom_tool_call"
		}
	case "response.output_text.delta":
		r.show(event, true)
	case "response.reasoning_summary_text.delta", "response.reasoning_summary_part.added":
		r.show(event, event.SummaryIndex != nil)
	case "response.reasoning_text.delta":
		r.show(event, event.ContentIndex != nil)
	case "response.custom_tool_call_input.delta":
		if event.Delta == nil || event.ItemID == nil && event.CallID == nil {
			r.stray("%s", data)
		}
	case "response.output_item.done":
		r.itemDone(event.Item)
	case "response.completed":
		return true, r.completed(event.Response)
	case "response.incomplete":
		r.incomplete(event.Response)
	case "response.failed":
		r.failed(event.Response)
	}
	return true, false
}

// show displays a delta, which must belong to an item and to a place in it.
func (r *reading) show(event wireEvent, placed bool) {
	if event.Type == "response.reasoning_summary_part.added" {
		if !placed || !r.active {
			r.stray("%s without summary_index or an item", event.Type)
		}
		return
	}
	if !placed || event.Delta == nil || !r.active {
		r.stray("%s without its index, its delta or an item", event.Type)
		return
	}
	if r.answer.First.IsZero() {
		r.answer.First = time.Now()
	}
	r.answer.Shown += *event.Delta
}

func (r *reading) stray(format string, values ...any) {
	r.answer.Stray = append(r.answer.Stray, fmt.Sprintf(format, values...))
}

func (r *reading) itemDone(raw json.RawMessage) {
	r.active = false
	item, err := parseItem(raw)
	if err != nil {
		r.answer.Dropped = append(r.answer.Dropped, err.Error()+": "+string(raw))
		return
	}
	r.answer.Items = append(r.answer.Items, item)
}

// wireResponse has the fields of response objects that are read.
type wireResponse struct {
	ID    *string    `json:"id"`
	Usage *wireUsage `json:"usage"`
	Error *struct {
		Code    *string `json:"code"`
		Message *string `json:"message"`
	} `json:"error"`
	IncompleteDetails *struct {
		Reason *string `json:"reason"`
	} `json:"incomplete_details"`
}

type wireUsage struct {
	Input   *int64 `json:"input_tokens"`
	Details *struct {
		Cached *int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Output        *int64 `json:"output_tokens"`
	OutputDetails *struct {
		Reasoning *int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total *int64 `json:"total_tokens"`
}

// completed reads the end. One that can't be read is a broken stream.
func (r *reading) completed(raw json.RawMessage) bool {
	var response wireResponse
	if err := json.Unmarshal(raw, &response); err != nil {
		r.fails(broken("failed to parse response.completed: %v", err))
		return false
	}
	if response.ID == nil {
		r.fails(broken("failed to parse response.completed: it has no id"))
		return false
	}
	if response.Usage != nil {
		usage, err := response.Usage.read()
		if err != nil {
			r.fails(broken("failed to parse response.completed: %v", err))
			return false
		}
		r.answer.Usage = usage
	}
	r.answer.ID = *response.ID
	return true
}

func (u *wireUsage) read() (*Usage, error) {
	if u.Input == nil || u.Output == nil || u.Total == nil {
		return nil, errors.New("usage has no input_tokens, output_tokens or total_tokens")
	}
	usage := &Usage{Input: *u.Input, Output: *u.Output, Total: *u.Total}
	if u.Details != nil {
		if u.Details.Cached == nil {
			return nil, errors.New("input_tokens_details has no cached_tokens")
		}
		usage.Cached = *u.Details.Cached
	}
	if u.OutputDetails != nil {
		if u.OutputDetails.Reasoning == nil {
			return nil, errors.New("output_tokens_details has no reasoning_tokens")
		}
		usage.Reasoning = *u.OutputDetails.Reasoning
	}
	return usage, nil
}

func (r *reading) incomplete(raw json.RawMessage) {
	reason := "unknown"
	var response wireResponse
	if json.Unmarshal(raw, &response) == nil && response.IncompleteDetails != nil && response.IncompleteDetails.Reason != nil {
		reason = *response.IncompleteDetails.Reason
	}
	r.fails(&Failure{Remedy: Again, Code: reason, Message: "incomplete response returned, reason: " + reason})
}

func (r *reading) failed(raw json.RawMessage) {
	var response wireResponse
	if json.Unmarshal(raw, &response) != nil || response.Error == nil {
		r.fails(broken("response.failed event received"))
		return
	}
	r.fails(failedResponse(given(response.Error.Code), given(response.Error.Message)))
}
