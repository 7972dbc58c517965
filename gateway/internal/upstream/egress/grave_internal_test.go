package egress

import (
	"errors"
	"testing"
	"time"
)

func TestADeadProxyIsTriedByOneAtATime(t *testing.T) {
	t.Parallel()
	var g grave
	const took = 10 * time.Second
	now := time.Now()
	dead := &Error{Text: "the proxy is silent"}
	step := func(what string, want error) {
		t.Helper()
		if got := g.enter(now); got != want { //nolint:errorlint // the same one
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	step("one that lives", nil)
	step("one that lives, beside another try", nil)
	g.leave(errors.New("the upstream can't be reached"), took, now)
	step("the upstream's fault", nil)
	g.leave(dead, took, now)
	step("one that has just failed", dead)
	now = now.Add(took)
	step("the first after a while", nil)
	step("the second meanwhile", dead)
	g.leave(dead, took, now)
	step("one that has failed again", dead)
	now = now.Add(took)
	step("the first after another while", nil)
	g.leave(nil, took, now)
	step("one that is back", nil)
	step("one that is back, beside another try", nil)
	g.leave(dead, time.Millisecond, now)
	step("one that refuses at once", nil)
}
