package main

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

func TestLoadAgainstAServer(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		w := workload{stream: stream, connections: 2}
		addr := startSimulator(t)
		load, err := newLoad(t.Context(), w, addr, simKey)
		if err != nil {
			t.Fatal(err)
		}
		defer load.close()
		took := load.run(t.Context(), 100*time.Millisecond)
		for window := time.Second; len(took.errors) == 0 && took.inWindow == 0 && window < time.Minute; window *= 4 { // a machine may be slow
			took = load.run(t.Context(), window)
		}
		if len(took.errors) > 0 || len(took.totals) < 2 || took.inWindow > len(took.totals) || took.rate() <= 0 {
			t.Errorf("%s: %d answers, %d in time, errors %v", w, len(took.totals), took.inWindow, took.errors)
		}
		if quantile(took.firstBytes, .5) > quantile(took.totals, 1) {
			t.Errorf("%s: the first bytes came after the last ones", w)
		}
	}
}

func TestLoadSeesWrongAnswers(t *testing.T) {
	t.Parallel()
	load, err := newLoad(t.Context(), workload{connections: 1}, startSimulator(t), simKey)
	if err != nil {
		t.Fatal(err)
	}
	defer load.close()
	load.length++
	if took := load.run(t.Context(), time.Second); len(took.errors) != 1 {
		t.Errorf("errors %v", took.errors)
	}
}

func TestAnOpenLoopStartsEveryRequest(t *testing.T) {
	t.Parallel()
	w := workload{rate: 200, connections: 1}
	load, err := newLoad(t.Context(), w, startSimulator(t, upstreamsim.Rule{Delay: 50 * time.Millisecond}), simKey)
	if err != nil {
		t.Fatal(err)
	}
	defer load.close()
	took := load.run(t.Context(), 100*time.Millisecond)
	if len(took.errors) > 0 || took.answers != 20 || len(took.totals) != 20 {
		t.Errorf("%d answers, %d in time, errors %v", took.answers, took.inWindow, took.errors)
	}
	if len(load.connections) < 2 {
		t.Error("a request waited for another one's answer")
	}
	for _, c := range load.connections {
		if !c.known {
			t.Error("an answer was not looked at")
		}
	}
}

func TestAnOpenLoopIsMeasuredAfterItsLead(t *testing.T) {
	t.Parallel()
	load, err := newLoad(t.Context(), slowStreams, startSimulator(t), simKey)
	if err != nil {
		t.Fatal(err)
	}
	defer load.close()
	took := load.run(t.Context(), 100*time.Millisecond)
	if len(took.errors) > 0 || len(took.totals) != 25 || took.answers != 25+slowStreams.atOnce() {
		t.Errorf("%d of %d answers count, errors %v", len(took.totals), took.answers, took.errors)
	}
}

func TestAnOpenLoopEndsAtAWrongAnswer(t *testing.T) {
	t.Parallel()
	load, err := newLoad(t.Context(), people, startSimulator(t), simKey)
	if err != nil {
		t.Fatal(err)
	}
	defer load.close()
	load.length++
	if took := load.run(t.Context(), time.Minute); len(took.errors) == 0 || took.answers > 0 {
		t.Errorf("%d answers, errors %v", took.answers, took.errors)
	}
}

func TestAWrongAnswerIsWorseThanALateOne(t *testing.T) {
	t.Parallel()
	wrong, late := errors.New("wrong"), fmt.Errorf("late: %w", os.ErrDeadlineExceeded)
	refused := fmt.Errorf("refused: %w", errTooSlow)
	for _, test := range []struct {
		errors  []error
		worst   error
		tooSlow bool
	}{
		{nil, nil, false},
		{[]error{late, refused}, late, true},
		{[]error{refused}, refused, true},
		{[]error{late, wrong, refused}, wrong, false},
	} {
		got := (&timings{errors: test.errors}).problem()
		if !errors.Is(got, test.worst) || tooSlow(got) != test.tooSlow {
			t.Errorf("%v: %v, too slow %t", test.errors, got, tooSlow(got))
		}
	}
}
