package grammar

import (
	"fmt"
	"maps"
	"slices"
)

// chatJudge knows the Chat Completions API.
type chatJudge struct{}

func (chatJudge) Stream(options Options) *Stream {
	return newStream(options, func(v *verdict, p *progress) reader {
		return &chatStream{verdict: v, progress: p, choices: map[int64]*choice{}}
	})
}

// chatStream reads the chunks of one answer.
type chatStream struct {
	*verdict
	progress *progress
	first    *value // the first chunk
	mark     value  // the first system_fingerprint
	choices  map[int64]*choice
	counted  bool // the usage has come
	finished bool // some choice has finished
}

func (s *chatStream) event(f frame) {
	if f.named {
		s.report(Unnamed, "the name "+brief([]byte(f.name)), "none")
	}
	if string(f.data) == "[DONE]" {
		s.done()
		return
	}
	chunk, ok := s.parse(f.data)
	if !ok {
		return
	}
	if chunk.get("error").present() {
		s.fail(chunk)
		return
	}
	s.judgeIdentity(chunk)
	s.judgeUsage(chunk)
	choices := chunk.get("choices")
	s.require(choices.kind == isArray, Choices, chunk, "a list of choices")
	if choices.kind == isArray && len(choices.elements) == 0 {
		s.require(chunk.get("usage").present(), EmptyChoices, chunk, "a choice, or usage")
	}
	for _, c := range choices.elements {
		s.judgeChoice(c)
	}
}

func (s *chatStream) fail(frame value) {
	s.progress.failed = true
	s.judgeChatError(frame)
	s.require(frame.get("choices").kind == isAbsent, ErrorAlone, frame, "the error alone")
	if s.finished {
		s.report(FinishThenError, "an error after a finish_reason", "one of the two")
	}
}

func (s *chatStream) done() {
	s.progress.done = true
	if s.options.Usage && !s.counted {
		s.report(UsageMissing, "[DONE] without usage, which was asked for", "a chunk with usage before")
	}
	if s.options.NoFinish {
		return
	}
	if len(s.choices) == 0 {
		s.report(FinishMissing, "[DONE] without any choice", "a choice that finishes")
	}
	for _, index := range slices.Sorted(maps.Keys(s.choices)) {
		if !s.choices[index].finished {
			s.report(FinishMissing, fmt.Sprintf("[DONE] while choice %d has not finished", index), "its finish_reason before")
		}
	}
}

// judgeIdentity judges what is the same in all chunks.
func (s *chatStream) judgeIdentity(chunk value) {
	s.judgeHead(chunk, "chat.completion.chunk")
	if s.first == nil {
		s.first = &chunk
	}
	for _, field := range []string{"id", "created", "model"} {
		want, got := s.first.get(field), chunk.get(field)
		s.require(string(got.raw) == string(want.raw), SameIdentity, got, field+" "+want.String())
	}
	if mark := chunk.get("system_fingerprint"); mark.present() {
		if !s.mark.present() {
			s.mark = mark
		}
		s.require(mark.text == s.mark.text, SameIdentity, mark, "system_fingerprint "+s.mark.String())
	}
}

// judgeHead judges what chunks and whole answers begin with.
func (v *verdict) judgeHead(of value, object string) {
	v.require(of.get("object").is(object), Object, of.get("object"), object)
	v.require(of.get("id").filled(), Identity, of.get("id"), "an id")
	v.require(of.get("model").filled(), Identity, of.get("model"), "a model")
	created, ok := of.get("created").count()
	v.require(ok && created > 0, Identity, of.get("created"), "created in seconds")
}

// judgeUsage judges the usage of a chunk and where it stands.
func (s *chatStream) judgeUsage(chunk value) {
	if s.counted {
		s.report(UsagePlace, "a chunk after the usage", "[DONE]")
	}
	usage := chunk.get("usage")
	if !usage.present() {
		return
	}
	s.counted = true
	s.require(s.options.Usage, UsageUnasked, usage, "none: include_usage was not asked for")
	s.require(len(chunk.get("choices").elements) == 0, UsagePlace, chunk, "choices: [] beside the usage")
	s.judgeCounts(usage, chatCounts)
}

// choice is one choice of an answer.
type choice struct {
	*verdict
	begun, finished bool
	calls           calls
}

