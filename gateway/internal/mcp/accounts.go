package mcp

import (
	"context"
	"errors"
	"regexp"
	"time"
)

// account is a token of the pool without anything of its secret.
type account struct {
	ID            string     `json:"id"`
	Upstream      string     `json:"upstream"`
	Alias         string     `json:"alias"`
	Tags          []string   `json:"tags"`
	Kind          string     `json:"kind"`
	State         string     `json:"state"`
	Enabled       bool       `json:"enabled"`
	DisabledUntil *time.Time `json:"disabled_until"`
	CoolingUntil  *time.Time `json:"cooling_until"`
	ExpiresAt     *time.Time `json:"expires_at"`
	NeedsLogin    bool       `json:"needs_login"`
	Cap           int        `json:"cap"`
	Weight        int        `json:"weight"`
	InFlight      int        `json:"in_flight"`
	Requests      uint64     `json:"requests"`
	Failures      uint64     `json:"failures"`
	LastUsedAt    *time.Time `json:"last_used_at"`
	LastError     *string    `json:"last_error"`
	RefreshError  *string    `json:"refresh_error"`
}

// bounded cuts what upstreams say.
func (a account) bounded() account {
	a.LastError, a.RefreshError = cut(a.LastError), cut(a.RefreshError)
	a.Tags, _ = first(a.Tags)
	return a
}

type accountsWanted struct {
	page

	Upstream string `json:"upstream,omitempty" jsonschema:"only those of this upstream"`
	State    string `json:"state,omitempty" jsonschema:"only those in this state: ready, quarantined, cooling, probing, parked, expired or disabled"`
	Tag      string `json:"tag,omitempty" jsonschema:"only those with this tag"`
	Search   string `json:"search,omitempty" jsonschema:"only those with this text in their alias, tags or id"`
	Sort     string `json:"sort,omitempty" jsonschema:"created_at, alias, state, expires_at, requests, failures or last_used_at, with a minus before it the other way round"`
}

type accounts struct {
	Accounts []account `json:"accounts"`
	Total    *int      `json:"total"`
	// Next is for the next page; empty: this is the last.
	Next string `json:"next"`
}

func (s *Server) listAccounts(ctx context.Context, in accountsWanted) (accounts, error) {
	limit, err := in.rows()
	if err != nil {
		return accounts{}, err
	}
	told, err := get[struct {
		Tokens []account `json:"tokens"`
		Total  *int      `json:"total"`
		Next   string    `json:"next"`
	}](ctx, s, "tokens", values(
		"upstream", in.Upstream, "state", in.State, "tag", in.Tag, "q", in.Search, "sort", in.Sort, "count", "true", "limit", limit, "cursor", in.Cursor,
	))
	shown := accounts{Total: told.Total, Next: told.Next, Accounts: []account{}}
	for _, each := range told.Tokens {
		shown.Accounts = append(shown.Accounts, each.bounded())
	}
	return shown, err
}

type accountWanted struct {
	ID string `json:"id" jsonschema:"the account's id, as list_accounts has it"`
}

// history is an account and what has happened to it.
type history struct {
	Account account      `json:"account"`
	Events  []transition `json:"events"`
	More    int          `json:"more_events"`
}

// transition is something that happened to an account by itself, or was taken back.
type transition struct {
	At    *time.Time `json:"at"`
	Kind  string     `json:"kind"`
	Class *string    `json:"class"`
	// Model is null where it is about the whole account.
	Model     *string    `json:"model"`
	Until     *time.Time `json:"until"`
	RequestID *string    `json:"request_id"`
	Detail    *string    `json:"detail"`
	By        *string    `json:"by"`
}

// accountForm is that of accounts' ids, which nothing else has that stands beside them in paths.
var accountForm = regexp.MustCompile(`^t[0-9a-z]{1,31}$`)

func checkAccount(id string) error {
	if !accountForm.MatchString(id) {
		return errors.New("id: an account's id wanted, as list_accounts has it")
	}
	return nil
}

func (s *Server) getAccount(ctx context.Context, in accountWanted) (history, error) {
	if err := checkAccount(in.ID); err != nil {
		return history{}, err
	}
	found, err := get[account](ctx, s, "tokens/"+in.ID, nil)
	if err != nil {
		return history{}, err
	}
	told, err := get[struct {
		Transitions []transition `json:"transitions"`
	}](ctx, s, "tokens/"+in.ID+"/transitions", nil)
	shown := history{Account: found.bounded()}
	shown.Events, shown.More = first(told.Transitions)
	for i := range shown.Events {
		shown.Events[i].Detail = cut(shown.Events[i].Detail)
	}
	return shown, err
}
