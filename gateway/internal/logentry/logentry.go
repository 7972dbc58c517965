// Package logentry is the shape of an entry of the request log, as the admin API tells it
// and the command line reads it.
package logentry

import (
	"time"

	"carousel.internal/gateway/internal/consequence"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Entry is one request; what is not known is null.
type Entry struct {
	ID        string     `json:"id"`
	Replica   string     `json:"replica"`
	StartedAt *time.Time `json:"started_at"`
	// TotalMS and FirstByteMS are in milliseconds.
	TotalMS     *float64 `json:"total_ms"`
	FirstByteMS *float64 `json:"first_byte_ms"`
	// Dialect is the name of the API that the client spoke, such as openai, or of one of its
	// side endpoints, such as openai/embeddings.
	Dialect *string `json:"dialect"`
	// Translated: the upstream does not speak the client's API.
	Translated bool    `json:"translated"`
	Model      string  `json:"model"`
	Upstream   *string `json:"upstream"`
	TokenID    *string `json:"token_id"`
	TokenAlias *string `json:"token_alias"`
	// Token is masked.
	Token            *string `json:"token"`
	TokenFingerprint *string `json:"token_fingerprint"`
	Stream           bool    `json:"stream"`
	// Caller is who asked: admin, key, own or session.
	Caller *string `json:"caller"`
	// KeyID is the client key's, and KeyName the name that it had.
	KeyID   *string `json:"key_id"`
	KeyName *string `json:"key_name"`
	// ServedModel is the id by which the upstream knows the model that was asked last.
	ServedModel *string `json:"served_model"`
	// Status is success or failure.
	Status     string  `json:"status"`
	HTTPStatus uint32  `json:"http_status"`
	Error      *string `json:"error"`
	ErrorKind  *string `json:"error_kind"`
	EndReason  string  `json:"end_reason"`
	Attempts   uint32  `json:"attempts"`
	// FallbackModel is the model that was asked last, where it was not Model.
	FallbackModel *string `json:"fallback_model"`

	// PromptTokens are the whole input, CompletionTokens the whole output.
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	// Of the prompt's tokens, those that the upstream read from a cache, those that it
	// wrote to one, and of the latter those that it keeps for an hour.
	CacheReadTokens      *uint64 `json:"cache_read_tokens"`
	CacheWriteTokens     *uint64 `json:"cache_write_tokens"`
	CacheWriteHourTokens *uint64 `json:"cache_write_hour_tokens"`
	// ReasoningTokens are those of the completion that were the model's thinking.
	ReasoningTokens *uint64 `json:"reasoning_tokens"`
	// UsageSource says how far the counts are to be trusted.
	UsageSource string `json:"usage_source"`
	// CostUSD is exact, with at least two decimals; null where nothing was used, or nothing that
	// has a price.
	CostUSD *string `json:"cost_usd"`
	// CostQuality is reported, estimated or partial, as the counts, or unpriced; null where nothing
	// was used.
	CostQuality *string `json:"cost_quality"`
	// Prompt is null in a list that was not asked for prompts.
	Prompt    *string `json:"prompt"`
	PromptCut bool    `json:"prompt_cut"`
	// AttemptLog tells of each attempt; of more than 16, the first 15 and the last.
	AttemptLog []Attempt `json:"attempt_log"`
	// ClientHeaders are those of the client, of a request of which something failed.
	ClientHeaders []Header `json:"client_headers"`
	// TraceID is the trace that has the request's spans; null where it was not traced.
	TraceID *string `json:"trace_id"`
	// Pool counts the tokens by what kept each from serving; null where one could.
	Pool *Pool `json:"pool"`
	// RetryAfterMS is when it was worth asking again, from the request's end.
	RetryAfterMS *float64 `json:"retry_after_ms"`
}

// Pool has the names that error.pool has in the answer.
type Pool struct {
	Total       uint32 `json:"total"`
	Busy        uint32 `json:"busy"`
	Cooling     uint32 `json:"cooling"`
	Probing     uint32 `json:"probing"`
	Quarantined uint32 `json:"quarantined"`
	Tried       uint32 `json:"tried"`
	Parked      uint32 `json:"parked"`
	Disabled    uint32 `json:"disabled"`
	Expired     uint32 `json:"expired"`
}

func poolOf(pool *tokenstorev1.PoolSummary) *Pool {
	if pool == nil {
		return nil
	}
	return &Pool{
		Total: pool.GetTotal(), Busy: pool.GetCapped(), Cooling: pool.GetCooling(), Probing: pool.GetProbing(), Quarantined: pool.GetQuarantined(),
		Tried: pool.GetTried(), Parked: pool.GetParked(), Disabled: pool.GetDisabled(), Expired: pool.GetExpired(),
	}
}

// Attempt is one request to an upstream; what is not known is null.
type Attempt struct {
	StartedAt *time.Time `json:"started_at"`
	TotalMS   *float64   `json:"total_ms"`
	Upstream  string     `json:"upstream"`
	// Model is the id that the upstream knows.
	Model            string  `json:"model"`
	TokenID          *string `json:"token_id"`
	TokenAlias       *string `json:"token_alias"`
	Token            *string `json:"token"`
	TokenFingerprint *string `json:"token_fingerprint"`
	// Class is the failure's; null for success. Rule is what decided it.
	Class *string `json:"class"`
	Rule  *string `json:"rule"`
	// Effect is what the class may do to the token: none, token_may_cool,
	// model_may_cool.
	Effect string `json:"effect"`
	// Status, Code, Param and Message are the upstream's own; Param is the request's
	// field that it names as the one at fault.
	Status       *uint32  `json:"status"`
	Code         *string  `json:"code"`
	Param        *string  `json:"param"`
	Message      *string  `json:"message"`
	RetryAfterMS *float64 `json:"retry_after_ms"`
	// SentHeaders and ReceivedHeaders are those of a failed attempt.
	SentHeaders     []Header `json:"sent_headers"`
	ReceivedHeaders []Header `json:"received_headers"`
	// Consequence is what it did to the token; null in lists, and where it could do nothing.
	Consequence *Consequence `json:"consequence"`
}

// Header is one that was sent with a request, or came with its answer.
type Header struct {
	Name string `json:"name"`
	// Value is null where only the name is kept.
	Value *string `json:"value"`
}

func headersOf(kept []*tokenstorev1.LogHeader) []Header {
	headers := make([]Header, len(kept))
	for i, each := range kept {
		headers[i].Name = each.GetName()
		if value := each.GetValue(); !each.GetHidden() {
			headers[i].Value = &value
		}
	}
	return headers
}

// Consequence is what an attempt did to its token.
type Consequence struct {
	// Kind is cooling, parked, none, or unknown where the token's history is not there any more.
	Kind string `json:"kind"`
	// Model is the one that the token cools for; null: all.
	Model *string    `json:"model"`
	At    *time.Time `json:"at"`
	Until *time.Time `json:"until"`
	// Ended is what ended it: over, undone, released, or followed by something else; null: nothing
	// has.
	Ended *string `json:"ended"`
	// By is who took it back.
	By *string `json:"by"`
}

// WithConsequences adds what each attempt did.
func (e Entry) WithConsequences(found []consequence.Consequence) Entry {
	for i, each := range found {
		if each.Kind != "" && i < len(e.AttemptLog) {
			e.AttemptLog[i].Consequence = &Consequence{
				Kind: string(each.Kind), Model: nullable.Text(each.Model), At: instant(each.At), Until: instant(each.Until),
				Ended: nullable.Text(string(each.End)), By: nullable.Text(each.By),
			}
		}
	}
	return e
}

func instant(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// Of returns the entry as the store has it.
func Of(e *tokenstorev1.LogEntry) Entry {
	return Entry{
		ID: e.GetId(), Replica: e.GetReplica(), StartedAt: nullable.Time(e.GetStartedAt()),
		TotalMS: nullable.Milliseconds(e.GetTotal()), FirstByteMS: nullable.Milliseconds(e.GetFirstByte()),
		Dialect: nullable.Text(e.GetDialect()), Translated: e.GetTranslated(), Model: e.GetModel(), Upstream: nullable.Text(e.GetUpstream()), TokenID: nullable.Text(e.GetTokenId()),
		TokenAlias: nullable.Text(e.GetTokenAlias()), Token: nullable.Text(e.GetMaskedSecret()), TokenFingerprint: nullable.Text(e.GetTokenFingerprint()),
		Caller: nullable.Text(e.GetCaller()), KeyID: nullable.Text(e.GetKeyId()), KeyName: nullable.Text(e.GetKeyName()), ServedModel: nullable.Text(e.GetServedModel()),
		Stream: e.GetStream(), Status: e.GetStatus(), HTTPStatus: e.GetHttpStatus(),
		Error: nullable.Text(e.GetError()), ErrorKind: nullable.Text(e.GetErrorKind()), EndReason: e.GetEndReason(),
		Attempts: e.GetAttempts(), FallbackModel: nullable.Text(e.GetFallbackModel()), PromptTokens: e.GetPromptTokens(), CompletionTokens: e.GetCompletionTokens(),
		CacheReadTokens: told(e, e.GetCacheReadTokens()), CacheWriteTokens: told(e, e.GetCacheWriteTokens()),
		CacheWriteHourTokens: told(e, e.GetCacheWriteHourTokens()), ReasoningTokens: told(e, e.GetReasoningTokens()),
		UsageSource: e.GetUsageSource(), CostUSD: costOf(e), CostQuality: nullable.Text(e.GetCostQuality()), Prompt: nullable.Text(e.GetPrompt()), PromptCut: e.GetPromptCut(),
		AttemptLog: attemptsOf(e.GetAttemptLog()), ClientHeaders: headersOf(e.GetClientHeaders()), TraceID: nullable.Text(e.GetTraceId()), Pool: poolOf(e.GetPool()), RetryAfterMS: nullable.Milliseconds(e.GetRetryAfter()),
	}
}

// costOf is null where the entry has no cost, also in entries of before there were costs.
func costOf(e *tokenstorev1.LogEntry) *string {
	switch e.GetCostQuality() {
	case "", "unpriced":
		return nil
	}
	cost := money.Pico(e.GetCost()).String()
	return &cost
}

// told is a count that no tokenizer can know: null where the upstream reported nothing.
func told(e *tokenstorev1.LogEntry, n uint64) *uint64 {
	if n == 0 && e.GetUsageSource() != "reported" {
		return nil
	}
	return &n
}

func attemptsOf(log []*tokenstorev1.LogAttempt) []Attempt {
	attempts := make([]Attempt, len(log))
	for i, a := range log {
		attempts[i] = Attempt{
			StartedAt: nullable.Time(a.GetStartedAt()), TotalMS: nullable.Milliseconds(a.GetTotal()), Upstream: a.GetUpstream(), Model: a.GetModel(),
			TokenID: nullable.Text(a.GetTokenId()), TokenAlias: nullable.Text(a.GetTokenAlias()), Token: nullable.Text(a.GetMaskedSecret()),
			TokenFingerprint: nullable.Text(a.GetTokenFingerprint()), Class: nullable.Text(a.GetClass()), Rule: nullable.Text(a.GetRule()),
			Effect: a.GetEffect(), Code: nullable.Text(a.GetCode()), Param: nullable.Text(a.GetParam()), Message: nullable.Text(a.GetMessage()), RetryAfterMS: nullable.Milliseconds(a.GetRetryAfter()),
			SentHeaders: headersOf(a.GetSentHeaders()), ReceivedHeaders: headersOf(a.GetReceivedHeaders()),
		}
		if status := a.GetStatus(); status != 0 {
			attempts[i].Status = &status
		}
	}
	return attempts
}
