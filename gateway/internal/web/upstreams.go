package web

import (
	"context"
	"maps"
	"slices"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var upstreamsPage = view{"upstreams", "upstreams", (*Site).loadUpstreams}

// upstreamRow is one upstream, with its pool where it has one.
type upstreamRow struct {
	*tokenstorev1.Upstream
	Pool *pool
}

// Pairs are the driver's settings as lines `key=value`.
func (u upstreamRow) Pairs() []string {
	pairs := make([]string, 0, len(u.GetSettings()))
	for _, key := range slices.Sorted(maps.Keys(u.GetSettings())) {
		pairs = append(pairs, key+"="+u.GetSettings()[key])
	}
	return pairs
}

type upstreamsData struct{ Rows []upstreamRow }

func (s *Site) loadUpstreams(ctx context.Context, _ *gin.Context) (any, error) {
	answer, err := s.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return upstreamsData{}, err
	}
	pools, err := s.pools(ctx)
	var data upstreamsData
	for _, u := range answer.GetUpstreams() {
		row := upstreamRow{Upstream: u}
		for i := range pools {
			if pools[i].GetUpstream() == u.GetName() {
				row.Pool = &pools[i]
			}
		}
		data.Rows = append(data.Rows, row)
	}
	return data, err
}
