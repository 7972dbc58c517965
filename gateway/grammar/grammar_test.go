package grammar_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"carousel.internal/gateway/grammar"
)

// form is what a sample is.
type form int

const (
	stream form = iota
	answer
	failure
)

// sample is something good.
type sample struct {
	judge   grammar.Judge
	form    form
	text    string
	status  int // of a failure
	options grammar.Options
}

func (s sample) verdict(text string) []grammar.Violation {
	switch s.form {
	case answer:
		return s.judge.Answer([]byte(text), s.options)
	case failure:
		return s.judge.Error(s.status, []byte(text), s.options)
	}
	return read(s.judge.Stream(s.options), strings.NewReader(numbered(text)))
}

func read(stream *grammar.Stream, from io.Reader) []grammar.Violation {
	_, _ = io.Copy(stream, from)
	return stream.End()
}

var samples = map[string]sample{
	"messages":          {judge: grammar.Messages, text: goodMessages},
	"messages to end":   {judge: grammar.Messages, text: goodMessages, options: grammar.Options{End: grammar.Complete}},
	"messages, broken":  {judge: grammar.Messages, text: failedMessages + "\"}}\n\n" + messageError, options: grammar.Options{End: grammar.Failed}},
	"messages, small":   {judge: grammar.Messages, text: goodMessages, options: grammar.Options{FrameLimit: 500}},
	"message":           {judge: grammar.Messages, form: answer, text: wholeMessage},
	"message error":     {judge: grammar.Messages, form: failure, text: messageErrorBody, status: 404},
	"chat":              {judge: grammar.Chat, text: goodChat, options: grammar.Options{Usage: true}},
	"chat, uncounted":   {judge: grammar.Chat, text: strings.Replace(goodChat, usageChunk, "", 1)},
	"chat, broken":      {judge: grammar.Chat, text: roleChunk + texts + chatError},
	"completion":        {judge: grammar.Chat, form: answer, text: wholeChat},
	"chat error":        {judge: grammar.Chat, form: failure, text: chatErrorBody, status: 502},
	"responses":         {judge: grammar.Responses, text: goodResponses},
	"responses to end":  {judge: grammar.Responses, text: goodResponses, options: grammar.Options{End: grammar.Complete}},
	"responses, failed": {judge: grammar.Responses, text: brokenResponses + responseFailed, options: grammar.Options{End: grammar.Failed}},
	"responses, broken": {judge: grammar.Responses, text: brokenResponses + responsesError, options: grammar.Options{End: grammar.Failed}},
	"responses, cut":    {judge: grammar.Responses, text: cutResponses, options: grammar.Options{End: grammar.Complete}},
	"response":          {judge: grammar.Responses, form: answer, text: wholeResponse},
	"response, failed":  {judge: grammar.Responses, form: answer, text: failedResponse},
	"response error":    {judge: grammar.Responses, form: failure, text: chatErrorBody, status: 502},
}

// mutation breaks one rule: what is replaced in the sample, once, and by what.
type mutation struct {
	rule     grammar.Rule
	of       string
	old, new string
}

