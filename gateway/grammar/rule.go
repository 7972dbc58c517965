package grammar

import "slices"

// Rule names something that an answer must keep to.
type Rule string

// Rules of event streams, whatever the API.
const (
	UTF8          Rule = "utf-8"
	Line          Rule = "line"
	BlankLine     Rule = "blank-line"
	OneDataLine   Rule = "one-data-line"
	FrameSize     Rule = "frame-size"
	JSONObject    Rule = "json-object"
	DuplicateKey  Rule = "duplicate-key"
	CutFrame      Rule = "cut-frame"
	AfterEnd      Rule = "after-end"
	NoEnd         Rule = "no-end"
	NoError       Rule = "no-error"
	PretendedEnd  Rule = "pretended-end"
	UnwantedError Rule = "unwanted-error"
)

// Rules of error objects, in streams and as bodies.
const (
	ErrorShape  Rule = "error-shape"
	ErrorType   Rule = "error-type"
	ErrorStatus Rule = "error-status"
	RequestID   Rule = "request-id"
)

// Rules of HTTP answers.
const (
	ContentType Rule = "content-type"
	RetryAfter  Rule = "retry-after"
)

// Rules of the Messages API.
const (
	EventName        Rule = "event-name"
	EventType        Rule = "event-type"
	DoneMarker       Rule = "done-marker"
	StartFirst       Rule = "start-first"
	PingAfterStart   Rule = "ping-after-start"
	StartOnce        Rule = "start-once"
	MessageShape     Rule = "message-shape"
	StartEmpty       Rule = "start-empty"
	IndexOrder       Rule = "index-order"
	BlockNesting     Rule = "block-nesting"
	DeltaUnopened    Rule = "delta-unopened"
	StopUnopened     Rule = "stop-unopened"
	BlockUnclosed    Rule = "block-unclosed"
	LateBlock        Rule = "late-block"
	BlockType        Rule = "block-type"
	BlockShape       Rule = "block-shape"
	BlockStart       Rule = "block-start"
	ToolInputStart   Rule = "tool-input-start"
	StrayInput       Rule = "stray-input"
	StrayField       Rule = "stray-field"
	EmptyText        Rule = "empty-text"
	ToolID           Rule = "tool-id"
	ToolIDUnique     Rule = "tool-id-unique"
	ToolJSON         Rule = "tool-json"
	DeltaKind        Rule = "delta-kind"
	DeltaShape       Rule = "delta-shape"
	SignatureLast    Rule = "signature-last"
	MessageDelta     Rule = "message-delta"
	MessageDeltaOnce Rule = "message-delta-once"
	StopReason       Rule = "stop-reason"
	StopSequence     Rule = "stop-sequence"
	ToolStopReason   Rule = "tool-stop-reason"
	ToolUseWithout   Rule = "tool-use-without-call"
	UsagePresent     Rule = "usage-present"
	UsageIntegers    Rule = "usage-integers"
	UsageCache       Rule = "usage-cache"
	UsageAgain       Rule = "usage-again"
	UsageGrows       Rule = "usage-grows"
	StartInput       Rule = "start-input"
	CacheSplit       Rule = "cache-split"
	ThinkingCount    Rule = "thinking-count"
)

// Rules of the Chat Completions API.
const (
	Unnamed          Rule = "unnamed"
	Object           Rule = "object"
	Identity         Rule = "identity"
	SameIdentity     Rule = "same-identity"
	Choices          Rule = "choices"
	EmptyChoices     Rule = "empty-choices"
	ChoiceShape      Rule = "choice-shape"
	RoleFirst        Rule = "role-first"
	RoleOnce         Rule = "role-once"
	ContentShape     Rule = "content-shape"
	EmptyContent     Rule = "empty-content"
	FinishNull       Rule = "finish-null"
	FinishAlone      Rule = "finish-alone"
	FinishValue      Rule = "finish-value"
	FinishMissing    Rule = "finish-missing"
	AfterFinish      Rule = "after-finish"
	FinishThenError  Rule = "finish-then-error"
	ErrorAlone       Rule = "error-alone"
	EmptyCalls       Rule = "empty-calls"
	CallShape        Rule = "call-shape"
	CallIndex        Rule = "call-index"
	CallID           Rule = "call-id"
	CallIDUnique     Rule = "call-id-unique"
	CallFirstPiece   Rule = "call-first-piece"
	CallLaterPiece   Rule = "call-later-piece"
	CallArguments    Rule = "call-arguments"
	CallJSON         Rule = "call-json"
	CallsFinish      Rule = "calls-finish"
	FinishWithout    Rule = "finish-without-call"
	UsageUnasked     Rule = "usage-unasked"
	UsageMissing     Rule = "usage-missing"
	UsagePlace       Rule = "usage-place"
	UsageCounts      Rule = "usage-counts"
	UsageTotal       Rule = "usage-total"
	UsageDetails     Rule = "usage-details"
	ContentPresent   Rule = "content-present"
	ContentWithCalls Rule = "content-with-calls"
	RefusalPresent   Rule = "refusal-present"
)

