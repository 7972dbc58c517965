// Command bench measures what Carousel costs, in one run beside what else could
// stand in front of an upstream: nothing at all, nginx, and a bare
// httputil.ReverseProxy. "make bench" runs it and writes docs/benchmark.md.
//
// All systems are started once and stay up. A round visits every workload, and in
// it every system, in an order that rotates from round to round: whatever else
// the machine does meets all of them alike. What counts are therefore the ratios
// within a round, and of those the median over the rounds.
//
// Load generator, system, tokenstore, Redis and simulated upstream share the
// machine's cores. The load generator is a closed loop over raw keep-alive
// connections that checks every answer; one wrong answer fails the run.
//
// It knows the programs by their command lines, environments and HTTP only, and
// needs Linux: CPU time and memory are read from /proc.
package main
