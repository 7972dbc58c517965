package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// pools is how many upstreams the Cluster's test has, each with a pool of its own.
const pools = 5

// spread is a bench of several pools in a Redis Cluster of three primaries and their replicas:
// three tokenstores, three gateways, a load for each pool.
type spread struct {
	*bench
	redis *stack.RedisSet
	names []string
	loads map[string]*stack.Running
}

// Pools lie on all primaries of a Cluster, each on one. A primary is killed, and nobody takes its
// place for as long as the test looks: the pools on the others are served by the store as if
// nothing were, without one failed request. Those of the killed one are served from the reserves,
// or refused as what the store is away for, and by the store again when the replica has been
// promoted. Caps hold, and nothing is lost that was acknowledged. So with each of the three,
// whatever else is on it.
func TestAPrimaryOfAClusterStopsNoOtherPool(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	s := startSpread(t)
	added := stack.StartAdditions(t, s.Gateways, s.SimURL+"/v1")
	primaries := s.primaries(s.names)
	if len(primaries) != 3 {
		t.Fatalf("the pools %v are on %d primaries", s.names, len(primaries))
	}
	s.checkSpread()
	for killed, its := range primaries {
		s.withoutPrimary(killed, its)
	}
	var shots []stack.Shot
	for _, name := range s.names {
		shots = append(shots, s.loads[name].Stop()...)
	}
	s.checkAnswers(shots, refusedForTheStore)
	s.checkCaps()
	s.checkLog(s.Gateways[0], shots, nil)
	s.checkLeases(s.Gateways[0])
	added.Check(t)
}

// refusedForTheStore tells whether a request was refused because the store is away.
func refusedForTheStore(shot stack.Shot) bool {
	return shot.Status == http.StatusServiceUnavailable && strings.Contains(shot.Body, "can't be reached")
}

