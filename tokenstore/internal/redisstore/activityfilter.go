package redisstore

import (
	"context"
	"slices"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ActivityFilter chooses activities; its zero fields choose all.
type ActivityFilter struct {
	Source tokenstorev1.ActivitySource
	// Actor is found anywhere in who did it, and from where.
	Actor string
	// Kind is an action, or a kind of transition.
	Kind string
	// Account is the id or the alias of a token, the request of an action, or another detail of it.
	Account  string
	From, To time.Time
}

// activityMatcher returns whether an activity is one of those that a filter chooses.
func (s *Store) activityMatcher(ctx context.Context, filter ActivityFilter) (func(*tokenstorev1.Activity) bool, error) {
	about, err := s.activityAbout(ctx, filter.Account)
	if err != nil {
		return nil, err
	}
	return func(activity *tokenstorev1.Activity) bool {
		entry, event := activity.GetEntry(), activity.GetEvent()
		kind, by := entry.GetAction(), []string{entry.GetActor(), entry.GetRemoteIp(), entry.GetForwardedFor()}
		if event != nil {
			kind, by = event.GetTransition().GetKind(), []string{event.GetTransition().GetBy()}
		}
		return (filter.Kind == "" || kind == filter.Kind) && (filter.Actor == "" || holds(by, filter.Actor)) && about(activity)
	}, nil
}

// holds tells whether one of the texts has the other in it, in any case.
func holds(texts []string, part string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}

// activityAbout returns whether an activity is about an account. Actions that were about many
// tokens are found as long as what undoes them is kept.
func (s *Store) activityAbout(ctx context.Context, account string) (func(*tokenstorev1.Activity) bool, error) {
	if account == "" {
		return func(*tokenstorev1.Activity) bool { return true }, nil
	}
	id := account
	known, err := s.client.HMGet(ctx, aliasKey(), account).Result()
	if err != nil {
		return nil, storeError("read the activity", err)
	}
	if named, ok := known[0].(string); ok {
		id = named
	}
	requests := map[string]bool{}
	err = s.eachUndo(ctx, func(kept keptUndo) error {
		if !strings.Contains(kept.packed, id) {
			return nil // it isn't worth decoding
		}
		undo, err := kept.undo()
		if slices.Contains(slices.Concat(undo.GetDeleted(), undo.GetEnabled(), undo.GetDisabled()), id) {
			requests[kept.request] = true
		}
		return err
	})
	return func(activity *tokenstorev1.Activity) bool {
		if event := activity.GetEvent(); event != nil {
			return event.GetTokenId() == id
		}
		entry := activity.GetEntry()
		if requests[entry.GetRequestId()] || entry.GetRequestId() == account {
			return true
		}
		for _, detail := range entry.GetDetails() {
			if detail == id || strings.EqualFold(detail, account) {
				return true
			}
		}
		return false
	}, err
}
