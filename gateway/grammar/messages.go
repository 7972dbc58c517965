package grammar

import (
	"fmt"
	"slices"
)

// messagesJudge knows the Messages API.
type messagesJudge struct{}

func (messagesJudge) Stream(options Options) *Stream {
	return newStream(options, func(v *verdict, p *progress) reader {
		return &messagesStream{verdict: v, progress: p, answer: messagesAnswer{verdict: v}}
	})
}

// messagesStream reads the events of one answer.
type messagesStream struct {
	*verdict
	progress *progress
	answer   messagesAnswer

	started, closing bool // after message_start, after message_delta
	open             *block
	next             int64 // the index of the next block
	outputAtStart    int64
}

func (s *messagesStream) event(f frame) {
	if string(f.data) == "[DONE]" {
		s.report(DoneMarker, "[DONE]", "message_stop as the end")
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
	if !s.started {
		s.beforeStart(kind)
	}
	switch kind.text {
	case "message_start":
		s.start(data.get("message"))
	case "content_block_start":
		s.openBlock(data)
	case "content_block_delta":
		s.delta(data)
	case "content_block_stop":
		s.stopBlock(data)
	case "message_delta":
		s.messageDelta(data)
	case "message_stop":
		s.stop()
	case "error":
		s.progress.failed = true
		s.judgeMessagesError(data)
	case "ping":
	default:
		s.report(EventType, kind.String(), "a type that the API knows")
	}
}

func (s *messagesStream) beforeStart(kind value) {
	switch kind.text {
	case "message_start", "error":
	case "ping":
		s.report(PingAfterStart, "a ping before message_start", "message_start first")
	default:
		s.report(StartFirst, kind.String(), "message_start first")
		s.started = true // said once
	}
}

func (s *messagesStream) start(message value) {
	if s.started {
		s.report(StartOnce, "a second message_start", "one")
		return
	}
	s.started = true
	s.answer.judgeMessage(message)
	content := message.get("content")
	s.require(len(content.elements) == 0, StartEmpty, content, "content []")
	for _, field := range []string{"stop_reason", "stop_sequence"} {
		got := message.get(field)
		s.require(got.kind == isNull, StartEmpty, got, field+": null")
	}
	usage := message.get("usage")
	if s.answer.judgeUsage(usage) {
		var input int64
		for _, field := range inputCounts {
			n, _ := usage.get(field).count()
			input += n
		}
		s.require(input > 0, StartInput, usage, "an estimate of the input, where the count is not known yet")
		s.outputAtStart, _ = usage.get("output_tokens").count()
	}
}

func (s *messagesStream) openBlock(data value) {
	if s.closing {
		s.report(LateBlock, "a block after message_delta", "message_stop")
	}
	if s.open != nil {
		s.report(BlockNesting, fmt.Sprintf("a start while block %d is open", s.open.index), "its stop before")
	}
	index, ok := data.get("index").count()
	s.require(ok && index == s.next, IndexOrder, data.get("index"), fmt.Sprintf("index %d", s.next))
	s.next++
	if ok {
		s.next = index + 1
	}
	s.open = s.answer.startBlock(index, data.get("content_block"))
}

func (s *messagesStream) delta(data value) {
	if !s.isOpen(data) {
		s.report(DeltaUnopened, "a delta of block "+data.get("index").String(), "its content_block_start before")
		return
	}
	s.open.delta(s.verdict, data.get("delta"))
}

func (s *messagesStream) stopBlock(data value) {
	if !s.isOpen(data) {
		s.report(StopUnopened, "a stop of block "+data.get("index").String(), "its content_block_start before")
		return
	}
	s.closeBlock()
}

func (s *messagesStream) isOpen(data value) bool {
	index, ok := data.get("index").count()
	return ok && s.open != nil && s.open.index == index
}

func (s *messagesStream) closeBlock() {
	s.open.stop(s.verdict)
	s.open = nil
}

func (s *messagesStream) messageDelta(data value) {
	if s.closing {
		s.report(MessageDeltaOnce, "a second message_delta", "one")
	}
	s.allClosed("message_delta")
	s.closing = true
	delta := data.get("delta")
	s.answer.judgeStop(delta)
	usage := data.get("usage")
	if usage.kind != isObject {
		s.report(UsagePresent, usage.String(), "a usage beside delta")
		return
	}
	s.answer.judgeCounts(usage)
	output, ok := usage.get("output_tokens").count()
	s.require(ok, UsageIntegers, usage.get("output_tokens"), "output_tokens as an integer")
	s.require(!ok || output >= s.outputAtStart, UsageGrows, usage, fmt.Sprintf("output_tokens of at least %d", s.outputAtStart))
	for _, field := range inputCounts {
		s.require(usage.get(field).isCount(), UsageAgain, usage.get(field), field+" again")
	}
}

func (s *messagesStream) allClosed(before string) {
	if s.open != nil {
		s.report(BlockUnclosed, fmt.Sprintf("%s while block %d is open", before, s.open.index), "its stop before")
		s.closeBlock()
	}
}

func (s *messagesStream) stop() {
	s.allClosed("message_stop")
	if s.started && !s.closing {
		s.report(MessageDelta, "message_stop without message_delta", "message_delta before")
	}
	s.progress.done = true
}

// messagesAnswer is what both forms of an answer have in common.
type messagesAnswer struct {
	*verdict
	blocks []*block
	ids    map[string]bool
}

func (messagesJudge) Answer(body []byte, options Options) []Violation {
	a := messagesAnswer{verdict: &verdict{options: options}}
	message, ok := a.body(body)
	if !ok {
		return a.violations
	}
	a.judgeMessage(message)
	for i, content := range message.get("content").elements {
		a.startWhole(int64(i), content)
	}
	a.judgeStop(message)
	a.judgeUsage(message.get("usage"))
	return a.violations
}

func (a *messagesAnswer) judgeMessage(message value) {
	a.require(message.kind == isObject, MessageShape, message, "a message")
	a.require(message.get("id").filled(), MessageShape, message.get("id"), "an id")
	a.require(message.get("type").is("message"), MessageShape, message.get("type"), "type message")
	a.require(message.get("role").is("assistant"), MessageShape, message.get("role"), "role assistant")
	a.require(message.get("model").filled(), MessageShape, message.get("model"), "a model")
	a.require(message.get("content").kind == isArray, MessageShape, message.get("content"), "a list as content")
}

// stopReasons are those that the API knows, and whether they may cut a call.
var stopReasons = map[string]bool{
	"end_turn": false, "tool_use": false, "stop_sequence": false, "pause_turn": false,
	"max_tokens": true, "model_context_window_exceeded": true, "refusal": true,
}

// judgeStop judges why the answer ended; the blocks are known by then.
func (a *messagesAnswer) judgeStop(of value) {
	reason, sequence := of.get("stop_reason"), of.get("stop_sequence")
	cuts, known := stopReasons[reason.text]
	a.require(known && reason.kind == isString, StopReason, reason, "a stop_reason that the API knows")
	if reason.is("stop_sequence") {
		a.require(sequence.filled(), StopSequence, sequence, "the text that was hit")
	} else {
		a.require(sequence.kind == isNull, StopSequence, sequence, "stop_sequence: null")
	}
	calls := 0
	for i, b := range a.blocks {
		if b.kind == "tool_use" {
			calls++
		}
		cut := cuts && i == len(a.blocks)-1
		if b.whole() || cut {
			continue
		}
		a.report(ToolJSON, fmt.Sprintf("the input of block %d: %s", b.index, brief(b.input)), "a JSON object")
	}
	if calls > 0 {
		a.require(cuts || !known || reason.is("tool_use"), ToolStopReason, reason, "tool_use after a call")
	} else {
		a.require(!reason.is("tool_use"), ToolUseWithout, reason, "end_turn, or a call")
	}
}

var (
	inputCounts = []string{"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"}
	cacheCounts = inputCounts[1:]
	allCounts   = append(slices.Clone(inputCounts), "output_tokens")
)

// judgeUsage judges the usage of a message, and tells whether there is one.
func (a *messagesAnswer) judgeUsage(usage value) bool {
	if usage.kind != isObject {
		a.report(UsagePresent, usage.String(), "a usage")
		return false
	}
	for _, field := range []string{"input_tokens", "output_tokens"} {
		a.require(usage.get(field).kind != isAbsent, UsageIntegers, usage.get(field), field+" as an integer")
	}
	for _, field := range cacheCounts {
		a.require(usage.get(field).present(), UsageCache, usage.get(field), field+", zero if there is nothing")
	}
	a.judgeCounts(usage)
	return true
}

// judgeCounts judges the counts that are there.
func (a *messagesAnswer) judgeCounts(usage value) {
	for _, field := range allCounts {
		count := usage.get(field)
		cache := slices.Contains(cacheCounts, field)
		fine := count.kind == isAbsent || count.isCount() || cache && count.kind == isNull
		a.require(fine, UsageIntegers, count, field+" as an integer")
	}
	if split := usage.get("cache_creation"); split.kind == isObject {
		short, _ := split.get("ephemeral_5m_input_tokens").count()
		long, _ := split.get("ephemeral_1h_input_tokens").count()
		written, _ := usage.get("cache_creation_input_tokens").count()
		a.require(short+long == written, CacheSplit, usage, fmt.Sprintf("lifetimes that add up to %d", written))
	}
	thinking, _ := usage.get("output_tokens_details").get("thinking_tokens").count()
	output, ok := usage.get("output_tokens").count()
	a.require(!ok || thinking <= output, ThinkingCount, usage, fmt.Sprintf("thinking_tokens of at most %d", output))
}
