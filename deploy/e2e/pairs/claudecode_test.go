package pairs_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/packages/ssestream"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// claudeCode is a session of Claude Code, as its requests look on the wire.
type claudeCode struct {
	*testing.T
	world *world
	pair  pairs.Pair
	// upstream and model are what the session is set to.
	upstream, model string
	session         string
	// turns counts requests: older clients have another attribution line each time.
	turns    int
	messages []json.RawMessage
}

// claudeCode replays a session over each driver.
func (w *world) claudeCode(t *testing.T) {
	t.Parallel()
	t.Run("cursor/turns", func(t *testing.T) {
		t.Parallel()
		session := &claudeCode{T: t, world: w, pair: pairs.MessagesCursor, upstream: "cursor", session: "0b6a8ac5-9a3e-4e51-8f0b-000000000000"}
		session.turnsOverCursor()
	})
	for _, pair := range []pairs.Pair{pairs.MessagesAnthropic, pairs.MessagesOpenAI} {
		for name, play := range map[string]func(*claudeCode){
			"probes": (*claudeCode).probes, "discovery": (*claudeCode).discovery, "model check": (*claudeCode).modelCheck, "title": (*claudeCode).title,
			"counting": (*claudeCode).counting, "turns": (*claudeCode).turnsOfAnAgent, "overflow": (*claudeCode).overflow, "failures": (*claudeCode).failures,
			"silence and cancel": (*claudeCode).silence,
		} {
			t.Run(pair.Driver+"/"+name, func(t *testing.T) {
				t.Parallel()
				session := fmt.Sprintf("0b6a8ac5-9a3e-4e51-8f0b-%012d", w.count.Add(1))
				play(&claudeCode{T: t, world: w, pair: pair, upstream: pair.Driver, session: session})
			})
		}
	}
}

// betas are those that a session asks for.
const betas = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,prompt-caching-scope-2026-01-05,effort-2025-11-24,mid-conversation-system-2026-04-07"

func (c *claudeCode) header() http.Header {
	return http.Header{
		"Authorization": {"Bearer " + stack.AdminToken}, "Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {betas},
		"Anthropic-Dangerous-Direct-Browser-Access": {"true"}, "X-App": {"cli"}, "User-Agent": {"claude-cli/2.1.223 (external, cli)"},
		"X-Claude-Code-Session-Id": {c.session}, "X-Stainless-Lang": {"js"}, "X-Stainless-Retry-Count": {"0"}, "Accept": {"application/json"},
	}
}

// judged is a context for answers that are the vendor's own where the pair is native.
func (c *claudeCode) judged() context.Context {
	return stack.Allow(c.Context(), "the pair says how it is judged", grammar.Options{Native: c.pair.Native()})
}

func (c *claudeCode) post(path string, body any) reply {
	c.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	return c.world.send(c.judged(), c.T, http.MethodPost, path, string(encoded), c.header())
}

// of sets the session to a model that plays a scenario.
func (c *claudeCode) of(manner, scenario string) {
	if c.pair.Driver != "openai" {
		manner = ""
	}
	c.model = c.world.name(manner, scenario)
}

// fields are a request's, without the messages.
func (c *claudeCode) fields() map[string]any {
	if !c.pair.Native() { // the vendor's cache would not see through it
		c.turns++
	}
	mark := map[string]string{"type": "ephemeral"}
	return map[string]any{
		"model": c.upstream + "/" + c.model, "max_tokens": 32000, "stream": true,
		"system": []any{
			map[string]any{"type": "text", "text": fmt.Sprintf("x-anthropic-billing-header: cc_version=2.1.223.a1b; cc_entrypoint=cli; cch=%05x;", c.turns*7919)},
			map[string]any{"type": "text", "text": "You are a coding agent in a terminal.", "cache_control": mark},
			map[string]any{"type": "text", "text": strings.Repeat("Read before you write. Run the tests. ", 60), "cache_control": mark},
		},
		"tools": agentTools(), "thinking": map[string]any{"type": "adaptive"}, "output_config": map[string]any{"effort": "high"},
		"metadata":           map[string]any{"user_id": "user_" + strings.Repeat("c0ffee", 10) + "_account__session_" + c.session},
		"context_management": map[string]any{"edits": []any{map[string]any{"type": "clear_thinking_20251015", "keep": "all"}}},
	}
}