func (s *chatStream) judgeChoice(of value) {
	index, ok := of.get("index").count()
	s.require(ok, ChoiceShape, of.get("index"), "an integer as index")
	delta := of.get("delta")
	s.require(delta.kind == isObject, ChoiceShape, delta, "an object as delta")
	c := s.choices[index]
	if c == nil {
		c = &choice{verdict: s.verdict, calls: calls{verdict: s.verdict}}
		s.choices[index] = c
	}
	if c.finished {
		s.report(AfterFinish, "a chunk after the finish_reason of its choice", "nothing")
	}
	finish := of.get("finish_reason")
	if finish.present() && len(delta.members) > 0 {
		s.report(FinishAlone, "a finish_reason beside "+delta.String(), "delta: {}")
	}
	c.judgeDelta(delta, finish.present())
	c.begun = true
	switch finish.kind {
	case isNull:
	case isAbsent:
		s.report(FinishNull, "a choice without finish_reason", "finish_reason: null")
	default:
		c.judgeFinish(finish)
		c.finished, s.finished = true, true
	}
}

// texts are the members of a delta or message that hold text.
var texts = []string{"content", "reasoning_content", "refusal"}

func (c *choice) judgeDelta(delta value, last bool) {
	role := delta.get("role")
	switch {
	case !c.begun:
		c.require(role.is("assistant"), RoleFirst, role, "role assistant in the first delta")
	case role.present() && !last: // FinishAlone speaks of the last one
		c.report(RoleOnce, "role "+role.String()+" in a later delta", "none")
	}
	for _, field := range texts {
		text := delta.get(field)
		c.require(!text.present() || text.kind == isString, ContentShape, text, field+" as a string or null")
		if text.is("") && c.begun && !last {
			c.report(EmptyContent, field+`: ""`, "no chunk, or text")
		}
	}
	list := delta.get("tool_calls")
	if !list.present() {
		return
	}
	c.calls.judgeList(list)
	for _, piece := range list.elements {
		c.calls.piece(piece)
	}
}

// finishReasons are those that the API knows, and whether they may cut a call.
var finishReasons = map[string]bool{"stop": false, "length": true, "tool_calls": false, "content_filter": true}

// judgeFinish judges the finish_reason; the calls are known by then.
func (c *choice) judgeFinish(finish value) {
	cuts, known := finishReasons[finish.text]
	c.require(known && finish.kind == isString, FinishValue, finish, "a finish_reason that the API knows")
	if len(c.calls.all) > 0 {
		c.require(cuts || !known || finish.is("tool_calls"), CallsFinish, finish, "tool_calls after a call")
	} else {
		c.require(!finish.is("tool_calls"), FinishWithout, finish, "stop, or a call")
	}
	c.calls.judgeArguments(cuts)
}

func (chatJudge) Answer(body []byte, options Options) []Violation {
	v := &verdict{options: options}
	answer, ok := v.body(body)
	if !ok {
		return v.violations
	}
	if answer.get("error").present() {
		v.report(UnwantedError, answer.String(), "an answer")
		return v.violations
	}
	v.judgeHead(answer, "chat.completion")
	choices := answer.get("choices")
	v.require(len(choices.elements) > 0, Choices, choices, "a list of choices")
	for _, c := range choices.elements {
		v.judgeWhole(c)
	}
	usage := answer.get("usage")
	v.require(usage.present(), UsageMissing, usage, "usage")
	if usage.present() {
		v.judgeCounts(usage, chatCounts)
	}
	return v.violations
}

// judgeWhole judges a choice of a whole answer.
func (v *verdict) judgeWhole(of value) {
	v.require(of.get("index").isCount(), ChoiceShape, of.get("index"), "an integer as index")
	message := of.get("message")
	if message.kind != isObject {
		v.report(ChoiceShape, message.String(), "an object as message")
		return
	}
	v.require(message.get("role").is("assistant"), RoleFirst, message.get("role"), "role assistant")
	for _, field := range texts {
		text := message.get(field)
		v.require(!text.present() || text.kind == isString, ContentShape, text, field+" as a string or null")
	}
	v.require(message.get("refusal").kind != isAbsent, RefusalPresent, message, "refusal: null")
	c := choice{verdict: v, calls: calls{verdict: v}}
	if list := message.get("tool_calls"); list.present() {
		c.calls.judgeList(list)
		for _, call := range list.elements {
			c.calls.whole(call)
		}
	}
	v.judgeContent(message, len(c.calls.all) > 0)
	c.judgeFinish(of.get("finish_reason"))
}

// judgeContent judges where a message's content may be null, and where it must be.
func (v *verdict) judgeContent(message value, called bool) {
	content := message.get("content")
	instead := called || slices.ContainsFunc([]string{"refusal", "audio", "function_call"}, func(field string) bool { return message.get(field).present() })
	v.require(content.present() || instead && content.kind == isNull, ContentPresent, content, "a string as content")
	v.require(!called || !content.is(""), ContentWithCalls, content, "content: null")
}
