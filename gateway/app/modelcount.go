package app

import (
	"cmp"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// maxPreset is how many models an upstream may list for all of them to be counted from the start.
// Of one with more, such as a broker of hundreds, those are that are asked for.
const maxPreset = 50

// modelCount counts requests by upstream and model. A model has series of its own if its upstream
// lists it and there is room; clients choose the names of all others, which are counted together.
type modelCount struct {
	metrics *metrics.Metrics
	own     *metrics.Series[servedModel, *modelSeries]
	others  *metrics.Series[string, *modelSeries]
	// known are the models that are listed. Nobody changes the map.
	known *atomic.Pointer[map[servedModel]bool]
}

// servedModel is a model of an upstream.
type servedModel struct{ upstream, model string }

func newModelCount(m *metrics.Metrics) modelCount {
	count := modelCount{
		metrics: m,
		own: metrics.NewSeries(metrics.MaxModels, servedModel{metrics.Other, metrics.Other}, func(of servedModel) *modelSeries {
			return newModelSeries(m, of)
		}),
		others: metrics.NewSeries(metrics.MaxUpstreams, metrics.Other, func(upstreamName string) *modelSeries {
			return newModelSeries(m, servedModel{upstreamName, metrics.Other})
		}),
		known: &atomic.Pointer[map[servedModel]bool]{},
	}
	count.known.Store(&map[servedModel]bool{})
	return count
}

// listed takes in which models there are.
func (c *modelCount) listed(byUpstream map[string][]chat.Model) {
	known := map[servedModel]bool{}
	for name, models := range byUpstream {
		for _, model := range models {
			of := servedModel{name, model.ID}
			known[of] = true
			if len(models) <= maxPreset {
				c.own.Try(of)
			}
		}
	}
	c.known.Store(&known)
}

// of returns the series of a model.
func (c *modelCount) of(upstreamName, model string) *modelSeries {
	of := servedModel{upstreamName, model}
	if (*c.known.Load())[of] {
		if series, room := c.own.Try(of); room {
			return series
		}
	}
	return c.others.Of(cmp.Or(upstreamName, metrics.None))
}

func (c *modelCount) ended(model string, entry *reqlog.Entry) {
	series := c.of(entry.Upstream, model)
	from := series.callers[indexOf(entry.Caller.Kind)]
	from.requests.Inc()
	if entry.FirstByte > 0 {
		series.firstByte.Observe(entry.FirstByte.Seconds())
	}
	if entry.Err == nil {
		series.seconds.Observe(entry.Total.Seconds())
	} else {
		c.metrics.ModelFailures.WithLabelValues(series.of.upstream, series.of.model, string(entry.Err.Kind)).Inc()
	}
	if entry.Upstream != "" {
		from.use().add(entry.Usage, entry.Cost)
	}
}

// modelSeries are what is counted of one model, or of many together.
type modelSeries struct {
	of                 servedModel
	seconds, firstByte prometheus.Observer
	callers            [len(callerKinds)]callerSeries
}

// callerSeries are what is counted of one kind of callers. use are made once something is used.
type callerSeries struct {
	requests prometheus.Counter
	use      func() *use
}

// callerKinds are all of them.
var callerKinds = [...]caller.Kind{caller.Client, caller.Admin, caller.OwnToken, caller.Session}

// indexOf is where a kind is in callerKinds. Requests that are served have one of them.
func indexOf(kind caller.Kind) int {
	for i, each := range callerKinds {
		if each == kind {
			return i
		}
	}
	return 0
}

func newModelSeries(m *metrics.Metrics, of servedModel) *modelSeries {
	series := &modelSeries{
		of: of, seconds: m.ModelSeconds.WithLabelValues(of.upstream, of.model), firstByte: m.ModelFirstByteSeconds.WithLabelValues(of.upstream, of.model),
	}
	for _, kind := range failuresOfService() {
		m.ModelFailures.WithLabelValues(of.upstream, of.model, string(kind))
	}
	for i, kind := range callerKinds {
		series.callers[i] = callerSeries{
			requests: m.ModelRequests.WithLabelValues(of.upstream, of.model, string(kind)),
			use:      sync.OnceValue(func() *use { return newUse(m, of, kind) }),
		}
	}
	return series
}

// failuresOfService are the kinds of errors that say something of an upstream, or of Carousel, and
// for which somebody may wait: they are counted from 0.
func failuresOfService() []chat.Kind {
	kinds := []chat.Kind{chat.NoTokens, chat.NoTokenAvailable, chat.StoreUnavailable, chat.Timeout, chat.Internal}
	for _, class := range upstream.Classes() {
		kinds = append(kinds, class.Kind())
	}
	return kinds
}

// use is what requests have used of a model: model tokens by their kind, and dollars.
type use struct {
	fresh, cacheRead, cacheWrite, cacheWriteHour, answer, reasoning, cost prometheus.Counter
}

func newUse(m *metrics.Metrics, of servedModel, by caller.Kind) *use {
	tokens := func(direction, kind string) prometheus.Counter {
		return m.TokensUsed.WithLabelValues(of.upstream, of.model, string(by), direction, kind)
	}
	return &use{
		fresh: tokens("prompt", "fresh"), cacheRead: tokens("prompt", "cache_read"),
		cacheWrite: tokens("prompt", "cache_write"), cacheWriteHour: tokens("prompt", "cache_write_hour"),
		answer: tokens("completion", "answer"), reasoning: tokens("completion", "reasoning"),
		cost: m.Cost.WithLabelValues(of.upstream, of.model, string(by)),
	}
}

func (u *use) add(usage chat.Usage, cost money.Pico) {
	u.cost.Add(float64(cost) / float64(money.Dollar))
	u.fresh.Add(float64(usage.Fresh()))
	u.cacheRead.Add(float64(usage.CacheRead))
	u.cacheWrite.Add(float64(usage.CacheWrite - usage.CacheWriteHour))
	u.cacheWriteHour.Add(float64(usage.CacheWriteHour))
	u.answer.Add(float64(usage.Completion - usage.Reasoning))
	u.reasoning.Add(float64(usage.Reasoning))
}
