package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// fleetState is what a gateway tells of all of them.
type fleetState struct {
	TotalRequests uint64 `json:"total_requests"`
	Log           struct {
		Accepted, Stored, Pending, Dropped uint64
	} `json:"log"`
	Replicas []struct {
		Requests uint64 `json:"requests"`
	} `json:"replicas"`
}

// Any gateway counts the requests of all; what one counted stays counted when it
// has gone.
func TestGatewaysCountTogether(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	s.AddTokens("openai", "o", 2, 0)
	if failed := chats(t, s.Gateways, "gpt-test", 40, 4); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	state := func(gateway *stack.Gateway) (all fleetState) {
		if answer := gateway.Admin(t, http.MethodGet, "/admin/api/fleet", nil); answer.Status == http.StatusOK { // it is not known at once
			answer.JSON(t, &all)
		}
		return all
	}
	healthTotal := func(gateway *stack.Gateway) uint64 {
		var health struct {
			Stats struct {
				TotalRequests uint64 `json:"total_requests"`
			} `json:"stats"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/health", nil).JSON(t, &health)
		return health.Stats.TotalRequests
	}
	for _, gateway := range s.Gateways {
		s.Eventually("a gateway counts for both", 5*time.Second, func() bool {
			all := state(gateway)
			return healthTotal(gateway) == 40 && all.TotalRequests == 40 && len(all.Replicas) == 2 && all.Log.Stored == 40
		})
		if all := state(gateway); all.Log.Accepted != 40 || all.Log.Pending != 0 || all.Log.Dropped != 0 {
			t.Errorf("log %+v", all.Log)
		}
	}
	left, stays := s.Gateways[0], s.Gateways[1]
	if failed := chats(t, []*stack.Gateway{left}, "gpt-test", 5, 1); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	left.Stop()
	s.Eventually("its last requests are counted, and it is gone", 10*time.Second, func() bool {
		all := state(stays)
		return healthTotal(stays) == 45 && all.TotalRequests == 45 && len(all.Replicas) == 1
	})
}
