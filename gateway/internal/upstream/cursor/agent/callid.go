package agent

import (
	"crypto/rand"

	"carousel.internal/gateway/internal/upstream"
)

// newCallID makes the id that the client knows a call by. The upstream's own would not do:
// some have line breaks. Nobody has to keep it, because later runs are told of the whole
// history with this id in it.
func newCallID() string { return "call_" + rand.Text() }

// newKeptID is newCallID for a call of a run that may be kept open.
func newKeptID() string { return upstream.MarkKept(rand.Text()) }
