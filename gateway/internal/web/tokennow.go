package web

import (
	"cmp"
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	"carousel.internal/gateway/internal/usage"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// tokenNowPage is an account in short: the list shows it beside itself.
var tokenNowPage = view{"tokennow", "tokens", (*Site).loadTokenNow}

const (
	// failedShown is how many failed requests it has, eventsShown how many events.
	failedShown = 5
	eventsShown = 3
)

type tokenNowData struct {
	Token tokenRow
	// Cooling are the models that it cools for, while it serves others.
	Cooling []event
	// Account is nil where the upstream tells nothing of accounts.
	Account *quotaRow
	// Use is of the last hours, and nil where it is not known; Spark is nil where there was none.
	Use    *useRow
	Spark  *spark
	Failed []*tokenstorev1.LogEntry
	// History is the newest of what happened to it.
	History history
}

func (s *Site) loadTokenNow(ctx context.Context, c *gin.Context) (any, error) {
	id := c.Param("id")
	found, err := s.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
		return goneData{id}, err
	}
	if err != nil {
		return nil, err
	}
	data := &tokenNowData{Token: tokenRow{found.GetToken()}}
	return data, cmp.Or(s.loadHistory(ctx, data), s.loadAccount(ctx, data), s.loadUsed(ctx, data), s.loadFailed(ctx, data))
}

func (s *Site) loadHistory(ctx context.Context, data *tokenNowData) error {
	told, err := s.Tokens.ListTransitions(ctx, &tokenstorev1.ListTransitionsRequest{Id: data.Token.GetId()})
	events := historyOf(told.GetTransitions())
	if data.Token.GetEnabled() {
		data.Cooling = events.CoolingModels(time.Now())
	}
	data.History = events[:min(len(events), eventsShown)]
	return err
}

// loadAccount reads what is recorded of the account: no upstream is asked.
func (s *Site) loadAccount(ctx context.Context, data *tokenNowData) error {
	if !s.HasAccounts(data.Token.GetUpstream()) {
		return nil
	}
	told, err := s.Tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{Ids: []string{data.Token.GetId()}})
	for _, each := range told.GetAccounts() {
		if each.GetToken().GetId() == data.Token.GetId() {
			data.Account = &quotaRow{quota.AccountOf(each)}
		}
	}
	return err
}

func (s *Site) loadUsed(ctx context.Context, data *tokenNowData) error {
	id := data.Token.GetId()
	from, to := sparkSpan(time.Now())
	used, err := s.Usage.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(from), To: timestamppb.New(to), TokenId: id,
		Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR},
	})
	if err != nil {
		return err
	}
	data.Use = &useRow{UsageSums: usage.Total(used.GetRows())}
	data.Spark = sparksOf(used.GetRows(), from)[id]
	return nil
}

func (s *Site) loadFailed(ctx context.Context, data *tokenNowData) error {
	failed, err := s.Logs.Query(ctx, &tokenstorev1.QueryRequest{TokenId: data.Token.GetId(), Status: "failure", Limit: failedShown, OmitPrompts: true})
	data.Failed = failed.GetEntries()
	return err
}
