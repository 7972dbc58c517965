package redisstore

import (
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// startCluster starts a Redis Cluster of one node: it has all slots, and refuses what
// spans two.
func startCluster(t *testing.T) redis.UniversalClient {
	t.Helper()
	ports := make([]string, 2)
	for i := range ports {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, ports[i], _ = net.SplitHostPort(listener.Addr().String())
		_ = listener.Close() // both ports are free now
	}
	server := testredis.NewServer(t, "--port", ports[0], "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", ports[1])
	if err := server.Client(t).Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{net.JoinHostPort("127.0.0.1", ports[0])}})
	t.Cleanup(func() { _ = client.Close() })
	for deadline := time.Now().Add(testredis.Timeout); client.Set(t.Context(), "probe", 1, time.Second).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not form")
		}
		<-time.After(10 * time.Millisecond)
	}
	return client
}

// No script and no transaction spans slots: whatever is done with tokens is done on a
// Cluster too.
func TestACluster(t *testing.T) {
	t.Parallel()
	client := startCluster(t)
	store := newStore(t, client)
	ctx := t.Context()
	one := draft("openai", "T1")
	one.Alias = "one"
	id := trusted(t, store, create(t, store, one))
	if _, err := store.ImportTokens(ctx, []token.Draft{draft("cursor", "T2"), draft("openai", "T1"), draft("openai", "T3")}); err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky} {
		store.rotation.Store(&strategy)
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, Alias: "one", Sticky: "k"})
		if err != nil || len(taken) != 1 || taken[0].TokenID != id {
			t.Fatalf("%s: %v, %v", strategy, taken, err)
		}
		if lost, err := store.Renew(ctx, []leasing.LeaseRef{taken[0].LeaseRef}, time.Minute); err != nil || len(lost) != 0 {
			t.Fatal(lost, err)
		}
		settled, err := store.Settle(ctx, []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Succeeded}})
		if err != nil || !settled[0].Live {
			t.Fatal(settled, err)
		}
		if _, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, Sticky: "k"}); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Explain(ctx, "openai", "m"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.UpdateToken(ctx, id, token.Fields{Alias: "two", Weight: 1, Enabled: true}, []string{token.Alias}, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteToken(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	if restored, err := store.RestoreToken(ctx, id); err != nil || restored.GetAlias() != "two" {
		t.Fatal(restored, err)
	}
	if _, err := store.ReleaseToken(ctx, id, "admin"); err != nil {
		t.Fatal(err)
	}
	if pools, err := store.SummarizePools(ctx); err != nil || len(pools) != 2 {
		t.Fatal(pools, err)
	}
	if _, err := store.Reseal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "third", Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteUpstream(ctx, "third", 0); err != nil {
		t.Fatal(err)
	}
}

func TestDataOfSchemaOneIsMovedOnACluster(t *testing.T) {
	t.Parallel()
	client := startCluster(t)
	store := legacyStore(t, client)
	data := (&legacy{t: t, client: client, store: store}).write()
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	data.check(t, store)
}
