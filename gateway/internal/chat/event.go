package chat

// Event is one step of an answer. Its zero value says "the answer has begun".
type Event struct {
	// Text is the next piece of the answer, whole characters only.
	Text string
	// Reasoning is the next piece of the model's thinking, where the upstream
	// shows it.
	Reasoning string
	ToolCalls []ToolCall
	// Finish is set on the last event of a choice.
	Finish FinishReason
	// Usage is set at most once, on or after the last event.
	Usage *Usage
	// Raw is the event as the upstream sent it, for a dialect that the upstream
	// speaks too. The driver owns its bytes: they are valid until the next event
	// is asked for.
	Raw Raw
	// FallbackModel is set on the first event of an answer by another model than the
	// one that was asked for.
	FallbackModel string
	// More tells that the next event has already arrived, so that a writer may
	// send both at once.
	More bool
}

// Raw is an upstream's own JSON.
type Raw struct {
	// Dialect is the name of the dialect it is in; empty: there is none.
	Dialect string
	JSON    []byte
	// Whole tells that it is a complete answer, not a piece of a stream.
	Whole bool
	// Shape is a number that pieces of one answer have in common that differ in nothing
	// but their text; 0: it is not told. TextFrom and TextTo are where in JSON that text
	// stands, between its quotes; it is all that the event says.
	Shape            int
	TextFrom, TextTo int
}

// FinishReason says why the answer ended.
type FinishReason string

// The reasons.
const (
	Unfinished    FinishReason = ""
	Stop          FinishReason = "stop"
	Length        FinishReason = "length"
	CalledTools   FinishReason = "tool_calls"
	ContentFilter FinishReason = "content_filter"
)

// Usage counts tokens.
type Usage struct {
	Prompt     int
	Completion int
	Source     UsageSource
}

// UsageSource says how far a count is to be trusted.
type UsageSource string

// The sources.
const (
	// UsageReported came from the upstream.
	UsageReported UsageSource = "reported"
	// UsageEstimated was counted here with a tokenizer.
	UsageEstimated UsageSource = "estimated"
	// UsagePartial was counted here over an answer that was cut short.
	UsagePartial UsageSource = "partial"
	// UsageUnknown was not counted: nothing was sent.
	UsageUnknown UsageSource = "unknown"
)