var mutations = slices.Concat([]mutation{
	{grammar.UTF8, "chat", "Hello", "Hell\xff"},
	{grammar.UTF8, "completion", "call_1", "call_\xff"},
	{grammar.Line, "chat", roleChunk, "retry: 1000\n" + roleChunk},
	{grammar.Line, "messages", "event: ping\n", "event: pong\nevent: ping\n"},
	{grammar.BlankLine, "messages", ": still here\n", ": still here\n\n"},
	{grammar.OneDataLine, "chat", `"choices":[`, "\ndata: \"choices\":["},
	{grammar.OneDataLine, "messages", "event: ping\n", "event: ping\n\nevent: ping\n"},
	{grammar.FrameSize, "messages, small", `"lo"`, `"` + strings.Repeat("lo", 300) + `"`},
	{grammar.JSONObject, "chat", `"Hello"`, `Hello`},
	{grammar.JSONObject, "completion", wholeChat, `[` + wholeChat + `]`},
	{grammar.DuplicateKey, "messages", `"text":"Hel"`, `"text":"Hel","text":"lo"`},
	{grammar.CutFrame, "chat", done, "data: [DONE]\n\ndata: "},
	{grammar.AfterEnd, "messages", messageStop, messageStop + ping},
	{grammar.AfterEnd, "chat", done, done + done},
	{grammar.AfterEnd, "chat, broken", chatError, chatError + done},
	{grammar.NoEnd, "messages", messageStop, ""},
	{grammar.NoEnd, "chat", done, ""},
	{grammar.NoError, "messages, broken", messageError, ""},
	{grammar.PretendedEnd, "messages, broken", messageError, blockStop(2) + stopFor("end_turn") + messageStop},
	{grammar.UnwantedError, "messages to end", messageStop, messageError},

	{grammar.ErrorShape, "chat, broken", `"param":null,`, ""},
	{grammar.ErrorShape, "chat error", `"cut short"`, `""`},
	{grammar.ErrorShape, "messages, broken", `,"message":"Overloaded"`, ""},
	{grammar.ErrorShape, "message error", `"type":"error",`, ""},
	{grammar.ErrorType, "messages, broken", "overloaded_error", "server_error"},
	{grammar.ErrorStatus, "message error", "not_found_error", "rate_limit_error"},
	{grammar.RequestID, "message error", `,"request_id":"req_1"`, ""},

	{grammar.EventName, "messages", "event: message_stop\n", ""},
	{grammar.EventName, "messages", "event: message_delta", "event: message"},
	{grammar.EventType, "messages", ping, event("pong", "")},
	{grammar.DoneMarker, "messages", messageStop, done + messageStop},
	{grammar.StartFirst, "messages", messageStart + ping, ""},
	{grammar.PingAfterStart, "messages", messageStart + ping, ping + messageStart},
	{grammar.StartOnce, "messages", ping, messageStart},
	{grammar.MessageShape, "messages", `"id":"msg_1"`, `"id":""`},
	{grammar.MessageShape, "messages", `"role":"assistant",`, ``},
	{grammar.MessageShape, "message", `"type":"message",`, ``},
	{grammar.MessageShape, "message", `"model":"m"`, `"model":null`},
	{grammar.StartEmpty, "messages", `"stop_sequence":null,"usage"`, `"usage"`},
	{grammar.StartEmpty, "messages", `"content":[]`, `"content":[{"type":"text","text":""}]`},
	{grammar.IndexOrder, "messages", toolBlock + secondTool, strings.ReplaceAll(toolBlock, `"index":3`, `"index":4`) + strings.ReplaceAll(secondTool, `"index":4`, `"index":5`)},
	{grammar.IndexOrder, "messages", toolBlock, strings.ReplaceAll(toolBlock, `"index":3`, `"index":2`) + strings.ReplaceAll(toolBlock, "toolu_1", "toolu_3")},
	{grammar.BlockNesting, "messages", blockStop(2), ""},
	{grammar.DeltaUnopened, "messages", textBlock, textDelta + textBlock},
	{grammar.DeltaUnopened, "messages", `"index":2,"delta":{"type":"text_delta","text":"lo"}`, `"index":1,"delta":{"type":"text_delta","text":"lo"}`},
	{grammar.StopUnopened, "messages", blockStop(2), blockStop(2) + blockStop(2)},
	{grammar.BlockUnclosed, "messages", blockStop(4), ""},
	{grammar.LateBlock, "messages", secondTool + messageDelta, messageDelta + secondTool},
	{grammar.BlockType, "messages", `{"type":"redacted_thinking","data":"eA=="}`, `{"type":"secret","data":"eA=="}`},
	{grammar.BlockShape, "messages", `,"text":""`, ``},
	{grammar.BlockShape, "messages", `,"signature":""`, ``},
	{grammar.BlockShape, "messages", `"data":"eA=="`, `"data":""`},
	{grammar.BlockShape, "message", `"input":{"a":1}`, `"input":"{}"`},
	{grammar.BlockStart, "messages", `,"text":""`, `,"text":"Hello"`},
	{grammar.ToolInputStart, "messages", `"input":{}`, `"input":{"a":1}`},
	{grammar.StrayInput, "messages", `,"text":""`, `,"text":"","input":{}`},
	{grammar.StrayField, "messages", `,"text":""`, `,"text":"","thinking":""`},
	{grammar.StrayField, "message", `"text":"Hello"`, `"text":"Hello","id":null`},
	{grammar.EmptyText, "messages", textBlock, strings.Split(textBlock, "event: content_block_delta")[0] + blockStop(2)},
	{grammar.EmptyText, "message", `"Hello"`, `""`},
	{grammar.ToolID, "messages", `"toolu_1"`, `""`},
	{grammar.ToolID, "message", `"name":"f",`, ``},
	{grammar.ToolIDUnique, "messages", `"toolu_2"`, `"toolu_1"`},
	{grammar.ToolJSON, "messages", `"1}"`, `"1"`},
	{grammar.ToolJSON, "messages", `\"a\":`, `[1,`},
	{grammar.DeltaKind, "messages", `"type":"text_delta"`, `"type":"thinking_delta"`},
	{grammar.DeltaKind, "messages", blockStop(1), event("content_block_delta", `,"index":1,"delta":{"type":"text_delta","text":"x"}`) + blockStop(1)},
	{grammar.DeltaShape, "messages", `"text":"lo"`, `"text":null`},
	{grammar.DeltaShape, "messages", `"partial_json":""`, `"partial":""`},
	{grammar.SignatureLast, "messages", blockStop(0), event("content_block_delta", `,"index":0,"delta":{"type":"signature_delta","signature":"c2ln"}`) + blockStop(0)},
	{grammar.MessageDelta, "messages", messageDelta, ""},
	{grammar.MessageDeltaOnce, "messages", messageDelta, messageDelta + messageDelta},
	{grammar.StopReason, "messages", secondTool + messageDelta, secondTool + stopFor("tool_calls")},
	{grammar.StopSequence, "messages", `"stop_sequence":null},`, `"stop_sequence":"x"},`},
	{grammar.StopSequence, "messages", `,"stop_sequence":null},`, `},`},
	{grammar.StopSequence, "message", `"stop_sequence":null,`, ``},
	{grammar.ToolStopReason, "messages", messageDelta, stopFor("end_turn")},
	{grammar.ToolStopReason, "message", `"stop_reason":"tool_use"`, `"stop_reason":"end_turn"`},
	{grammar.ToolUseWithout, "messages", toolBlock + secondTool, ""},
	{grammar.UsagePresent, "messages", `,"usage":{"input_tokens":10`, `,"used":{"input_tokens":10`},
	{grammar.UsagePresent, "message", `"usage"`, `"used"`},
	{grammar.UsageIntegers, "messages", `"output_tokens":20`, `"output_tokens":20.5`},
	{grammar.UsageIntegers, "messages", `,"output_tokens":1`, ``},
	{grammar.UsageIntegers, "message", `"input_tokens":9,`, ``},
	{grammar.UsageCache, "messages", `"cache_read_input_tokens":0,`, ``},
	{grammar.UsageCache, "message", `"cache_read_input_tokens":0`, `"cache_read_input_tokens":null`},
	{grammar.UsageAgain, "messages", `"input_tokens":10,`, ``},
	{grammar.UsageGrows, "messages", `"output_tokens":1}`, `"output_tokens":21}`},
	{grammar.StartInput, "messages", `"input_tokens":9,"cache_creation_input_tokens":2,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":2,`, `"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{`},
	{grammar.CacheSplit, "messages", `"ephemeral_1h_input_tokens":0`, `"ephemeral_1h_input_tokens":1`},
	{grammar.ThinkingCount, "messages", `"thinking_tokens":4`, `"thinking_tokens":21`},

	{grammar.Unnamed, "chat", roleChunk, "event: chunk\n" + roleChunk},
	{grammar.Object, "chat", ".chunk", ""},
	{grammar.Object, "completion", "chat.completion", "chat.completion.chunk"},
	{grammar.Identity, "completion", `"created":7`, `"created":"7"`},
	{grammar.Identity, "completion", `"chatcmpl-1"`, `""`},
	{grammar.SameIdentity, "chat", `"id":"chatcmpl-1"`, `"id":"chatcmpl-2"`},
	{grammar.SameIdentity, "chat", `"created":7`, `"created":8`},
	{grammar.SameIdentity, "chat", `"fp"`, `"other"`},
	{grammar.Choices, "chat", `"choices":[]`, `"choices":null`},
	{grammar.Choices, "completion", `"choices":[`, `"answers":[`},
	{grammar.EmptyChoices, "chat", texts, texts + strings.Replace(usageChunk, chatUsage, `"usage":null`, 1)},
	{grammar.ChoiceShape, "chat", finish, strings.Replace(finish, `"delta":{}`, `"message":{}`, 1)},
	{grammar.ChoiceShape, "completion", `"index":0,`, ``},
	{grammar.RoleFirst, "chat", `"role":"assistant",`, ``},
	{grammar.RoleFirst, "completion", `"assistant"`, `"model"`},
	{grammar.RoleOnce, "chat", `"content":"Hello"`, `"role":"assistant","content":"Hello"`},
	{grammar.ContentShape, "chat", `"Hello"`, `[]`},
	{grammar.EmptyContent, "chat", `"Hello"`, `""`},
	{grammar.EmptyContent, "chat", `"hm"`, `""`},
	{grammar.FinishNull, "chat", `,"finish_reason":null`, ``},
	{grammar.FinishAlone, "chat", finish, chunk(`{"content":"!"}`, `"tool_calls"`)},
	{grammar.FinishAlone, "chat", finish, chunk(`{"role":"assistant","content":""}`, `"tool_calls"`)},
	{grammar.FinishValue, "chat", laterPiece + finish, laterPiece + chunk(`{}`, `"end_turn"`)},
	{grammar.FinishMissing, "chat", finish, ""},
	{grammar.FinishMissing, "chat, uncounted", strings.Replace(goodChat, usageChunk, "", 1), done},
	{grammar.AfterFinish, "chat", finish, finish + chunk(`{"content":"!"}`, `null`)},
	{grammar.FinishThenError, "chat, broken", chatError, chunk(`{}`, `"stop"`) + chatError},
	{grammar.ErrorAlone, "chat, broken", `{"error"`, `{"choices":[],"error"`},
	{grammar.EmptyCalls, "chat", `"content":"Hello"`, `"content":"Hello","tool_calls":[]`},
	{grammar.CallShape, "chat", `"content":"Hello"`, `"content":"Hello","tool_calls":{}`},
	{grammar.CallShape, "chat", laterPiece, chunk(`{"tool_calls":[{"index":0}]}`, "null")},
	{grammar.CallIndex, "chat", `"index":1,`, `"index":2,`},
	{grammar.CallIndex, "completion", `"id":"call_1"`, `"index":0,"id":"call_1"`},
	{grammar.CallID, "chat", `"id":"call_1",`, ``},
	{grammar.CallID, "completion", `"call_1"`, `""`},
	{grammar.CallIDUnique, "chat", `"call_2"`, `"call_1"`},
	{grammar.CallFirstPiece, "chat", `"type":"function",`, ``},
	{grammar.CallFirstPiece, "chat", `"name":"f",`, ``},
	{grammar.CallLaterPiece, "chat", laterPiece, strings.Replace(laterPiece, `"index":0,"function"`, `"index":0,"id":"","function"`, 1)},
	{grammar.CallLaterPiece, "chat", `{"arguments":"{\"a`, `{"name":"f","arguments":"{\"a`},
	{grammar.CallArguments, "chat", `"arguments":""`, `"arguments":null`},
	{grammar.CallJSON, "chat", `{\"a\":1}`, `{\"a\":`},
	{grammar.CallJSON, "completion", `"arguments":"{}"`, `"arguments":""`},
	{grammar.CallsFinish, "chat", `"tool_calls"}`, `"stop"}`},
	{grammar.CallsFinish, "completion", `"tool_calls"}`, `"stop"}`},
	{grammar.FinishWithout, "chat", firstCall + secondCall + laterPiece, ""},
	{grammar.UsageUnasked, "chat, uncounted", done, usageChunk + done},
	{grammar.UsageMissing, "chat", usageChunk, ""},
	{grammar.UsageMissing, "completion", chatUsage, `"usage":null`},
	{grammar.UsagePlace, "chat", finish + usageChunk, strings.Replace(finish, `"usage":null`, chatUsage, 1)},
	{grammar.UsagePlace, "chat", finish + usageChunk, usageChunk + finish},
	{grammar.UsageCounts, "completion", `"prompt_tokens":3`, `"prompt_tokens":-3`},
	{grammar.UsageTotal, "chat", `"total_tokens":7`, `"total_tokens":8`},
	{grammar.UsageDetails, "chat", `"cached_tokens":1`, `"cached_tokens":4`},
	{grammar.UsageDetails, "completion", `"reasoning_tokens":2`, `"reasoning_tokens":5`},
	{grammar.ContentPresent, "completion", `"content":null,`, ``},
	{grammar.ContentWithCalls, "completion", `"content":null`, `"content":""`},
	{grammar.RefusalPresent, "completion", `"refusal":null,`, ``},
}, responsesMutations)

