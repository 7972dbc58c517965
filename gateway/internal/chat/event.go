package chat

// Event is one step of an answer.
//
// What an answer says comes in blocks, one after the other and never two at a time: an
// event with Open begins the next, those with Text continue it, the one with Close ends
// it. One event may be all three. The zero value says "the answer has begun".
type Event struct {
	// Text is the next piece of the block, whole characters only: what is said, thought or
	// refused, the arguments of a call as JSON text, the input of a custom one.
	Text string
	// Open begins the block.
	Open *Block
	// Block is the block's number, from 0 without gaps.
	Block int
	// Kind is the block's, in each of its events.
	Kind BlockKind
	// Close ends the block. All are closed before Finish.
	Close bool
	// More tells that the next event has already arrived, so that a writer may
	// send both at once.
	More bool
	// Seal is a reasoning block's, whole; it comes before its end. Maker is as in
	// Reasoning.
	Seal *Seal
	// Finish is set on the last event of a choice.
	Finish FinishReason
	// StopText is which of the request's texts ended the answer, where Finish is
	// StoppedAt and it is known.
	StopText string
	// Usage is set at most once, on or after the last event.
	Usage *Usage
	// Begin is set on the first event of an answer, where there is something to say.
	Begin *Beginning
	// Raw is the event as the upstream sent it, for a dialect that the upstream
	// speaks too. The driver owns its bytes: they are valid until the next event
	// is asked for.
	Raw Raw
}

// Beginning is what is known before an answer's first word.
type Beginning struct {
	// FallbackModel is set where another model answers than the one that was asked for.
	FallbackModel string
	// Header has those of the upstream's headers that a client of its dialect is to see, by
	// canonical name.
	Header map[string][]string
	// Input are the counts of what went in, where the upstream tells them first; else nil.
	Input *Usage
	// Origin is whose answer it is; the relay sets it.
	Origin Origin
}

// Origin is an upstream, by its name, and a token of its pool, by its id; the latter is empty for
// one that the caller brought.
type Origin struct {
	Upstream, TokenID string
}

// BlockKind is what a block holds.
type BlockKind uint8

// The kinds.
const (
	TextBlock BlockKind = iota
	// ReasoningBlock is the model's thinking, where the upstream shows it.
	ReasoningBlock
	CallBlock
	// RefusalBlock is what the model says instead of an answer.
	RefusalBlock
	// OpaqueBlock has no canonical form; Block.Opaque is all of it.
	OpaqueBlock
)

// Block is what is known of a block when it begins.
type Block struct {
	// ID and Name are a call's; Custom tells that its input is free text.
	ID, Name string
	Custom   bool
	// Redacted tells that a reasoning block has nothing but its Seal.
	Redacted bool
	// Extra belongs to a call, as in Call.
	Extra *Opaque
	// Opaque is the content of an OpaqueBlock.
	Opaque *Opaque
}

// Seal is what lets the maker of reasoning trust it when it comes back.
type Seal struct {
	Data string
	// Maker is the dialect of the upstream that made it.
	Maker string
}

// Raw is an upstream's own JSON.
type Raw struct {
	// Dialect is the name of the dialect it is in; empty: there is none.
	Dialect string
	// JSON is nil where an earlier event's has said it already: one piece of JSON may be
	// several events, and the first of them has it.
	JSON []byte
	// Name is the server-sent event's; empty: it has none.
	Name string
	// Whole tells that it is a complete answer, not a piece of a stream. Members are those of it
	// that its dialect may set; nil: nobody has noted them.
	Whole   bool
	Members *Members
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
	Unfinished FinishReason = ""
	Stop       FinishReason = "stop"
	// StoppedAt: one of the request's Stop texts came next.
	StoppedAt FinishReason = "stop_text"
	// Length: the output limit is reached. WindowFull: the model's window is.
	Length      FinishReason = "length"
	WindowFull  FinishReason = "window_full"
	CalledTools FinishReason = "tool_calls"
	// ContentFilter: the upstream has cut the answer off. Refused: the model would not.
	ContentFilter FinishReason = "content_filter"
	Refused       FinishReason = "refused"
	// Paused: the upstream has tools of its own under way, and wants to be asked again.
	Paused FinishReason = "paused"
)

// Usage counts tokens.
type Usage struct {
	// Prompt is all that went in. Of it CacheRead came from a cache and CacheWrite was put
	// into one, CacheWriteHour of that for an hour.
	Prompt                                int
	CacheRead, CacheWrite, CacheWriteHour int
	// Completion is all that came out; of it Reasoning was thought and not said.
	Completion int
	Reasoning  int
	Source     UsageSource
}

// Fresh is the part of the prompt that no cache had or was given; at least 0, because some
// upstreams tell of more from a cache than of all.
func (u *Usage) Fresh() int { return max(0, u.Prompt-u.CacheRead-u.CacheWrite) }

// Bounded returns the counts with none below 0 and no part above its whole: what
// upstreams report need not add up.
func (u *Usage) Bounded() Usage {
	within := func(n, whole int) int { return min(max(n, 0), whole) }
	b := Usage{Prompt: max(u.Prompt, 0), Completion: max(u.Completion, 0), Source: u.Source}
	b.CacheRead = within(u.CacheRead, b.Prompt)
	b.CacheWrite = within(u.CacheWrite, b.Prompt-b.CacheRead)
	b.CacheWriteHour = within(u.CacheWriteHour, b.CacheWrite)
	b.Reasoning = within(u.Reasoning, b.Completion)
	return b
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
