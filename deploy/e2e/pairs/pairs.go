// Package pairs knows what becomes of a request when the API that a client speaks meets
// the one that an upstream speaks. Its rows are data: the tests of the package play each
// of them over a running pair, with the official clients and a simulated upstream, and
// docs/dialects.md is made of them.
package pairs

// API is a dialect that clients and upstreams speak.
type API string

// The APIs.
const (
	Chat      API = "Chat"
	Messages  API = "Messages"
	Responses API = "Responses"
)

// Pair is a client's API and the driver of the upstream behind it.
type Pair struct {
	Client API
	Driver string
	// ByChat: the upstream has the client's API not, and is asked by Chat.
	ByChat bool
}

// The pairs.
var (
	ChatOpenAI         = Pair{Client: Chat, Driver: "openai"}
	ChatAnthropic      = Pair{Client: Chat, Driver: "anthropic"}
	MessagesOpenAI     = Pair{Client: Messages, Driver: "openai"}
	MessagesAnthropic  = Pair{Client: Messages, Driver: "anthropic"}
	ResponsesOpenAI    = Pair{Client: Responses, Driver: "openai"}
	ResponsesByChat    = Pair{Client: Responses, Driver: "openai", ByChat: true}
	ResponsesAnthropic = Pair{Client: Responses, Driver: "anthropic"}
	// ChatCursor, MessagesCursor and ResponsesCursor are over Cursor's agent protocol.
	ChatCursor      = Pair{Client: Chat, Driver: "cursor"}
	MessagesCursor  = Pair{Client: Messages, Driver: "cursor"}
	ResponsesCursor = Pair{Client: Responses, Driver: "cursor"}
)

// All are all pairs. Responses over openai is two: some of these upstreams serve it, and some
// don't.
var All = []Pair{
	ChatOpenAI, ChatAnthropic, ChatCursor, MessagesOpenAI, MessagesAnthropic, MessagesCursor,
	ResponsesOpenAI, ResponsesByChat, ResponsesAnthropic, ResponsesCursor,
}

// Native tells whether both speak the same API, so that the client's own bytes go on.
func (p Pair) Native() bool {
	return p == ChatOpenAI || p == MessagesAnthropic || p == ResponsesOpenAI
}

func (p Pair) String() string {
	if p.ByChat {
		return string(p.Client) + " over " + p.Driver + " by Chat"
	}
	return string(p.Client) + " over " + p.Driver
}

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
	// Absent: no answer of the upstream, or no request of the client, has it.
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
	Responses     Cells
}

// Cells are those of a client of Responses.
type Cells struct{ ByChat, OverAnthropic, OverCursor Cell }

// Cell is that of a pair.
func (r Row) Cell(pair Pair) Cell {
	switch {
	case pair == ResponsesOpenAI && r.Responses.ByChat.Outcome == Absent:
		return r.Responses.ByChat // the API has no word for it
	case pair.Native():
		return Cell{Outcome: Native}
	case pair == ResponsesByChat:
		return r.Responses.ByChat
	case pair == ResponsesAnthropic:
		return r.Responses.OverAnthropic
	case pair == ResponsesCursor:
		return r.Responses.OverCursor
	case pair.Driver == "cursor":
		return r.OverCursor
	case pair.Client == Chat:
		return r.OverAnthropic
	}
	return r.OverOpenAI
}
