package web

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/routing"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var tokenPage = view{"token", "tokens", (*Site).loadToken}

// recentEntries is how many log entries a token's page shows.
const recentEntries = 10

type tokenData struct {
	Token   tokenRow
	History history
	logTable
	// HasAccount: the upstream can be asked about the account.
	HasAccount bool
	// HasLogin: people can log in to the upstream in the browser.
	HasLogin bool
	// Models can be asked for an explanation, and a test: those that the upstream lists, or all
	// where it lists none.
	Models []string
}

// goneData is what the page of a token shows that is not there: it may be brought back.
type goneData struct{ ID string }

func (goneData) view() string { return "gone" }

// Rests tells whether the token can be brought back: for all models, or for one.
func (d tokenData) Rests() bool {
	return d.Token.Rests() || d.Token.GetEnabled() && len(d.History.CoolingModels(time.Now())) > 0
}

func (s *Site) loadToken(ctx context.Context, c *gin.Context) (any, error) {
	id := c.Param("id")
	answer, err := s.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
		return goneData{id}, err
	}
	if err != nil {
		return nil, err
	}
	data := tokenData{
		Token: tokenRow{answer.GetToken()}, Models: s.modelsOf(answer.GetToken().GetUpstream()), HasAccount: s.HasAccounts(answer.GetToken().GetUpstream()), HasLogin: s.HasLogins(answer.GetToken().GetUpstream()),
	}
	told, err := s.Tokens.ListTransitions(ctx, &tokenstorev1.ListTransitionsRequest{Id: id})
	if err != nil {
		return data, err
	}
	data.History = historyOf(told.GetTransitions())
	logs, err := s.Logs.Query(ctx, &tokenstorev1.QueryRequest{TokenId: id, Limit: recentEntries, OmitPrompts: true})
	data.logTable = logTable{logs.GetEntries(), logColumns.standard()}
	return data, err
}

// modelsOf are the models that an upstream serves, as far as its list or that of others names them;
// all models where there is none.
func (s *Site) modelsOf(upstreamName string) []string {
	served := routing.Serving(s.Listed(), s.Prospects, upstreamName)
	if len(served) == 0 {
		return s.modelIDs()
	}
	return served
}

func (s *Site) modelIDs() []string { return idsOf(s.Models()) }
