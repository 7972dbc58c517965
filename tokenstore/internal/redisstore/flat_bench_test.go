package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

// variant is one of several systems whose costs shall be alike.
type variant struct {
	name   string
	client redis.UniversalClient
	run    func(calls int)
}

// calling is the run of a call that is made again and again.
func calling(call func()) func(int) {
	return func(calls int) {
		for range calls {
			call()
		}
	}
}

// alternate tells what a call costs each variant's server: µs of its main thread, how much
// that is of the first one's, and commands, those of scripts included. The variants take
// turns, so that whatever else the machine does meets all of them alike.
func alternate(b *testing.B, variants []variant) {
	b.Helper()
	const turn = 50
	times, commands := make([]float64, len(variants)), make([]float64, len(variants))
	calls := 0.0
	for done := 0; done < b.N; done += turn {
		for i, v := range variants {
			used, count := serverTime(b, v.client), serverCommands(b, v.client)
			v.run(turn)
			commands[i] += serverCommands(b, v.client) - count - 1 // what asked for them
			times[i] += serverTime(b, v.client) - used
		}
		calls += turn
	}
	b.ReportMetric(0, "ns/op") // of all variants together
	for i, v := range variants {
		b.ReportMetric(times[i]/calls, v.name+"-µs")
		b.ReportMetric(times[i]/times[0], v.name+"-share")
		b.ReportMetric(commands[i]/calls, v.name+"-commands")
	}
}

