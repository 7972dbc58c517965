package metrics_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"

	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	client := testredis.Mini(t)
	counts := metrics.New(registry, client)
	counts.Called("/service/Method", codes.OK, time.Millisecond)
	counts.Store(true, false)
	counts.Refreshed("granted")
	counts.Ran("acquire", time.Millisecond, true)
	counts.RedisUses("pool", 5, 10, 7)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		metric := family.GetMetric()[0]
		got[family.GetName()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
	}
	for name, want := range map[string]float64{
		"carousel_tokenstore_grpc_calls_total":            1,
		"carousel_tokenstore_grpc_call_seconds":           1,
		"carousel_tokenstore_refreshes_total":             1,
		"carousel_tokenstore_redis_script_seconds":        1,
		"carousel_tokenstore_redis_script_failures_total": 1,
		"carousel_tokenstore_redis_memory_bytes":          5,
		"carousel_tokenstore_redis_memory_max_bytes":      10,
		"carousel_tokenstore_redis_aof_bytes":             7,
		"carousel_tokenstore_store_up":                    1,
		"carousel_tokenstore_store_durable":               0,
		"carousel_tokenstore_redis_pool_connections":      1,
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v, there: %v", name, value, found)
		}
	}
}

// asked are the answers of a tokenstore with so many upstreams.
func asked(upstreams int) metrics.Asked {
	return metrics.Asked{
		Classes: []string{"auth", "quota"},
		Pools: func(context.Context) []metrics.Pool {
			pools := make([]metrics.Pool, upstreams)
			for i := range pools {
				pools[i] = metrics.Pool{
					Upstream: fmt.Sprintf("u%03d", i), Tokens: map[string]uint32{"ready": 3, "parked": 1}, Expiring: 2, NeedsLogin: 1, Leases: 4, Causes: 1,
					NextExpiry: time.Unix(1_800_000_000, 500_000_000),
				}
			}
			return pools
		},
		Queues: func() map[string]metrics.Queue {
			return map[string]metrics.Queue{"u000": {Demands: 7, Oldest: 1500 * time.Millisecond}}
		},
		Log: func(context.Context) (metrics.LogSize, bool) {
			return metrics.LogSize{Entries: 9, PromptBytes: 4096}, true
		},
	}
}

func TestPoolsAreAskedFor(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	metrics.New(prometheus.NewRegistry(), testredis.Mini(t)).Ask(registry, asked(1))
	metrics.Built(registry, "1.2.3", "go1.26")
	const want = `
		# HELP carousel_tokenstore_pool_tokens Tokens of the upstream's pool, by their state; of all tokenstores together.
		# TYPE carousel_tokenstore_pool_tokens gauge
		carousel_tokenstore_pool_tokens{state="parked",upstream="u000"} 1
		carousel_tokenstore_pool_tokens{state="ready",upstream="u000"} 3
		# HELP carousel_tokenstore_pool_next_expiry_timestamp_seconds When the first of the tokens that expire within a week does; absent where none does.
		# TYPE carousel_tokenstore_pool_next_expiry_timestamp_seconds gauge
		carousel_tokenstore_pool_next_expiry_timestamp_seconds{upstream="u000"} 1.8000000005e+09
		# HELP carousel_tokenstore_queue_oldest_seconds How long the first of them has waited.
		# TYPE carousel_tokenstore_queue_oldest_seconds gauge
		carousel_tokenstore_queue_oldest_seconds{upstream="u000"} 1.5
		# HELP carousel_tokenstore_log_prompt_bytes Size of the prompts in the request log, compressed and sealed.
		# TYPE carousel_tokenstore_log_prompt_bytes gauge
		carousel_tokenstore_log_prompt_bytes 4096
		# HELP carousel_tokenstore_build_info Which program this is; always 1.
		# TYPE carousel_tokenstore_build_info gauge
		carousel_tokenstore_build_info{go_version="go1.26",version="1.2.3"} 1
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "carousel_tokenstore_pool_tokens", "carousel_tokenstore_pool_next_expiry_timestamp_seconds",
		"carousel_tokenstore_queue_oldest_seconds", "carousel_tokenstore_log_prompt_bytes", "carousel_tokenstore_build_info"); err != nil {
		t.Error(err)
	}
}

// While the store is away nothing is told of it, and what is known goes on.
func TestWhatCanNotBeAskedForIsAbsent(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	away := asked(1)
	away.Pools = func(context.Context) []metrics.Pool { return nil }
	away.Log = func(context.Context) (metrics.LogSize, bool) { return metrics.LogSize{}, false }
	metrics.New(prometheus.NewRegistry(), testredis.Mini(t)).Ask(registry, away)
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 0 {
		t.Errorf("%d series, %v", n, err)
	}
}

// However many upstreams there are, there is a bound to the series.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry, testredis.Mini(t))
	counts.Ask(registry, asked(500))
	for i := range 500 {
		name := fmt.Sprintf("u%03d", i)
		counts.Answered(name, false, 1, "", time.Millisecond)
		counts.Answered(name, false, 0, "no_tokens", time.Millisecond)
		counts.Judged(name, "auth", "parked")
		counts.SharedCause(name, "auth")
	}
	for name, most := range map[string]int{
		"carousel_tokenstore_pool_tokens":          2 * metrics.MaxUpstreams,
		"carousel_tokenstore_queue_demands":        metrics.MaxUpstreams,
		"carousel_tokenstore_demands_denied_total": 6 * (metrics.MaxUpstreams + 1),
		"carousel_tokenstore_demand_wait_seconds":  metrics.MaxUpstreams + 1,
		"carousel_tokenstore_token_verdicts_total": 2 * 2 * (metrics.MaxUpstreams + 1),
		"carousel_tokenstore_shared_causes_total":  2 * (metrics.MaxUpstreams + 1),
	} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n != most {
			t.Errorf("%s: %d series, %v", name, n, err)
		}
	}
}

// Counting an answer and a script allocates nothing.
func TestCountingAllocatesNothing(t *testing.T) {
	counts := metrics.New(prometheus.NewRegistry(), testredis.Mini(t))
	count := func() {
		counts.Answered("openai", false, 1, "", time.Millisecond)
		counts.Answered("openai", false, 0, "no_token_available", time.Millisecond)
		counts.Ran("acquire", time.Millisecond, false)
	}
	count()
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry, testredis.Mini(t))
	counts.Ask(registry, asked(1))
	metrics.Built(registry, "1", "go1")
	counts.Called("/service/Method", codes.OK, time.Millisecond)
	counts.Answered("openai", false, 1, "", time.Millisecond)
	counts.Judged("openai", "auth", "parked")
	counts.SharedCause("openai", "auth")
	counts.StoreWarning("evicts", true)
	counts.Ran("acquire", time.Millisecond, true)
	counts.RedisUses("pool", 1, 2, 3)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, "carousel_") {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}
