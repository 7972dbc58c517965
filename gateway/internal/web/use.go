package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/usage"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var usePage = view{"use", "use", (*Site).loadUse}

// mostUseRows is how many rows the table of use has; the file for spreadsheets has all.
const mostUseRows = 100

// useData is what the page of use shows.
type useData struct {
	Query   useQuery
	Filters []useFilter
	// From and To are what was counted.
	From, To *timestamppb.Timestamp
	// Rows are the first, by the measure; More says how many others there are.
	Rows []useRow
	More uint32
	// Sum is of all rows.
	Sum useRow
	// BeforeFrom and BeforeTo are what is compared with, and From to To then is what has ended; nil
	// where nothing is compared.
	BeforeFrom, BeforeTo *timestamppb.Timestamp
	// Compares tells whether there is a time before to compare with.
	Compares bool
	// Chart is nil where there is nothing to draw.
	Chart *chart
	// File is the address of all rows as CSV.
	File string
}

// useFilter is what the page is narrowed to, and the address without it.
type useFilter struct{ Dimension, Name, Without string }

// useRow is what one key, token, model or upstream used.
type useRow struct {
	// ID is empty where the log does not know it.
	ID string
	// Name is what people call it.
	Name string
	// Into is the address of the same page for it alone, About that of a page about it; empty:
	// there is none.
	Into, About string
	*tokenstorev1.UsageSums
	// Before is what it used in the same time before; nil where that is not known, or not asked for.
	Before *useRow
	// Part is what it has of Whole, by the measure.
	Part, Whole uint64
}

// Width is the length of the bar of its share, of 100.
func (r useRow) Width() string {
	if r.Whole == 0 {
		return "0"
	}
	return coordinate(100 * float64(r.Part) / float64(r.Whole))
}

// Pico is the cost as a number that grows.
func (r useRow) Pico() uint64 { return uint64(r.Cost()) }

// Cost is the cost of all that has one.
func (r useRow) Cost() money.Pico { return usage.Cost(r.UsageSums) }

// amount is how much of a measure the row has; a cost is in pico-dollars.
func (r useRow) amount(measure string) uint64 {
	switch measure {
	case "requests":
		return r.GetRequests()
	case "tokens":
		return r.Tokens()
	default:
		return uint64(r.Cost())
	}
}

// by is the row's value of a measure, a cost in dollars.
func (r useRow) by(measure string) float64 {
	if measure == "cost" {
		return dollarsOf(r.Cost())
	}
	return float64(r.amount(measure))
}

func dollarsOf(cost money.Pico) float64 { return float64(cost) / float64(money.Dollar) }

func (s *Site) loadUse(ctx context.Context, c *gin.Context) (any, error) {
	query, now := useQueryOf(c.Request.URL.Query()), time.Now()
	data := useData{Query: query}
	span, err := query.span(now)
	if err != nil {
		return data, chat.Errorf(chat.InvalidRequest, "%s", s.texts(c.Request)["problem.use_dates"])
	}
	before, compares := span.before(now)
	data.Compares = compares
	if compares && query.Compare {
		span = span.ended(now)
	}
	used, err := s.used(ctx, query, span)
	if err != nil {
		return data, err
	}
	data.From, data.To = used.counted.GetFrom(), used.counted.GetTo()
	rows := query.rows(used.counted.GetRows())
	data.Sum = useRow{UsageSums: usage.Total(used.counted.GetRows())}
	data.Rows = rows[:min(len(rows), mostUseRows)]
	data.More = uint32(len(rows)-len(data.Rows)) + used.counted.GetOthers() //nolint:gosec // an answer has a bound
	for i := range data.Rows {
		data.Rows[i].Part, data.Rows[i].Whole = data.Rows[i].amount(query.Measure), data.Sum.amount(query.Measure)
	}
	if compares && query.Compare {
		if err := s.compare(ctx, &data, before); err != nil {
			return data, err
		}
	}
	names := s.namesOf(ctx, query, data.Rows, s.texts(c.Request))
	data.Filters = query.filters(names)
	query.name(data.Rows, names)
	if data.Chart = useChart(query, span, rows, used); data.Chart != nil {
		data.Chart.Here = c.Request.URL
	}
	data.File = query.file(span)
	return data, nil
}

// compare adds to the rows what they used in a time before.
func (s *Site) compare(ctx context.Context, data *useData, span useSpan) error {
	before, err := s.usedBefore(ctx, data.Query, span)
	if err != nil {
		return err
	}
	data.BeforeFrom, data.BeforeTo = before.from, before.to
	data.Sum.Before = &useRow{UsageSums: before.sum}
	for i, row := range data.Rows {
		if used := before.of(row.ID); used != nil {
			data.Rows[i].Before = &useRow{UsageSums: used}
		}
	}
	return nil
}

// used is what the page is made of.
type used struct {
	// counted has the sums of each key, token, model or upstream; of some more than one.
	counted *tokenstorev1.QueryUsageResponse
	// steps are sums of each step of the span, told apart as those of counted are, if split.
	steps []*tokenstorev1.UsageRow
	split bool
}

// used asks for the sums of each row in each step, so that what is counted is read once. Where
// there are too many for one answer the steps are of all rows together.
func (s *Site) used(ctx context.Context, q useQuery, span useSpan) (used, error) {
	_, step := span.step()
	both, err := s.usage(ctx, q, span, step, q.dimension())
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
		return used{both, both.GetRows(), true}, err
	}
	counted, err := s.usage(ctx, q, span, q.dimension())
	if err != nil {
		return used{}, err
	}
	steps, err := s.usage(ctx, q, span, step)
	return used{counted, steps.GetRows(), false}, err
}

// usage asks for sums of what the query is about.
func (s *Site) usage(ctx context.Context, q useQuery, span useSpan, group ...tokenstorev1.UsageDimension) (*tokenstorev1.QueryUsageResponse, error) {
	return s.Usage.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(span.from), To: timestamppb.New(span.to), Group: group,
		KeyId: q.Key, TokenId: q.Token, Model: q.Model, Upstream: q.Upstream,
		Most: mostUseRows, Measure: usage.Measures[q.Measure],
	})
}

// rows are the sums of each key, token, model or upstream that has its own, those with the most
// first. They have no names yet: of a tokenstore that does not add up others there may be many.
func (q useQuery) rows(counted []*tokenstorev1.UsageRow) []useRow {
	rows, places := make([]useRow, 0, len(counted)), make(map[string]int, len(counted))
	for _, each := range counted {
		if each.GetOthers() {
			continue
		}
		id := q.idOf(each)
		at, known := places[id]
		if !known {
			at = len(rows)
			places[id], rows = at, append(rows, useRow{ID: id, UsageSums: &tokenstorev1.UsageSums{}})
		}
		usage.Add(rows[at].UsageSums, each.GetSums())
	}
	slices.SortStableFunc(rows, func(a, b useRow) int {
		return cmp.Or(cmp.Compare(b.amount(q.Measure), a.amount(q.Measure)), cmp.Compare(b.GetRequests(), a.GetRequests()), cmp.Compare(a.ID, b.ID))
	})
	return rows
}

// name gives rows the names that people know, and what they lead to.
func (q useQuery) name(rows []useRow, names useNames) {
	for i := range rows {
		row := &rows[i]
		row.Name = names.name(q.By, row.ID)
		if row.ID != "" && row.ID != usage.Others {
			row.Into, row.About = q.into(row.ID), names.about(q.By, row.ID)
		}
	}
}

// Tokens are those of prompts and of answers.
func (r useRow) Tokens() uint64 { return r.GetPromptTokens() + r.GetCompletionTokens() }
