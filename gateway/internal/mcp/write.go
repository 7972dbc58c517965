package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"carousel.internal/gateway/internal/caller"
)

// rehearsal is whether a tool only says what it would do.
type rehearsal struct {
	DryRun *bool `json:"dry_run,omitempty" jsonschema:"false: do it. Left out, or true: only say what would change"`
}

func (r rehearsal) only() bool { return r.DryRun == nil || *r.DryRun }

// done says what was changed, or would be.
type done struct {
	// DryRun: nothing was changed.
	DryRun bool `json:"dry_run"`
	// Count is how many were changed, or would be; the others were so before.
	Count   int      `json:"count"`
	Changes []change `json:"changes"`
	// Until is when those accounts are enabled again; null: never by itself, or none was disabled.
	Until    *string   `json:"until"`
	Failed   int       `json:"failed"`
	Failures []failure `json:"failures"`
	// ChangeID is for undo_change; null where nothing was changed.
	ChangeID *string `json:"change_id"`
}

// failure is something that was not changed, and why.
type failure struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

type disabling struct {
	rehearsal

	IDs   []string `json:"ids" jsonschema:"the ids of 1 to 100 accounts"`
	Until string   `json:"until,omitempty" jsonschema:"an RFC 3339 time at which they are enabled again; left out: never by itself"`
}

type enabling struct {
	rehearsal

	IDs []string `json:"ids" jsonschema:"the ids of 1 to 100 accounts"`
}

func (s *Server) disableAccounts(ctx context.Context, in disabling) (done, error) {
	said, err := s.switchAccounts(ctx, "disable", in.IDs, in.Until, in.only())
	if said.Count > 0 && in.Until != "" { // those that were disabled before keep their end
		said.Until = &in.Until
	}
	return said, err
}

func (s *Server) enableAccounts(ctx context.Context, in enabling) (done, error) {
	return s.switchAccounts(ctx, "enable", in.IDs, "", in.only())
}

// switchAccounts disables or enables accounts; until is empty for good.
func (s *Server) switchAccounts(ctx context.Context, action string, ids []string, until string, dry bool) (done, error) {
	if len(ids) == 0 || len(ids) > maxRows {
		return done{}, fmt.Errorf("ids: 1 to %d wanted, not %d", maxRows, len(ids))
	}
	for _, id := range ids {
		if err := checkAccount(id); err != nil {
			return done{}, err
		}
	}
	body := map[string]any{"action": action, "ids": ids, "dry_run": dry}
	if until != "" {
		body["until"] = until
	}
	var told struct {
		Change   *string
		Count    int
		Failed   int
		Failures []struct {
			TokenID string `json:"token_id"`
			Reason  string
		}
		Changes []change
	}
	if err := s.ask(ctx, question{method: http.MethodPost, path: "tokens/bulk", body: body}, &told); err != nil {
		return done{}, err
	}
	said := done{DryRun: dry, Count: told.Count, Failed: told.Failed, Failures: []failure{}}
	said.Changes, _ = first(told.Changes)
	for i := range said.Changes {
		said.Changes[i] = said.Changes[i].shown(false)
	}
	for _, each := range told.Failures {
		said.Failures = append(said.Failures, failure{each.TokenID, each.Reason})
	}
	if told.Count > 0 {
		said.ChangeID = told.Change
	}
	return said, nil
}

type undoing struct {
	rehearsal
	changeWanted
}

// undone says what an undo did, or would do.
type undone struct {
	// DryRun: nothing was changed.
	DryRun bool `json:"dry_run"`
	// Undone is how many things are as they were, or would be.
	Undone int `json:"undone"`
	// Changes are what the change did, which is taken back.
	Changes  []change  `json:"changes"`
	More     int       `json:"more_changes"`
	Failed   int       `json:"failed"`
	Failures []failure `json:"failures"`
}

func (s *Server) undoChange(ctx context.Context, in undoing) (undone, error) {
	kept, err := s.changeOf(ctx, in.ID)
	if err != nil {
		return undone{}, err
	}
	if visitOf(ctx).from.Kind != caller.Admin && slices.ContainsFunc(kept.Changes, func(each change) bool { return each.Kind != "token" }) {
		return undone{}, errors.New("the change is of more than accounts: the scope pool:write does not undo it, the admin token does")
	}
	var query url.Values
	if in.only() {
		query = values("dry_run", "true")
	}
	var told struct {
		Undone, Failed int
		Failures       []failure
	}
	if err := s.ask(ctx, question{method: http.MethodPost, path: "audit/" + in.ID + "/undo", query: query}, &told); err != nil {
		return undone{}, err
	}
	said := undone{DryRun: in.only(), Undone: told.Undone, Failed: told.Failed}
	said.Changes, said.More = first(kept.Changes)
	said.Failures, _ = first(told.Failures)
	return said, nil
}
