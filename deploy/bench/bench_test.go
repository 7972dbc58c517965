package main

import (
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

func startSimulator(t *testing.T, rules ...upstreamsim.Rule) string {
	t.Helper()
	sim := upstreamsim.New(upstreamsim.Options{})
	for _, rule := range rules {
		if err := sim.SetRule(rule); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := sim.Server()
	done := make(chan struct{})
	go func() { // ends with Close
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		sim.Close()
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stream bool
		body   string
	}{
		"not JSON":         {false, "<html>"},
		"another text":     {false, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}`},
		"no end":           {true, "data: {}\n\n"},
		"missing pieces":   {true, "data: {\"choices\":[{\"delta\":{\"content\":\"1 \"}}]}\n\n" + streamEnd},
		"an error event":   {true, "event: error\n\n" + streamEnd},
		"a broken chunk":   {true, "data: {\n\n" + streamEnd},
		"nothing but ends": {true, streamEnd},
	} {
		if (workload{stream: test.stream}).verify([]byte(test.body)) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{4, 1, 2, 3}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: %+v, want %+v", test.values, got, test.want)
		}
	}
}

// measuredAt answers results of three rounds in which Carousel has that share of nginx's
// rate, whatever the machine did, and costs that many CPU seconds per 1,000 requests.
func measuredAt(share, roundTrips, cpu float64) results {
	standing := map[string]standing{carousel: {memory: []int{25 << 20, 20 << 20, 12 << 20}, cpu: .004}, nginx: {memory: []int{21 << 20}}}
	r := results{cells: map[key][]cell{}, atRest: standing, afterLoad: standing}
	for _, w := range []workload{atLoad, streamed, people, slowStreams} {
		for _, machine := range []float64{100, 2000, 10} {
			for name, rate := range map[string]float64{direct: 4, nginx: 1, reverseProxy: .5, carousel: share, clientKey: share / 2, capped: share / 2, before: share / 2} {
				took := time.Duration(float64(time.Millisecond) / rate)
				c := cell{rate: rate * machine, p50: took, p99: 2 * took, firstByteP50: took / 2, firstByteP99: took, cpu: []float64{cpu / 2}, memory: []int{1 << 20}}
				if name == carousel {
					c.roundTrips, c.cpu, c.memory = roundTrips, []float64{cpu / 2, cpu / 4, cpu / 4}, []int{1 << 20, 2 << 20, 3 << 20}
				}
				r.cells[key{w, name}] = append(r.cells[key{w, name}], c)
			}
		}
	}
	return r
}

func TestFiguresOfTheGoals(t *testing.T) {
	t.Parallel()
	r := measuredAt(.5, .1, .1)
	for _, test := range []struct {
		name    string
		figures func(results, string) []float64
		system  string
		want    []float64
	}{
		{"share of nginx", shareOfNginx(atLoad), carousel, []float64{.5}},
		{"share of itself", shareOfNginx(atLoad), nginx, []float64{1}},
		{"CPU per thousand", cpuPerThousand(people), carousel, []float64{.1}},
		{"CPU per event", cpuPerEvent(streamed), carousel, []float64{2}},
		{"CPU per slow event", cpuPerEvent(slowStreams), carousel, []float64{100. / slowEvents}},
		{"added, in µs", addedMicroseconds(atLoad), carousel, []float64{1750}},
		{"added, in ms", addedTimes(people), carousel, []float64{1.75, 3.5}},
		{"added first byte", addedFirstBytes(slowStreams), carousel, []float64{.875, 1.75}},
		{"round trips", roundTrips(atLoad), carousel, []float64{.1}},
		{"another's round trips", roundTrips(atLoad), nginx, nil},
		{"memory", memoryAtRest, carousel, []float64{25, 20, 12}},
		{"memory of one part", memoryAtRest, nginx, []float64{21}},
		{"memory after the load", memoryAfterLoad, carousel, []float64{1}},
		{"CPU at rest", cpuAtRest, carousel, []float64{.4}},
		{"a workload that was not measured", shareOfNginx(crowded), carousel, nil},
		{"a system that was not measured", cpuPerThousand(people), raw, nil},
		{"the memory of one that has none", memoryAtRest, direct, nil},
		{"the CPU of one that has none", cpuAtRest, direct, nil},
	} {
		got := test.figures(r, test.system)
		if !slices.EqualFunc(got, test.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	delete(r.cells, key{people, direct})
	if got := addedTimes(people)(r, carousel); got != nil {
		t.Errorf("added to what was not measured: %v", got)
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		goal    goal
		reached []float64
		met     bool
	}{
		{goal{wanted: []float64{.6}, atLeast: true}, []float64{.6}, true},
		{goal{wanted: []float64{.6}, atLeast: true}, []float64{.59}, false},
		{goal{wanted: []float64{.6}}, []float64{.6}, true},
		{goal{wanted: []float64{.6}}, []float64{.61}, false},
		{goal{wanted: []float64{.45, 1.5}}, []float64{.4, 1.5}, true},
		{goal{wanted: []float64{.45, 1.5}}, []float64{.4, 1.6}, false},
		{goal{wanted: []float64{.45, 1.5}}, []float64{.5, 1}, false},
	} {
		if got := test.goal.met(test.reached); got != test.met {
			t.Errorf("%v of %s: met %t", test.reached, test.goal.bound(), got)
		}
	}
}

func TestEveryGoalHasABoundForEachFigure(t *testing.T) {
	t.Parallel()
	r := measuredAt(.5, .1, .1)
	for _, w := range chatWorkloads {
		for _, name := range []string{direct, nginx, carousel} {
			r.cells[key{w, name}] = []cell{{cpu: []float64{1}, memory: []int{1}}}
		}
	}
	for _, g := range goals {
		if got := g.figures(r, carousel); len(got) != len(g.wanted) {
			t.Errorf("%s: figures %v, wanted %v", g.what, got, g.wanted)
		}
	}
}

func TestWhatWasMissedIsSaid(t *testing.T) {
	t.Parallel()
	measured, missed := measuredAt(.91, .1, .06).reached()
	if len(measured) != 15 || len(missed) != 2 {
		t.Errorf("%d measured, %d missed", len(measured), len(missed))
	}
	message := missedGoals(missed).Error()
	for _, want := range []string{"300 requests/s, open loop: added p50 / p99, ms (wanted: ≤ 0.45 / 1.50)", "streams of 50 events, 16 connections, of nginx's requests/s (wanted: ≥ 0.92)"} {
		if !strings.Contains(message, want) {
			t.Errorf("no %q in %s", want, message)
		}
	}
	if measured, missed := (results{}).reached(); len(measured)+len(missed) > 0 {
		t.Errorf("goals without results: %d, %d", len(measured), len(missed))
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, after []int
		want          bool
	}{
		{[]int{10, 10}, []int{20, 10}, true},
		{[]int{10, 10}, []int{20, 11}, false},
	} {
		if got := givenBack(standing{memory: test.before}, standing{memory: test.after}); got != test.want {
			t.Errorf("%v to %v: %t", test.before, test.after, got)
		}
	}
}

func TestWhoIsAskedForWhat(t *testing.T) {
	t.Parallel()
	everything, some := &system{}, &system{only: keyWorkloads}
	for _, w := range workloads {
		if !everything.takes(w) || some.takes(w) != slices.Contains(keyWorkloads, w) {
			t.Errorf("%s: %t, %t", w, everything.takes(w), some.takes(w))
		}
	}
}

func TestReportHasEveryFigure(t *testing.T) {
	t.Parallel()
	parts := []*process{{name: "gateway"}, {name: "tokenstore"}, {name: "redis"}}
	b := &bench{commit: "abcdef", systems: []*system{{name: direct}, {name: carousel, parts: parts}, {name: clientKey, parts: parts, shared: true}}}
	p := plan{rounds: 3, workloads: []workload{atLoad, streamed, people, slowStreams}}
	report := string(b.render(occasion{command: "bench", plan: p}, measuredAt(.5, .125, .4)))
	for _, want := range []string{
		"10 of 15 are met",
		"| not streamed, 16 connections, of nginx's requests/s | 1.00 | 0.50 |  | 0.50 | ≥ 0.60 | **missed** |",
		"| memory at rest, MiB: gateway + tokenstore + Redis | 21 |  |  | 25 + 20 + 12 | ≤ 25 + 20 + 12 | met |",
		"| Carousel | 50 | 5 to 1000 | 1.00 (1.00 to 1.00) | 0.50", "0.400 | 6 | 0.125 |", "| 0.200 | 0.100 | 0.100 | 1 | 2 | 3 |",
		"## Beside abcdef", "| Not streamed, 16 connections | 2.00 (2.00 to 2.00) | 0.50 (0.50 to 0.50) | 2.00 (2.00 to 2.00) |",
		"| Not streamed, 16 connections | with a cap | 25 | 0.50 (0.50 to 0.50) | 4.00 | 8.00 | 0.200 | 0.50 (0.50 to 0.50) |",
		"client key without limits | 25 | 0.50 (0.50 to 0.50) |", "| Carousel | tokenstore | 20.0 | 20.0 |", "| Carousel | all | 57.0 | 57.0 |",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	columns := 0
	for line := range strings.Lines(report) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(line, "|"); columns != 0 && n != columns {
			t.Errorf("%d instead of %d columns in %s", n, columns, line)
		} else {
			columns = n
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := parse([]string{"-workloads", "stream-64,plain-1", "-systems", "direct"}, io.Discard)
	if err != nil || len(s.plan.workloads) != 2 || s.plan.workloads[0].String() != "plain-1" || len(s.systems) != 1 || s.out != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parse(nil, io.Discard); err != nil || s.out == "" || !s.judge || s.plan.rounds < 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parse([]string{"-quick"}, io.Discard); err != nil || s.out != "" || s.judge {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range [][]string{{"extra"}, {"-rounds", "0"}, {"-workloads", "plain-2"}, {"-systems", "apache"}, {"-nonsense"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestUsageOfAProcessAndItsChildren(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read line")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	pid := command.Process.Pid
	child, err := cpuTime(pid)
	if err != nil || child < tick {
		t.Errorf("the child used %s, %v", child, err)
	}
	if all, err := cpuTime(os.Getpid()); err != nil || all < child {
		t.Errorf("all used %s, %v", all, err)
	}
	if memory, err := resident(pid); err != nil || memory < 64<<10 {
		t.Errorf("the child holds %d bytes, %v", memory, err)
	}
	if busy, all, err := machineTime(); err != nil || busy < child || all < busy {
		t.Errorf("the machine was busy for %s of %s, %v", busy, all, err)
	}
	_ = input.Close()
	_ = command.Wait()
	if _, err := cpuTime(pid); !gone(err) {
		t.Errorf("an ended process: %v", err)
	}
}

// What is measured is what people run.
func TestProgramsAreBuiltAsTheirImagesAre(t *testing.T) {
	t.Parallel()
	for path, line := range map[string]string{
		"../../Makefile":           "\nTAGS := " + tags + "\n",
		"../docker/Dockerfile":     "-tags " + tags + " ",
		"../docker/base-images.sh": "-tags " + tags + " ",
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), line) {
			t.Errorf("%s has no %q", path, line)
		}
	}
}
