package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/quota"
	"carousel.internal/gateway/internal/quotaboard"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
)

// quotaPool is what the accounts of an upstream have left.
type quotaPool struct {
	Upstream string `json:"upstream"`
	// Left and Limit are requests, of the accounts that serve and whose limit is known.
	Left  uint64 `json:"left"`
	Limit uint64 `json:"limit"`
	// Unlimited counts the accounts that serve without a limit, Unknown those that serve and
	// have not told.
	Unlimited   int     `json:"unlimited"`
	Unknown     int     `json:"unknown"`
	RatePerHour float64 `json:"rate_per_hour"`
	// DryAt is when nothing is left at this rate; null where that is not before the accounts
	// begin anew.
	DryAt *time.Time `json:"dry_at"`
	// NextReset is when the first account begins anew.
	NextReset *time.Time     `json:"next_reset"`
	Accounts  []quotaAccount `json:"accounts"`
}

// quotaAccount is what the account behind a token has left.
type quotaAccount struct {
	TokenID    string       `json:"token_id"`
	Alias      string       `json:"alias"`
	State      string       `json:"state"`
	Email      string       `json:"email"`
	Membership string       `json:"membership"`
	Quotas     []quotaCount `json:"quotas"`
	// ResetsAt is when the counting begins anew.
	ResetsAt *time.Time `json:"resets_at"`
	// AsOf is when the upstream was asked last; null: never.
	AsOf *time.Time `json:"as_of"`
	// Error is why it did not tell then; null when it did.
	Error *string `json:"error"`
}

// quotaCount counts a family of models.
type quotaCount struct {
	Name string `json:"name"`
	// Unit is requests or tokens.
	Unit string `json:"unit"`
	Used uint64 `json:"used"`
	// Limit and Left are null where there is no limit.
	Limit *uint64 `json:"limit"`
	Left  *uint64 `json:"left"`
}

func quotaPoolOf(p quota.Pool) quotaPool {
	shown := quotaPool{
		Upstream: p.Upstream, Left: p.Left, Limit: p.Limit, Unlimited: p.Unlimited, Unknown: p.Unknown, RatePerHour: p.RatePerHour,
		DryAt: p.DryAt, NextReset: p.NextReset, Accounts: make([]quotaAccount, 0, len(p.Accounts)),
	}
	for _, each := range p.Accounts {
		shown.Accounts = append(shown.Accounts, quotaAccountOf(each))
	}
	return shown
}

func quotaAccountOf(a quota.Account) quotaAccount {
	shown := quotaAccount{
		TokenID: a.TokenID, Alias: a.Alias, State: tokenform.StateName(a.State), Email: a.Email, Membership: a.Membership,
		Quotas: make([]quotaCount, 0, len(a.Quotas)), ResetsAt: a.ResetsAt, AsOf: a.AsOf, Error: nullable.Text(a.Error),
	}
	for _, each := range a.Quotas {
		shown.Quotas = append(shown.Quotas, quotaCount{each.Name, each.Unit, each.Used, each.Limit, each.Left})
	}
	return shown
}

// GET /admin/api/quotas
func (a *API) quotas(c *gin.Context) error {
	q := queryOf(c, "upstream")
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	now := time.Now().UTC()
	board, err := quotaboard.Reader{Accounts: a.Tokens, Log: a.Logs, Settings: a.Config}.Read(ctx, q.text("upstream"), now)
	if err != nil {
		return storeerr.Translate(err)
	}
	pools := make([]quotaPool, 0, len(board))
	for _, each := range board {
		pools = append(pools, quotaPoolOf(each))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Pools []quotaPool `json:"pools"`
		AsOf  time.Time   `json:"as_of"`
	}{pools, now})
}
