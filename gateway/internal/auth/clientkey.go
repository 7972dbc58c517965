package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/lease"
)

// Keys finds client keys by their secrets. It is safe for concurrent use.
type Keys interface {
	// Find returns whose a secret is, and when it ends before the key does; zero: it does not. The
	// key may be disabled or expired. suspect: too many wrong keys have come from the client's
	// address, so that its questions must not hold up those of others. The error is
	// caller.ErrUnknownKey, or says why nothing can be known now.
	Find(ctx context.Context, secret caller.Secret, suspect bool) (key *caller.Key, until time.Time, err error)
}

// UseKeys has the gate accept client keys. It is called before the gate is used.
func (g *Gate) UseKeys(keys Keys) { g.keys = keys }

// Visitor is who has sent a request that needs no key: the holder of a client key, or, as the zero
// Caller, anybody else. The error is for who sends what has the form of a client key and is none,
// or one that may not be used.
func (g *Gate) Visitor(r *http.Request, headers []string, now time.Time) (caller.Caller, error) {
	g.prefer(r, headers)
	text, _ := bearer(r.Header.Get(authorizationHeader))
	secret, names, is := clientSecret(text)
	if !is || g.is(text) {
		return caller.Caller{}, nil
	}
	sender, err := g.client(r, secret, names, now)
	return sender.Caller, err
}

// Holder judges a client key that was typed into a page. A wrong one counts against the client's
// address. Errors are *chat.Error.
func (g *Gate) Holder(r *http.Request, text string) (*caller.Key, error) {
	text = strings.TrimSpace(text)
	secret, is := caller.ParseSecret(text)
	if !is {
		return nil, g.refuse(r, errWrong(text))
	}
	return g.keyOf(r, secret, time.Now())
}

// Scoped is who has sent a request that is for the admin, and for client keys that have a scope. A
// page's session, and a token of the caller's own, are nobody here. Errors are *chat.Error.
func (g *Gate) Scoped(r *http.Request, scope caller.Scope, now time.Time) (caller.Caller, error) {
	text, _ := bearer(r.Header.Get(authorizationHeader))
	secret, names, is := clientSecret(text)
	if !is || g.is(text) {
		if err := g.Authorize(r); err != nil {
			return caller.Caller{}, err
		}
		return g.admin(true, lease.Choice{}).Caller, nil
	}
	sender, err := g.client(r, secret, names, now)
	switch {
	case err != nil:
		return caller.Caller{}, err
	case !sender.Key.MayDo(scope):
		return caller.Caller{}, refusedKey(caller.NotForKeys, sender.Key, "this takes a key with the scope "+string(scope)+", which the key that was sent has not; an admin can give it to it")
	}
	return sender.Caller, nil
}

// clientSecret reads a text that has the form of a client key, perhaps with an alias behind it as
// the admin token may have one: names tells so.
func clientSecret(text string) (secret caller.Secret, names, is bool) {
	if secret, is = caller.ParseSecret(text); is {
		return secret, false, true
	}
	if at := strings.LastIndex(text, aliasSeparator); at > 0 {
		secret, is = caller.ParseSecret(text[:at])
	}
	return secret, is, is
}

// keyOf finds the client key that a request was sent with, and judges whether it may be used now.
// A wrong one counts against the client's address, one that may not be used does not.
func (g *Gate) keyOf(r *http.Request, secret caller.Secret, now time.Time) (*caller.Key, error) {
	address := forwarded.Client(r)
	if g.keys == nil {
		return nil, g.refuse(r, unauthenticated("the key is wrong"))
	}
	key, until, err := g.keys.Find(r.Context(), secret, g.attempts.areSpent(address))
	switch {
	case errors.Is(err, caller.ErrUnknownKey):
		return nil, g.refuse(r, unauthenticated("the key is wrong: no client key has this secret, or has it any more"))
	case err != nil:
		return nil, chat.AsError(err)
	case key.Disabled:
		return nil, refusedKey(caller.KeyDisabled, key, "the key is disabled; who gave it to you can enable it")
	case key.Expired(now):
		return nil, refusedKey(caller.KeyExpired, key, "the key has expired, on "+told(key.ExpiresAt))
	case !until.IsZero() && !now.Before(until):
		return nil, refusedKey(caller.SecretReplaced, key, "the key has another secret by now, and this one has ended, on "+told(until))
	case !key.Admits(address):
		return nil, refusedKey(caller.WrongNetwork, key, "the key may not be used from "+address.String()+", which is the address that this request comes from as far as this gateway knows")
	}
	return key, nil
}

// refusedKey is the error for a client key that is right and of no use here: a fault of the key is
// one of authentication, and all else is forbidden to it.
func refusedKey(reason caller.Reason, key *caller.Key, message string) *chat.Error {
	kind := chat.Unauthenticated
	if reason == caller.WrongNetwork || reason == caller.NotForKeys {
		kind = chat.Forbidden
	}
	return &chat.Error{Kind: kind, Message: message, Err: &caller.Refusal{Reason: reason, Key: key}}
}

func told(at time.Time) string { return at.UTC().Format(time.RFC3339) }
