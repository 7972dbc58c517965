package web

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var overviewPage = view{"overview", "overview", (*Site).loadOverview}

// span is a range of time that the overview can show.
type span struct {
	Name string
	// Pause is how often the page is brought up to date, in ms.
	Pause int
	step  time.Duration
	long  time.Duration
}

var spans = []span{
	{"1h", 5000, time.Minute, time.Hour},
	{"24h", 20_000, 30 * time.Minute, 24 * time.Hour},
	{"7d", 60_000, 3 * time.Hour, 7 * 24 * time.Hour},
}

// spanOf answers the span of that name; the first where there is none.
func spanOf(name string) span {
	for _, each := range spans {
		if each.Name == name {
			return each
		}
	}
	return spans[0]
}

type overviewData struct {
	Spans []span
	Span  span
	// Total is the whole span as one bucket; nil when it is not known.
	Total  *tokenstorev1.LogBucket
	Charts []chart
	Pools  []pool
	Alarms []alarm
	// Warnings are what is wrong with the tokenstore's Redis.
	Warnings []*tokenstorev1.StoreWarning
	Replicas []replica
	// Expiring are the tokens that expire next, at most mostExpiring; more says
	// how many others do within the week.
	Expiring []*tokenstorev1.Token
	More     int
}

const mostExpiring = 5

// Has tells whether there were requests.
func (d overviewData) Has() bool { return d.Total.GetRequests() > 0 }

// Tokens are those of all requests together.
func (d overviewData) Tokens() uint64 {
	return d.Total.GetPromptTokens() + d.Total.GetCompletionTokens()
}

func (s *Site) loadOverview(ctx context.Context, c *gin.Context) (any, error) {
	data := overviewData{Spans: spans, Span: spanOf(c.Query("range")), Replicas: replicasOf(s.Fleet()), Warnings: s.Fleet().GetWarnings()}
	pools, err := s.pools(ctx)
	data.Pools, data.Alarms = pools, alarmsOf(pools)
	if err == nil {
		err = s.expiring(ctx, &data)
	}
	if failed := s.traffic(ctx, &data, time.Now()); err == nil {
		err = failed
	}
	return data, err
}

// traffic asks for the requests: by step, and all in one.
func (s *Site) traffic(ctx context.Context, data *overviewData, now time.Time) error {
	to := now.Truncate(data.Span.step).Add(data.Span.step)
	from := to.Add(-data.Span.long)
	ask := func(step time.Duration) ([]*tokenstorev1.LogBucket, error) {
		answer, err := s.Logs.Summarize(ctx, &tokenstorev1.SummarizeRequest{
			From: timestamppb.New(from), To: timestamppb.New(to), Step: durationpb.New(step),
		})
		return answer.GetBuckets(), err
	}
	buckets, err := ask(data.Span.step)
	if err != nil {
		return err
	}
	data.Charts = chartsOf(buckets)
	total, err := ask(data.Span.long)
	if err != nil || len(total) == 0 {
		return err
	}
	data.Total = total[0]
	return nil
}

// chartsOf draws what the buckets count.
func chartsOf(buckets []*tokenstorev1.LogBucket) []chart {
	var steps []*timestamppb.Timestamp
	for _, b := range buckets {
		steps = append(steps, b.GetStart())
	}
	of := func(name string, value func(*tokenstorev1.LogBucket) float64) series {
		values := make([]float64, 0, len(buckets))
		for _, b := range buckets {
			values = append(values, value(b))
		}
		return series{name, values}
	}
	return []chart{
		{ID: "requests", Steps: steps, Bars: true, Write: compact, Least: 4, Series: []series{
			of("succeeded", func(b *tokenstorev1.LogBucket) float64 { return float64(b.GetRequests() - b.GetFailures()) }),
			of("failed", func(b *tokenstorev1.LogBucket) float64 { return float64(b.GetFailures()) }),
		}},
		{ID: "errors", Steps: steps, Write: func(v float64) string { return short(v) + " %" }, Least: 10, Series: []series{
			of("error_rate", func(b *tokenstorev1.LogBucket) float64 {
				if b.GetRequests() == 0 {
					return math.NaN()
				}
				return 100 * float64(b.GetFailures()) / float64(b.GetRequests())
			}),
		}},
		{ID: "latency", Steps: steps, Write: func(v float64) string { return seconds(time.Duration(v * float64(time.Second))) }, Series: []series{
			of("p50", func(b *tokenstorev1.LogBucket) float64 { return secondsOf(b.GetTotalP50()) }),
			of("p95", func(b *tokenstorev1.LogBucket) float64 { return secondsOf(b.GetTotalP95()) }),
		}},
		{ID: "tokens", Steps: steps, Bars: true, Write: compact, Least: 100, Series: tokenSeries(buckets)},
	}
}

