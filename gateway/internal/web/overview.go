package web

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var overviewPage = view{"overview", "overview", (*Site).loadOverview}

// overviewData is the page that says whether all is well, what to do, and how to begin.
type overviewData struct {
	Spans []span
	Span  span
	// Known: the pools are as they are shown. Else nobody could tell.
	Known    bool
	Headline headline
	Pools    []pool
	// Needs are the first of what waits for the admin; MoreNeeds counts the others.
	Needs     []need
	MoreNeeds int
	Traffic   traffic
	// Warnings are what is wrong with the tokenstore's Redis.
	Warnings []*tokenstorev1.StoreWarning
	Replicas []replica
	// Connect is what to set in a client; nil once a request has come.
	Connect *connectPanel
}

// pauseForFirst is how often the page looks for the first request, in ms.
const pauseForFirst = 2000

// Pause is how often the page is brought up to date, in ms.
func (d overviewData) Pause() int {
	if d.Connect != nil {
		return min(pauseForFirst, d.Span.Pause)
	}
	return d.Span.Pause
}

func (s *Site) loadOverview(ctx context.Context, c *gin.Context) (any, error) {
	now, fleet := time.Now(), s.Fleet()
	data := overviewData{Spans: spans, Span: spanOf(c.Request.URL.Query()), Replicas: replicasOf(fleet), Warnings: fleet.GetWarnings()}
	pools, err := s.pools(ctx)
	data.Pools, data.Known, data.Headline = pools, err == nil, headlineOf(pools)
	if err == nil {
		err = s.needs(ctx, &data, now)
	}
	if len(pools) > 0 && fleet != nil && fleet.GetTotalRequests() == 0 {
		data.Connect = new(s.connectPanel(c, nil, ""))
	}
	read, failed := s.traffic(ctx, data.Span, c.Query("chart"), now)
	if read.Chart != nil {
		read.Chart.Here = c.Request.URL
	}
	if data.Traffic = read; err == nil {
		err = failed
	}
	return data, err
}

// needs finds what waits for the admin.
func (s *Site) needs(ctx context.Context, data *overviewData, now time.Time) error {
	slow, err := s.upkeep.read(ctx, s, now)
	all := needsOf(waiting{pools: data.Pools, upkeep: slow, unserved: s.unserved(), now: now})
	data.Needs = all[:min(len(all), mostNeeds)]
	data.MoreNeeds = len(all) - len(data.Needs)
	return err
}

// unserved counts the models that are listed, and that no upstream with tokens serves.
func (s *Site) unserved() int {
	served := map[string]bool{}
	for _, each := range s.Servable() {
		served[each.ID] = true
	}
	n := 0
	for _, each := range s.Models() {
		if !served[each.ID] {
			n++
		}
	}
	return n
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
