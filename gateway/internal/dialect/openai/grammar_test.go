package openai

import (
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// ofAnUpstream: what some tests pass on is no answer of any API, and comes out as it went
// in. So only what is composed has a grammar.
func ofAnUpstream(ev chat.Event) bool { return ev.Raw.Dialect == Dialect }

// judgeStream judges the payloads that the events became; what has a finish, as a whole.
func judgeStream(t *testing.T, req *chat.Request, options dialect.Options, events []chat.Event, payloads []string) {
	t.Helper()
	if slices.ContainsFunc(events, ofAnUpstream) {
		return
	}
	end := grammar.Aborted
	finished := slices.ContainsFunc(events, func(ev chat.Event) bool { return ev.Finish != chat.Unfinished })
	if finished && !slices.Contains(payloads, string(done)) {
		payloads = append(slices.Clone(payloads), string(done))
		end = grammar.Complete
	}
	stream := grammar.Chat.Stream(grammar.Options{End: end, Usage: req.IncludeUsage, NoFinish: options.OmitFinish})
	for _, payload := range payloads {
		_, _ = stream.Write([]byte("data: " + payload + "\n\n"))
	}
	for _, violation := range stream.End() {
		t.Errorf("grammar: %s in\n%s", violation, strings.Join(payloads, "\n"))
	}
}

// judgeWhole judges the whole answer that the events became. Counts and a finish are there
// if events had them.
func judgeWhole(t *testing.T, events []chat.Event, answer string) {
	t.Helper()
	if slices.ContainsFunc(events, ofAnUpstream) {
		return
	}
	var except []grammar.Rule
	if !slices.ContainsFunc(events, func(ev chat.Event) bool { return ev.Usage != nil }) {
		except = append(except, grammar.UsageMissing)
	}
	if !slices.ContainsFunc(events, func(ev chat.Event) bool { return ev.Finish != chat.Unfinished }) {
		except = append(except, grammar.FinishValue)
	}
	for _, violation := range grammar.Chat.Answer([]byte(answer), grammar.Options{Except: except}) {
		t.Errorf("grammar: %s in %s", violation, answer)
	}
}

// judgeError judges an error's body.
func judgeError(t *testing.T, answer dialect.Error) {
	t.Helper()
	for _, violation := range grammar.Chat.Error(answer.Status, answer.JSON, grammar.Options{}) {
		t.Errorf("grammar: %s in %s", violation, answer.JSON)
	}
}
