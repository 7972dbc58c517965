package testredis

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/freeport"
)

// Cluster is a Redis Cluster of primaries without replicas. What one of them has is away while it
// is; the others go on.
type Cluster struct {
	redis.UniversalClient
	// Servers are the primaries, and Nodes clients of each alone.
	Servers []*Server
	Nodes   []redis.UniversalClient
	hosts   []string
}

// StartCluster starts a Redis Cluster of three primaries for the test, each with a third of the
// slots and the options of its command line.
func StartCluster(t testing.TB, options ...string) *Cluster {
	t.Helper()
	const nodes, slots = 3, 16384
	ctx, cluster := t.Context(), &Cluster{}
	var first struct{ port, bus string }
	for i := range nodes {
		port, bus := freeport.MustPort(t), freeport.MustPort(t)
		server := NewServer(t, append([]string{
			"--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-require-full-coverage", "no", "--cluster-node-timeout", "60000",
		}, options...)...)
		node := server.Client(t)
		cluster.Servers, cluster.Nodes = append(cluster.Servers, server), append(cluster.Nodes, node)
		cluster.hosts = append(cluster.hosts, net.JoinHostPort("127.0.0.1", port))
		if err := node.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", i*slots/nodes, (i+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
		// Two nodes of the same epoch would have to agree on another one first.
		if err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first.port, first.bus = port, bus
		} else if err := node.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", first.port, first.bus).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(Timeout); !cluster.whole(t); {
		if time.Now().After(deadline) {
			t.Fatal("the nodes of the Cluster do not know each other")
		}
		<-time.After(10 * time.Millisecond)
	}
	cluster.UniversalClient = cluster.Client(t)
	return cluster
}

func (c *Cluster) whole(t testing.TB) bool {
	t.Helper()
	for _, node := range c.Nodes {
		info := node.ClusterInfo(t.Context()).Val()
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_assigned:16384") || !strings.Contains(info, "cluster_known_nodes:3") {
			return false
		}
	}
	return true
}

// Client is one more client of the whole.
func (c *Cluster) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.hosts})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// PrimaryOf is the number of the primary that has a key.
func (c *Cluster) PrimaryOf(t testing.TB, key string) int {
	t.Helper()
	slot, err := c.Nodes[0].ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	const slots = 16384
	for i := range c.Nodes {
		if int(slot) < (i+1)*slots/len(c.Nodes) {
			return i
		}
	}
	return len(c.Nodes) - 1
}
