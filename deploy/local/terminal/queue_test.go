package terminal

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// paused is an output that takes nothing until it is let go on.
type paused struct {
	goOn  chan struct{}
	shown strings.Builder
}

func (p *paused) Write(text []byte) (int, error) {
	<-p.goOn
	return p.shown.Write(text)
}

// A terminal that is paused holds nobody up. Of what it has missed it shows as much as was kept,
// in order, and how much that was not.
func TestAPausedTerminalHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &paused{goOn: make(chan struct{})}
		q := newQueue(output)
		q.put("first")
		synctest.Wait() // it is being written
		for i := range mostQueued + 7 {
			q.put(fmt.Sprint("line ", i))
		}
		close(output.goOn)
		synctest.Wait()
		q.put("last")
		q.close()
		lines := strings.Split(output.shown.String(), "\n")
		for at, want := range map[int]string{
			0: "first", 1: "line 0", mostQueued: fmt.Sprint("line ", mostQueued-1),
			mostQueued + 1: "(7 lines are left out: the terminal was too slow for them)", mostQueued + 2: "last", mostQueued + 3: "",
		} {
			if lines[at] != want {
				t.Errorf("line %d is %q, want %q", at, lines[at], want)
			}
		}
	})
}

func TestAPausedTerminalDelaysNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &paused{goOn: make(chan struct{})}
		q := newQueue(output)
		q.put("a line")
		began := time.Now()
		q.close()
		if took := time.Since(began); took != closePatience {
			t.Errorf("it took %s", took)
		}
		q.put("too late")
		close(output.goOn)
	})
}
