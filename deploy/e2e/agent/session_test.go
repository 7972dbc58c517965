package agent_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// A session as Cline and Crush have it, streamed over Chat: the model thinks and calls, is told
// what came of it, answers, and is asked the next thing. Each request is a run that is given the
// whole conversation so far, as it was.
func TestASessionOfQuestionsAndCalls(t *testing.T) {
	s, _ := start(t, stack.Options{}, 3)
	const model = "composer-2.5-sim-reasoning-call"
	a := newChatAgent(t, s.Gateways[0], "cursor/"+model, "Question 0?")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	want := []string{"system " + instructions}
	for n := range 3 {
		question := fmt.Sprintf("Question %d?", n)
		if n > 0 {
			a.say(question)
		}
		text, calls, err := a.ask(ctx)
		if err != nil || text != "" || len(calls) != 2 {
			t.Fatalf("%v, %q, %v", err, text, calls)
		}
		want = append(want, "user "+question, "assistant  2 calls")
		var results []string
		for i, made := range calls {
			if made.arguments != encoded(t, map[string]string{"at": question}) {
				t.Errorf("called with %s", made.arguments)
			}
			result := fmt.Sprintf("Result %d of %d: 世界.", i, n)
			results = append(results, result)
			a.told(made.id, result)
			want = append(want, "tool "+result)
		}
		text, calls, err = a.ask(ctx)
		if answer := strings.Join(results, "\n"); err != nil || text != answer || len(calls) != 0 {
			t.Fatalf("%v, %q, %v", err, text, calls)
		}
		runs := runsOf(s.Sim, model)
		if len(runs) != 2*(n+1) {
			t.Fatalf("%d runs", len(runs))
		}
		var told []string
		last := runs[len(runs)-1]
		for _, message := range last.History {
			line := message.Role + " " + message.Text
			if len(message.Calls) > 0 {
				line += fmt.Sprintf(" %d calls", len(message.Calls))
			}
			for _, result := range message.Results {
				line += result.Text
			}
			told = append(told, line)
		}
		if !last.Resumed || strings.Join(told, "\n") != strings.Join(want, "\n") {
			t.Errorf("question %d: the run is told\n%s\nwant\n%s", n, strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
		want = append(want, "assistant "+text)
	}
}
