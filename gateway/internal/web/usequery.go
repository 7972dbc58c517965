package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// useQuery is what the page of use is asked for. All of it is in the address.
type useQuery struct {
	// Range is the name of a period, or `own`: the days From to To, both included.
	Range, From, To string
	// By is the dimension that the rows are of, Measure what they are drawn and ordered by.
	By, Measure string
	// Key, Token, Model and Upstream narrow it down; empty: all.
	Key, Token, Model, Upstream string
	// Compare has each figure held against the same time before.
	Compare bool
}

// comparesBefore is how an address says so.
const comparesBefore = "before"

// usePeriods are the periods that can be chosen, in days until now; 24h is by the hour.
var usePeriods = []struct {
	name string
	days int
}{{"24h", 1}, {"7d", 7}, {"30d", 30}, {"90d", 90}, {"400d", 400}}

const (
	ownRange     = "own"
	defaultRange = "30d"
	// mostUseDays is for how long use is kept, useHoursKept for how long by the hour, before today.
	mostUseDays  = 400
	useHoursKept = 30 * oneDay
)

var (
	useMeasures   = []string{"cost", "requests", "tokens"}
	useDimensions = []string{"key", "token", "model", "upstream"}
)

// useQueryOf reads the query of the page's address. What makes no sense is as if it were not there.
func useQueryOf(values url.Values) useQuery {
	q := useQuery{
		Range: values.Get("range"), From: values.Get("from"), To: values.Get("to"), By: values.Get("by"), Measure: values.Get("measure"),
		Key: values.Get("key"), Token: values.Get("token"), Model: values.Get("model"), Upstream: values.Get("upstream"),
		Compare: values.Get("compare") == comparesBefore,
	}
	if !slices.Contains(q.Ranges(), q.Range) {
		q.Range = defaultRange
		if q.From != "" {
			q.Range = ownRange
		}
	}
	if q.Range != ownRange {
		q.From, q.To = "", ""
	}
	if !slices.Contains(useMeasures, q.Measure) {
		q.Measure = useMeasures[0]
	}
	if !slices.Contains(q.Splits(), q.By) {
		q.By = q.Splits()[0]
	}
	return q
}

// Ranges are the periods that can be chosen.
func (useQuery) Ranges() []string {
	names := make([]string, 0, len(usePeriods)+1)
	for _, each := range usePeriods {
		names = append(names, each.name)
	}
	return append(names, ownRange)
}

// Measures are what can be drawn.
func (useQuery) Measures() []string { return useMeasures }

// Splits are the dimensions that the rows can be of: those that are not narrowed down already, and
// not what a key used of a token, which nobody counts.
func (q useQuery) Splits() []string {
	left := slices.DeleteFunc(slices.Clone(useDimensions), func(name string) bool {
		return q.filter(name) != "" || name == "key" && q.Token != "" || name == "token" && q.Key != ""
	})
	if len(left) == 0 {
		return []string{"model"}
	}
	return left
}

func (q useQuery) dimension() tokenstorev1.UsageDimension { return usage.Dimensions[q.By] }

// filter is what the query is narrowed to in a dimension.
func (q useQuery) filter(dimension string) string {
	return map[string]string{"key": q.Key, "token": q.Token, "model": q.Model, "upstream": q.Upstream}[dimension]
}

// filters are what the query is narrowed to.
func (q useQuery) filters(names useNames) []useFilter {
	var filters []useFilter
	for _, dimension := range useDimensions {
		if id := q.filter(dimension); id != "" {
			filters = append(filters, useFilter{dimension, names.name(dimension, id), q.With(dimension, "")})
		}
	}
	return filters
}

// idOf is the row's of the dimension that rows are of.
func (q useQuery) idOf(row *tokenstorev1.UsageRow) string {
	switch q.By {
	case "key":
		return row.GetKeyId()
	case "token":
		return row.GetTokenId()
	case "model":
		return row.GetModel()
	default:
		return row.GetUpstream()
	}
}

