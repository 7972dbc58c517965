package upstream

import "strings"

// keptMark begins the id of a call whose answer may be kept open.
const keptMark = "call_k"

// MarkKept makes the id of a call that its upstream waits for. Who is told a result of it
// knows by the id that somebody may have kept the answer open.
func MarkKept(unique string) string { return keptMark + unique }

// MayBeKept tells whether a call's id is one that MarkKept has made.
func MayBeKept(id string) bool { return strings.HasPrefix(id, keptMark) }

// Keeper is implemented by drivers whose upstream waits, at the end of an answer with calls,
// for what they come to, and then goes on.
type Keeper interface {
	// KeepsPerToken is how many answers of a token may be kept open at a time; 0: none.
	KeepsPerToken() int
}

// Kept is an answer that has ended in calls and goes on when these have their results, with
// the credential that it was begun with. It is safe for concurrent use. Somebody has to close
// it, or to pass it as Call.Resume, which closes it too, once.
type Kept interface {
	// Calls are the ids of the calls that it waits for, as the client has them.
	Calls() []string
	// Fits tells whether the call's request is the one that this is the answer to, with the
	// answer as it was given, a result for each of its calls, and nothing else.
	Fits(call *Call) bool
	// Done is closed when it can't be resumed any more: the upstream has ended it or has gone
	// on by itself, or its time is over.
	Done() <-chan struct{}
	// Close ends it. It waits until it has ended, which takes no time worth mentioning.
	Close()
}
