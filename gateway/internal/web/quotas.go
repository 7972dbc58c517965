package web

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	"carousel.internal/gateway/internal/quotaboard"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What is left is asked of the accounts, and of the use: the page stands below both.
var (
	quotasPage = view{"quotas", "quotas", (*Site).loadQuotas}
	leftPage   = view{"quotas", "left", (*Site).loadQuotas}
)

// accountsShown bounds the rows of a pool; the admin API has all.
const accountsShown = 100

// Orders of a pool's accounts: what is left of their limits, least first, or when they begin anew.
const (
	leftOrder  = "left"
	resetOrder = "reset"
)

type quotasData struct {
	// Order is the one of the accounts, and Orders are all.
	Order  string
	Orders []string
	// Outlook is nil where nothing comes.
	Outlook *outlook
	Pools   []quotaPool
	// Silent are the upstreams that tell nothing of accounts.
	Silent []string
}

// quotaPool is what the accounts of an upstream have left, as the page shows it.
type quotaPool struct{ quota.Pool }

// Rows are the accounts that are shown.
func (p quotaPool) Rows() []quotaRow {
	rows := make([]quotaRow, 0, min(len(p.Accounts), accountsShown))
	for _, account := range p.Accounts[:min(len(p.Accounts), accountsShown)] {
		rows = append(rows, quotaRow{account})
	}
	return rows
}

// More counts the accounts that are not shown.
func (p quotaPool) More() int { return max(len(p.Accounts)-accountsShown, 0) }

// Rate is how many requests an hour it gets at present.
func (p quotaPool) Rate() string { return compact(p.RatePerHour) }

// Dry is when nothing is left at the present rate; nil where it lasts.
func (p quotaPool) Dry() *timestamppb.Timestamp { return stamp(p.DryAt) }

// Reset is when the first account begins anew.
func (p quotaPool) Reset() *timestamppb.Timestamp { return stamp(p.NextReset) }

// Low is a fifth of the limit.
func (p quotaPool) Low() uint64 { return p.Limit / 5 }

// quotaRow is one account.
type quotaRow struct{ quota.Account }

// Name is what people call its token.
func (r quotaRow) Name() string {
	if r.Alias != "" {
		return r.Alias
	}
	return r.TokenID
}

// StateName is that of its token.
func (r quotaRow) StateName() string {
	return tokenRow{&tokenstorev1.Token{State: r.State}}.StateName()
}

// Counts are its quotas, without those that tell nothing.
func (r quotaRow) Counts() []quotaCount {
	counts := make([]quotaCount, 0, len(r.Quotas))
	for _, each := range r.Quotas {
		if each.Limit != nil || each.Used > 0 {
			counts = append(counts, quotaCount{each, r.Name()})
		}
	}
	return counts
}

// Resets is when its counting begins anew.
func (r quotaRow) Resets() *timestamppb.Timestamp { return stamp(r.ResetsAt) }

// Asked is when the upstream was asked last.
func (r quotaRow) Asked() *timestamppb.Timestamp { return stamp(r.AsOf) }

// quotaCount is one count of one family of models.
type quotaCount struct {
	quota.Quota
	// Of is the name of its account.
	Of string
}

// Most is the limit; 0 where there is none.
func (c quotaCount) Most() uint64 {
	if c.Limit == nil {
		return 0
	}
	return *c.Limit
}

// Low is a fifth of the limit.
func (c quotaCount) Low() uint64 { return c.Most() / 5 }

// Rest is what is left of the limit.
func (c quotaCount) Rest() uint64 {
	if c.Left == nil {
		return 0
	}
	return *c.Left
}

func stamp(at *time.Time) *timestamppb.Timestamp {
	if at == nil {
		return nil
	}
	return timestamppb.New(*at)
}

func (s *Site) loadQuotas(ctx context.Context, c *gin.Context) (any, error) {
	pools, err := s.pools(ctx)
	var rest resting
	var keys budgets
	var restless, keyless error
	var asking sync.WaitGroup // meanwhile
	asking.Go(func() { rest, restless = s.rests(ctx, pools) })
	asking.Go(func() { keys, keyless = s.budgets(ctx) })
	data, now := quotasData{Order: leftOrder, Orders: []string{leftOrder, resetOrder}}, time.Now()
	if c.Query("sort") == resetOrder {
		data.Order = resetOrder
	}
	for _, each := range pools {
		name := each.GetUpstream()
		if !s.HasAccounts(name) { // there is nothing to read
			data.Silent = append(data.Silent, name)
			continue
		}
		board, failed := quotaboard.Reader{Accounts: s.Tokens, Log: s.Logs, Settings: s.Config}.Read(ctx, name, now)
		err = cmp.Or(err, failed)
		for _, pool := range board { // it is in the order in which accounts begin anew
			if data.Order == leftOrder {
				pool.LeastFirst(now)
			}
			data.Pools = append(data.Pools, quotaPool{pool})
		}
	}
	asking.Wait()
	data.Outlook = outlookOf(data.Pools, rest, keys, now)
	return data, cmp.Or(err, restless, keyless)
}