// serverCommands are those that the server has carried out.
func serverCommands(b *testing.B, client redis.UniversalClient) float64 {
	b.Helper()
	total := 0.0
	for _, stat := range serverInfo(b, client, "commandstats") {
		calls, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
		count, err := strconv.ParseFloat(calls, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += count
	}
	return total
}

// BenchmarkPoolSizes tells what a call costs in pools from 10 to 10,000 tokens.
func BenchmarkPoolSizes(b *testing.B) {
	sizes := []int{10, 100, 1_000, 10_000}
	compare := func(name string, capacity int, prepare func(p *leasePool, size int) func(int)) {
		b.Run(name, func(b *testing.B) {
			var variants []variant
			for _, size := range sizes {
				client := testredis.Start(b)
				run := prepare(largePool(b, client, somewhere, size, capacity), size)
				variants = append(variants, variant{fmt.Sprint(size), client, run})
			}
			alternate(b, variants)
		})
	}
	compare("lease", 0, func(p *leasePool, _ int) func(int) {
		return calling(func() { p.end(leasing.Succeeded, p.take(leasing.Wanted{})...) })
	})
	compare("16 leases", 0, func(p *leasePool, _ int) func(int) {
		return calling(func() { p.end(leasing.Succeeded, p.take(leasing.Wanted{Count: 16})...) })
	})
	compare("conversation", 0, func(p *leasePool, size int) func(int) {
		n := 0
		turn := func() {
			n++
			p.end(leasing.Succeeded, p.take(leasing.Wanted{Affinity: fmt.Sprint("conversation ", n)})...)
		}
		calling(turn)(size/500 + 10) // the ring is built meanwhile
		return calling(turn)
	})
	compare("denial", 1, func(p *leasePool, size int) func(int) {
		p.toTheCap(somewhere, size)
		return calling(func() { p.ask(leasing.Wanted{}) })
	})
	compare("denial at the desk", 1, func(p *leasePool, size int) func(int) {
		p.toTheCap(somewhere, size)
		desk := startDesk(p)
		return calling(func() {
			desk.Freed(somewhere) // so that it asks again
			if answer := askDesk(desk, 0); answer.Refused == nil {
				p.t.Error("there was a token")
			}
		})
	})
	compare("queue", 1, func(p *leasePool, size int) func(int) {
		p.toTheCap(somewhere, size)
		return queueing(p, startDesk(p))
	})
}

// BenchmarkPoolCounts tells what a call costs among 1, 10 and 50 pools of ten tokens that take
// turns.
func BenchmarkPoolCounts(b *testing.B) {
	compare := func(name string, capacity int, prepare func(p *leasePool, upstreams []string) func(int)) {
		b.Run(name, func(b *testing.B) {
			var variants []variant
			for _, count := range []int{1, 10, 50} {
				client := testredis.Start(b)
				var upstreams []string
				var p *leasePool
				for i := range count {
					upstreams = append(upstreams, fmt.Sprint("pool", i))
					p = largePool(b, client, upstreams[i], 10, capacity)
				}
				variants = append(variants, variant{fmt.Sprint(count), client, prepare(p, upstreams)})
			}
			alternate(b, variants)
		})
	}
	inTurn := func(upstreams []string, call func(upstream string)) func(int) {
		n := 0
		return calling(func() {
			n++
			call(upstreams[n%len(upstreams)])
		})
	}
	compare("lease", 0, func(p *leasePool, upstreams []string) func(int) {
		return inTurn(upstreams, func(upstream string) { p.end(leasing.Succeeded, p.take(leasing.Wanted{Upstream: upstream})...) })
	})
	compare("denial", 1, func(p *leasePool, upstreams []string) func(int) {
		for _, upstream := range upstreams {
			p.toTheCap(upstream, 10)
		}
		return inTurn(upstreams, func(upstream string) { p.ask(leasing.Wanted{Upstream: upstream}) })
	})
}

// credentialless is a store of tokens without secrets.
type credentialless struct{ *Store }

func (credentialless) Credential(context.Context, string, uint64) (leasing.Credential, error) {
	return leasing.Credential{}, nil
}

type noObserver struct{}

func (noObserver) SharedCause(string, string) {}

func (noObserver) Judged(string, string, string) {}

func (noObserver) Answered(string, bool, int, string, time.Duration) {}

// startDesk serves demands for the pool, and hears what becomes free, until the benchmark
// ends.
func startDesk(p *leasePool) *leasing.Desk {
	desk := leasing.NewDesk(credentialless{p.Store}, time.Minute, noObserver{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { desk.Run(ctx) })
	listening := make(chan struct{})
	var once sync.Once
	running.Go(func() {
		p.Listen(ctx, func(event Event) {
			switch event.Kind {
			case Freed:
				desk.Freed(event.Upstream)
			case Resync: // the first event: what happened before is not told
				once.Do(func() { close(listening) })
			default:
			}
		})
	})
	p.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	<-listening
	return desk
}

// askDesk asks for a lease, and waits at most so long for its turn.
func askDesk(desk *leasing.Desk, wait time.Duration) leasing.Answer {
	answers := make(chan leasing.Answer, 1)
	demand := leasing.Demand{Upstream: somewhere, Model: someModel, Count: 1}
	if wait > 0 {
		demand.Until = time.Now().Add(wait)
	}
	desk.Ask(demand, func(answer leasing.Answer) bool {
		answers <- answer
		return true
	})
	return <-answers
}

// queueing has 40 requests at a time at a pool that is at its cap but for 10 tokens: most of
// them wait in the desk's queue.
func queueing(p *leasePool, desk *leasing.Desk) func(int) {
	const clients, free = 40, 10
	for n := range free {
		id := largePoolToken(somewhere, n)
		open, err := p.client.ZRange(p.t.Context(), inflightKey(somewhere, id), 0, -1).Result()
		p.must(err)
		for _, lease := range open {
			p.end(leasing.Succeeded, leasing.Taken{LeaseRef: leasing.LeaseRef{TokenID: id, LeaseID: lease}})
		}
	}
	return func(calls int) {
		left := make(chan struct{}, calls)
		for range calls {
			left <- struct{}{}
		}
		close(left)
		var running sync.WaitGroup
		for range clients {
			running.Go(func() {
				for range left {
					answer := askDesk(desk, time.Minute)
					if answer.Refused != nil {
						p.t.Error(answer.Refused)
						return
					}
					report := leasing.Report{LeaseRef: answer.Leases[0].LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS}
					if err := desk.Settle(p.t.Context(), []leasing.Report{report}); err != nil {
						p.t.Error(err)
					}
				}
			})
		}
		running.Wait()
	}
}
