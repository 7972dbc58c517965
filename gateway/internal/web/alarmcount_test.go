package web

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// oneAlarm answers whoever is still there.
type oneAlarm struct{ Tokens }

func (oneAlarm) SummarizePools(
	ctx context.Context, _ *tokenstorev1.SummarizePoolsRequest, _ ...grpc.CallOption,
) (*tokenstorev1.SummarizePoolsResponse, error) {
	pool := &tokenstorev1.PoolState{Upstream: "cursor", Causes: []*tokenstorev1.SharedCause{{Class: "auth"}}}
	return &tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{pool}}, ctx.Err()
}

// A reader who leaves while alarms are counted does not hide them from the others.
func TestAlarmsOutliveTheirReader(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	var alarms alarmCount
	if n := alarms.count(gone, oneAlarm{}); n != 1 {
		t.Errorf("there are %d alarms", n)
	}
}
