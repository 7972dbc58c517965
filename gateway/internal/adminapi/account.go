package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// accountTimeout bounds a look-up: it asks the upstream, which may be slow.
const accountTimeout = 30 * time.Second

// account is what an upstream told of the account behind a token. What it did not
// tell is empty or null.
type account struct {
	UserID             string         `json:"user_id"`
	Email              string         `json:"email"`
	Name               string         `json:"name"`
	Membership         string         `json:"membership"`
	SubscriptionStatus string         `json:"subscription_status"`
	TrialDaysLeft      *int32         `json:"trial_days_left"`
	Quotas             []accountQuota `json:"quotas"`
	// QuotaStart is when the counting of the quotas began.
	QuotaStart *time.Time `json:"quota_start"`
	// QuotaResetsAt is when it begins anew.
	QuotaResetsAt *time.Time `json:"quota_resets_at"`
	// AsOf is when the upstream was asked last.
	AsOf *time.Time `json:"as_of"`
	// Error is why the upstream did not tell all of it then; null when it did.
	Error *string `json:"error"`
}

// accountQuota counts a family of models; a limit is null where there is none.
type accountQuota struct {
	Name        string  `json:"name"`
	Requests    uint64  `json:"requests"`
	MaxRequests *uint64 `json:"max_requests"`
	Tokens      uint64  `json:"tokens"`
	MaxTokens   *uint64 `json:"max_tokens"`
}

func accountOf(a *tokenstorev1.TokenAccount) account {
	shown := account{
		UserID: a.GetUserId(), Email: a.GetEmail(), Name: a.GetName(),
		Membership: a.GetMembership(), SubscriptionStatus: a.GetSubscriptionStatus(), TrialDaysLeft: a.TrialDaysLeft,
		Quotas: []accountQuota{}, QuotaStart: nullable.Time(a.GetQuotaStart()), QuotaResetsAt: nullable.Time(a.GetQuotaResetsAt()), AsOf: nullable.Time(a.GetAsOf()), Error: nullable.Text(a.GetError()),
	}
	for _, q := range a.GetQuotas() {
		shown.Quotas = append(shown.Quotas, accountQuota{
			Name: q.GetName(), Requests: q.GetRequests(), MaxRequests: q.MaxRequests, Tokens: q.GetTokens(), MaxTokens: q.MaxTokens,
		})
	}
	return shown
}

// GET /admin/api/tokens/{id}/account
func (a *API) getAccount(c *gin.Context) error {
	q := queryOf(c, "refresh")
	refresh := q.flag("refresh")
	if q.err != nil {
		return q.err
	}
	found, err := a.account(c, c.Param("id"), refresh != nil && *refresh)
	if err != nil {
		return err
	}
	return jsonapi.Answer(c, http.StatusOK, accountOf(found))
}

func (a *API) account(c *gin.Context, tokenID string, refresh bool) (*tokenstorev1.TokenAccount, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), accountTimeout)
	defer cancel()
	found, err := a.Accounts.Account(ctx, tokenID, refresh)
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	return found, nil
}

// GET /get-user-info?alias=… answers as the reference system does: 200 whatever is
// known, and with the first of the counts alone.
func (a *API) getUserInfo(c *gin.Context) error {
	q := queryOf(c, "alias")
	alias := q.text("alias")
	if q.err == nil && alias == "" {
		q.fail(jsonapi.Invalid("alias", "the alias of a token is missing"))
	}
	if q.err != nil {
		return q.err
	}
	found, err := a.accountOfAlias(c, alias)
	if failure := chat.AsError(err); failure != nil && failure.Kind != chat.NotFound {
		return err
	}
	if len(found.GetQuotas()) == 0 {
		return jsonapi.Answer(c, http.StatusOK, map[string]string{"error": "No data"})
	}
	type usage struct {
		FastRequests    uint64 `json:"fast_requests"`
		MaxFastRequests uint64 `json:"max_fast_requests"`
	}
	counted := found.GetQuotas()[0] // fast, or premium, which is the same
	return jsonapi.Answer(c, http.StatusOK, map[string]usage{"usage": {counted.GetRequests(), counted.GetMaxRequests()}})
}

// accountOfAlias finds the token that has an alias, and its account; nil when no
// token has it.
func (a *API) accountOfAlias(c *gin.Context, alias string) (*tokenstorev1.TokenAccount, error) {
	request := &tokenstorev1.ListTokensRequest{Query: alias, Limit: 1000}
	for {
		ctx, cancel := a.Call(c)
		page, err := a.Tokens.ListTokens(ctx, request)
		cancel()
		if err != nil {
			return nil, storeerr.Translate(err)
		}
		for _, t := range page.GetTokens() {
			if t.GetAlias() == alias {
				return a.account(c, t.GetId(), false)
			}
		}
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" {
			return nil, nil
		}
	}
}
