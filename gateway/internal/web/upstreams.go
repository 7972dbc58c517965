package web

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/provider"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var upstreamsPage = view{"upstreams", "upstreams", (*Site).loadUpstreams}

// upstreamRow is one upstream, with its pool where it has one.
type upstreamRow struct {
	*tokenstorev1.Upstream
	Pool *pool
}

type pair struct{ Name, Value string }

// Pairs are the settings, by name.
func (u upstreamRow) Pairs() []pair {
	pairs := make([]pair, 0, len(u.GetSettings()))
	for _, name := range slices.Sorted(maps.Keys(u.GetSettings())) {
		pairs = append(pairs, pair{name, u.GetSettings()[name]})
	}
	return pairs
}

// SettingsObject is the settings for the page's script, as JSON.
func (u upstreamRow) SettingsObject() (string, error) {
	object, err := json.Marshal(u.GetSettings())
	return string(object), err
}

type upstreamsData struct{ Rows []upstreamRow }

// Presets are the providers whose address an admin needs not look up.
func (upstreamsData) Presets() []provider.Provider { return provider.Known }

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
