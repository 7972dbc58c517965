package web

import (
	"net/url"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// history is what happened to a token by itself and was taken back, newest first.
type history []event

type event struct{ *tokenstorev1.Transition }

func historyOf(transitions []*tokenstorev1.Transition) history {
	events := make(history, 0, len(transitions))
	for _, each := range transitions {
		events = append(events, event{each})
	}
	return events
}

// Automatic tells whether it happened by itself.
func (e event) Automatic() bool { return e.GetKind() == "cooling" || e.GetKind() == "parked" }

// Alike is the address where all that happened alike since can be undone.
func (e event) Alike(upstream string) string {
	query := url.Values{"class": {e.GetClass()}, "upstream": {upstream}, "from": {iso(e.GetAt())}}
	return "/admin/activity?" + query.Encode()
}

// CoolingModels are those that the token cools for, while it serves others.
func (h history) CoolingModels(now time.Time) []event {
	var cooling []event
	seen := map[string]bool{"": true}
	for _, e := range h {
		if e.GetKind() == "released" {
			break
		}
		if seen[e.GetModel()] {
			continue
		}
		seen[e.GetModel()] = true
		if e.GetKind() == "cooling" && e.GetUntil().AsTime().After(now) {
			cooling = append(cooling, e)
		}
	}
	return cooling
}
