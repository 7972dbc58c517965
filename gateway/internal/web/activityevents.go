package web

import (
	"slices"
	"time"

	"carousel.internal/gateway/internal/changeset"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// events are what happened alike to tokens of one pool, within together.
type events struct {
	// Newest is the one that happened last, Oldest the first.
	Newest, Oldest *tokenstorev1.TokenEvent
	// Tokens are those that it happened to, each once.
	Tokens []*tokenstorev1.TokenEvent
	// ended counts those to which something happened later that ends it.
	ended int
}

// together is how far apart events of one row are at most, and eventTokens how many tokens of a
// row are not folded away.
const (
	together    = time.Minute
	eventTokens = 5
)

func withEvent(rows []activityRow, event *tokenstorev1.TokenEvent, ended bool) []activityRow {
	at := 0
	if ended {
		at = 1
	}
	if len(rows) > 0 && rows[len(rows)-1].Events.takes(event) {
		row := rows[len(rows)-1].Events
		row.Oldest = event
		known := slices.ContainsFunc(row.Tokens, func(other *tokenstorev1.TokenEvent) bool { return other.GetTokenId() == event.GetTokenId() })
		if !known {
			row.Tokens = append(row.Tokens, event)
			row.ended += at
		}
		return rows
	}
	return append(rows, activityRow{Events: &events{Newest: event, Oldest: event, Tokens: []*tokenstorev1.TokenEvent{event}, ended: at}})
}

// takes tells whether an event that is older belongs to the row. A nil row takes none.
func (e *events) takes(event *tokenstorev1.TokenEvent) bool {
	if e == nil {
		return false
	}
	mine, other := e.Newest.GetTransition(), event.GetTransition()
	return e.Newest.GetUpstream() == event.GetUpstream() && mine.GetKind() == other.GetKind() && mine.GetClass() == other.GetClass() &&
		mine.GetModel() == other.GetModel() && mine.GetBy() == other.GetBy() && mine.GetAt().AsTime().Sub(other.GetAt().AsTime()) <= together
}

// Count is how many tokens it happened to.
func (e *events) Count() uint64 { return uint64(len(e.Tokens)) }

// Some are the tokens that are always shown, More the others.
func (e *events) Some() []*tokenstorev1.TokenEvent { return e.Tokens[:min(len(e.Tokens), eventTokens)] }

// More are the tokens that are folded away.
func (e *events) More() []*tokenstorev1.TokenEvent { return e.Tokens[min(len(e.Tokens), eventTokens):] }

// CanUndo tells whether it was done to tokens by a failure, and still holds for some.
func (e *events) CanUndo(now time.Time) bool {
	transition := e.Newest.GetTransition()
	return slices.Contains([]string{"cooling", "parked"}, transition.GetKind()) && e.ended < len(e.Tokens) &&
		now.Sub(transition.GetAt().AsTime()) < changeset.Restorable
}

// atOnce is how far a token's own history may be from what its pool was told, in time.
const atOnce = 10 * time.Millisecond

// Since and Until are the time within which it is undone.
func (e *events) Since() string { return exact(e.Oldest.GetTransition().GetAt().AsTime().Add(-atOnce)) }

// Until is the end of that time.
func (e *events) Until() string { return exact(e.Newest.GetTransition().GetAt().AsTime().Add(atOnce)) }

func exact(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
