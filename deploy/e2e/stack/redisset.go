package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/freeport"
)

// RedisSet is several Redis servers that stand in for each other.
type RedisSet struct {
	t testing.TB
	// URL is what a tokenstore is configured with.
	URL string
	// Client follows a failover.
	Client  redis.UniversalClient
	servers map[string]*Process // by address
}

// failoverAfter is how long a server is silent before the others take it for dead, in
// ms.
const failoverAfter = 1000

// StartSentinels starts a primary, a replica, and three sentinels that watch them.
func StartSentinels(t testing.TB) *RedisSet {
	t.Helper()
	needRedis(t)
	const name, sentinels = "carousel", 3
	set := &RedisSet{t: t, servers: map[string]*Process{}}
	primary := set.server()
	_, primaryPort, _ := net.SplitHostPort(primary)
	set.server("--replicaof", "127.0.0.1 "+primaryPort)
	var addrs []string
	for range sentinels {
		addr := freeport.MustAddr(t)
		folder := t.TempDir()
		_, port, _ := net.SplitHostPort(addr)
		config := filepath.Join(folder, "sentinel.conf") // a sentinel writes what it learns into it
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %s 2\n"+
			"sentinel down-after-milliseconds %[3]s %[5]d\nsentinel failover-timeout %[3]s 1000\n", port, folder, name, primaryPort, failoverAfter)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		startProcess(t, "sentinel "+port, "redis-server", folder, []string{config, "--sentinel"}, nil)
		addrs = append(addrs, addr)
	}
	set.URL = "redis://" + strings.Join(addrs, ",") + "/0?master=" + name
	set.connect(&redis.UniversalOptions{Addrs: addrs, MasterName: name})
	Eventually(t, "the sentinels know each other and the replica", startLimit, func() bool {
		for _, addr := range addrs {
			if !set.sentinelKnows(addr, name, sentinels-1) {
				return false
			}
		}
		return true
	})
	return set
}

func (r *RedisSet) sentinelKnows(addr, name string, others int) bool {
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = sentinel.Close() }()
	state, err := sentinel.Master(r.t.Context(), name).Result()
	return err == nil && state["num-other-sentinels"] == fmt.Sprint(others) && state["num-slaves"] == "1"
}

// StartCluster starts a Redis Cluster of three primaries and as many replicas.
func StartCluster(t testing.TB) *RedisSet {
	t.Helper()
	needRedis(t)
	const primaries, slots = 3, 16384
	set := &RedisSet{t: t, servers: map[string]*Process{}}
	var addrs, buses []string
	for range 2 * primaries {
		bus := freeport.MustPort(t)
		buses = append(buses, bus)
		addrs = append(addrs, set.server("--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", fmt.Sprint(failoverAfter),
			"--cluster-config-file", "nodes.conf", "--cluster-require-full-coverage", "no"))
	}
	nodes, ids := make([]*redis.Client, len(addrs)), make([]string, len(addrs))
	for i, addr := range addrs {
		nodes[i] = redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = nodes[i].Close() })
		ids[i] = nodes[i].Do(t.Context(), "CLUSTER", "MYID").String()
		ids[i] = ids[i][strings.LastIndex(ids[i], " ")+1:]
		if i < primaries {
			set.must(nodes[i].ClusterAddSlotsRange(t.Context(), i*slots/primaries, (i+1)*slots/primaries-1).Err())
		}
		set.must(nodes[i].Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		host, port, _ := net.SplitHostPort(addr)
		set.must(nodes[0].Do(t.Context(), "CLUSTER", "MEET", host, port, buses[i]).Err())
	}
	Eventually(t, "the nodes know each other", startLimit, func() bool {
		for _, node := range nodes {
			if known := node.ClusterNodes(t.Context()).Val(); strings.Count(known, "connected\n")+strings.Count(known, "connected ") < len(nodes) {
				return false
			}
		}
		return true
	})
	for i := range primaries {
		Eventually(t, "a replica has its primary", startLimit, func() bool {
			return nodes[primaries+i].ClusterReplicate(t.Context(), ids[i]).Err() == nil
		})
	}
	Eventually(t, "every primary has a replica", startLimit, func() bool {
		for _, node := range nodes[:primaries] {
			info := node.Info(t.Context(), "replication").Val()
			if !strings.Contains(info, "connected_slaves:1") || !strings.Contains(node.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
				return false
			}
		}
		return true
	})
	set.URL = "redis://" + strings.Join(addrs[:primaries], ",")
	set.connect(&redis.UniversalOptions{Addrs: addrs, IsClusterMode: true})
	return set
}

