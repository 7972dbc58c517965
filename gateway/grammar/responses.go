package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// responsesJudge knows the Responses API.
type responsesJudge struct{}

func (responsesJudge) Stream(options Options) *Stream {
	return newStream(options, func(v *verdict, p *progress) reader {
		return &responsesStream{verdict: v, progress: p, answer: responsesAnswer{verdict: v}}
	})
}

// responsesStream reads the events of one answer.
type responsesStream struct {
	*verdict
	progress *progress
	answer   responsesAnswer

	next    int64 // the sequence_number of the next event
	created bool
	running bool  // response.in_progress has come
	first   value // the response of response.created
}

func (s *responsesStream) event(f frame) {
	if string(f.data) == "[DONE]" {
		s.report(DoneMarker, "[DONE]", "response.completed as the end")
		return
	}
	data, ok := s.parse(f.data)
	if !ok {
		return
	}
	kind := data.get("type")
	if !f.named || !kind.is(f.name) {
		s.report(EventName, fmt.Sprintf("the name %q (there: %t) of an event of type %s", f.name, f.named, kind), "the type as the name")
	}
	s.judgeNumber(data.get("sequence_number"))
	if s.progress.more = false; s.progress.failed && !kind.is("response.failed") {
		s.report(AfterEnd, "after an error: "+kind.String(), "nothing but response.failed")
		return
	}
	s.judgePlace(kind)
	switch kind.text {
	case "response.created":
		s.start(data.get("response"))
	case "response.queued", "response.in_progress":
		s.run(kind.text, data.get("response"))
	case "response.completed", "response.incomplete", "response.failed":
		s.end(strings.TrimPrefix(kind.text, "response."), data.get("response"))
	case "error":
		s.fail(data)
	case "keepalive":
	case "response.output_item.added":
		s.answer.add(data)
	case "response.output_item.done":
		s.answer.finish(data)
	default:
		if !s.answer.piece(kind.text, data) {
			s.report(EventType, kind.String(), "a type that the API knows")
		}
	}
}

// fail judges an error event. The vendor lets response.failed follow.
func (s *responsesStream) fail(data value) {
	s.progress.failed, s.progress.more = true, s.options.Native
	s.judgeErrorEvent(data)
}

// judgeNumber judges a sequence_number. After a gap it goes on from there.
func (s *responsesStream) judgeNumber(number value) {
	n, ok := number.count()
	s.require(ok && n == s.next, SequenceNumber, number, fmt.Sprintf("sequence_number %d", s.next))
	s.next++
	if ok {
		s.next = n + 1
	}
}

// judgePlace judges what comes before response.created and response.in_progress.
func (s *responsesStream) judgePlace(kind value) {
	switch kind.text {
	case "response.created", "error":
	default:
		if !s.created {
			s.report(CreatedFirst, kind.String(), "response.created first")
			s.created = true // said once
		}
	}
	if strings.HasPrefix(kind.text, "response.output_item.") && !s.running {
		s.report(InProgress, kind.String(), "response.in_progress before")
		s.running = true
	}
}

func (s *responsesStream) start(response value) {
	if s.created {
		s.report(CreatedFirst, "a second response.created", "one, at the beginning")
		return
	}
	s.created, s.first = true, response
	s.judgeBeginning(response)
}

func (s *responsesStream) run(kind string, response value) {
	if kind == "response.in_progress" {
		if s.running && len(s.answer.items) == 0 {
			s.report(InProgress, "a second response.in_progress", "one")
		} else if len(s.answer.items) > 0 {
			s.report(InProgress, "response.in_progress after an item", "before the first item")
		}
		s.running = true
	}
	s.judgeSame(response)
	s.judgeBeginning(response)
}

// judgeBeginning judges the response of an answer that has said nothing yet.
func (s *responsesStream) judgeBeginning(response value) {
	if !s.judgeResponse(response) {
		return
	}
	status := response.get("status")
	s.require(status.is("in_progress") || status.is("queued"), ResponseStart, status, "status in_progress")
	s.require(len(response.get("output").elements) == 0, ResponseStart, response.get("output"), "output []")
	for _, field := range []string{"error", "incomplete_details", "usage"} {
		s.require(!response.get(field).present(), ResponseStart, response.get(field), field+": null")
	}
}

