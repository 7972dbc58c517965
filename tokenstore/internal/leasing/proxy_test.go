package leasing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// Most tokens of an upstream are behind a proxy that is dead. They rest, none is blamed or
// parked, and that says nothing of the upstream: all that comes goes to the one with another
// way.
func TestADeadProxyIsNotTheUpstreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leases := w.begin(6, "u")
	dead, other := leases[:5], leases[5]
	var reports []leasing.Report
	for i := range dead {
		reports = append(reports, leasing.Report{
			Outcome: tokenstorev1.Outcome_OUTCOME_PROXY, Model: "m", RequestID: fmt.Sprint("r", i), Detail: "proxy: it can't be reached",
		})
	}
	w.must(settling(reports...)(t.Context(), w, dead))
	for range 20 {
		taken, shortage, err := w.store.Acquire(t.Context(), leasing.Wanted{Upstream: "u", Model: "m", Count: 1, TTL: time.Minute})
		w.must(err)
		if len(taken) != 1 || taken[0].TokenID != other.TokenID {
			t.Fatalf("%+v, %+v; want %s", taken, shortage, other.TokenID)
		}
	}
	for name, text := range w.state() {
		switch {
		case strings.HasPrefix(name, "causes"), strings.HasPrefix(name, "wronged"):
			t.Errorf("%s: %s", name, text)
		case name == "u5" && strings.Contains(text, "cooling true"):
			t.Errorf("%s: %s", name, text)
		case name != "u5" && !strings.Contains(text, `streak "1" of "proxy", phase "1"`), name != "u5" && !strings.Contains(text, "cooling true"):
			t.Errorf("%s does not rest: %s", name, text)
		}
	}
}
