package responses

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
	"carousel.internal/gateway/internal/rawjson"
)

// answer is what is known of an answer that is composed here.
type answer struct {
	request *chat.Request
	now     func() time.Time
	echo    echo
	// split are the tools that the client knows in a namespace; codex: the client is Codex.
	split map[string]qualified
	codex bool

	output []byte // complete items, with commas between them
	items  int    // that have begun
	item   item   // the one that is being said
	calls  map[string]bool
	ending ending
	usage  *chat.Usage
	// completed is when the last event came; zero: it has not.
	completed time.Time
}

func newAnswer(request *chat.Request, now func() time.Time) answer {
	return answer{
		request: request, now: now, echo: echoOf(&request.Source), split: splitNames(request),
		codex: isCodex(http.Header(request.Source.Header)),
	}
}

// keepsSeals tells whether the client is given what lets reasoning come back: it asks for it,
// or may go on with the answer by its id.
func (a *answer) keepsSeals() bool { return a.echo.sealed || a.echo.store }

// itemID is the id of the item that begins, which no other has.
func (a *answer) itemID(prefix string) string {
	return prefix + strings.TrimPrefix(a.request.ID, idPrefix) + "_" + strconv.Itoa(a.items)
}

// callID is the id of a call, which no other of the answer has, with what belongs to the call.
func (a *answer) callID(block *chat.Block) string {
	if a.calls == nil {
		a.calls = map[string]bool{}
	}
	id := block.ID
	for n := len(a.calls); id == "" || a.calls[id]; n++ {
		id = "call_" + strings.TrimPrefix(a.request.ID, idPrefix) + "_" + strconv.Itoa(n)
	}
	a.calls[id] = true
	return callextra.With(id, block.Extra)
}

// see takes what an event says beside its text.
func (a *answer) see(event *chat.Event) {
	if event.Usage != nil {
		usage := *event.Usage
		a.usage = &usage
	}
	if event.Open != nil && event.Kind == chat.RefusalBlock {
		a.ending.refused = true
	}
	if event.Finish != chat.Unfinished {
		a.ending.finish = event.Finish
	}
}

// ending is how an answer ended.
type ending struct {
	finish chat.FinishReason
	// refused: it says in words that the model would not.
	refused bool
}

// The ends of an answer.
const (
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
	inProgress = "in_progress"
)

// statusBefore is the status of the last item before an answer ends so, or before it goes on.
func statusBefore(finish chat.FinishReason) string {
	if finish == chat.Length || finish == chat.WindowFull || finish == chat.ContentFilter {
		return incomplete
	}
	return completed
}

// cut is why an answer is incomplete; empty: it is not. Codex takes each one that is as a fault
// and asks again, so that it gets none that only says no.
func (a *answer) cut() string {
	switch a.ending.finish {
	case chat.Length, chat.WindowFull:
		return "max_output_tokens"
	case chat.ContentFilter:
		return "content_filter"
	case chat.Refused:
		if !a.ending.refused && !a.codex {
			return "content_filter"
		}
	case chat.Unfinished, chat.Stop, chat.StoppedAt, chat.CalledTools, chat.Paused:
	}
	return ""
}

// status is how the answer ended.
func (a *answer) status() string {
	if a.cut() != "" {
		return incomplete
	}
	return completed
}

// fault is why an answer failed.
type fault struct{ code, message string }

// appendBegun appends the answer as it is before its first item.
func (a *answer) appendBegun(dst []byte) []byte {
	return a.appendResponse(dst, inProgress, nil)
}

// appendEnded appends the whole answer.
func (a *answer) appendEnded(dst []byte) []byte {
	if a.completed.IsZero() {
		a.completed = a.now()
	}
	return a.appendResponse(dst, a.status(), nil)
}

func (a *answer) appendResponse(dst []byte, status string, why *fault) []byte {
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, a.request.ID)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, a.request.Created.Unix(), 10)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","completed_at":`...)
	if status == completed {
		dst = strconv.AppendInt(dst, max(a.completed.Unix(), a.request.Created.Unix()), 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"error":`...)
	dst = why.appendTo(dst)
	dst = append(dst, `,"incomplete_details":`...)
	if status == incomplete {
		dst = append(dst, `{"reason":"`...)
		dst = append(dst, a.cut()...)
		dst = append(dst, `"}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"model":`...)
	dst = rawjson.AppendString(dst, a.request.Model)
	dst = append(dst, `,"output":[`...)
	if status != inProgress {
		dst = append(dst, a.output...)
	}
	dst = append(dst, ']')
	dst = append(dst, a.echo.members...)
	dst = append(dst, `,"store":`...)
	dst = strconv.AppendBool(dst, a.echo.store)
	dst = append(dst, `,"usage":`...)
	switch {
	case status == inProgress, status == failed && a.usage == nil:
		dst = append(dst, "null"...)
	default:
		dst = appendUsage(dst, a.usage)
	}
	return append(dst, '}')
}

func (f *fault) appendTo(dst []byte) []byte {
	if f == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"code":`...)
	dst = rawjson.AppendString(dst, f.code)
	dst = append(dst, `,"message":`...)
	return append(rawjson.AppendString(dst, f.message), '}')
}

// appendUsage appends the counts, with all details: clients fail without them.
func appendUsage(dst []byte, told *chat.Usage) []byte {
	var usage chat.Usage
	if told != nil {
		usage = told.Bounded()
	}
	count := func(name string, tokens int) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(tokens), 10)
	}
	count(`{"input_tokens":`, usage.Prompt)
	count(`,"input_tokens_details":{"cached_tokens":`, usage.CacheRead)
	if usage.CacheWrite > 0 {
		count(`,"cache_write_tokens":`, usage.CacheWrite)
	}
	count(`},"output_tokens":`, usage.Completion)
	count(`,"output_tokens_details":{"reasoning_tokens":`, usage.Reasoning)
	count(`},"total_tokens":`, usage.Prompt+usage.Completion)
	return append(dst, '}')
}