// Rules of the Responses API. Those above are also its rules where their names fit: of events,
// errors, calls and counts.
const (
	SequenceNumber       Rule = "sequence-number"
	CreatedFirst         Rule = "created-first"
	InProgress           Rule = "in-progress"
	ResponseShape        Rule = "response-shape"
	ResponseMembers      Rule = "response-members"
	ResponseStart        Rule = "response-start"
	SameResponse         Rule = "same-response"
	ResponseStatus       Rule = "response-status"
	OutputText           Rule = "output-text"
	ItemIndex            Rule = "item-index"
	ItemNesting          Rule = "item-nesting"
	ItemUnadded          Rule = "item-unadded"
	ItemUndone           Rule = "item-undone"
	ItemID               Rule = "item-id"
	ItemIDUnique         Rule = "item-id-unique"
	ItemType             Rule = "item-type"
	ItemShape            Rule = "item-shape"
	ItemStart            Rule = "item-start"
	ItemStatus           Rule = "item-status"
	ItemSame             Rule = "item-same"
	ItemContent          Rule = "item-content"
	PartIndex            Rule = "part-index"
	PartUnadded          Rule = "part-unadded"
	PartUndone           Rule = "part-undone"
	PartType             Rule = "part-type"
	PartShape            Rule = "part-shape"
	PartStart            Rule = "part-start"
	PartText             Rule = "part-text"
	Logprobs             Rule = "logprobs"
	TextDone             Rule = "text-done"
	DoneMissing          Rule = "done-missing"
	CallDoneName         Rule = "call-done-name"
	AnnotationShape      Rule = "annotation-shape"
	FinalOutput          Rule = "final-output"
	FailedError          Rule = "failed-error"
	IncompleteReason     Rule = "incomplete-reason"
	ErrorFlat            Rule = "error-flat"
	ResponseUsage        Rule = "response-usage"
	ResponseUsageDetails Rule = "response-usage-details"
)

// Doc is what a rule demands, in a sentence, and whom it binds.
type Doc struct {
	Rule Rule
	// Native: the rule also holds of an answer that is passed on as the vendor gave it.
	// The others bind those who write an answer themselves.
	Native bool
	Demand string
}

const (
	always = true  // also of what is passed on natively
	own    = false // of what the gateway composes
)

