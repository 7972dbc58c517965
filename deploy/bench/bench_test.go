package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

func startSimulator(t *testing.T) string {
	t.Helper()
	sim := upstreamsim.New(upstreamsim.Options{})
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

// measuredAt answers results of three rounds in which Carousel has that share of
// ReverseProxy's rate, whatever the machine did.
func measuredAt(share, roundTrips float64) results {
	r := results{}
	for _, w := range []workload{{connections: 16}, {stream: true, connections: 16}} {
		for _, machine := range []float64{100, 2000, 10} {
			for name, rate := range map[string]float64{direct: 4, nginx: 2, reverseProxy: 1, carousel: share} {
				c := cell{rate: rate * machine, p50: time.Duration(float64(time.Second) / rate)}
				if name == carousel {
					c.roundTrips, c.cpu, c.memory = roundTrips, []float64{.1, .2, .3}, []int{1 << 20, 2 << 20, 3 << 20}
				}
				r[key{w, name}] = append(r[key{w, name}], c)
			}
		}
	}
	return r
}

func TestFloor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		share, roundTrips float64
		want              []bool // plain rate, plain trips, stream rate, stream trips
	}{
		{1, .1, []bool{true, true, true, true}},
		{.85, .1, []bool{true, true, false, true}},
		{.7, .2, []bool{false, false, false, false}},
	} {
		var got []bool
		for _, d := range measuredAt(test.share, test.roundTrips).floor() {
			got = append(got, d.met)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%g, %g: %v, want %v", test.share, test.roundTrips, got, test.want)
		}
	}
	if demands := (results{}).floor(); len(demands) > 0 {
		t.Errorf("demands without results: %v", demands)
	}
}

func TestReportHasEveryFigure(t *testing.T) {
	t.Parallel()
	b := &bench{systems: []*system{{name: direct}, {name: carousel, parts: []*process{{name: "gateway"}, {name: "tokenstore"}, {name: "redis"}}}}}
	p := plan{rounds: 3, workloads: []workload{{connections: 16}, {stream: true, connections: 16}}}
	report := string(b.render(occasion{command: "bench", plan: p}, measuredAt(.5, .125)))
	for _, want := range []string{"| Carousel | 50 | 5 to 1000 | 0.50 (0.50 to 0.50) | 0.25", "0.600 | 6 | 0.125 |", "**missed**", "| 0.100 | 0.200 | 0.300 | 1 | 2 | 3 |"} {
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
	if s, err := parse(nil, io.Discard); err != nil || s.out == "" || !s.floor || s.plan.rounds < 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parse([]string{"-quick"}, io.Discard); err != nil || s.out != "" || s.floor {
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
