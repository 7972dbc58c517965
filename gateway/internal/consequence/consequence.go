// Package consequence tells what attempts did to their tokens. An attempt in the log says
// what its class may do to a token; the token's history says what it did, and what has become
// of that.
package consequence

import (
	"context"
	"time"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Kind is what an attempt did to its token.
type Kind string

// The kinds.
const (
	// Unknown: the history can't be read, or does not reach back that far.
	Unknown Kind = "unknown"
	None    Kind = "none"
	Cooling Kind = "cooling"
	Parked  Kind = "parked"
)

// End is what ended it.
type End string

// The ends.
const (
	// Lasting: nothing has.
	Lasting  End = ""
	Over     End = "over"
	Undone   End = "undone"
	Released End = "released"
	// Followed: something else has happened to the token since.
	Followed End = "followed"
)

// Consequence is what an attempt did to its token. The zero one is that of an attempt which
// could do nothing.
type Consequence struct {
	Kind Kind
	// Class is the failure's, and Model the one that the token cools for; empty: all.
	Class, Model string
	At           time.Time
	// Until is zero where it is parked.
	Until time.Time
	End   End
	// By is who took it back: admin, or guard when tokens failed alike.
	By string
}

// Undoable tells whether there is something to undo.
func (c Consequence) Undoable() bool {
	return (c.Kind == Cooling || c.Kind == Parked) && c.End == Lasting
}

// Histories answers what happened to a token.
type Histories interface {
	ListTransitions(context.Context, *tokenstorev1.ListTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error)
}

// Of returns the consequence of each attempt of the entry. It asks for the histories of those
// tokens alone to which something may have happened: at most one for each attempt.
func Of(ctx context.Context, histories Histories, entry *tokenstorev1.LogEntry, now time.Time) []Consequence {
	found := make([]Consequence, len(entry.GetAttemptLog()))
	read := map[string]history{}
	for i, attempt := range entry.GetAttemptLog() {
		if !mayMatter(attempt) {
			continue
		}
		told, known := read[attempt.GetTokenId()]
		if !known {
			answer, err := histories.ListTransitions(ctx, &tokenstorev1.ListTransitionsRequest{Id: attempt.GetTokenId()})
			told = history{answer.GetTransitions(), err == nil}
			read[attempt.GetTokenId()] = told
		}
		found[i] = told.consequence(entry.GetId(), attempt, now)
	}
	return found
}

func mayMatter(attempt *tokenstorev1.LogAttempt) bool {
	return attempt.GetTokenId() != "" && attempt.GetClass() != "" && attempt.GetEffect() != "none"
}

// keptTransitions is how many transitions the history of a token has at most.
const keptTransitions = 32

// history is that of a token, newest first.
type history struct {
	transitions []*tokenstorev1.Transition
	// known: it could be read.
	known bool
}

// reaches tells whether the history goes back to a time.
func (h history) reaches(at time.Time) bool {
	n := len(h.transitions)
	return h.known && (n < keptTransitions || h.transitions[n-1].GetAt().AsTime().Before(at))
}

// consequence finds what an attempt of the request did, and what followed that directly.
func (h history) consequence(requestID string, attempt *tokenstorev1.LogAttempt, now time.Time) Consequence {
	next := map[string]*tokenstorev1.Transition{} // what came next, for each model
	var released *tokenstorev1.Transition
	for _, each := range h.transitions {
		switch {
		case each.GetKind() == string(Released):
			released = each
			clear(next)
		case caused(each, requestID, attempt):
			after := next[each.GetModel()]
			if after == nil {
				after = released
			}
			return consequenceOf(each, after, now)
		default:
			next[each.GetModel()] = each
		}
	}
	if h.reaches(attempt.GetStartedAt().AsTime()) {
		return Consequence{Kind: None}
	}
	return Consequence{Kind: Unknown}
}

func caused(t *tokenstorev1.Transition, requestID string, attempt *tokenstorev1.LogAttempt) bool {
	blames := t.GetKind() == string(Cooling) || t.GetKind() == string(Parked)
	return blames && t.GetRequestId() == requestID && t.GetClass() == attempt.GetClass()
}

// consequenceOf is a transition, with what came after it for the same model.
func consequenceOf(t, after *tokenstorev1.Transition, now time.Time) Consequence {
	found := Consequence{Kind: Kind(t.GetKind()), Class: t.GetClass(), Model: t.GetModel(), At: t.GetAt().AsTime()}
	if t.GetUntil() != nil {
		found.Until = t.GetUntil().AsTime()
	}
	switch {
	case after != nil:
		found.End, found.By = Followed, after.GetBy()
		if end := End(after.GetKind()); end == Released || end == Undone && after.GetClass() == t.GetClass() {
			found.End = end
		}
	case found.Kind == Cooling && !now.Before(found.Until):
		found.End = Over
	}
	return found
}