func secondsOf(d *durationpb.Duration) float64 {
	if d == nil {
		return math.NaN()
	}
	return d.AsDuration().Seconds()
}

// pool is the health of one upstream's tokens.
type pool struct {
	*tokenstorev1.PoolState
	// Parts are the states that some token is in, as pieces of a bar that is 100
	// wide.
	Parts []part
}

type part struct {
	State string
	Count uint32
	X, W  string
}

// Total counts the tokens.
func (p pool) Total() uint32 {
	total := uint32(0)
	for _, each := range partsOf(p.PoolState) {
		total += each.Count
	}
	return total
}

// partsOf counts the tokens by state, the good ones first.
func partsOf(state *tokenstorev1.PoolState) []part {
	return []part{
		{State: "ready", Count: state.GetReady()},
		{State: "quarantined", Count: state.GetQuarantined()},
		{State: "cooling", Count: state.GetCooling()},
		{State: "probing", Count: state.GetProbing()},
		{State: "parked", Count: state.GetParked()},
		{State: "expired", Count: state.GetExpired()},
		{State: "disabled", Count: state.GetDisabled()},
	}
}

func poolOf(state *tokenstorev1.PoolState) pool {
	p := pool{PoolState: state}
	x, total := 0.0, float64(p.Total())
	for _, each := range partsOf(state) {
		if each.Count == 0 {
			continue
		}
		width := 100 * float64(each.Count) / total
		each.X, each.W = coordinate(x), coordinate(width)
		x += width
		p.Parts = append(p.Parts, each)
	}
	return p
}

// alarm is what the tokens of an upstream fail for alike.
type alarm struct {
	Upstream string
	*tokenstorev1.SharedCause
}

// Requests is the address of the requests that have failed since it began. Clients may name the
// model otherwise, so those of all are there. The time is in UTC, as the form has it.
func (a alarm) Requests() string {
	return "/admin/logs?" + url.Values{
		"status": {"failure"}, "upstream": {a.Upstream}, "from": {a.GetSince().AsTime().UTC().Format("2006-01-02T15:04:05")},
	}.Encode()
}

func alarmsOf(pools []pool) []alarm {
	var alarms []alarm
	for _, p := range pools {
		for _, cause := range p.GetCauses() {
			alarms = append(alarms, alarm{p.GetUpstream(), cause})
		}
	}
	return alarms
}

func (s *Site) pools(ctx context.Context) ([]pool, error) {
	answer, err := s.Tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{})
	if err != nil {
		return nil, err
	}
	pools := make([]pool, 0, len(answer.GetPools()))
	for _, state := range answer.GetPools() {
		pools = append(pools, poolOf(state))
	}
	return pools, nil
}

// expiring looks for the tokens that expire within a week, where the pools say
// that there are some. It looks at the first thousand tokens of each pool.
func (s *Site) expiring(ctx context.Context, data *overviewData) error {
	total := 0
	for _, p := range data.Pools {
		if p.GetExpiring() == 0 {
			continue
		}
		total += int(p.GetExpiring())
		answer, err := s.Tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Upstream: p.GetUpstream(), Limit: 1000})
		if err != nil {
			return err
		}
		data.Expiring = append(data.Expiring, soonest(answer.GetTokens(), time.Now())...)
	}
	slices.SortFunc(data.Expiring, sooner)
	data.Expiring = data.Expiring[:min(len(data.Expiring), mostExpiring)]
	data.More = max(total-len(data.Expiring), 0)
	return nil
}

// soonest keeps the enabled tokens that expire within a week.
func soonest(tokens []*tokenstorev1.Token, now time.Time) []*tokenstorev1.Token {
	return slices.DeleteFunc(tokens, func(t *tokenstorev1.Token) bool {
		left := t.GetExpiresAt().AsTime().Sub(now)
		return t.GetExpiresAt() == nil || !t.GetEnabled() || left <= 0 || left > 7*24*time.Hour
	})
}

func sooner(a, b *tokenstorev1.Token) int {
	return cmp.Or(a.GetExpiresAt().AsTime().Compare(b.GetExpiresAt().AsTime()), cmp.Compare(a.GetId(), b.GetId()))
}

// replica is one gateway that runs.
type replica struct{ *tokenstorev1.Replica }

// Stored are the log entries that it has accepted, and neither holds nor had to
// drop.
func (r replica) Stored() uint64 {
	left := r.GetLogPending() + r.GetLogDropped()
	return r.GetLogAccepted() - min(left, r.GetLogAccepted())
}

func replicasOf(fleet *tokenstorev1.BeatResponse) []replica {
	replicas := make([]replica, 0, len(fleet.GetReplicas()))
	for _, each := range fleet.GetReplicas() {
		replicas = append(replicas, replica{each})
	}
	return replicas
}
