package pairs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// red is a PNG of one pixel; paper a PDF without pages.
var (
	red, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
	paper  = []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
)

const (
	hello = "Grüße, 世界! 👩‍👩‍👧 data: x\n\n[DONE]"
	// thoughts is what the simulator thinks.
	thoughts = "Thinking about it."
)

// leastLimit is the smallest output limit of Responses.
const leastLimit = 16

var twoTools = []string{"look", "hear"}

var scenes = []scene{
	{what: "text", play: func(s *stage) {
		got := s.ask("echo", question{system: "Be brief.", text: hello})
		want(s, "text", got.text, hello)
		want(s, "end", got.end, ended)
		again := s.ask("echo", question{text: "And again?"})
		want(s, "text of the second turn", again.text, "And again?")
		if again.usage.prompt <= got.usage.prompt {
			s.Errorf("the second prompt has %d tokens, the first one had %d", again.usage.prompt, got.usage.prompt)
		}
	}},
	{what: "characters of every kind, cut anywhere", play: func(s *stage) {
		want(s, "text", s.ask("unicode", question{text: "Say it."}).text, upstreamsim.UnicodeText())
		want(s, "text in single bytes", s.ask("split-bytes", question{text: hello}).text, hello)
		want(s, "text in one write", s.ask("one-write", question{text: hello}).text, hello)
	}},
	{what: "one tool", play: func(s *stage) {
		first := s.ask("one-call", question{text: "Red?", tools: twoTools})
		s.calls(first, "look")
		second := s.ask("one-call", question{tools: twoTools, results: []result{{id: first.calls[0].id, text: "It is red."}}})
		want(s, "text", second.text, "It is red.")
		want(s, "end", second.end, ended)
	}},
	{what: "parallel tools", play: func(s *stage) {
		first := s.ask("tool-call", question{text: "Red?", tools: twoTools})
		s.calls(first, "look", "hear")
		second := s.ask("tool-call", question{tools: twoTools, results: []result{
			{id: first.calls[0].id, text: "It is red."}, {id: first.calls[1].id, text: "It is quiet."},
		}})
		want(s, "text", second.text, "It is red.\nIt is quiet.")
		s.talk = nil
		s.calls(s.ask("tool-call", question{text: "Red?", tools: twoTools, oneCall: true}), "look")
	}},
	{what: "a tool that must be called", play: func(s *stage) {
		scenario := "echo"
		if s.pair.Driver == "cursor" { // nothing there forces a model
			scenario = "one-call"
		}
		s.calls(s.ask(scenario, question{text: "Red?", tools: twoTools, mustCall: "any", oneCall: true}), "look")
		s.talk = nil
		got := s.ask(scenario, question{text: "Red?", tools: twoTools, mustCall: "hear"})
		if s.pair == pairs.ChatOpenAI { // as the API says it
			want(s, "end", got.end, ended)
			got.end = withCalls
		}
		s.calls(got, "hear")
	}},
	{what: "a failed tool", play: func(s *stage) {
		first := s.ask("one-call", question{text: "Red?", tools: twoTools})
		s.calls(first, "look")
		second := s.ask("one-call", question{tools: twoTools, results: []result{{id: first.calls[0].id, text: "No light.", failed: true}}})
		told := "Error: No light." // the client's words
		switch {
		case s.pair == pairs.MessagesOpenAI:
			told = "[the tool failed] No light."
		case s.pair.Client == pairs.Messages:
			told = "(error)\nNo light."
		}
		want(s, "text", second.text, told)
	}},
	{what: "images in tool results", play: func(s *stage) {
		first := s.askOf("tool-images", "one-call", question{text: "Red?", tools: twoTools})
		s.calls(first, "look")
		q := question{tools: twoTools, results: []result{{id: first.calls[0].id, text: "Here.", image: red}}}
		s.model = ""
		told := s.describeOf("tool-images", q)
		s.media(told, red)
		want(s, "results", told.Results, 1)
	}},
	{what: "thinking", play: func(s *stage) {
		got := s.ask("reasoning", question{text: hello, effort: "high"})
		want(s, "thought", got.thought, thoughts)
		want(s, "text", got.text, hello)
		if got.usage.reasoning == 0 || got.usage.output <= got.usage.reasoning {
			s.Errorf("usage: %+v", got.usage)
		}
		if s.pair.Client != pairs.Chat && !s.pair.Native() && !strings.HasPrefix(got.seal, "carousel:") { // nobody must take it for the vendor's
			s.Errorf("seal: %q", got.seal)
		}
		if s.pair.Driver == "cursor" {
			return // the wish is a model there, of which this one has no choice
		}
		body := string(s.arrived().body)
		if s.pair.Driver == "anthropic" && (!strings.Contains(body, `"adaptive"`) || !strings.Contains(body, `"effort":"high"`)) ||
			path(s.pair) == "/v1/chat/completions" && !strings.Contains(body, `"reasoning_effort":"high"`) ||
			path(s.pair) == "/v1/responses" && !strings.Contains(body, `"effort":"high"`) {
			s.Errorf("the wish did not arrive: %s", body)
		}
	}},
	{what: "thinking across turns", play: func(s *stage) {
		first := s.askOf("deepseek-style", "reasoning-call", question{text: "Red?", tools: twoTools, effort: "high"})
		s.calls(first, "look", "hear")
		want(s, "thought", first.thought, thoughts)
		told := s.describeOf("deepseek-style", question{tools: twoTools, effort: "high", results: []result{
			{id: first.calls[0].id, text: "It is red."}, {id: first.calls[1].id, text: "It is quiet."},
		}})
		if s.cell.Outcome == pairs.Lossy {
			want(s, "thoughts that came back", len(told.Thoughts), 0)
		} else if len(told.Thoughts) != 1 || told.Thoughts[0] != thoughts {
			s.Errorf("thoughts that came back: %q", told.Thoughts)
		}
		s.ask("echo", question{text: "Thanks.", tools: twoTools, effort: "high"})
	}},
	{what: "a schema", play: func(s *stage) {
		if s.cell.Outcome == pairs.Refused {
			s.refused(question{text: "red", schema: true})
			return
		}
		got := s.ask("echo", question{text: "red", schema: true})
		want(s, "text", compact(got.text), `{"colour":"red"}`)
	}},
	{what: "images", play: func(s *stage) {
		s.media(s.describe(question{text: "Which colour?", images: [][]byte{red}}), red)
		if s.pair.Driver == "cursor" {
			return
		}
		if detail := strings.Contains(string(s.arrived().body), `"detail"`); s.pair.Client != pairs.Messages && detail == (s.cell.Outcome == pairs.Lossy) {
			s.Errorf("arrived: %s", s.arrived().body)
		}
	}},
	{what: "a document", play: func(s *stage) {
		if s.cell.Outcome == pairs.Refused {
			s.refused(question{text: "What does it say?", documents: [][]byte{paper}})
			return
		}
		s.media(s.describe(question{text: "What does it say?", documents: [][]byte{paper}}), paper)
	}},
	{what: "stop sequences", play: func(s *stage) {
		got := s.ask("echo", question{text: "one two STOP three", stop: []string{"STOP", "never"}})
		want(s, "text", strings.TrimRight(got.text, " "), "one two")
		if s.pair == pairs.MessagesAnthropic || s.pair == pairs.MessagesCursor {
			want(s, "end", got.end, atStopText)
			want(s, "stop text", got.stopText, "STOP")
			return
		}
		want(s, "end", got.end, ended)
	}},
	{what: "an output limit", play: func(s *stage) {
		got := s.ask("count-50", question{text: "Count.", limit: leastLimit})
		want(s, "end", got.end, cutOff)
		if s.cell.Outcome == pairs.Lossy {
			if got.text == "" || !strings.HasPrefix(upstreamsim.CountText(leastLimit), got.text) || got.usage.output > leastLimit {
				s.Errorf("got %q, %+v", got.text, got.usage)
			}
			return
		}
		want(s, "text", got.text, upstreamsim.CountText(leastLimit))
		want(s, "output tokens", got.usage.output, leastLimit)
	}},
	{what: "tokens read from a cache", play: func(s *stage) {
		got := s.ask("cached", question{text: strings.Repeat("again and ", 100)})
		if got.usage.cached == 0 || got.usage.cached >= got.usage.prompt {
			s.Errorf("usage: %+v", got.usage)
		}
		if s.pair.Driver == "cursor" {
			return
		}
		given := s.world.tap.answerOf(s.arrived())
		told := upstreamUsage(s.T, path(s.pair), given)
		want(s, "prompt", got.usage.prompt, told.prompt)
		want(s, "cached", got.usage.cached, told.cached)
		want(s, "output", got.usage.output, told.output)
	}},
	{what: "a refusal", play: func(s *stage) {
		got := s.ask("refusal", question{text: hello})
		switch s.pair {
		case pairs.ChatOpenAI, pairs.ResponsesOpenAI, pairs.ResponsesByChat:
			want(s, "end", got.end, ended)
			if got.refusal == "" {
				s.Errorf("no refusal in %+v", got)
			}
		default:
			want(s, "end", got.end, filtered)
		}
	}},
	{what: "an error before the stream", play: func(s *stage) {
		refused := s.fails("http-400", question{text: hello})
		want(s, "status", refused.status, 400)
		if !strings.Contains(refused.message, "simulator") {
			s.Errorf("the upstream's words are lost: %q", refused.message)
		}
		failed := s.fails("http-500", question{text: hello})
		if failed.status < 500 {
			s.Errorf("status %d of an upstream that fails", failed.status)
		}
	}},
	{what: "an error in the stream", streamOnly: true, breaks: true, play: func(s *stage) {
		breaks := []string{"error-after-text", "cut", "garbage", "eof-mid-frame"}
		if s.pair.Driver == "cursor" {
			breaks = []string{"error-after-text", "cut", "eof-mid-frame", "eof-no-trailer", "reset", "goaway"}
		}
		for _, scenario := range breaks {
			got, err := s.try("", scenario, question{text: hello})
			told, ok := errors.AsType[*failure](err)
			if !ok {
				s.Errorf("%s: %v, %+v", scenario, err, got)
				continue
			}
			want(s, scenario+": status", told.status == 0 || told.status == 200, true)
			s.talk = nil
		}
	}},
	{what: "a prompt that is too long", play: func(s *stage) {
		told := s.fails("error-context-length", question{text: hello})
		if s.pair.Client == pairs.Responses && s.stream {
			want(s, "status", told.status, 0) // an HTTP error is told to nobody who could compact
		} else {
			want(s, "status", told.status, 400)
		}
		if s.pair.Client != pairs.Messages {
			want(s, "code", told.kind, "context_length_exceeded")
			return
		}
		want(s, "kind", told.kind, "invalid_request_error")
		if !strings.Contains(told.message, "prompt is too long: ") {
			s.Errorf("message: %q", told.message)
		}
	}},
	{what: "cancel", streamOnly: true, play: func(s *stage) {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		s.ctx = ctx
		s.model = s.world.name("", "hold")
		model := s.model
		go func() { // ends with the hold, or the test
			within, stop := context.WithTimeout(ctx, 20*time.Second)
			defer stop()
			_, _ = s.world.Sim.Await(within, func(l upstreamsim.Ledger) bool { return l.Models[model].InFlight == 1 })
			cancel()
		}()
		s.talk = []turn{{question: question{text: hello}}}
		if _, err := s.client.ask(ctx, s.upstream+"/"+model, s.talk, true); err == nil {
			s.Error("a stream that was left has ended well")
		}
		within, stop := context.WithTimeout(s.Context(), stack.Slack)
		defer stop()
		if ledger, err := s.world.Sim.Await(within, func(l upstreamsim.Ledger) bool { return l.Models[model].Cancelled == 1 }); err != nil {
			s.Errorf("the upstream did not see the cancellation: %+v", ledger.Models[model])
		}
	}},
}

