package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// keptRounds are those of calls, two at a time, before the last answer.
const keptRounds = 10

// agentTalk is an agent's conversation with any gateway of a stack.
type agentTalk struct {
	*testing.T
	model   string
	params  openai.ChatCompletionNewParams
	results []string
}

// keptStack is a stack whose agent runs are kept, with a token of the cap; 0: it has none.
func keptStack(t *testing.T, options stack.Options, limit int) *stack.Stack {
	t.Helper()
	s := stack.Start(t, options)
	s.PutUpstream("cursor", map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": map[string]string{
		"protocol": "agent", "site_url": s.SimURL, "keep_runs": "2m",
	}})
	t.Cleanup(func() {
		openRuns(t, s, 0, 10*time.Second)
		noComplaints(t, s)
	})
	s.AddTokens("cursor", "c", 1, limit)
	return s
}

// openRuns waits until no more runs are open.
func openRuns(t *testing.T, s *stack.Stack, most int64, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit+stack.Slack)
	defer cancel()
	if _, err := s.Sim.Await(ctx, func(upstreamsim.Ledger) bool { return s.Sim.AgentRuns().Open <= most }); err != nil {
		t.Errorf("%d runs are open", s.Sim.AgentRuns().Open)
	}
}

func newAgentTalk(t *testing.T, model string) *agentTalk {
	talk := &agentTalk{T: t, model: model, params: openai.ChatCompletionNewParams{
		Model:    "cursor/" + model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("You mend tests."), openai.UserMessage("Go on until it is done.")},
	}}
	for _, name := range []string{"look", "hear"} {
		talk.params.Tools = append(talk.params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name, Parameters: map[string]any{"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}}},
		}))
	}
	return talk
}

// turn asks a gateway and runs what it wants called; done: it has said its last word.
func (a *agentTalk) turn(gateway *stack.Gateway) (done bool) {
	a.Helper()
	sdk := gateway.SDK()
	got, err := sdk.Chat.Completions.New(a.Context(), a.params)
	if err != nil {
		a.Fatalf("%s: round %d: %v", a.model, len(a.results)/2, err)
	}
	message := got.Choices[0].Message
	a.params.Messages = append(a.params.Messages, message.ToParam())
	for _, call := range message.ToolCalls {
		result := fmt.Sprintf("Result %d.", len(a.results))
		a.results = append(a.results, result)
		a.params.Messages = append(a.params.Messages, openai.ToolMessage(result, call.ID))
	}
	if len(message.ToolCalls) > 0 {
		return false
	}
	if want := upstreamsim.AgentLoopText(a.results); message.Content != want || len(a.results) != 2*keptRounds {
		a.Errorf("%s: %q, want %q", a.model, message.Content, want)
	}
	return true
}

func (a *agentTalk) runs(s *stack.Stack) (runs []upstreamsim.AgentRun) {
	for _, run := range s.Sim.AgentRuns().Runs {
		if run.Model == a.model {
			runs = append(runs, run)
		}
	}
	return runs
}

func loopModel(name string) string {
	return fmt.Sprintf("composer-2.5-%s-sim-agent-loop-%d", name, keptRounds)
}

// Ten rounds of calls on one gateway are one run, that of a token which may have no more. Who
// goes on need not wait for another place; who is new waits until the run has ended.
func TestAKeptRunServesAllRounds(t *testing.T) {
	t.Parallel()
	s := keptStack(t, stack.Options{}, 1)
	talk, other := newAgentTalk(t, loopModel("one")), newAgentTalk(t, loopModel("two"))
	if talk.turn(s.Gateways[0]) {
		t.Fatal("there is no round")
	}
	waits := make(chan struct{})
	go func() {
		defer close(waits)
		sdk := s.Gateways[0].SDK()
		if _, err := sdk.Chat.Completions.New(t.Context(), other.params); err != nil {
			t.Error(err)
		}
	}()
	for !talk.turn(s.Gateways[0]) {
	}
	<-waits
	runs := talk.runs(s)
	if len(runs) != 1 || len(runs[0].Results) != 2*keptRounds || runs[0].End != upstreamsim.EndTurn {
		t.Fatalf("%d runs: %+v", len(runs), runs)
	}
	if second := other.runs(s); len(second) != 1 || second[0].StartedAt.Before(runs[0].EndedAt) {
		t.Error("two runs of a token that may have one")
	}
	s.Gateways[0].Stop() // gives up what it keeps
}

// A client of the Messages API, which writes the answers anew and sends results as the user,
// has the same.
func TestAKeptRunServesMessages(t *testing.T) {
	t.Parallel()
	s := keptStack(t, stack.Options{}, 0)
	sdk := anthropic.NewClient(anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithAPIKey(stack.AdminToken),
		anthropicoption.WithBaseURL(s.Gateways[0].URL), anthropicoption.WithMaxRetries(0), anthropicoption.WithHTTPClient(stack.Client(t)))
	talk := newAgentTalk(t, loopModel("five"))
	params := anthropic.MessageNewParams{
		Model: talk.params.Model, MaxTokens: 8000, System: []anthropic.TextBlockParam{{Text: "You mend tests."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Go on until it is done."))},
	}
	for _, name := range []string{"look", "hear"} {
		params.Tools = append(params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: name, InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"at": map[string]any{"type": "string"}}},
		}})
	}
	for {
		got, err := sdk.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		params.Messages = append(params.Messages, got.ToParam())
		var results []anthropic.ContentBlockParamUnion
		for _, block := range got.Content {
			if block.Type == "tool_use" {
				talk.results = append(talk.results, fmt.Sprintf("Result %d.", len(talk.results)))
				results = append(results, anthropic.NewToolResultBlock(block.ID, talk.results[len(talk.results)-1], false))
			}
		}
		if len(results) == 0 {
			break
		}
		params.Messages = append(params.Messages, anthropic.NewUserMessage(results...))
	}
	if runs := talk.runs(s); len(runs) != 1 || len(talk.results) != 2*keptRounds || len(runs[0].Results) != 2*keptRounds {
		t.Errorf("%d runs, %d results", len(runs), len(talk.results))
	}
}

// Where each round lands at another gateway each is a run of its own, and the one before is
// given up within three seconds.
func TestAKeptRunIsGivenUpForAnotherGateway(t *testing.T) {
	t.Parallel()
	s := keptStack(t, stack.Options{Gateways: 3, Tokenstores: 2}, 0)
	talk := newAgentTalk(t, loopModel("three"))
	for round := 0; !talk.turn(s.Gateways[round%3]); round++ {
		openRuns(t, s, 1, 3*time.Second)
	}
	if runs := talk.runs(s); len(runs) != keptRounds+1 {
		t.Errorf("%d runs", len(runs))
	}
	openRuns(t, s, 0, 3*time.Second)
}

// A gateway that is killed takes its run with it; the conversation goes on at another.
func TestAKeptRunDiesWithItsGateway(t *testing.T) {
	t.Parallel()
	s := keptStack(t, stack.Options{Gateways: 2}, 0)
	talk := newAgentTalk(t, loopModel("four"))
	for range 3 {
		talk.turn(s.Gateways[0])
	}
	s.Gateways[0].Kill()
	for !talk.turn(s.Gateways[1]) {
	}
	if runs := talk.runs(s); len(runs) != 2 || len(runs[0].Results) != 4 || len(runs[1].Results) != 2*keptRounds-6 {
		t.Errorf("%d runs", len(runs))
	}
}