// judgeSame judges what is the same in all responses of a stream.
func (s *responsesStream) judgeSame(response value) {
	for _, field := range []string{"id", "model", "created_at"} {
		want, got := s.first.get(field), response.get(field)
		s.require(!want.present() || want.same(got), SameResponse, got, field+" "+want.String())
	}
}

func (s *responsesStream) end(status string, response value) {
	s.progress.done, s.progress.failed = status != "failed", status == "failed"
	s.judgeSame(response)
	s.require(response.get("status").is(status), ResponseStatus, response.get("status"), "status "+status)
	if !s.judgeResponse(response) {
		return
	}
	if status != "failed" {
		s.answer.judgeOutput(response.get("output"))
	}
	s.answer.judgeEnd(response)
}

// responseMembers are those that every response has, by what they may be.
var responseMembers = []struct {
	name  string
	kinds []kind
}{
	{"created_at", []kind{isNumber}},
	{"error", []kind{isNull, isObject}},
	{"incomplete_details", []kind{isNull, isObject}},
	{"instructions", []kind{isNull, isString, isArray}},
	{"parallel_tool_calls", []kind{isBool}},
	{"tools", []kind{isArray}},
	{"tool_choice", []kind{isString, isObject}},
	{"temperature", []kind{isNull, isNumber}},
	{"top_p", []kind{isNull, isNumber}},
	{"metadata", []kind{isNull, isObject}},
	{"usage", []kind{isNull, isObject}},
}

// judgeResponse judges the members of a response, and tells whether it is one.
func (v *verdict) judgeResponse(response value) bool {
	if response.kind != isObject {
		v.report(ResponseShape, response.String(), "a response")
		return false
	}
	v.require(response.get("id").filled(), ResponseShape, response.get("id"), "an id")
	v.require(response.get("object").is("response"), ResponseShape, response.get("object"), "object response")
	v.require(response.get("model").filled(), ResponseShape, response.get("model"), "a model")
	v.require(response.get("output").kind == isArray, ResponseShape, response.get("output"), "a list as output")
	v.require(response.get("status").filled(), ResponseShape, response.get("status"), "a status")
	for _, m := range responseMembers {
		got := response.get(m.name)
		v.require(slices.Contains(m.kinds, got.kind), ResponseMembers, got, m.name+" as the API has it, null where there is none")
	}
	v.require(response.get("output_text").kind == isAbsent, OutputText, response.get("output_text"), "none: clients compute it")
	return true
}

// judgeEnd judges how a response ended; its items are known by then.
func (a *responsesAnswer) judgeEnd(response value) {
	status, failure, details := response.get("status"), response.get("error"), response.get("incomplete_details")
	if status.is("failed") {
		a.require(failure.get("code").filled(), FailedError, failure, "an error with a code")
		a.require(failure.get("message").filled(), FailedError, failure, "an error with a message")
	} else {
		a.require(!failure.present(), FailedError, failure, "error: null")
	}
	if status.is("incomplete") {
		reason := details.get("reason")
		a.require(reason.is("max_output_tokens") || reason.is("content_filter"), IncompleteReason, details, "a reason that the API knows")
	} else {
		a.require(!details.present(), IncompleteReason, details, "incomplete_details: null")
	}
	if status.is("completed") || status.is("incomplete") {
		a.judgeUsage(response.get("usage"))
	}
	for i, item := range a.items {
		cut := !status.is("completed") && i == len(a.items)-1
		a.judgeItemEnd(item, cut)
	}
}

func (a *responsesAnswer) judgeUsage(usage value) {
	if usage.kind != isObject {
		a.report(ResponseUsage, usage.String(), "a usage")
		return
	}
	a.judgeCounts(usage, responsesCounts)
}

func (responsesJudge) Answer(body []byte, options Options) []Violation {
	a := responsesAnswer{verdict: &verdict{options: options}}
	response, ok := a.body(body)
	if !ok || !a.judgeResponse(response) {
		return a.violations
	}
	status := response.get("status")
	a.require(wholeStatuses[status.text], ResponseStatus, status, "a status that the API knows")
	for _, content := range response.get("output").elements {
		a.addWhole(content)
	}
	a.judgeEnd(response)
	return a.violations
}

// wholeStatuses are those of whole answers; queued and in_progress are of the background.
var wholeStatuses = map[string]bool{
	"completed": true, "incomplete": true, "failed": true, "cancelled": true, "queued": true, "in_progress": true,
}