// agentTools are twenty tools, of the sizes and shapes that agents have.
func agentTools() []any {
	names := strings.Fields("Task Bash Glob Grep Read Edit Write NotebookEdit WebFetch TodoWrite WebSearch KillShell Skill SlashCommand AskUser ExitPlan ListResources ReadResource mcp__tracker__create_issue mcp__tracker__search_issues")
	tools := make([]any, len(names))
	for i, name := range names {
		tools[i] = map[string]any{
			"name": name, "description": name + " does what its name says. " + strings.Repeat("Use it with care. ", 10),
			"input_schema": map[string]any{
				"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
				"properties": map[string]any{"path": map[string]any{"type": "string", "description": "An absolute path."}, "limit": map[string]any{"type": "number", "exclusiveMinimum": 0}},
				"required":   []string{"path"},
			},
		}
	}
	return tools
}

// say adds an entry to the conversation.
func (c *claudeCode) say(role string, content any) {
	entry, err := json.Marshal(map[string]any{"role": role, "content": content})
	if err != nil {
		c.Fatal(err)
	}
	c.messages = append(c.messages, entry)
}

// turn asks as the main loop does, and adds the answer to the conversation.
func (c *claudeCode) turn() anthropic.Message {
	c.Helper()
	body := c.fields()
	body["messages"] = c.messages
	got := c.post("/v1/messages?beta=true", body)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream; charset=utf-8" && got.header.Get("Content-Type") != "text/event-stream" {
		c.Fatalf("%d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	message, err := accumulated(got.body)
	if err != nil {
		c.Fatalf("%v in %s", err, got.body)
	}
	entry, err := json.Marshal(message.ToParam())
	if err != nil {
		c.Fatal(err)
	}
	c.messages = append(c.messages, entry)
	if problems := c.world.blame(c.model); len(problems) > 0 {
		c.Errorf("the upstream says %q", problems)
	}
	return message
}

// accumulated is a stream as the official client puts it together.
func accumulated(stream string) (anthropic.Message, error) {
	response := &http.Response{Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(stream))}
	events := ssestream.NewStream[anthropic.MessageStreamEventUnion](ssestream.NewDecoder(response), nil)
	var message anthropic.Message
	for events.Next() {
		if err := message.Accumulate(events.Current()); err != nil {
			return message, err
		}
	}
	return message, events.Err()
}

func (c *claudeCode) probes() {
	for _, path := range []string{"/", "/api/hello"} {
		if got := c.world.send(c.Context(), c.T, http.MethodHead, path, "", c.header()); got.status >= 300 {
			c.Errorf("HEAD %s: %d", path, got.status)
		}
	}
}

func (c *claudeCode) discovery() {
	for name, credential := range map[string]http.Header{
		"Bearer": {"Authorization": {"Bearer " + stack.AdminToken}}, "x-api-key": {"X-Api-Key": {stack.AdminToken}},
		"both": {"Authorization": {"Bearer " + stack.AdminToken}, "X-Api-Key": {"something else"}},
	} {
		header := c.header()
		header.Del("Authorization")
		maps.Copy(header, credential)
		got := c.world.send(c.Context(), c.T, http.MethodGet, "/v1/models?limit=1000", "", header)
		var list struct {
			Data []struct {
				Type, ID    string
				DisplayName string    `json:"display_name"`
				CreatedAt   time.Time `json:"created_at"`
			}
			HasMore *bool  `json:"has_more"`
			FirstID string `json:"first_id"`
		}
		err := json.Unmarshal([]byte(got.body), &list)
		if got.status != http.StatusOK || err != nil || len(list.Data) == 0 || list.HasMore == nil || list.FirstID != list.Data[0].ID {
			c.Fatalf("%s: %d %v %s", name, got.status, err, got.body)
		}
		claude := 0
		for _, model := range list.Data {
			if model.Type != "model" || model.DisplayName == "" {
				c.Errorf("%s: %+v", name, model)
			}
			if strings.Contains(model.ID, "claude") {
				claude++
			}
		}
		if claude == 0 { // the client drops all others
			c.Errorf("%s: no model of Claude in %s", name, got.body)
		}
	}
}

