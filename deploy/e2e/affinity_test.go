package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// talk is a conversation with any gateway of a stack: its history grows with each turn.
type talk struct {
	s       *stack.Stack
	tokens  []stack.Token
	history []openai.ChatCompletionMessageParamUnion
	turns   int
}

func newTalk(s *stack.Stack, tokens []stack.Token) *talk {
	return &talk{s: s, tokens: tokens, history: []openai.ChatCompletionMessageParamUnion{
		openai.SystemMessage("You mend tests."), openai.UserMessage("Begin."), openai.AssistantMessage("I have begun."),
	}}
}

// turn asks the next gateway, and returns the number of the token that has answered.
func (c *talk) turn(t *testing.T) int {
	t.Helper()
	c.history = append(c.history, openai.UserMessage(fmt.Sprint("Go on: ", c.turns)))
	before := served(c.s, c.tokens)
	sdk := c.s.Gateways[c.turns%len(c.s.Gateways)].SDK()
	answer, err := sdk.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: "gpt-test", Messages: c.history})
	if err != nil {
		t.Fatal(err)
	}
	c.turns++
	c.history = append(c.history, openai.AssistantMessage(answer.Choices[0].Message.Content))
	return last(before, served(c.s, c.tokens))
}

// messagesTurn is a turn, the n-th, of an agent that speaks Messages as Claude Code does: the
// first line of its instructions is another one each time, and its history grows.
func messagesTurn(t *testing.T, s *stack.Stack, tokens []stack.Token, n int) int {
	t.Helper()
	history := []string{`{"role":"user","content":"Begin."}`}
	for i := range n {
		history = append(history,
			fmt.Sprintf(`{"role":"assistant","content":[{"type":"tool_use","id":"toolu_%d","name":"read","input":{}}]}`, i),
			fmt.Sprintf(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":"line %d"}]}`, i, i))
	}
	body := fmt.Sprintf(`{"model":"gpt-test","max_tokens":100,"messages":[%s],"tools":[{"name":"read","input_schema":{"type":"object"}}],
		"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.34; cch=%05d;"},{"type":"text","text":"You mend tests."}]}`,
		strings.Join(history, ","), n)
	before := served(s, tokens)
	got := send(t, s.Gateways[n%len(s.Gateways)], http.MethodPost, "/v1/messages", stack.AdminToken, body, nil)
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	return last(before, served(s, tokens))
}

// last is which token has served since; -1: none has.
func last(before, now []int64) int {
	for i := range now {
		if now[i] > before[i] {
			return i
		}
	}
	return -1
}

// served is how many requests each token has served.
func served(s *stack.Stack, tokens []stack.Token) []int64 {
	counts, ledger := make([]int64, len(tokens)), s.Sim.Ledger()
	for i, token := range tokens {
		counts[i] = ledger.Tokens[upstreamsim.Fingerprint(token.Secret)].Requests
	}
	return counts
}

// A conversation stays on one of five tokens, over three gateways, while single questions
// between its turns make up for it: all tokens have the same in the end. Where its token
// cools it goes on with another one; where the setting says so, with any.
func TestAConversationStaysOnOneToken(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 3})
	tokens := s.AddTokens("openai", "o", 5, 0)
	if failed := chats(t, s.Gateways, "gpt-test", 40, 4); failed > 0 { // none is new any more
		t.Fatalf("%d requests failed", failed)
	}
	before := served(s, tokens)
	conversation := newTalk(s, tokens)
	mine := conversation.turn(t)
	chats(t, s.Gateways, "gpt-test", 4, 1)
	for range 9 {
		if got := conversation.turn(t); got != mine {
			t.Errorf("turn %d: token %d, it was token %d", conversation.turns, got, mine)
		}
		chats(t, s.Gateways, "gpt-test", 4, 1)
	}
	counts := served(s, tokens)
	for i := range counts {
		counts[i] -= before[i]
	}
	if slices.Max(counts)-slices.Min(counts) > 2 {
		t.Errorf("requests by token: %v", counts)
	}

	agent := messagesTurn(t, s, tokens, 0)
	for n := range 5 {
		if got := messagesTurn(t, s, tokens, n+1); got != agent {
			t.Errorf("turn %d of an agent: token %d, it was token %d", n+1, got, agent)
		}
	}

	if err := s.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(tokens[mine].Secret), Scenario: "http-429", RetryAfter: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	conversation.turn(t) // which another token answers in the end
	next := conversation.turn(t)
	for range 3 {
		if got := conversation.turn(t); got != next || got == mine {
			t.Errorf("token %d cools: served by %d, then by %d", mine, next, got)
		}
	}

	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"affinity": "off"})
	s.Eventually("conversations go round", 5*time.Second, func() bool {
		used := map[int]bool{}
		for range 8 {
			used[conversation.turn(t)] = true
		}
		return len(used) == 4
	})
	s.Gateways[0].MustAdmin(t, http.StatusBadRequest, http.MethodPatch, "/admin/api/settings", map[string]any{"affinity": "always"})
}