func (q useQuery) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"range": q.Range, "from": q.From, "to": q.To, "by": q.By, "measure": q.Measure,
		"key": q.Key, "token": q.Token, "model": q.Model, "upstream": q.Upstream,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.Compare {
		values.Set("compare", comparesBefore)
	}
	return values
}

// Compared is the address of the same page that compares, or does no more.
func (q useQuery) Compared() string {
	if q.Compare {
		return q.With("compare", "")
	}
	return q.With("compare", comparesBefore)
}

// Hidden are the fields of a form that changes the dates and nothing else.
func (q useQuery) Hidden() map[string]string {
	fields := map[string]string{}
	for name := range q.values() {
		if name != "range" && name != "from" && name != "to" {
			fields[name] = q.values().Get(name)
		}
	}
	return fields
}

// With is the address of the same page with one thing changed; empty: left out.
func (q useQuery) With(name, value string) string {
	values := q.values()
	values.Del(name)
	if value != "" {
		values.Set(name, value)
	}
	return "/admin/usage?" + values.Encode()
}

// lookedInto is by what a row is split when it is looked into.
var lookedInto = map[string]string{"key": "model", "token": "model", "model": "key", "upstream": "model"}

// into is the address of the same page for one row alone.
func (q useQuery) into(id string) string {
	values := q.values()
	values.Set(q.By, id)
	values.Set("by", lookedInto[q.By])
	return "/admin/usage?" + values.Encode()
}

// requests are the fields of the request log's filter that show the same requests; nil where the
// rows of the use have no name in the log.
func (q useQuery) requests() url.Values {
	fields := url.Values{}
	for name, id := range map[string]string{"key_id": q.Key, "token_id": q.Token, "model": q.Model, "upstream": q.Upstream} {
		if id == "" {
			continue
		}
		if !usage.Logged(id) {
			return nil
		}
		fields.Set(name, id)
	}
	return fields
}

// useSpan is a span of time in steps of an hour or of a day of UTC.
type useSpan struct {
	from, to time.Time
	hourly   bool
}

var errDates = errors.New("no span of days")

// span is the time that the query is about.
func (q useQuery) span(now time.Time) (useSpan, error) {
	now = now.UTC()
	today := now.Truncate(oneDay)
	if q.Range == ownRange {
		return q.ownSpan(today)
	}
	for _, each := range usePeriods {
		if each.name == q.Range && each.days > 1 {
			return useSpan{from: today.Add(-time.Duration(each.days-1) * oneDay), to: today.Add(oneDay)}, nil
		}
	}
	to := now.Truncate(time.Hour).Add(time.Hour)
	return useSpan{from: to.Add(-oneDay), to: to, hourly: true}, nil
}

// ownSpan is that of the dates that somebody has entered; one day is shown by the hour, as long as
// hours are kept.
func (q useQuery) ownSpan(today time.Time) (useSpan, error) {
	from, wrongFrom := time.Parse(time.DateOnly, q.From)
	to, wrongTo := today, error(nil)
	if q.To != "" {
		to, wrongTo = time.Parse(time.DateOnly, q.To)
	}
	if wrongFrom != nil || wrongTo != nil || to.Before(from) || to.Sub(from) >= mostUseDays*oneDay {
		return useSpan{}, errDates
	}
	return useSpan{from: from, to: to.Add(oneDay), hourly: to.Equal(from) && today.Sub(from) < useHoursKept}, nil
}

// step is the length of a step, and the name of its dimension.
func (s useSpan) step() (time.Duration, tokenstorev1.UsageDimension) {
	if s.hourly {
		return time.Hour, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR
	}
	return oneDay, tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY
}

// file is the address of the query's sums as CSV.
func (q useQuery) file(span useSpan) string {
	_, dimension := span.step()
	values := url.Values{
		"format": {"csv"}, "from": {span.from.Format(time.RFC3339)}, "to": {span.to.Format(time.RFC3339)},
		"group": {q.By + "," + strings.ToLower(strings.TrimPrefix(dimension.String(), "USAGE_DIMENSION_"))},
	}
	for _, name := range useDimensions {
		if id := q.filter(name); id != "" {
			values.Set(name, id)
		}
	}
	return "/admin/api/usage?" + values.Encode()
}