func (c *claudeCode) modelCheck() {
	c.of("", "echo")
	got := c.post("/v1/messages?beta=true", map[string]any{
		"model": c.upstream + "/" + c.model + "[1m]", "max_tokens": 1, "messages": []any{map[string]any{"role": "user", "content": "Hi"}},
	})
	var message struct {
		StopReason string `json:"stop_reason"`
		Usage      struct {
			Input  int  `json:"input_tokens"`
			Read   *int `json:"cache_read_input_tokens"`
			Output int  `json:"output_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(got.body), &message); got.status != http.StatusOK || err != nil || message.Usage.Input == 0 || message.Usage.Read == nil || got.header.Get("Request-Id") == "" {
		c.Errorf("%d %v %s", got.status, err, got.body)
	}
}

func (c *claudeCode) title() {
	c.of("", "echo")
	c.say("user", "Write a title: the test is red")
	got := c.post("/v1/messages?beta=true", map[string]any{
		"model": c.upstream + "/" + c.model, "max_tokens": 512, "stream": true, "messages": c.messages,
		"system": []any{map[string]any{"type": "text", "text": "Answer with a title of five words."}},
	})
	message, err := accumulated(got.body)
	if err != nil || len(message.Content) != 1 || message.Content[0].Text != "Write a title: the test is red" || message.StopReason != "end_turn" {
		c.Errorf("%v %s", err, got.body)
	}
}

func (c *claudeCode) counting() {
	c.of("", "echo")
	c.say("user", "How long is this?")
	body := c.fields()
	for _, field := range []string{"max_tokens", "stream", "metadata", "context_management", "output_config"} {
		delete(body, field)
	}
	body["messages"] = c.messages
	counted := func() int {
		got := c.post("/v1/messages/count_tokens?beta=true", body)
		var answer struct {
			Input int `json:"input_tokens"`
		}
		if err := json.Unmarshal([]byte(got.body), &answer); got.status != http.StatusOK || err != nil {
			c.Fatalf("%d %s", got.status, got.body)
		}
		return answer.Input
	}
	all := counted()
	delete(body, "tools")
	if without := counted(); without <= 0 || all <= without {
		c.Errorf("%d tokens with tools, %d without", all, without)
	}
	if problems := c.world.blame(c.model); len(problems) > 0 {
		c.Errorf("the upstream says %q", problems)
	}
}

// turnsOfAnAgent are a turn with two calls at once, what came of them, with an instruction
// behind that, and the next question.
func (c *claudeCode) turnsOfAnAgent() {
	c.own("session", 3)
	c.of("deepseek-style-caching", c.scenario("tool-call", "reasoning-call"))
	c.say("user", []any{
		map[string]any{"type": "text", "text": "<system-reminder>\nThe folder is /src.\n</system-reminder>"},
		map[string]any{"type": "text", "text": "Mend the test.", "cache_control": map[string]string{"type": "ephemeral"}},
	})
	first := c.turn()
	var calls []string
	for _, block := range first.Content {
		if block.Type == "tool_use" {
			calls = append(calls, block.ID)
			if compact(string(block.Input)) == "" {
				c.Errorf("input %s", block.Input)
			}
		}
	}
	if len(calls) != 2 || first.Content[0].Type != "thinking" || first.Content[0].Thinking == "" || first.StopReason != "tool_use" || first.Usage.InputTokens+first.Usage.CacheCreationInputTokens == 0 {
		c.Fatalf("got %s", first.RawJSON())
	}
	image := map[string]any{"type": "image", "source": map[string]any{"type": "base64", "media_type": "image/png", "data": base64.StdEncoding.EncodeToString(red)}}
	c.say("user", []any{
		map[string]any{"type": "tool_result", "tool_use_id": calls[0], "content": "No such file.", "is_error": true},
		map[string]any{"type": "tool_result", "tool_use_id": calls[1], "content": []any{map[string]any{"type": "text", "text": "It looks so:"}, image}},
	})
	c.say("system", "The user has changed a file.")
	second := c.turn()
	if second.StopReason != "end_turn" || len(second.Content) == 0 {
		c.Errorf("got %s", second.RawJSON())
	}
	arrived := c.world.tap.got(c.model)
	if !strings.Contains(string(arrived[1].body), base64.StdEncoding.EncodeToString(red)) {
		c.Errorf("the image has not arrived: %s", arrived[1].body)
	}
	c.say("user", []any{map[string]any{"type": "text", "text": "And the next one.", "cache_control": map[string]string{"type": "ephemeral"}}})
	third := c.turn()
	if third.Usage.CacheReadInputTokens == 0 {
		c.Errorf("nothing was read from the cache: %s", third.RawJSON())
	}
	arrived = c.world.tap.got(c.model)
	if len(arrived) != 3 {
		c.Fatalf("%d requests have arrived", len(arrived))
	}
	if c.pair.Native() {
		c.native(arrived[0])
		return
	}
	before := prompt(c.T, arrived[0].body)
	for i, later := range arrived[1:] {
		if !strings.HasPrefix(prompt(c.T, later.body), before) {
			c.Errorf("turn %d does not begin as the one before it:\n%s\n%s", i+2, before, prompt(c.T, later.body))
		}
		before = prompt(c.T, later.body)
	}
}

// turnsOverCursor are turns as in turnsOfAnAgent, of which each is a run of its own: the second
// one has what came of the calls in its history, and the upstream has nothing against any.
func (c *claudeCode) turnsOverCursor() {
	c.of("", "reasoning-call")
	c.say("user", []any{
		map[string]any{"type": "text", "text": "<system-reminder>\nThe folder is /src.\n</system-reminder>"},
		map[string]any{"type": "text", "text": "Mend the test.", "cache_control": map[string]string{"type": "ephemeral"}},
	})
	first := c.turn()
	var calls []anthropic.ContentBlockUnion
	for _, block := range first.Content {
		if block.Type == "tool_use" {
			calls = append(calls, block)
		}
	}
	if len(calls) != 2 || calls[0].Name != "Task" || calls[1].Name != "Bash" || first.Content[0].Type != "thinking" || first.StopReason != "tool_use" {
		c.Fatalf("got %s", first.RawJSON())
	}
	image := map[string]any{"type": "image", "source": map[string]any{"type": "base64", "media_type": "image/png", "data": base64.StdEncoding.EncodeToString(red)}}
	c.say("user", []any{
		map[string]any{"type": "tool_result", "tool_use_id": calls[0].ID, "content": "No such file.", "is_error": true},
		map[string]any{"type": "tool_result", "tool_use_id": calls[1].ID, "content": []any{map[string]any{"type": "text", "text": "It looks so:"}, image}},
	})
	c.say("system", "The user has changed a file.")
	if second := c.turn(); second.StopReason != "end_turn" || len(second.Content) == 0 {
		c.Errorf("got %s", second.RawJSON())
	}
	c.say("user", "And the next one.")
	c.turn()
	var runs []upstreamsim.AgentRun
	for _, run := range c.world.Sim.AgentRuns().Runs {
		if run.Model == c.model {
			runs = append(runs, run)
		}
	}
	if len(runs) != 3 || len(runs[0].Tools) != len(agentTools()) {
		c.Fatalf("%d runs", len(runs))
	}
	for i, run := range runs[1:] {
		var results []upstreamsim.AgentResult
		images := len(run.Images)
		for _, message := range run.History {
			results = append(results, message.Results...)
			images += len(message.Images)
		}
		if len(results) != 2 || results[0].Text != "No such file." || !results[0].IsError || !strings.HasPrefix(results[1].Text, "It looks so:") || results[1].IsError || images != 1 {
			c.Errorf("the history of run %d has %+v and %d images", i+2, results, images)
		}
	}
}

// scenario is what the upstream plays, by its name on the Anthropic side and on OpenAI's.
func (c *claudeCode) scenario(anthropic, openAI string) string {
	if c.pair.Driver == "anthropic" {
		return anthropic
	}
	return openAI
}

// native looks at what else the vendor must get as it was sent.
func (c *claudeCode) native(arrived *exchange) {
	if arrived.query != "beta=true" || arrived.header.Get("Anthropic-Beta") != betas || arrived.header.Get("X-Claude-Code-Session-Id") != c.session ||
		arrived.header.Get("Authorization") != "" && arrived.header.Get("X-Api-Key") != "" {
		c.Errorf("arrived with %q, %v", arrived.query, arrived.header)
	}
}

// prompt is what a model reads of a Chat request: tools, then messages without the end of
// their list.
func prompt(t *testing.T, body []byte) string {
	t.Helper()
	var request struct {
		Tools    json.RawMessage   `json:"tools"`
		Messages []json.RawMessage `json:"messages"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatal(err)
	}
	text := string(request.Tools)
	for _, message := range request.Messages {
		text += "\n" + string(message)
	}
	return text
}

var (
	// tooLong has numbers where the upstream tells them.
	tooLong = regexp.MustCompile(`"prompt is too long: `)
	overSum = regexp.MustCompile("input length and `max_tokens` exceed context limit: (\\d+) \\+ (\\d+) > (\\d+)")
)

// overflow sees to it that the client learns what it needs to compact, or to ask for less.
func (c *claudeCode) overflow() {
	c.say("user", "A long talk.")
	scenarios := []string{"error-context-length"}
	if c.pair.Driver == "openai" {
		scenarios = append(scenarios, "error-context-length-vllm", "error-context-length-vllm-flat", "error-context-length-llamacpp", "error-context-length-words")
	}
	for _, scenario := range scenarios {
		c.of("", scenario)
		body := c.fields()
		body["messages"] = c.messages
		if got := c.post("/v1/messages?beta=true", body); got.status != http.StatusBadRequest || !tooLong.MatchString(got.body) && !overSum.MatchString(got.body) {
			c.Errorf("%s: %d %s", scenario, got.status, got.body)
		}
	}
	c.of("small-window", c.scenario("error-context-sum", "echo"))
	small := map[string]any{"model": c.upstream + "/" + c.model, "max_tokens": 2000, "messages": c.messages}
	got := c.post("/v1/messages?beta=true", small)
	numbers := overSum.FindStringSubmatch(got.body)
	if got.status != http.StatusBadRequest || numbers == nil {
		c.Fatalf("%d %s", got.status, got.body)
	}
	var input, window int
	_, err := fmt.Sscan(numbers[1]+" "+numbers[3], &input, &window)
	if err != nil || window <= input {
		c.Fatalf("%v in %q", err, numbers)
	}
	small["max_tokens"] = window - input // as the client does
	if got := c.post("/v1/messages?beta=true", small); got.status != http.StatusOK {
		c.Errorf("asked for %d tokens less: %d %s", window-input, got.status, got.body)
	}
}

// own gives the session a pool of its own, with so many tokens: those of the others cool
// whenever another test has one fail.
func (c *claudeCode) own(name string, tokens int) {
	c.upstream = name + "-" + c.pair.Driver
	base := c.world.tap.url
	if c.pair.Driver == "openai" {
		base += "/v1"
	}
	c.world.PutUpstream(c.upstream, map[string]any{"driver": c.pair.Driver, "base_url": base, "models": []string{"m"}})
	c.world.AddTokens(c.upstream, c.upstream, tokens, 0)
}

// failures are told in a way that the client acts upon.
func (c *claudeCode) failures() {
	c.own("alone", 1)
	c.say("user", hello)
	ask := func(scenario string) reply {
		c.of("", scenario)
		body := c.fields()
		body["messages"] = c.messages
		return c.post("/v1/messages?beta=true", body)
	}
	if got := ask("error-after-text"); got.status != http.StatusOK || !strings.Contains(got.body, "event: error") || strings.Contains(got.body, "message_stop") {
		c.Errorf("an error in the stream: %d %s", got.status, got.body)
	}
	overloaded := ask(c.scenario("overloaded", "http-503"))
	if overloaded.status != 529 || !strings.Contains(overloaded.body, `"overloaded_error"`) {
		c.Errorf("overloaded: %d %s", overloaded.status, overloaded.body)
	}
	limited := ask("http-429")
	if limited.status != http.StatusTooManyRequests || !strings.Contains(limited.body, `"rate_limit_error"`) || !regexp.MustCompile(`^\d+$`).MatchString(limited.header.Get("Retry-After")) {
		c.Errorf("limited: %d %v %s", limited.status, limited.header, limited.body)
	}
}

// silence: the client hears something while the upstream says nothing, pings as soon as the
// answer has begun, and the upstream hears of its going.
func (c *claudeCode) silence() {
	c.hears("silence", ": ")
	c.hears("hold", "event: ping")
}

func (c *claudeCode) hears(scenario, sign string) {
	c.Helper()
	c.of("", scenario)
	c.messages = nil
	c.say("user", hello)
	body := c.fields()
	body["messages"] = c.messages
	encoded, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(stack.Allow(c.Context(), "the client goes", grammar.Options{End: grammar.Aborted, Native: c.pair.Native()}), 2*stack.Slack)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.world.Gateways[0].URL+"/v1/messages?beta=true", strings.NewReader(string(encoded)))
	if err != nil {
		c.Fatal(err)
	}
	request.Header = c.header()
	response, err := stack.Client(c.T).Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	heard := ""
	piece := make([]byte, 1024)
	for !strings.Contains(heard, sign) {
		n, err := response.Body.Read(piece)
		if heard += string(piece[:n]); err != nil {
			c.Fatalf("%v after %q", err, heard)
		}
	}
	cancel()
	within, stop := context.WithTimeout(c.Context(), stack.Slack)
	defer stop()
	if _, err := c.world.Sim.Await(within, func(l upstreamsim.Ledger) bool { return l.Models[c.model].Cancelled == 1 }); err != nil {
		c.Error("the upstream did not see that the client has gone")
	}
}
