package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	openaioption "github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

const rounds = 10

// Agents go on through ten rounds of parallel calls while a gateway is killed: each request may
// reach another gateway, and one that fails is asked again. The upstream sees every result
// exactly once in each history, also where that is told in words.
func TestAgentsOutliveAGateway(t *testing.T) {
	s, _ := start(t, stack.Options{Gateways: 3}, 6)
	front := stack.Balance(t, s.Gateways...)
	var loops []*loop
	client := &http.Client{Transport: stack.Judged(t, behind{http.DefaultTransport})}
	for i := range 6 {
		// Answers are not judged: what a killed gateway leaves of them is none.
		// Those of Composer are told of calls as such, others in words.
		model := fmt.Sprintf("%s-no%d-sim-agent-loop-%d", []string{"composer-2.5", "claude-sonnet-5"}[i%2], i, rounds)
		l := &loop{T: t, model: model}
		if i < 4 {
			l.agent = newChatAgent(t, front, "cursor/"+model, "Go on until it is done.", openaioption.WithHTTPClient(client))
		} else {
			l.agent = newMessagesAgent(t, front, "cursor/"+model, "Go on until it is done.", anthropicoption.WithHTTPClient(client))
		}
		loops = append(loops, l)
	}
	third := make(chan struct{})
	loops[0].reached = func(round int) {
		if round == 3 {
			close(third)
		}
	}
	var playing sync.WaitGroup
	for _, l := range loops {
		playing.Go(l.play)
	}
	select {
	case <-third:
	case <-time.After(2 * time.Minute):
		t.Fatal("the third round is not reached")
	}
	s.Gateways[1].Kill()
	playing.Wait()
	failed := int64(0)
	for _, l := range loops {
		l.look(s.Sim)
		failed += l.failed.Load()
	}
	t.Logf("%d requests were asked again", failed)
	noRunIsOpen(t, s.Sim)
}

// behind takes what the balancer answers by itself for the broken connection that it is about:
// a gateway has died under the request. Its words are of no client's API.
type behind struct{ http.RoundTripper }

func (b behind) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusBadGateway && response.Header.Get("X-Request-Id") == "" {
		_ = response.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return response, err
}

// loop is an agent that calls what it is told to, until there is nothing to call.
type loop struct {
	*testing.T
	agent agent
	model string
	// reached is told each round, counted from 0; nil: nobody is.
	reached func(round int)
	results []string
	failed  atomic.Int64
}

func (l *loop) play() {
	ctx, cancel := context.WithTimeout(l.Context(), 40*time.Second)
	defer cancel()
	for round := range rounds + 1 {
		if l.reached != nil {
			l.reached(round)
		}
		text, calls, err := l.insist(ctx)
		if err != nil {
			l.Errorf("%s: round %d: %v", l.model, round, err)
			return
		}
		if len(calls) == 0 {
			if round != rounds {
				l.Errorf("%s: after %d rounds: %q", l.model, round, text)
			}
			if want := upstreamsim.AgentLoopText(l.results); l.structured() && text != want {
				l.Errorf("%s: the answer is %q, want %q", l.model, text, want)
			}
			return
		}
		for i, made := range calls {
			var arguments struct{ At string }
			if want := fmt.Sprintf("loop-%d-%d", round, i); json.Unmarshal([]byte(made.arguments), &arguments) != nil || arguments.At != want {
				l.Errorf("%s: round %d calls with %s", l.model, round, made.arguments)
			}
			result := "came of " + arguments.At + "."
			l.results = append(l.results, result)
			l.agent.told(made.id, result)
		}
	}
	l.Errorf("%s: it does not end", l.model)
}

// insist asks again what has failed, as agents do.
func (l *loop) insist(ctx context.Context) (text string, calls []call, err error) {
	for range 5 {
		if text, calls, err = l.agent.ask(ctx); err == nil {
			return text, calls, nil
		}
		l.failed.Add(1)
	}
	return "", nil, err
}

// structured tells whether the upstream is told of calls as such.
func (l *loop) structured() bool { return strings.HasPrefix(l.model, "composer") }

// look sees to it that every history has all results so far, each once.
func (l *loop) look(sim *upstreamsim.Simulator) {
	l.Helper()
	runs := runsOf(sim, l.model)
	if len(runs) < rounds+1 || len(l.results) != 2*rounds {
		l.Errorf("%s: %d runs, %d results", l.model, len(runs), len(l.results))
		return
	}
	longest := 0
	for _, run := range runs {
		told := l.toldIn(run)
		longest = max(longest, len(told))
		if len(told)%2 != 0 || !slices.Equal(told, l.results[:len(told)]) {
			l.Errorf("%s: run %d is told %q", l.model, run.Number, told)
		}
	}
	if longest != 2*rounds {
		l.Errorf("%s: the longest history has %d results", l.model, longest)
	}
}

// toldIn are the results that a run's history has, in order.
func (l *loop) toldIn(run upstreamsim.AgentRun) (told []string) {
	var words strings.Builder
	for _, message := range run.History {
		words.WriteString(message.Text + "\n")
		for _, result := range message.Results {
			told = append(told, result.Text)
		}
	}
	if l.structured() {
		return told
	}
	if len(told) > 0 {
		l.Errorf("%s: run %d is told %q as such", l.model, run.Number, told)
	}
	words.WriteString(run.Text)
	for line := range strings.Lines(words.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "came of ") {
			told = append(told, line)
		}
	}
	return told
}