func startSpread(t *testing.T) *spread {
	t.Helper()
	redis := stack.StartCluster(t)
	// A machine that has much else to do keeps a server from its work for longer than a second.
	redis.Configure("cluster-node-timeout", "5000")
	redis.Configure("cluster-replica-validity-factor", "0")
	redis.Configure("cluster-replica-no-failover", "yes")
	b := &bench{t: t, Stack: stack.Start(t, stack.Options{
		Gateways: 3, Tokenstores: 3, RedisURL: redis.URL,
		TokenstoreEnv: []string{"LEASE_TTL=10s", "LOG_RETENTION_COUNT=1000000", "REDIS_WAIT_REPLICAS=1"},
	})}
	s := &spread{bench: b, redis: redis, loads: map[string]*stack.Running{}}
	s.names = s.spreadNames()
	for _, name := range s.names {
		s.PutUpstream(name, map[string]any{"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"m"}})
		s.tokens = append(s.tokens, s.AddTokens(name, name, 9, capacity)...)
		s.loads[name] = stack.Load{Gateways: s.Gateways, Rate: 10, Model: name + "/m"}.Start(t)
	}
	untilProven(t, s.Stack)
	for _, load := range s.loads {
		load.Stop()
	}
	s.Sim.Reset()
	if err := s.Sim.SetRule(upstreamsim.Rule{Delay: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, name := range s.names {
		s.AwaitReservesIn(redis.Client, name)
		s.loads[name] = stack.Load{Gateways: s.Gateways, Rate: 10, Model: name + "/m"}.Start(t)
	}
	return s
}

func poolKey(upstream string) string { return "c1:{pool:" + upstream + "}:clock" }

// spreadNames are names of upstreams whose pools lie on all primaries: the first of a list, and of
// the others those that lie where there are fewest.
func (s *spread) spreadNames() []string {
	s.t.Helper()
	var names []string
	on := map[*stack.Process]int{}
	for i := 0; len(names) < pools; i++ {
		name := fmt.Sprintf("pool-%d", i)
		if at := s.redis.PrimaryOf(s.t.Context(), poolKey(name)); at != nil && on[at] <= len(names)/3 {
			names, on[at] = append(names, name), on[at]+1
		}
	}
	return names
}

// primaries are the servers that have the pools of some upstreams now, with what each has.
func (s *spread) primaries(upstreams []string) map[*stack.Process][]string {
	s.t.Helper()
	on := map[*stack.Process][]string{}
	for _, name := range upstreams {
		at := s.redis.PrimaryOf(s.t.Context(), poolKey(name))
		on[at] = append(on[at], name)
	}
	return on
}

// leased is how much the store has picked from a pool: its virtual time, which only an acquire
// moves.
func (s *spread) leased(upstream string) float64 {
	at, _ := s.redis.Client.HGet(s.t.Context(), poolKey(upstream), "at").Float64()
	return at
}

// checkSpread makes sure that each primary carries out the scripts of its pools, and has their
// keys.
func (s *spread) checkSpread() {
	s.t.Helper()
	before := s.redis.Commands("evalsha")
	for at, its := range s.primaries(s.names) {
		s.Eventually(fmt.Sprintf("the primary of %v carries out their scripts", its), 0, func() bool {
			return s.redis.Commands("evalsha")[at] >= before[at]+100
		})
		for _, name := range its {
			keys := s.redis.KeysOf(poolKey(name))
			have := 0
			for _, n := range keys {
				if n > 0 {
					have++
				}
			}
			if keys[at] == 0 || have > 2 {
				s.t.Errorf("pool %s is on %d servers, of which its primary has %d keys", name, have, keys[at])
			}
		}
		s.t.Logf("a primary carries %v: %d scripts so far", its, s.redis.Commands("evalsha")[at])
	}
}

// withoutPrimary kills a primary, looks how its pools and the others are served, and has its
// replica take its place.
func (s *spread) withoutPrimary(primary *stack.Process, its []string) {
	s.t.Helper()
	others := slices.DeleteFunc(slices.Clone(s.names), func(name string) bool { return slices.Contains(its, name) })
	away := s.primaries(append([]string{"cursor", "openai", stack.AddedUpstream}, s.names...))[primary]
	s.mark("the primary of %v is killed", away)
	killed := time.Now()
	primary.Kill()
	s.Eventually(fmt.Sprintf("each gateway says that of all pools %v are away", away), 20*time.Second, func() bool {
		return !slices.ContainsFunc(s.Gateways, func(gateway *stack.Gateway) bool {
			status, body := stack.Readyz(s.t.Context(), gateway.Ops)
			return status != http.StatusOK || !says(body, away) || strings.Contains(body, "tokenstore")
		})
	})
	s.mark("each gateway knows which pools are away")
	leased := map[string]float64{}
	for _, name := range others {
		leased[name] = s.leased(name)
	}
	for _, name := range others {
		s.Eventually("the store goes on to lease from "+name, 20*time.Second, func() bool { return s.leased(name) >= leased[name]+20 })
	}
	s.answered(others, 30)
	s.redis.Configure("cluster-replica-no-failover", "no")
	s.Eventually("another server has the pools", 60*time.Second, func() bool {
		now := s.redis.PrimaryOf(s.t.Context(), poolKey(its[0]))
		return now != nil && now != primary
	})
	s.mark("a replica has been promoted")
	back := time.Now()
	primary.Start()
	for _, name := range its {
		before := s.leased(name)
		s.Eventually("the store leases from "+name+" again", 20*time.Second, func() bool { return s.leased(name) >= before+5 })
	}
	s.recovered(back)
	s.redis.AwaitReplicas()
	s.redis.Configure("cluster-replica-validity-factor", "0")
	s.redis.Configure("cluster-node-timeout", "5000")
	s.redis.Configure("cluster-replica-no-failover", "yes")
	ended := time.Now()
	for _, name := range s.names {
		s.AwaitReservesIn(s.redis.Client, name)
		served, refused := 0, 0
		for _, shot := range s.loads[name].Shots() {
			if shot.Began.Before(killed) || shot.Began.After(ended) {
				continue
			}
			if shot.OK() {
				served++
				continue
			}
			refused++
			if slices.Contains(others, name) {
				s.t.Errorf("%s, whose primary was there: status %d after %s, %v, %.300s", name, shot.Status, shot.Took, shot.Err, shot.Body)
			}
		}
		s.t.Logf("%s (its primary was killed: %v): %d served, %d refused", name, slices.Contains(its, name), served, refused)
	}
}

// answered waits until each pool's load has had so many more answers.
func (s *spread) answered(names []string, more int) {
	s.t.Helper()
	for _, name := range names {
		before := len(s.loads[name].Shots())
		s.Eventually("requests to "+name+" are answered", 20*time.Second, func() bool { return len(s.loads[name].Shots()) >= before+more })
	}
}

// says tells whether a gateway says of these upstreams, and of no others, that their pools are
// away.
func says(body string, upstreams []string) bool {
	return strings.Contains(body, "the store of the tokens of "+strings.Join(slices.Sorted(slices.Values(upstreams)), ", ")+" can't be reached")
}
