package upstreamsim

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
)

// judged are the rules that a stream breaks, each once.
func judged(judge grammar.Judge, body []byte, options grammar.Options) []grammar.Rule {
	stream := judge.Stream(options)
	_, _ = stream.Write(body) // it never fails
	var broken []grammar.Rule
	for _, violation := range stream.End() {
		if !slices.Contains(broken, violation.Rule) {
			broken = append(broken, violation.Rule)
		}
	}
	return broken
}

// What the upstream says is right by the API is so by the grammar, and each defect is the one
// that its name says.
func TestOpenAIDefectsAreWhatTheySay(t *testing.T) {
	t.Parallel()
	type rules = []grammar.Rule
	for name, want := range map[string]rules{
		"echo": nil, "tool-call": nil, "one-call": nil, "reasoning": nil, "reasoning-call": nil, "refusal": nil, "content-filter": nil,
		"finish-length": nil, "describe": nil, "cached": nil, "count-3": nil, "unicode": nil, "call-cut": nil, "text-reasoning-text": nil,
		"text-call-text-call": nil, "reasoning-text-call": nil, "call-then-text": nil, "calls-mixed": nil, "calls-together": nil, "call-whole": nil,
		"call-empty-arguments": nil, "call-huge": nil, "first-chunk-content": nil,

		"cached-over-prompt":      {grammar.UsageDetails},
		"call-no-id":              {grammar.CallID},
		"call-id-empty-later":     {grammar.CallLaterPiece},
		"call-id-repeated":        {grammar.CallLaterPiece},
		"call-name-repeated":      {grammar.CallLaterPiece},
		"call-no-index":           {grammar.CallIndex, grammar.CallID, grammar.CallFirstPiece, grammar.CallJSON},
		"call-index-zero":         {grammar.CallLaterPiece, grammar.CallJSON},
		"call-name-split":         {grammar.CallArguments, grammar.CallLaterPiece},
		"call-no-type":            {grammar.CallFirstPiece},
		"call-arguments-object":   {grammar.CallArguments},
		"call-no-arguments":       {grammar.CallArguments},
		"call-finish-stop":        {grammar.CallsFinish},
		"call-finish-empty":       {grammar.FinishValue},
		"call-no-finish":          {grammar.FinishMissing},
		"one-chunk":               nil,
		"finish-tool-calls":       {grammar.FinishWithout},
		"finish-error":            {grammar.FinishValue},
		"finish-vendor-code":      {grammar.FinishValue},
		"finish-empty":            {grammar.FinishValue},
		"no-finish":               {grammar.FinishMissing},
		"finish-with-content":     {grammar.FinishAlone},
		"no-role":                 {grammar.RoleFirst},
		"empty-pieces":            {grammar.EmptyContent},
		"empty-calls":             {grammar.EmptyCalls},
		"time-drifts":             {grammar.SameIdentity, grammar.RoleOnce},
		"empty-choices-first":     {grammar.EmptyChoices},
		"usage-chunk-with-choice": {grammar.UsagePlace},
		"usage-everywhere":        {grammar.UsagePlace},
		"error-first":             nil,
		"error-after-text":        nil,
		"error-beside-choices":    {grammar.ErrorAlone},
		"after-done":              {grammar.AfterEnd},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			body := `{"stream":true,"stream_options":{"include_usage":true},` + twoTools + `,` + talkingTo("sim-"+name, `{"role":"user","content":"`+hello+`"}`)[1:]
			r := rawChat(t, sim, body)
			if got := judged(grammar.Chat, r.all(), grammar.Options{Usage: true, Except: []grammar.Rule{grammar.AfterFinish}}); !slices.Equal(got, want) {
				t.Errorf("%q, want %q:\n%.2000s", got, want, r.all())
			}
			if want == nil && !strings.HasPrefix(name, "error-") {
				for _, violation := range grammar.Chat.Answer(rawChat(t, sim, strings.Replace(body, `"stream":true,"stream_options":{"include_usage":true},`, "", 1)).all(), grammar.Options{}) {
					t.Error(violation)
				}
			}
			noViolations(t, sim)
		})
	}
}

// A defect changes the form and not what is said.
func TestOpenAIDefectsSayTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"finish-tool-calls", "finish-error", "finish-vendor-code", "finish-empty", "no-finish", "finish-with-content", "no-role", "first-chunk-content",
		"empty-pieces", "empty-calls", "time-drifts", "empty-choices-first", "usage-chunk-with-choice", "usage-everywhere", "text-reasoning-text",
		"stream-always", "error-beside-choices",
	} {
		got := decodeEvents(t, string(record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-"+name, hello, true))).all()))
		if got.content != hello || len(got.garbage) > 0 {
			t.Errorf("%s: %q, %q", name, got.content, got.garbage)
		}
		if name == "stream-always" || name == "error-beside-choices" {
			continue
		}
		object := decodeObject(t, record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-"+name, hello, false))).all())
		if object.Choices[0].Message.Content != hello {
			t.Errorf("%s: %+v", name, object)
		}
	}
	for name, want := range map[string][]string{
		"call-name-split": {looked, now}, "calls-mixed": {looked, now}, "calls-together": {looked, now}, "call-whole": {looked, now},
		"call-finish-stop": {looked, now}, "call-empty-arguments": {"look", "now"}, "call-no-arguments": {"look", "now"}, "call-cut": {`look{"at":"x","deep"`},
	} {
		body := `{"stream":true,` + twoTools + `,` + talkingTo("sim-"+name, userSays)[1:]
		got := decodeEvents(t, string(rawChat(t, New(Options{}), body).all()))
		if !slices.Equal(got.calls(), want) {
			t.Errorf("%s: %q, want %q", name, got.calls(), want)
		}
	}
}

func TestOpenAIAnswersInTheOtherForm(t *testing.T) {
	t.Parallel()
	r := record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-object-always", hello, true)))
	if r.header.Get("Content-Type") != jsonType || decodeObject(t, r.all()).Choices[0].Message.Content != hello {
		t.Errorf("%v %s", r.header, r.all())
	}
	r = record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-stream-always", hello, false)))
	if got := decodeEvents(t, string(r.all())); !strings.HasPrefix(r.header.Get("Content-Type"), "text/event-stream") || got.content != hello || !got.done {
		t.Errorf("%v %s", r.header, r.all())
	}
}

// Each server refuses in its own words what is too long.
func TestOpenAIContextOverflows(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"error-context-length":           `"code":"context_length_exceeded"`,
		"error-context-length-vllm":      `{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 8203 tokens (8203 in`,
		"error-context-length-vllm-flat": `{"object":"error","message":"This model's maximum context length is 8192 tokens.`,
		"error-context-length-llamacpp":  `"type":"exceed_context_size_error","n_prompt_tokens":8203,"n_ctx":8192}}`,
		"error-context-length-words":     `"Input is too long: the prompt has 8203 tokens and the model takes 8192."`,
	} {
		r := rawChat(t, New(Options{}), withModel("sim-"+name, ""))
		if r.status != http.StatusBadRequest || !strings.Contains(string(r.all()), says) {
			t.Errorf("%s: %d %s", name, r.status, r.all())
		}
	}
}