var textDelta = event("content_block_delta", `,"index":2,"delta":{"type":"text_delta","text":"x"}`)

func blockStop(index int) string {
	return event("content_block_stop", `,"index":`+string(rune('0'+index)))
}

func stopFor(reason string) string { return strings.Replace(messageDelta, "tool_use", reason, 1) }

func TestGoodAnswersBreakNoRule(t *testing.T) {
	t.Parallel()
	for name, s := range samples {
		for _, violation := range s.verdict(s.text) {
			t.Errorf("%s: %s", name, violation)
		}
	}
}

// A broken rule is told, by its name, and nothing else is. What binds only who composes
// an answer is not told of what was passed on.
func TestEachMutationBreaksOneRule(t *testing.T) {
	t.Parallel()
	native := map[grammar.Rule]bool{}
	for _, doc := range grammar.Rules() {
		native[doc.Rule] = doc.Native
	}
	for _, m := range mutations {
		s := samples[m.of]
		broken := strings.Replace(s.text, m.old, m.new, 1)
		if broken == s.text {
			t.Errorf("%s: %q is not in the sample %s", m.rule, m.old, m.of)
		}
		found := s.verdict(broken)
		if len(found) == 0 {
			t.Errorf("%s is not told of %q", m.rule, m.new)
		}
		for _, violation := range found {
			if violation.Rule != m.rule || violation.Was == "" || violation.Want == "" {
				t.Errorf("%s, of %q: %s", m.rule, m.new, violation)
			}
		}
		s.options.Native = true
		if told := has(s.verdict(broken), m.rule); told != native[m.rule] {
			t.Errorf("%s, passed on: told %t of %q", m.rule, told, m.new)
		}
		s.options.Except = []grammar.Rule{m.rule}
		if has(s.verdict(broken), m.rule) {
			t.Errorf("%s is told although it is excepted", m.rule)
		}
	}
}