// calls looks at the calls of an answer: of these tools, in this order.
func (s *stage) calls(got answer, tools ...string) {
	s.Helper()
	if len(got.calls) != len(tools) {
		s.Fatalf("calls: %+v, want of %q", got.calls, tools)
	}
	want(s, "end", got.end, withCalls)
	for i, made := range got.calls {
		want(s, "tool", made.name, tools[i])
		want(s, "arguments", made.arguments, `{"at":"Red?"}`)
		if made.id == "" {
			s.Error("a call without an id")
		}
	}
}

// refused asks what no upstream is to hear of.
func (s *stage) refused(q question) {
	s.Helper()
	model := s.world.name("", "echo")
	_, err := s.client.ask(s.ctx, s.upstream+"/"+model, []turn{{question: q}}, s.stream)
	told, ok := errors.AsType[*failure](err)
	if !ok || told.status != 400 {
		s.Errorf("%v, want a 400", err)
	}
	want(s, "requests at the upstream", s.world.Sim.Ledger().Models[model].Requests, 0)
}

// describeOf is describe for an upstream of a manner.
func (s *stage) describeOf(manner string, q question) upstreamsim.Description {
	s.Helper()
	return s.described(s.askOf(manner, "describe", q))
}

// media looks whether the bytes have arrived, once.
func (s *stage) media(told upstreamsim.Description, data []byte) {
	s.Helper()
	if len(told.Media) != 1 || told.Media[0].SHA256 != sum(data) {
		s.Errorf("arrived: %+v, want %d bytes", told.Media, len(data))
	}
}