// Configure sets a parameter of every server that answers.
func (r *RedisSet) Configure(parameter, value string) {
	r.t.Helper()
	for addr := range r.servers {
		node := redis.NewClient(&redis.Options{Addr: addr})
		if node.Ping(r.t.Context()).Err() == nil {
			r.must(node.ConfigSet(r.t.Context(), parameter, value).Err())
		}
		_ = node.Close()
	}
}

// Commands is how many of a command each server has carried out since it started; of one that does
// not answer there is none.
func (r *RedisSet) Commands(command string) map[*Process]int {
	r.t.Helper()
	counts := map[*Process]int{}
	for addr, process := range r.servers {
		node := redis.NewClient(&redis.Options{Addr: addr})
		text, err := node.Info(r.t.Context(), "commandstats").Result()
		_ = node.Close()
		if err != nil {
			continue
		}
		counts[process] = 0
		if _, after, found := strings.Cut(text, "cmdstat_"+command+":calls="); found {
			number, _, _ := strings.Cut(after, ",")
			counts[process], _ = strconv.Atoi(number)
		}
	}
	return counts
}

// KeysOf is how many keys of a key's slot each server has: the slot's primary, and its replica. Of
// one that does not answer there is none.
func (r *RedisSet) KeysOf(key string) map[*Process]int64 {
	r.t.Helper()
	counts := map[*Process]int64{}
	for addr, process := range r.servers {
		node := redis.NewClient(&redis.Options{Addr: addr})
		slot, err := node.ClusterKeySlot(r.t.Context(), key).Result()
		if err == nil {
			counts[process], _ = node.ClusterCountKeysInSlot(r.t.Context(), int(slot)).Result()
		}
		_ = node.Close()
	}
	return counts
}

// AwaitReplicas waits until as many primaries of the Cluster as it had at its start have a replica
// that has all of their data.
func (r *RedisSet) AwaitReplicas() {
	r.t.Helper()
	Eventually(r.t, "every primary has a replica that is up to date", startLimit, func() bool {
		whole := 0
		for addr := range r.servers {
			node := redis.NewClient(&redis.Options{Addr: addr})
			info := node.Info(r.t.Context(), "replication").Val()
			_ = node.Close()
			if strings.Contains(info, "role:master") && strings.Contains(info, "state=online") {
				whole++
			}
		}
		return whole == len(r.servers)/2
	})
}

// server starts a server with more arguments and returns its address.
func (r *RedisSet) server(more ...string) string {
	addr := freeport.MustAddr(r.t)
	_, port, _ := net.SplitHostPort(addr)
	folder := r.t.TempDir()
	process := startProcess(r.t, "redis "+port, "redis-server", folder, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
		"--repl-diskless-sync-delay", "0",
	}, more...), nil)
	r.servers[addr] = process
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = client.Close() }()
	Eventually(r.t, "a Redis server answers", startLimit, func() bool { return client.Ping(r.t.Context()).Err() == nil })
	return addr
}

func (r *RedisSet) connect(options *redis.UniversalOptions) {
	r.Client = redis.NewUniversalClient(options)
	r.t.Cleanup(func() { _ = r.Client.Close() })
}

func (r *RedisSet) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// PrimaryOf is the server that has a key now; nil where none is known.
func (r *RedisSet) PrimaryOf(ctx context.Context, key string) *Process {
	if cluster, is := r.Client.(*redis.ClusterClient); is {
		cluster.ReloadState(ctx)
		node, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil
		}
		return r.servers[node.Options().Addr]
	}
	for addr, process := range r.servers {
		node := redis.NewClient(&redis.Options{Addr: addr})
		role, err := node.Do(ctx, "ROLE").Slice()
		_ = node.Close()
		if err == nil && len(role) > 0 && role[0] == "master" {
			return process
		}
	}
	return nil
}
