// Command bench measures what Carousel costs, in one run beside what else could
// stand in front of an upstream: nothing at all, nginx, a bare httputil.ReverseProxy,
// and a net/http server with raw connections behind ("raw"). "make bench" runs it and
// writes docs/benchmark.md, whose first table is what is wanted and what was missed.
//
// All systems are started once and stay up. A round visits every workload, and in
// it every system, in an order that rotates from round to round: whatever else
// the machine does meets all of them alike. What counts are therefore the ratios
// within a round, and of those the median over the rounds. Before the first round and
// after the last one nobody is asked, and what the systems hold then is measured.
//
// Load generator, system, tokenstore, Redis and simulated upstream share the
// machine's cores. The load generator has raw keep-alive connections and checks every
// answer; one wrong answer fails the run. Most workloads are closed loops; open loops
// start requests at fixed times, whatever is still out.
//
// It knows the programs by their command lines, environments and HTTP only, and
// needs Linux: CPU time and memory are read from /proc.
package main