// docs is the closed list of rules.
var docs = []Doc{
	{UTF8, always, "all bytes are UTF-8"},
	{Line, own, "a line is event:, data:, a comment or empty"},
	{BlankLine, own, "an empty line ends an event: some clients take every one for an end"},
	{OneDataLine, always, "an event has exactly one data: line"},
	{FrameSize, always, "an event stays below the limit"},
	{JSONObject, always, "the data is one JSON object"},
	{DuplicateKey, own, "an object has each key once"},
	{CutFrame, always, "the stream ends after a whole event"},
	{AfterEnd, always, "nothing follows the end"},
	{NoEnd, always, "a stream says how it ended: with its end mark or with an error"},
	{NoError, always, "a stream that failed ends with an error"},
	{PretendedEnd, always, "a stream that failed has no end mark"},
	{UnwantedError, always, "a stream that is to succeed has no error"},

	{ErrorShape, always, "an error is an object with all members of the API, and says something"},
	{ErrorType, own, "an error's type is one that the API knows"},
	{ErrorStatus, own, "an error's status is at least 400 and fits its type"},
	{RequestID, own, "a Messages answer names the request, in its header and in an error's body"},
	{ContentType, always, "a stream is text/event-stream, all else application/json"},
	{RetryAfter, always, "Retry-After is whole seconds"},

	{EventName, always, "the event's name is the type in its data: clients dispatch on it"},
	{EventType, own, "the type is one that the API knows"},
	{DoneMarker, always, "there is no [DONE] in a stream of Messages or Responses"},
	{StartFirst, always, "message_start comes before everything but an error"},
	{PingAfterStart, own, "a ping comes after message_start"},
	{StartOnce, always, "there is one message_start"},
	{MessageShape, always, "a message has an id, type message, role assistant, a model and a list as content"},
	{StartEmpty, always, "the message starts with empty content, and null as stop_reason and stop_sequence"},
	{IndexOrder, always, "blocks count 0, 1, 2… without gaps"},
	{BlockNesting, always, "a block starts when the one before has stopped"},
	{DeltaUnopened, always, "a delta belongs to the block that is open"},
	{StopUnopened, always, "a stop belongs to the block that is open"},
	{BlockUnclosed, always, "every block has stopped before message_delta"},
	{LateBlock, always, "no block comes after message_delta"},
	{BlockType, own, "a block's type is one that the API knows"},
	{BlockShape, always, "a block has the fields of its kind"},
	{BlockStart, own, "a text or thinking block starts with empty strings"},
	{ToolInputStart, always, "a call starts with the input {}: clients append the pieces to what they got"},
	{StrayInput, always, "only calls have an input"},
	{StrayField, own, "a block has only the fields of its kind"},
	{EmptyText, own, "a text block has text: sent back, an empty one is refused"},
	{ToolID, always, "a call has an id and a name"},
	{ToolIDUnique, always, "no two calls share an id"},
	{ToolJSON, always, "a call's input is a JSON object, unless the answer was cut within it"},
	{DeltaKind, own, "a delta is of the kind of its block or item"},
	{DeltaShape, always, "a delta has the string of its kind"},
	{SignatureLast, own, "one signature at most, and no thinking after it"},
	{MessageDelta, always, "message_delta comes before message_stop"},
	{MessageDeltaOnce, own, "there is one message_delta"},
	{StopReason, own, "the stop_reason is one that the API knows"},
	{StopSequence, always, "stop_sequence is present: null, or the text that was hit"},
	{ToolStopReason, own, "an answer with calls stops for tool_use, unless it was cut"},
	{ToolUseWithout, own, "an answer that stops for tool_use has a call"},
	{UsagePresent, always, "message_start, message_delta and whole answers have a usage"},
	{UsageIntegers, always, "counts are integers, not below zero, and input_tokens and output_tokens are there"},
	{UsageCache, own, "both cache counts are there, zero if nothing was cached"},
	{UsageAgain, own, "message_delta repeats the input counts, which may have been an estimate"},
	{UsageGrows, always, "output_tokens never shrinks"},
	{StartInput, own, "the input counts of message_start are not all zero"},
	{CacheSplit, own, "the written tokens by lifetime add up to cache_creation_input_tokens"},
	{ThinkingCount, own, "thinking_tokens are part of output_tokens"},

	{Unnamed, own, "Chat events have no name"},
	{Object, always, "the object is chat.completion.chunk, or chat.completion for a whole answer"},
	{Identity, always, "an answer has an id, a time and a model"},
	{SameIdentity, always, "id, created, model and system_fingerprint are the same in all chunks"},
	{Choices, always, "choices is a list; a whole answer has at least one"},
	{EmptyChoices, own, "choices is [] in the usage chunk only"},
	{ChoiceShape, always, "a choice has an index, and an object as delta or message"},
	{RoleFirst, own, "the first delta of a choice, and a message, have the role assistant"},
	{RoleOnce, own, "no later delta has a role"},
	{ContentShape, always, "content, reasoning_content and refusal are strings or null"},
	{EmptyContent, own, "no delta after the first has an empty text"},
	{FinishNull, own, "finish_reason is present, and null until the end"},
	{FinishAlone, own, "the finish has a chunk of its own, with the delta {}"},
	{FinishValue, own, "the finish_reason is stop, length, tool_calls or content_filter"},
	{FinishMissing, always, "every choice has finished before [DONE]"},
	{AfterFinish, own, "a choice that has finished says nothing more"},
	{FinishThenError, own, "an answer that fails has no finish"},
	{ErrorAlone, always, "an error stands alone in its frame or body"},
	{EmptyCalls, own, "tool_calls is never []"},
	{CallShape, always, "tool_calls is a list of objects, each with a function"},
	{CallIndex, always, "each piece has its call's index; calls count 0, 1, 2…; whole calls have none"},
	{CallID, always, "a call has an id"},
	{CallIDUnique, always, "no two calls share an id"},
	{CallFirstPiece, always, "a call's first piece has type function and its name"},
	{CallLaterPiece, own, "later pieces have only index and arguments"},
	{CallArguments, always, "arguments is a string in every piece"},
	{CallJSON, own, "a call's arguments are a JSON object, unless the answer was cut within them"},
	{CallsFinish, own, "an answer with calls finishes with tool_calls, unless it was cut"},
	{FinishWithout, own, "an answer that finishes with tool_calls has a call"},
	{UsageUnasked, always, "a stream has usage only where include_usage asked for it"},
	{UsageMissing, always, "a stream whose client asked, and every whole answer, has usage"},
	{UsagePlace, own, "usage has one chunk of its own, without choices, the last before [DONE]"},
	{UsageCounts, always, "prompt_tokens, completion_tokens and total_tokens are integers, not below zero"},
	{UsageTotal, own, "total_tokens is the sum of the other two"},
	{UsageDetails, own, "cached tokens are part of the prompt, reasoning tokens part of the completion"},
	{ContentPresent, own, "a message has content: a string, or null beside calls, a refusal or audio"},
	{ContentWithCalls, own, "a message with calls and no text has null as content"},
	{RefusalPresent, own, "a message has refusal, null where there is none"},

	{SequenceNumber, always, "every event, keepalive too, has a sequence_number: 0, 1, 2… without gaps"},
	{CreatedFirst, always, "response.created comes first, once; only an error may come instead"},
	{InProgress, own, "there is one response.in_progress, before the first item"},
	{ResponseShape, always, "a response has an id, object response, a model, a status and a list as output"},
	{ResponseMembers, own, "a response has every member of the API, null where there is nothing"},
	{ResponseStart, always, "a response that has just begun is in_progress, with no output, error or usage"},
	{SameResponse, always, "id, model and created_at are the same in all responses of a stream"},
	{ResponseStatus, always, "a response's status is one that the API knows, and that of its event"},
	{OutputText, own, "output_text is for clients to compute"},
	{ItemIndex, always, "items count 0, 1, 2… across the answer"},
	{ItemNesting, own, "an item is added when the one before is done"},
	{ItemUnadded, always, "an event belongs to an item that was added and is not done"},
	{ItemUndone, always, "every item is done before response.completed and response.incomplete"},
	{ItemID, always, "an item has an id, the same in all of its events"},
	{ItemIDUnique, always, "no two items share an id"},
	{ItemType, own, "an item's type is one that the API knows"},
	{ItemShape, always, "an item has the members of its kind: clients drop one that does not, without a word"},
	{ItemStart, own, "an item is added empty, with status in_progress"},
	{ItemStatus, own, "an item is done with status completed, or incomplete where the answer was cut in it"},
	{ItemSame, always, "a done item is of the type, the call and the name that it was added with"},
	{ItemContent, always, "a done item says what its events have said"},
	{PartIndex, always, "the parts of an item count 0, 1, 2…"},
	{PartUnadded, always, "an event belongs to a part that was added and is not done"},
	{PartUndone, own, "a part is done before the next one, and before its item"},
	{PartType, own, "a part's type is one that the API knows"},
	{PartShape, always, "a part has its text as a string, and output_text a list of annotations"},
	{PartStart, own, "a part is added with an empty text"},
	{PartText, always, "a done part has the text of its deltas"},
	{Logprobs, own, "output_text has logprobs, [] where there are none"},
	{TextDone, always, "a whole text comes after its deltas and is what they add up to"},
	{DoneMissing, own, "a text and a call's arguments have a .done before their part or item has"},
	{CallDoneName, own, "the .done of a call's arguments has the name"},
	{AnnotationShape, always, "annotations are objects, and count 0, 1, 2…"},
	{FinalOutput, always, "the output at the end is the items as they were done"},
	{FailedError, always, "response.failed has an error with code and message, and nothing else has one"},
	{IncompleteReason, always, "response.incomplete has a reason that the API knows, and nothing else has one"},
	{ErrorFlat, own, "an error event has code, message and param beside its type"},
	{ResponseUsage, always, "an answer that is completed or incomplete has a usage"},
	{ResponseUsageDetails, always, "a usage has both details, with cached_tokens and reasoning_tokens as integers"},
}

// Rules are all rules.
func Rules() []Doc { return slices.Clone(docs) }

func (r Rule) doc() Doc {
	if at := slices.IndexFunc(docs, func(d Doc) bool { return d.Rule == r }); at >= 0 {
		return docs[at]
	}
	panic("grammar: the rule " + string(r) + " is not in the list")
}