func has(found []grammar.Violation, rule grammar.Rule) bool {
	return slices.ContainsFunc(found, func(v grammar.Violation) bool { return v.Rule == rule })
}

func TestEachRuleCanFail(t *testing.T) {
	t.Parallel()
	ofHTTP := []grammar.Rule{grammar.ContentType, grammar.RetryAfter} // see the tests of exchanges
	seen := map[grammar.Rule]bool{}
	for _, doc := range grammar.Rules() {
		if seen[doc.Rule] || doc.Demand == "" {
			t.Errorf("%s is in the list twice, or demands nothing", doc.Rule)
		}
		seen[doc.Rule] = true
		broken := slices.ContainsFunc(mutations, func(m mutation) bool { return m.rule == doc.Rule })
		if !broken && !slices.Contains(ofHTTP, doc.Rule) {
			t.Errorf("no test breaks %s", doc.Rule)
		}
	}
}

// What clients take, no judge objects to.
func TestWhatIsAllowed(t *testing.T) {
	t.Parallel()
	counted := grammar.Options{Usage: true}
	for name, s := range map[string]sample{
		"an error at once":            {judge: grammar.Messages, text: messageError},
		"a ping in a block":           {judge: grammar.Messages, text: strings.Replace(goodMessages, blockStop(2), ping+blockStop(2), 1)},
		"no block at all":             {judge: grammar.Messages, text: messageStart + stopFor("end_turn") + messageStop},
		"a stop text":                 {judge: grammar.Messages, text: messageStart + strings.Replace(stopFor("stop_sequence"), `"stop_sequence":null`, `"stop_sequence":"X"`, 1) + messageStop},
		"a call that was cut":         {judge: grammar.Messages, text: strings.Replace(strings.Replace(goodMessages, secondTool+messageDelta, stopFor("max_tokens"), 1), `"1}"`, `"1"`, 1)},
		"carriage returns":            {judge: grammar.Messages, text: strings.ReplaceAll(goodMessages, "\n", "\r\n")},
		"carriage returns alone":      {judge: grammar.Chat, text: strings.ReplaceAll(goodChat, "\n", "\r"), options: counted},
		"heartbeats":                  {judge: grammar.Chat, text: ": still here\n" + strings.ReplaceAll(goodChat, "\n\n", "\n\n: still here\n"), options: counted},
		"a call that was cut, chat":   {judge: grammar.Chat, text: strings.Replace(strings.Replace(goodChat, `1}"`, `"`, 1), `"tool_calls"}`, `"length"}`, 1), options: counted},
		"the finish left out":         {judge: grammar.Chat, text: strings.Replace(goodChat, finish, "", 1), options: grammar.Options{Usage: true, NoFinish: true}},
		"hung up":                     {judge: grammar.Chat, text: goodChat[:len(goodChat)/2], options: grammar.Options{Usage: true, End: grammar.Aborted}},
		"a vendor's stop after calls": {judge: grammar.Chat, text: strings.Replace(goodChat, `"tool_calls"}`, `"stop"}`, 1), options: grammar.Options{Usage: true, Native: true}},
		"a vendor's own block":        {judge: grammar.Messages, text: strings.Replace(goodMessages, `{"type":"redacted_thinking","data":"eA=="}`, `{"type":"x_new","input":{}}`, 1), options: grammar.Options{Native: true}},
	} {
		for _, violation := range s.verdict(s.text) {
			t.Errorf("%s: %s", name, violation)
		}
	}
}

