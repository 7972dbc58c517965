// Package pairs knows what becomes of a request when the API that a client speaks meets
// the one that an upstream speaks. Its rows are data: the tests of the package play each
// of them over a running pair, with the official clients and a simulated upstream, and
// docs/dialects.md is made of them.
package pairs

// API is a dialect that clients and upstreams speak.
type API string

// The APIs.
const (
	Chat     API = "Chat"
	Messages API = "Messages"
)

// Pair is a client's API and the driver of the upstream behind it.
type Pair struct {
	Client API
	Driver string
}

// The pairs.
var (
	ChatOpenAI        = Pair{Chat, "openai"}
	ChatAnthropic     = Pair{Chat, "anthropic"}
	MessagesOpenAI    = Pair{Messages, "openai"}
	MessagesAnthropic = Pair{Messages, "anthropic"}
	// ChatCursor and MessagesCursor are over Cursor's agent protocol.
	ChatCursor     = Pair{Chat, "cursor"}
	MessagesCursor = Pair{Messages, "cursor"}
)

// All are all pairs.
var All = []Pair{ChatOpenAI, ChatAnthropic, ChatCursor, MessagesOpenAI, MessagesAnthropic, MessagesCursor}

// Native tells whether both speak the same API, so that the client's own bytes go on.
func (p Pair) Native() bool { return p == ChatOpenAI || p == MessagesAnthropic }

func (p Pair) String() string { return string(p.Client) + " over " + p.Driver }

// Outcome is what becomes of something that a request holds.
type Outcome string

// The outcomes.
const (
	// Native: the client's bytes go to the upstream, and the upstream's come back.
	Native Outcome = "native"
	// Translated: the upstream gets the same in its own words.
	Translated Outcome = "translated"
	// Lossy: the same, but for what the note says.
	Lossy Outcome = "with loss"
	// Ignored: the upstream is not told, and the answer does not depend on it.
	Ignored Outcome = "ignored"
	// Refused: 400, which names the field.
	Refused Outcome = "refused"
	// Absent: no answer of the upstream has it.
	Absent Outcome = "none"
)

// Cell is what becomes of something in one pair.
type Cell struct {
	Outcome Outcome
	// Note is what is lost, or how it is told.
	Note string
}

// Row is something that a conversation can have, and what becomes of it in the pairs that
// are not native. A test plays it in all.
type Row struct {
	What          string
	OverAnthropic Cell // asked for by a Chat client
	OverOpenAI    Cell // asked for by a Messages client
	OverCursor    Cell // asked for by either
}

// Cell is that of a pair.
func (r Row) Cell(pair Pair) Cell {
	switch {
	case pair.Native():
		return Cell{Outcome: Native}
	case pair.Driver == "cursor":
		return r.OverCursor
	case pair.Client == Chat:
		return r.OverAnthropic
	}
	return r.OverOpenAI
}
