package grpcapi_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

// BenchmarkSpread tells what a request costs when 100 gateways have sessions at three tokenstores
// on a Redis Cluster of three primaries with five pools of 100 tokens: two, two and one. So many
// requests are out at each gateway, each with a demand of its own; or each gateway takes 64 leases
// ahead with each demand, as it does for some 300 requests/s. primary-µs is CPU time of each
// primary's main thread for a request of any pool, and requests/s what the busiest of them carries
// with a core of its own; cpu-µs is of this process, which is all gateways and tokenstores.
func BenchmarkSpread(b *testing.B) {
	for _, load := range []struct {
		out   int
		ahead int64
	}{{1, 0}, {4, 0}, {10, 0}, {1, 64}} {
		b.Run(fmt.Sprint("out=", load.out, ",ahead=", load.ahead), func(b *testing.B) {
			fleet := startSpreadFleet(b, load.out)
			for _, gateway := range fleet.gateways {
				gateway.ahead = load.ahead
			}
			var spent cost
			primaries := make([]float64, len(fleet.redis))
			const turn = 19_200 // of each gateway three times 64
			requests := 0.0
			for done := 0; done < b.N; done += turn {
				before := fleet.cost(b)
				for i, server := range fleet.redis {
					primaries[i] -= redisTime(b, server)
				}
				fleet.serve(b, turn)
				for i, server := range fleet.redis {
					primaries[i] += redisTime(b, server)
				}
				spent.add(fleet.cost(b), before)
				requests += turn
			}
			b.ReportMetric(0, "ns/op")
			busiest := 0.0
			for i, each := range primaries {
				b.ReportMetric(each/requests, fmt.Sprint("primary", i+1, "-µs"))
				busiest = max(busiest, each/requests)
			}
			b.ReportMetric(1e6/busiest, "requests/s")
			b.ReportMetric(spent.process/requests, "cpu-µs")
		})
	}
}

// startSpreadFleet starts 100 gateways, of which each asks for tokens of one of five pools, at
// three tokenstores.
func startSpreadFleet(b *testing.B, out int) *simulatedFleet {
	b.Helper()
	const gateways, tokenstores, pools = 100, 3, 5
	cluster, log := testredis.StartCluster(b), slog.New(slog.DiscardHandler)
	var addresses, upstreams []string
	for range tokenstores {
		addresses = append(addresses, serveLeases(b, newBenchStore(b, cluster.Client(b), log), log))
	}
	store, on := newBenchStore(b, cluster.UniversalClient, log), map[int]int{}
	for i := 0; len(upstreams) < pools; i++ {
		name := fmt.Sprint("pool-", i)
		if at := cluster.PrimaryOf(b, "c1:{pool:"+name+"}:clock"); on[at] <= len(upstreams)/len(cluster.Nodes) {
			upstreams, on[at] = append(upstreams, name), on[at]+1
			fillPool(b, store, name, 100)
		}
	}
	fleet := &simulatedFleet{redis: append([]redis.UniversalClient(nil), cluster.Nodes...)}
	for i := range gateways {
		fleet.gateways = append(fleet.gateways,
			startSimulatedGateway(b, addresses[i%tokenstores], fmt.Sprint("g", i), upstreams[i%pools], out))
	}
	return fleet
}
