package mcp

import (
	"context"
	"strings"
	"time"
)

type usageWanted struct {
	By       []string `json:"by,omitempty" jsonschema:"what sums are told apart by: key, token (an account), model, upstream, day, hour; left out: one sum"`
	From     string   `json:"from,omitempty" jsonschema:"a date or an RFC 3339 time; left out: 30 days ago"`
	To       string   `json:"to,omitempty" jsonschema:"a date or an RFC 3339 time; left out: now"`
	Key      string   `json:"key,omitempty" jsonschema:"only that of this client key, by its id"`
	Account  string   `json:"account,omitempty" jsonschema:"only that of this account, by its id"`
	Model    string   `json:"model,omitempty" jsonschema:"only that of this model"`
	Upstream string   `json:"upstream,omitempty" jsonschema:"only that of this upstream"`
}

// sums are what some requests have used.
type sums struct {
	Requests         uint64 `json:"requests"`
	Failures         uint64 `json:"failures"`
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	CacheReadTokens  uint64 `json:"cache_read_tokens"`
	CacheWriteTokens uint64 `json:"cache_write_tokens"`
	CostUSD          string `json:"cost_usd"`
	Unpriced         uint64 `json:"unpriced_requests"`
}

// usageRow has of its names those that were asked for.
type usageRow struct {
	Key        *string    `json:"key,omitempty"`
	KeyName    *string    `json:"key_name,omitempty"`
	Token      *string    `json:"token,omitempty"`
	TokenAlias *string    `json:"token_alias,omitempty"`
	Model      *string    `json:"model,omitempty"`
	Upstream   *string    `json:"upstream,omitempty"`
	Time       *time.Time `json:"time,omitempty"`
	sums
}

type usage struct {
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to"`
	Rows  []usageRow `json:"rows"`
	More  int        `json:"more_rows"`
	Total sums       `json:"total"`
}

func (s *Server) usage(ctx context.Context, in usageWanted) (usage, error) {
	told, err := get[usage](ctx, s, "usage", values(
		"group", strings.Join(in.By, ","), "from", in.From, "to", in.To, "key", in.Key, "token", in.Account, "model", in.Model, "upstream", in.Upstream,
	))
	told.Rows, told.More = first(told.Rows)
	return told, err
}

// left is what the accounts of an upstream have left.
type left struct {
	Upstream    string        `json:"upstream"`
	Left        uint64        `json:"left"`
	Limit       uint64        `json:"limit"`
	Unlimited   int           `json:"unlimited"`
	Unknown     int           `json:"unknown"`
	RatePerHour float64       `json:"rate_per_hour"`
	DryAt       *time.Time    `json:"dry_at"`
	NextReset   *time.Time    `json:"next_reset"`
	Accounts    []accountLeft `json:"accounts"`
	More        int           `json:"more_accounts"`
}

type accountLeft struct {
	TokenID  string     `json:"token_id"`
	Alias    string     `json:"alias"`
	State    string     `json:"state"`
	Quotas   []counted  `json:"quotas"`
	ResetsAt *time.Time `json:"resets_at"`
	AsOf     *time.Time `json:"as_of"`
	Error    *string    `json:"error"`
}

// counted is a family of models.
type counted struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Used  uint64  `json:"used"`
	Limit *uint64 `json:"limit"`
	Left  *uint64 `json:"left"`
}

type allLeft struct {
	Pools []left `json:"upstreams"`
	More  int    `json:"more_upstreams"`
}

func (s *Server) whatsLeft(ctx context.Context, _ nothing) (allLeft, error) {
	told, err := get[struct {
		Pools []left `json:"pools"`
	}](ctx, s, "quotas", nil)
	var shown allLeft
	shown.Pools, shown.More = first(told.Pools)
	room := maxRows // for accounts of all upstreams
	for i := range shown.Pools {
		each := &shown.Pools[i]
		some := min(len(each.Accounts), room)
		each.Accounts, each.More = append([]accountLeft{}, each.Accounts[:some]...), len(each.Accounts)-some
		room -= some
		for n := range each.Accounts {
			each.Accounts[n].Quotas, _ = first(each.Accounts[n].Quotas)
			each.Accounts[n].Error = cut(each.Accounts[n].Error)
		}
	}
	return shown, err
}