// Where a stream is cut into pieces changes no verdict.
func TestPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		s := samples[m.of]
		if s.form != stream {
			continue
		}
		broken := strings.Replace(s.text, m.old, m.new, 1)
		want := s.verdict(broken)
		if got := read(s.judge.Stream(s.options), iotest.OneByteReader(strings.NewReader(numbered(broken)))); !slices.Equal(got, want) {
			t.Errorf("%s: byte by byte %v, at once %v", m.rule, got, want)
		}
	}
}

func TestVerdictsAreBounded(t *testing.T) {
	t.Parallel()
	s := grammar.Chat.Stream(grammar.Options{})
	if got := read(s, strings.NewReader(strings.Repeat("x\n", 1000))); len(got) == 0 || len(got) > 100 {
		t.Errorf("%d violations", len(got))
	}
}

func FuzzJudges(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.text), s.status, false)
	}
	for _, m := range mutations {
		f.Add([]byte(strings.Replace(samples[m.of].text, m.old, m.new, 1)), 400, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, status int, native bool) {
		for _, judge := range []grammar.Judge{grammar.Messages, grammar.Chat, grammar.Responses} {
			options := grammar.Options{Native: native, Usage: native}
			at, piecewise := judge.Stream(options), judge.Stream(options)
			_, _ = at.Write(text)
			if got, want := read(piecewise, iotest.OneByteReader(strings.NewReader(string(text)))), at.End(); !slices.Equal(got, want) {
				t.Fatalf("byte by byte %v, at once %v", got, want)
			}
			judge.Answer(text, options)
			judge.Error(status, text, options)
		}
	})
}
