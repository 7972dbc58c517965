// Package quota works out how far the accounts behind tokens reach: what is left of each,
// of each pool as a whole, and when a pool runs dry at the present rate. It does no I/O.
package quota

import (
	"cmp"
	"math"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Pool is the accounts of one upstream.
type Pool struct {
	Upstream string
	// Accounts are in the order in which they begin anew; those of which that is not known
	// are last.
	Accounts []Account
	// Left and Limit are requests, of the accounts that serve and whose limit is known.
	Left, Limit uint64
	// Unlimited counts the accounts that serve without a limit, Unknown those that serve and
	// have not told, or not since they began anew.
	Unlimited, Unknown int
	// RatePerHour is how many requests the pool gets at present.
	RatePerHour float64
	// DryAt is when nothing is left at that rate and under the strategy, as far as is known; nil
	// where that is not before the accounts begin anew. Accounts that are unknown may put it off.
	DryAt *time.Time
	// NextReset is when the first account that serves begins anew.
	NextReset *time.Time
}

// Account is what is known of the account behind one token.
type Account struct {
	TokenID, Alias string
	State          tokenstorev1.TokenState
	// Weight is the token's part of the requests; 0, of a tokenstore that does not tell: 1.
	Weight uint32
	// Email and Membership are empty where the upstream does not tell.
	Email, Membership string
	// Quotas are in the upstream's order. The first of requests with a limit is the one
	// that counts for the pool.
	Quotas []Quota
	// ResetsAt is when the counting begins anew. One that has passed shows that the quotas
	// are those of before.
	ResetsAt *time.Time
	// AsOf is when the upstream was asked last; nil: never.
	AsOf *time.Time
	// Error is why the last question was not answered.
	Error string
}

// Units of quotas.
const (
	Requests = "requests"
	Tokens   = "tokens"
)

// Quota is one count of one family of models.
type Quota struct {
	Name string
	// Unit is Requests or Tokens.
	Unit string
	Used uint64
	// Limit and Left are nil where there is no limit, or none is told.
	Limit, Left *uint64
}

// Demand is what is asked of the pools.
type Demand struct {
	// Rates are requests per hour, by upstream.
	Rates map[string]float64
	// Strategy is the one by which accounts are chosen, as the setting names it.
	Strategy string
}

// Board makes the pools of what is recorded of accounts, in order of their names.
func Board(accounts []*tokenstorev1.AccountOfToken, demand Demand, now time.Time) []Pool {
	byUpstream := map[string][]Account{}
	for _, each := range accounts {
		name := each.GetToken().GetUpstream()
		byUpstream[name] = append(byUpstream[name], AccountOf(each))
	}
	pools := make([]Pool, 0, len(byUpstream))
	for name, members := range byUpstream {
		pools = append(pools, poolOf(name, members, demand.Rates[name], demand.Strategy, now))
	}
	slices.SortFunc(pools, func(a, b Pool) int { return cmp.Compare(a.Upstream, b.Upstream) })
	return pools
}

// AccountOf is what is recorded of the account behind a token.
func AccountOf(recorded *tokenstorev1.AccountOfToken) Account {
	token, told := recorded.GetToken(), recorded.GetAccount()
	account := Account{
		TokenID: token.GetId(), Alias: token.GetAlias(), State: token.GetState(), Weight: token.GetWeight(),
		Email: told.GetEmail(), Membership: told.GetMembership(), Error: told.GetError(),
	}
	if at := told.GetQuotaResetsAt(); at != nil {
		account.ResetsAt = new(at.AsTime())
	}
	if at := told.GetAsOf(); at != nil {
		account.AsOf = new(at.AsTime())
	}
	for _, each := range told.GetQuotas() {
		account.Quotas = append(account.Quotas, quotaOf(each.GetName(), Requests, each.GetRequests(), each.MaxRequests))
		if each.GetTokens() > 0 || each.MaxTokens != nil {
			account.Quotas = append(account.Quotas, quotaOf(each.GetName(), Tokens, each.GetTokens(), each.MaxTokens))
		}
	}
	return account
}

func quotaOf(name, unit string, used uint64, limit *uint64) Quota {
	quota := Quota{Name: name, Unit: unit, Used: used, Limit: limit}
	if limit != nil {
		quota.Left = new(*limit - min(used, *limit))
	}
	return quota
}

// poolOf adds the accounts of a pool up.
func poolOf(name string, accounts []Account, rate float64, strategy string, now time.Time) Pool {
	slices.SortStableFunc(accounts, byReset)
	pool := Pool{Upstream: name, Accounts: accounts, RatePerHour: rate}
	var shares []share
	for _, account := range accounts {
		if !account.Serves() {
			continue
		}
		if pool.NextReset == nil && account.ResetsAt != nil && account.ResetsAt.After(now) {
			pool.NextReset = account.ResetsAt // they are in order
		}
		limiting := account.limiting()
		switch {
		case !account.told(now):
			pool.Unknown++
		case limiting == nil:
			pool.Unlimited++
		default:
			pool.Left, pool.Limit = pool.Left+*limiting.Left, pool.Limit+*limiting.Limit
			shares = append(shares, share{left: float64(*limiting.Left), limit: float64(*limiting.Limit), weight: account.weight(), resets: account.ResetsAt})
		}
	}
	if pool.Unlimited == 0 {
		pool.DryAt = dryAt(shares, rate, strategy, now)
	}
	return pool
}

func byReset(a, b Account) int {
	switch {
	case a.ResetsAt != nil && b.ResetsAt != nil:
		return a.ResetsAt.Compare(*b.ResetsAt)
	case a.ResetsAt != nil:
		return -1
	case b.ResetsAt != nil:
		return 1
	default:
		return 0
	}
}

// LeastFirst puts the accounts into the order of what is left of their limits, least first. Those
// that serve nobody, or have no limit that is known, are last, as they were.
func (p *Pool) LeastFirst(now time.Time) {
	type ranked struct {
		Account
		share float64
	}
	accounts := make([]ranked, len(p.Accounts))
	for i, each := range p.Accounts {
		accounts[i] = ranked{each, each.share(now)}
	}
	slices.SortStableFunc(accounts, func(a, b ranked) int { return cmp.Compare(a.share, b.share) })
	for i, each := range accounts {
		p.Accounts[i] = each.Account
	}
}

// share is which part of its limit the account has left; +Inf where it serves nobody, or no limit
// is known.
func (a *Account) share(now time.Time) float64 {
	limiting := a.limiting()
	switch {
	case !a.Serves() || !a.told(now) || limiting == nil:
		return math.Inf(1)
	case *limiting.Limit == 0:
		return 0
	default:
		return limiting.part()
	}
}

// Serves tells whether requests go to the account, now or when its token has rested.
func (a *Account) Serves() bool {
	switch a.State {
	case tokenstorev1.TokenState_TOKEN_STATE_DISABLED, tokenstorev1.TokenState_TOKEN_STATE_EXPIRED, tokenstorev1.TokenState_TOKEN_STATE_PARKED:
		return false
	default:
		return true
	}
}

// Low tells whether it serves and has less than a tenth of its limit left.
func (a *Account) Low(now time.Time) bool {
	limiting := a.limiting()
	return a.Serves() && a.told(now) && limiting != nil && *limiting.Left < (*limiting.Limit+9)/10
}

func (a *Account) weight() float64 { return float64(max(a.Weight, 1)) }

// told tells whether the quotas are those of the present period.
func (a *Account) told(now time.Time) bool {
	return len(a.Quotas) > 0 && (a.ResetsAt == nil || a.ResetsAt.After(now))
}

// Least is the quota of which the smallest part is left, whatever it counts; nil where there is no
// limit, or it is not known what is left of it.
func (a *Account) Least(now time.Time) *Quota {
	if !a.told(now) {
		return nil
	}
	var least *Quota
	for i := range a.Quotas {
		each := &a.Quotas[i]
		if each.Limit != nil && *each.Limit > 0 && (least == nil || each.part() < least.part()) {
			least = each
		}
	}
	return least
}

// part is which part of the limit is left.
func (q *Quota) part() float64 { return float64(*q.Left) / float64(*q.Limit) }

// limiting is the quota that counts for the pool; nil where there is no limit.
func (a *Account) limiting() *Quota {
	for i, each := range a.Quotas {
		if each.Unit == Requests && each.Limit != nil {
			return &a.Quotas[i]
		}
	}
	return nil
}
