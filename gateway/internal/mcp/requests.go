package mcp

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/chat"
)

type requestsWanted struct {
	page

	Status    string `json:"status,omitempty" jsonschema:"success or failure"`
	Model     string `json:"model,omitempty" jsonschema:"only those for this name of a model"`
	Upstream  string `json:"upstream,omitempty" jsonschema:"only those that this upstream answered last"`
	Account   string `json:"account,omitempty" jsonschema:"only those that this account, by its id, answered last"`
	Key       string `json:"key,omitempty" jsonschema:"only those of this client key, by its id"`
	ErrorKind string `json:"error_kind,omitempty" jsonschema:"only those that failed in this way, such as rate_limited"`
	Error     string `json:"error,omitempty" jsonschema:"only those with this text in their error"`
	Retried   bool   `json:"retried,omitempty" jsonschema:"only those that needed more than one attempt"`
	Slower    string `json:"slower_than,omitempty" jsonschema:"only those that took longer, such as 10s"`
	From      string `json:"from,omitempty" jsonschema:"an RFC 3339 time"`
	To        string `json:"to,omitempty" jsonschema:"an RFC 3339 time"`
}

// request is an entry of the log without what was said.
type request struct {
	ID               string     `json:"id"`
	StartedAt        *time.Time `json:"started_at"`
	Status           string     `json:"status"`
	HTTPStatus       int        `json:"http_status"`
	ErrorKind        *string    `json:"error_kind"`
	Error            *string    `json:"error"`
	EndReason        string     `json:"end_reason"`
	Model            string     `json:"model"`
	ServedModel      *string    `json:"served_model"`
	FallbackModel    *string    `json:"fallback_model"`
	Dialect          *string    `json:"dialect"`
	Stream           bool       `json:"stream"`
	Upstream         *string    `json:"upstream"`
	TokenID          *string    `json:"account"`
	TokenAlias       *string    `json:"account_alias"`
	Caller           *string    `json:"caller"`
	KeyID            *string    `json:"key"`
	KeyName          *string    `json:"key_name"`
	Attempts         int        `json:"attempts"`
	TotalMS          *float64   `json:"total_ms"`
	FirstByteMS      *float64   `json:"first_byte_ms"`
	PromptTokens     uint64     `json:"prompt_tokens"`
	CompletionTokens uint64     `json:"completion_tokens"`
	CostUSD          *string    `json:"cost_usd"`
	TraceID          *string    `json:"trace_id"`
}

// toldRequest has the names of the admin API where they are others.
type toldRequest struct {
	request

	TokenID    *string       `json:"token_id"`
	TokenAlias *string       `json:"token_alias"`
	KeyID      *string       `json:"key_id"`
	Pool       *keptOut      `json:"pool"`
	AttemptLog []toldAttempt `json:"attempt_log"`
}

func (t toldRequest) shown() request {
	r := t.request
	r.TokenID, r.TokenAlias, r.KeyID = t.TokenID, t.TokenAlias, t.KeyID
	r.Error, r.Model = cut(r.Error), chat.Cut(r.Model, maxText)
	return r
}

type requests struct {
	Requests []request `json:"requests"`
	// Next is for the next page; empty: this is the last.
	Next string `json:"next"`
}

func (s *Server) listRequests(ctx context.Context, in requestsWanted) (requests, error) {
	limit, err := in.rows()
	if err != nil {
		return requests{}, err
	}
	query := values(
		"status", in.Status, "model", in.Model, "upstream", in.Upstream, "token_id", in.Account, "key_id", in.Key, "error_kind", in.ErrorKind, "error", in.Error,
		"min_total", in.Slower, "from", in.From, "to", in.To, "limit", limit, "cursor", in.Cursor,
	)
	if in.Retried {
		query.Set("retried", "true")
	}
	told, err := get[struct {
		Logs []toldRequest `json:"logs"`
		Next string        `json:"next"`
	}](ctx, s, "logs", query)
	shown := requests{Requests: []request{}, Next: told.Next}
	for _, each := range told.Logs {
		shown.Requests = append(shown.Requests, each.shown())
	}
	return shown, err
}

type requestWanted struct {
	ID string `json:"id" jsonschema:"the request's id, or its X-Request-Id"`
}

// timeline is a request and its attempts.
type timeline struct {
	Request  request   `json:"request"`
	Timeline []attempt `json:"timeline"`
	// KeptOut counts the accounts by what kept each from serving; null where one could.
	KeptOut *keptOut `json:"kept_out"`
}

type keptOut struct {
	Total       int `json:"total"`
	Busy        int `json:"busy"`
	Cooling     int `json:"cooling"`
	Probing     int `json:"probing"`
	Quarantined int `json:"quarantined"`
	Tried       int `json:"tried"`
	Parked      int `json:"parked"`
	Disabled    int `json:"disabled"`
	Expired     int `json:"expired"`
}

// attempt is one request to an upstream.
type attempt struct {
	StartedAt    *time.Time   `json:"started_at"`
	TotalMS      *float64     `json:"total_ms"`
	Upstream     string       `json:"upstream"`
	Model        string       `json:"model"`
	TokenID      *string      `json:"account"`
	TokenAlias   *string      `json:"account_alias"`
	Class        *string      `json:"class"`
	Rule         *string      `json:"rule"`
	Status       *int         `json:"status"`
	Code         *string      `json:"code"`
	Message      *string      `json:"message"`
	RetryAfterMS *float64     `json:"retry_after_ms"`
	Consequence  *consequence `json:"consequence"`
}

type toldAttempt struct {
	attempt

	TokenID    *string `json:"token_id"`
	TokenAlias *string `json:"token_alias"`
}

// consequence is what an attempt did to its account.
type consequence struct {
	Kind  string     `json:"kind"`
	Model *string    `json:"model"`
	Until *time.Time `json:"until"`
	Ended *string    `json:"ended"`
	By    *string    `json:"by"`
}

func (s *Server) getRequest(ctx context.Context, in requestWanted) (timeline, error) {
	if err := checkID("id", in.ID); err != nil {
		return timeline{}, err
	}
	told, err := get[toldRequest](ctx, s, "logs/"+in.ID, nil)
	shown := timeline{Request: told.shown(), Timeline: []attempt{}, KeptOut: told.Pool}
	attempts, _ := first(told.AttemptLog)
	for _, each := range attempts {
		each.attempt.TokenID, each.attempt.TokenAlias = each.TokenID, each.TokenAlias
		each.Message, each.Code = cut(each.Message), cut(each.Code)
		shown.Timeline = append(shown.Timeline, each.attempt)
	}
	return shown, err
}
