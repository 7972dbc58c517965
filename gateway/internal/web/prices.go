package web

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var pricesPage = view{"prices", "prices", (*Site).loadPrices}

const (
	// mostPriceRows is how many rows each of the tables has; a search finds the others.
	mostPriceRows = 200
	// mostUnpriced is how many models without a price are shown.
	mostUnpriced = 10
	// unpricedFor is how long ago a model may have been used to be shown as one without a price.
	unpricedFor = 30 * oneDay
)

type pricesData struct {
	// Search is part of the model's or the upstream's name.
	Search   string
	Unpriced []unpriced
	Set      priceTable
	BuiltIn  priceTable
	Version  uint64
	// Saved, Removed and Imported say what was just changed; empty: nothing was.
	Saved, Removed, Imported string
}

// priceTable are the rows that were found; More says how many others there are.
type priceTable struct {
	Rows []priceRow
	More int
}

// priceRow is one price as the pages show it.
type priceRow struct{ pricing.Price }

// Amounts are in the order of priceParts, in dollars for a million tokens; empty: not listed.
func (r priceRow) Amounts() []string {
	amounts := make([]string, 0, len(priceParts))
	for _, name := range priceParts {
		amounts = append(amounts, partOf(&r.Price, name).String())
	}
	return amounts
}

// Parts are the names of the columns with amounts.
func (pricesData) Parts() []string { return priceParts }

// unpriced is an upstream's model that was used and has no price.
type unpriced struct {
	Upstream, Model string
	Requests        uint64
}

func (s *Site) loadPrices(ctx context.Context, c *gin.Context) (any, error) {
	data := pricesData{
		Search: strings.TrimSpace(c.Query("q")), Saved: c.Query("saved"), Removed: c.Query("removed"), Imported: c.Query("imported"),
	}
	data.BuiltIn = tableOf(pricing.BuiltIn(), data.Search)
	stored, err := s.Prices.GetPrices(ctx, &tokenstorev1.GetPricesRequest{})
	if err != nil {
		return data, err
	}
	data.Set, data.Version = tableOf(pricing.FromStore(stored.GetPrices().GetPrices()), data.Search), stored.GetPrices().GetVersion()
	data.Unpriced, err = s.unpriced(ctx, time.Now())
	return data, err
}

// tableOf has the prices that a search finds, by model.
func tableOf(prices []pricing.Price, search string) priceTable {
	search = strings.ToLower(search)
	var rows []priceRow
	for _, each := range prices {
		if strings.Contains(strings.ToLower(each.Match), search) || strings.Contains(strings.ToLower(each.Upstream), search) {
			rows = append(rows, priceRow{each})
		}
	}
	slices.SortFunc(rows, func(a, b priceRow) int {
		return cmp.Or(cmp.Compare(a.Match, b.Match), cmp.Compare(a.Upstream, b.Upstream))
	})
	shown := rows[:min(len(rows), mostPriceRows)]
	return priceTable{shown, len(rows) - len(shown)}
}

// unpriced are the models that were used lately, had no price, and still have none.
func (s *Site) unpriced(ctx context.Context, now time.Time) ([]unpriced, error) {
	answer, err := s.Usage.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(now.Add(-unpricedFor)), To: timestamppb.New(now),
		Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL, tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM},
	})
	var found []unpriced
	for _, row := range answer.GetRows() {
		requests := row.GetSums().GetUnpricedRequests()
		if requests > 0 && row.GetModel() != "" && row.GetModel() != usage.Others && !s.Priced(row.GetUpstream(), row.GetModel()) {
			found = append(found, unpriced{row.GetUpstream(), row.GetModel(), requests})
		}
	}
	slices.SortStableFunc(found, func(a, b unpriced) int { return cmp.Compare(b.Requests, a.Requests) })
	return found[:min(len(found), mostUnpriced)], err
}

// priceParts are the parts of a price, by the names of their texts.
var priceParts = []string{"input", "output", "cache_read", "cache_write", "cache_write_hour", "reasoning"}

// partOf is where a price has the part of that name.
func partOf(price *pricing.Price, name string) *pricing.Rate {
	return map[string]*pricing.Rate{
		"input": &price.Input, "output": &price.Output, "cache_read": &price.CacheRead, "cache_write": &price.CacheWrite,
		"cache_write_hour": &price.CacheWriteHour, "reasoning": &price.Reasoning,
	}[name]
}
