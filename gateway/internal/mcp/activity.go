package mcp

import (
	"context"
	"strings"
	"time"

	"carousel.internal/gateway/internal/caller"
)

type activityWanted struct {
	page

	Source  string `json:"source,omitempty" jsonschema:"people: what somebody did; carousel: what happened to accounts by itself; both"`
	Actor   string `json:"actor,omitempty" jsonschema:"only what was done by or from this text, such as mcp"`
	Kind    string `json:"kind,omitempty" jsonschema:"only this action or kind of event, such as parked"`
	Account string `json:"account,omitempty" jsonschema:"only what is about this account, by its id"`
	From    string `json:"from,omitempty" jsonschema:"an RFC 3339 time"`
	To      string `json:"to,omitempty" jsonschema:"an RFC 3339 time"`
}

// deed is what somebody did, or what happened to an account by itself.
type deed struct {
	At *time.Time `json:"at"`
	// What is such as "tokens disabled", or cooling.
	What string `json:"what"`
	// Actor is empty where it happened by itself.
	Actor   string            `json:"actor"`
	Details map[string]string `json:"details"`
	// ChangeID is for undo_change; null: it can't be undone.
	ChangeID *string    `json:"change_id"`
	Account  *string    `json:"account"`
	Class    *string    `json:"class"`
	Until    *time.Time `json:"until"`
}

type activity struct {
	Activity []deed `json:"activity"`
	// Next is for the next page; empty: this is the last.
	Next string `json:"next"`
}

type toldActivity struct {
	Entry *struct {
		At        *time.Time        `json:"at"`
		Action    string            `json:"action"`
		Actor     string            `json:"actor"`
		RequestID *string           `json:"request_id"`
		Details   map[string]string `json:"details"`
		Undoable  bool              `json:"undoable"`
	} `json:"entry"`
	Event *struct {
		At      *time.Time `json:"at"`
		Kind    string     `json:"kind"`
		TokenID string     `json:"token_id"`
		Class   *string    `json:"class"`
		Until   *time.Time `json:"until"`
	} `json:"event"`
}

func (t toldActivity) shown() deed {
	switch {
	case t.Event != nil:
		return deed{At: t.Event.At, What: t.Event.Kind, Details: map[string]string{}, Account: &t.Event.TokenID, Class: t.Event.Class, Until: t.Event.Until}
	case t.Entry == nil:
		return deed{Details: map[string]string{}}
	}
	shown := deed{At: t.Entry.At, What: t.Entry.Action, Actor: t.Entry.Actor, Details: map[string]string{}}
	for name, value := range t.Entry.Details {
		if (name == "name" || name == "names") && strings.HasPrefix(t.Entry.Action, "token") && mayMask(strings.TrimSuffix(value, ", "+masking)) {
			continue
		}
		shown.Details[name] = *cut(&value)
	}
	if t.Entry.Undoable {
		shown.ChangeID = t.Entry.RequestID
	}
	return shown
}

func (s *Server) listActivity(ctx context.Context, in activityWanted) (activity, error) {
	limit, err := in.rows()
	if err != nil {
		return activity{}, err
	}
	told, err := get[struct {
		Activities []toldActivity `json:"activities"`
		Next       string         `json:"next"`
	}](ctx, s, "activity", values(
		"source", in.Source, "actor", in.Actor, "kind", in.Kind, "account", in.Account, "from", in.From, "to", in.To, "limit", limit, "cursor", in.Cursor,
	))
	shown := activity{Activity: []deed{}, Next: told.Next}
	for _, each := range told.Activities {
		shown.Activity = append(shown.Activity, each.shown())
	}
	return shown, err
}

type changeWanted struct {
	ID string `json:"change_id" jsonschema:"the change's id, as list_activity has it"`
}

// change is one thing that was changed, or would be. An account's name is its alias, or its id.
type change struct {
	Kind   string  `json:"kind"`
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Deed   string  `json:"deed"`
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

type changes struct {
	At      *time.Time `json:"at"`
	Changes []change   `json:"changes"`
	More    int        `json:"more_changes"`
}

func (s *Server) getChange(ctx context.Context, in changeWanted) (changes, error) {
	told, err := s.changeOf(ctx, in.ID)
	told.Changes, told.More = first(told.Changes)
	return told, err
}

// changeOf answers all that one request changed.
func (s *Server) changeOf(ctx context.Context, id string) (changes, error) {
	if err := checkID("change_id", id); err != nil {
		return changes{}, err
	}
	told, err := get[changes](ctx, s, "audit/"+id, nil)
	admin := visitOf(ctx).from.Kind == caller.Admin
	for i := range told.Changes {
		told.Changes[i] = told.Changes[i].shown(admin)
	}
	return told, err
}

// masking is what a masked secret has where its middle was; names that have it are taken for
// such.
const masking = "…"

func mayMask(name string) bool { return strings.Contains(name, masking) }

// shown leaves out a masked secret, which accounts without an alias have for a name, and, for
// others than the admin, what values other things than accounts have.
func (c change) shown(admin bool) change {
	if c.Kind == "token" {
		if mayMask(c.Name) {
			c.Name = c.ID
		}
	} else if !admin {
		c.Before, c.After = nil, nil
	}
	return c
}
