package upstreamsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// agentScript plays a scenario of the agent side. An early one comes before the context and the
// blobs are asked for, and sends its own headers.
type agentScript struct {
	early bool
	play  func(*agentCall) error
}

func early(play func(*agentCall) error) agentScript { return agentScript{true, play} }

func late(play func(*agentCall) error) agentScript { return agentScript{false, play} }

// agentScripts are the answers of the agent side by scenario.
var agentScripts = map[string]agentScript{
	// Successes.
	normal:             late((*agentCall).echo),
	"echo-request":     late(func(c *agentCall) error { return c.answer(pieces(string(requestJSON(c.request)))) }),
	"describe":         late(func(c *agentCall) error { return c.answer(pieces(string(jsonOf(c.description())))) }),
	countForm:          late(func(c *agentCall) error { return c.answer(counting()[:c.scenario.number]) }),
	"unicode":          late(func(c *agentCall) error { return c.answer(unicodePieces) }),
	"one-write":        late((*agentCall).oneWrite),
	"split-bytes":      late((*agentCall).splitBytes),
	"gzip-text":        late((*agentCall).gzipText),
	"trailer-metadata": late(func(c *agentCall) error { return c.endsWith(`{"metadata":{"x-sim":["1"]}}`) }),
	"gzip-trailer": late(func(c *agentCall) error {
		return inOrder(c.says(c.pieces()), c.turn, c.end(frame(flagEnd|flagGzip, []byte(success))))
	}),
	"big": late(func(c *agentCall) error {
		return c.answer(slices.Repeat([]string{strings.Repeat("0123456789abcdef", 1<<16)}, 8))
	}),
	"context-inline": late((*agentCall).echo),
	"kv-first":       late((*agentCall).echo),
	"memory-roots": late(func(c *agentCall) error {
		return c.answer(pieces(c.history.texts("user") + "\n" + c.history.texts("assistant")))
	}),
	"memory-text":  late(func(c *agentCall) error { return c.answer(pieces(c.userText())) }),
	"cached":       late((*agentCall).echo), // half of the input is read from the cache
	"no-usage":     late((*agentCall).echo), // turn_ended is empty
	"usage-wild":   late((*agentCall).echo), // counts that can't be
	"new-event":    late((*agentCall).newEvents),
	"unknown-blob": late((*agentCall).unknownBlob),

	// Thinking.
	"reasoning":      late(func(c *agentCall) error { return inOrder(c.thinks(strings.Join(thoughts, "")), c.echo) }),
	"reasoning-call": late(func(c *agentCall) error { return inOrder(c.thinks(strings.Join(thoughts, "")), c.toolCall) }),
	"reasoning-only": late(func(c *agentCall) error { return inOrder(c.thinks(c.text()), c.finishTurn) }),
	"reasoning-tag": late(func(c *agentCall) error {
		return inOrder(c.thinks(strings.Join(thoughts, "")+"</think>"+c.text()), c.finishTurn)
	}),
	"reasoning-text-call": late(func(c *agentCall) error {
		return inOrder(c.thinks(strings.Join(thoughts, "")), c.says(c.pieces()), c.toolCall)
	}),

	// Calls of the client's tools.
	"tool-call":           late((*agentCall).toolCall),
	"scripted":            late((*agentCall).scripted),
	"one-call":            late((*agentCall).toolCall),
	"call-late":           late((*agentCall).toolCall), // the second one 800 ms after the first
	"call-newline-id":     late((*agentCall).toolCall), // ids with a newline
	"call-other-id":       late((*agentCall).toolCall), // announced under another id
	"call-unannounced":    late((*agentCall).toolCall),
	"call-increments":     late((*agentCall).toolCall), // args_text_delta in pieces instead of snapshots
	"call-approval":       late((*agentCall).toolCall), // asks for an approval before
	"call-precheck":       late((*agentCall).toolCall), // asks for the allow-list before
	"call-mcp-state":      late((*agentCall).toolCall), // asks for the servers before
	"call-unknown":        late((*agentCall).unknownTool),
	"call-aborted":        late((*agentCall).abortedCall),
	"call-twice":          late((*agentCall).toolCall), // the same exec is sent again
	"call-huge":           late((*agentCall).toolCall), // arguments of 2 MiB
	"text-call-text-call": late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.toolCall) }),
	loopForm:              late((*agentCall).loop),

	// Questions that are to be refused.
	"native-first":   late((*agentCall).nativeFirst),
	"native-all":     late((*agentCall).nativeAll),
	"native-insists": late((*agentCall).nativeInsists),
	"unknown-exec":   late(func(c *agentCall) error { return inOrder(func() error { return c.asking(unknownQuestion()) }, c.echo) }),
	"exec-aborted":   late((*agentCall).abortedExec),
	"query-search": late(func(c *agentCall) error {
		return c.querying(&agentv1.InteractionQuery{Query: &agentv1.InteractionQuery_WebSearchRequestQuery{WebSearchRequestQuery: &agentv1.EmptyArgs{}}})
	}),
	"query-ask": late(func(c *agentCall) error {
		return c.querying(&agentv1.InteractionQuery{Query: &agentv1.InteractionQuery_AskQuestionInteractionQuery{AskQuestionInteractionQuery: &agentv1.EmptyArgs{}}})
	}),
	"query-unknown": late((*agentCall).unknownQuery),

	// Slow ones and silent ones.
	delayForm: late(func(c *agentCall) error {
		return inOrder(func() error { return c.wait(time.Duration(c.scenario.number) * time.Millisecond) }, c.echo)
	}),
	"slow":            late(func(c *agentCall) error { c.slowDown(); return c.echo() }),
	"trickle":         late(func(c *agentCall) error { c.rule.ChunkDelay = max(c.rule.ChunkDelay, time.Second); return c.echo() }),
	"hold":            late((*agentCall).holdAfterText),
	"silence":         early(func(c *agentCall) error { return inOrder(c.head, c.flush, c.heldBack, c.begin) }),
	"silence-headers": early(func(c *agentCall) error { return inOrder(c.heldBack, c.begin) }),
	"heartbeat-only":  late(func(c *agentCall) error { c.beat.Reset(c.sim.options.Heartbeat); return c.hang() }),

	// Ends.
	"no-turn-ended": late(func(c *agentCall) error {
		return inOrder(c.says(c.pieces()), c.keepAnswer, c.blobsKept, c.end(agentEnd))
	}),
	"no-end":          late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.turn, c.awaitClose) }),
	"reset-after-end": late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.turn, c.breakOff) }),
	"error-after-end": late(func(c *agentCall) error {
		return inOrder(c.says(c.pieces()), c.turn, c.fails(failingEnum(enumProvider)))
	}),
	"empty":            late(func(c *agentCall) error { return c.end(agentEnd)() }),
	"empty-turn":       late((*agentCall).finishTurn),
	"text-without-end": late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.hang) }),

	// Errors as the upstream tells them.
	errorForm:               early((*agentCall).failEnum),
	errorCodeForm:           early(func(c *agentCall) error { return failing(c.scenario.variant, "Error") }),
	errorAfterTextForm:      late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.fails(failingEnum(c.scenario.number))) }),
	"error-after-text":      late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.fails(failingEnum(resourceExhausted))) }),
	"error-no-details":      early(func(*agentCall) error { return exhausted() }),
	"error-message-only":    early(func(*agentCall) error { return failing("unknown", "Too many requests, please slow down") }),
	"error-update-required": early(func(*agentCall) error { return outdatedFailure("") }),
	"error-context-length":  early(func(*agentCall) error { return failingEnum(int(aiserverv1.ErrorDetails_ERROR_CONVERSATION_TOO_LONG)) }),
	"error-history":         early((*agentCall).refuseHistory),
	"error-retryable":       early((*agentCall).retryable),
	httpForm:                early((*agentCall).httpStatus),

	// Broken connections and broken frames.
	"eof-mid-frame": late(func(c *agentCall) error {
		return inOrder(c.says(c.pieces()), c.breaks([]byte("\x00\x00\x00\x00\x14\x0a\x12half")))
	}),
	"eof-no-trailer": late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.breaks(nil)) }),
	"cut":            late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.cutConnection) }),
	"reset":          late(func(c *agentCall) error { return inOrder(c.says(c.pieces()), c.breakOff) }),
	"reset-first":    early(func(c *agentCall) error { return c.breakOff() }),
	"goaway-first":   early(func(c *agentCall) error { return c.goAway(0) }),
	"goaway": late(func(c *agentCall) error {
		return inOrder(c.says(c.pieces()), func() error { return c.goAway(1<<31 - 1) })
	}),
	"oversized":    late(func(c *agentCall) error { c.how = EndBroken; return c.drowning("\x00\xff\xff\xff\xff\x0a")() }),
	"gzip-bomb":    late((*agentCall).gzipBomb),
	"corrupt-gzip": late((*agentCall).corruptGzip),
	"unknown-flag": late(func(c *agentCall) error { return inOrder(c.event(frame(4, []byte("\x0a\x02Hi"))), c.finishTurn) }),
	"bad-proto":    late(func(c *agentCall) error { return inOrder(c.event(frame(0, []byte("\x0a\x7fHi"))), c.finishTurn) }),
	"bad-trailer":  late(func(c *agentCall) error { return c.endsWith(`{"error":`) }),
	"null-trailer": late(func(c *agentCall) error { return c.endsWith(`{"error":null}`) }),
	"list-trailer": late(func(c *agentCall) error { return c.endsWith(`[]`) }),
}

// agentEnd is the end frame of a success.
var agentEnd = frame(flagEnd, []byte(success))

// begin is the normal answer of an early script.
func (c *agentCall) begin() error { return inOrder(c.head, c.prepare, c.echo) }

// echo is the normal answer.
func (c *agentCall) echo() error { return c.answer(c.pieces()) }

// pieces are those of the normal answer: the active text, or an instance of the schema that the
// instructions want.
func (c *agentCall) pieces() []string { return pieces(c.text()) }

func (c *agentCall) text() string {
	text := c.activeText()
	if wanted := c.wantedSchema(); wanted != nil {
		return string(instanceOf(wanted, text))
	}
	return text
}

// activeText is the text of the action; of one that resumes, what the latest results say, and
// else the latest text of the user.
func (c *agentCall) activeText() string {
	if text := c.userText(); text != "" {
		return text
	}
	if latest := c.history.latest(); len(latest) > 0 && c.request.GetAction().GetResumeAction() != nil {
		return toldResults(latest)
	}
	for _, message := range slices.Backward(c.history.messages) {
		if message.Role == userRole && message.Text != "" {
			return message.Text
		}
	}
	return NoText
}

// wantedSchema is the first JSON schema of an object in the instructions.
func (c *agentCall) wantedSchema() json.RawMessage {
	instructions := c.history.texts("system")
	for _, rule := range c.context.GetRules() {
		instructions += "\n" + rule.GetContent()
	}
	for at := strings.IndexByte(instructions, '{'); at >= 0; {
		var found struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		decoder := json.NewDecoder(strings.NewReader(instructions[at:]))
		var raw json.RawMessage
		if decoder.Decode(&raw) == nil && json.Unmarshal(raw, &found) == nil && found.Properties != nil {
			return raw
		}
		next := strings.IndexByte(instructions[at+1:], '{')
		if next < 0 {
			return nil
		}
		at += 1 + next
	}
	return nil
}

// toldResults is what results say, a line each.
func toldResults(results []AgentResult) string {
	var lines []string
	for _, result := range results {
		if result.IsError {
			lines = append(lines, "(error)")
		}
		lines = append(lines, result.full)
		for _, image := range result.Images {
			lines = append(lines, string(jsonOf(image)))
		}
	}
	return strings.Join(lines, "\n")
}

// answer is a text and the end of the turn.
func (c *agentCall) answer(pieces []string) error { return inOrder(c.says(pieces), c.finishTurn) }

// says sends a text, one frame a piece.
func (c *agentCall) says(pieces []string) step {
	return func() error {
		if c.output == 0 && c.thought == 0 {
			if err := c.send(stepStarted(1)); err != nil {
				return err
			}
		}
		for i, piece := range pieces {
			if err := c.wait(c.gap(i)); err != nil {
				return err
			}
			if err := c.send(textUpdate(piece)); err != nil {
				return err
			}
			c.output++
			if i%16 == 15 || i == len(pieces)-1 {
				if err := c.send(tokensUpdate(int32(i%16) + 1)); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// gap is the wait before a piece.
func (c *agentCall) gap(i int) time.Duration {
	if i == 0 {
		return 0
	}
	return c.rule.ChunkDelay
}

// thinks sends thinking.
func (c *agentCall) thinks(text string) step {
	return func() error {
		if err := c.send(stepStarted(1)); err != nil {
			return err
		}
		for _, piece := range pieces(text) {
			c.thought++
			if err := c.send(thinkingUpdate(piece)); err != nil {
				return err
			}
		}
		return c.send(thoughtFor(1500))
	}
}

// finishTurn is what comes behind the answer of every turn.
func (c *agentCall) finishTurn() error { return inOrder(c.turn, c.end(agentEnd)) }

// turn is all of that but the end frame.
func (c *agentCall) turn() error {
	return inOrder(c.stepDone, c.keepAnswer, c.blobsKept, c.endTurn)
}

// endTurn sends turn_ended, with which a client may leave.
func (c *agentCall) endTurn() error {
	if c.capture == nil {
		c.endedWell()
	}
	return c.send(turnEnded(c.usage()))
}

// stepDone ends the step and tells of the state.
func (c *agentCall) stepDone() error {
	if err := c.send(stepCompleted(1, 900)); err != nil {
		return err
	}
	state := &agentv1.ConversationStateStructure{
		RootPromptMessagesJson: c.request.GetConversationState().GetRootPromptMessagesJson(),
		Turns:                  c.request.GetConversationState().GetTurns(), Mode: agentv1.AgentMode_AGENT_MODE_AGENT.Enum(),
		TokenDetails: &agentv1.ConversationTokenDetails{UsedTokens: uint32(c.inputTokens() + c.output), MaxTokens: 200_000}, //nolint:gosec // small
	}
	return c.send(checkpoint(state))
}

// keepAnswer has the client keep the assistant's message.
func (c *agentCall) keepAnswer() error {
	return c.setBlob(jsonOf(map[string]any{"role": "assistant", "content": []map[string]string{{"type": "text", "text": fmt.Sprintf("%d pieces", c.output)}}}))
}

// scaffolding are the tokens of the upstream's own prompt.
const scaffolding = 10_800

// inputTokens are those of the prompt: a quarter of its bytes, and the scaffolding.
func (c *agentCall) inputTokens() int64 {
	size := len(c.userText())
	for _, message := range c.history.messages {
		size += len(message.Text)
		for _, result := range message.Results {
			size += len(result.full)
		}
	}
	for _, rule := range c.context.GetRules() {
		size += len(rule.GetContent())
	}
	return scaffolding + int64(size)/4
}

// usage is what turn_ended tells.
func (c *agentCall) usage() *agentv1.TurnEndedUpdate {
	if c.scenario.kind == "no-usage" {
		return new(agentv1.TurnEndedUpdate)
	}
	usage := &agentv1.TurnEndedUpdate{
		InputTokens: proto.Int64(c.inputTokens()), OutputTokens: proto.Int64(c.output + c.thought),
		CacheReadTokens: proto.Int64(0), CacheWriteTokens: proto.Int64(0), ReasoningTokens: proto.Int64(c.thought),
	}
	switch c.scenario.kind {
	case "cached":
		usage.CacheReadTokens = proto.Int64(c.inputTokens() / 2)
	case "usage-wild":
		usage.CacheReadTokens, usage.OutputTokens = proto.Int64(100*c.inputTokens()), proto.Int64(1_000_000)
	}
	return usage
}

// wholeTurn is everything from the first step to the end frame in one piece.
func (c *agentCall) wholeTurn() ([]byte, error) {
	if err := c.blobsKept(); err != nil {
		return nil, err
	}
	return c.captured(c.says(c.pieces()), c.stepDone, c.endTurn, c.event(agentEnd))
}

func (c *agentCall) oneWrite() error {
	answer, err := c.wholeTurn()
	if err != nil {
		return err
	}
	return c.end(answer)()
}

func (c *agentCall) splitBytes() error {
	answer, err := c.wholeTurn()
	if err != nil {
		return err
	}
	last := len(answer) - 1
	return inOrder(c.singly(answer[:last]), c.end(answer[last:]))
}

func (c *agentCall) gzipText() error {
	for _, piece := range c.pieces() {
		c.output++
		if err := c.send(frame(flagGzip, textUpdate(piece)[prefixLength:])); err != nil {
			return err
		}
	}
	return c.finishTurn()
}

// newEvents are an update, a message and fields of kinds that nobody knows.
func (c *agentCall) newEvents() error {
	unknownField := protowire.AppendBytes(protowire.AppendTag(nil, 40, protowire.BytesType), nil)
	newUpdate := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), unknownField)
	return inOrder(
		c.event(frame(0, newUpdate)), c.event(frame(0, unknownField)), c.event(frame(0, nil)),
		c.event(update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_SummaryStarted{SummaryStarted: &agentv1.EmptyArgs{}}})),
		c.event(update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_RoutedModel{RoutedModel: &agentv1.RoutedModelUpdate{DisplayName: "Auto"}}})),
		c.echo)
}

// unknownBlob asks for a blob that nobody has, which is to be answered as such.
func (c *agentCall) unknownBlob() error {
	return inOrder(func() error { return c.getBlobs([][]byte{unknownBlob}) }, c.echo)
}

// flush sends the headers.
func (c *agentCall) flush() error { return c.control.Flush() }

// heldBack waits for a release, and hears the client meanwhile, but sends nothing.
func (c *agentCall) heldBack() error {
	opened := c.sim.gate.enter()
	c.sim.watchers.notify()
	defer c.sim.watchers.notify()
	defer c.sim.gate.held.Add(-1)
	for {
		select {
		case <-opened:
			return nil
		case a, ok := <-c.arrivals:
			if !ok {
				return errLeft
			}
			if err := c.take(a); err != nil {
				return err
			}
		case <-c.r.Context().Done():
			c.drain()
			return errLeft
		case <-c.sim.closed:
			return errClosed
		}
	}
}

func (c *agentCall) holdAfterText() error {
	text := c.pieces()
	return inOrder(c.says(text[:1]), c.heldBack, c.says(text[1:]), c.finishTurn)
}

// awaitClose waits for the client to close what has no end frame.
func (c *agentCall) awaitClose() error {
	c.how = EndTurn
	c.linger()
	return nil
}

// fails is an error as a step.
func (c *agentCall) fails(err error) step { return func() error { return err } }

func (c *agentCall) failEnum() error {
	trailer, err := agentTrailer(c.scenario.number, c.scenario.variant)
	if err != nil {
		return err
	}
	if c.scenario.variant != "gzip" {
		return &failure{trailer}
	}
	c.how = EndError
	return inOrder(c.head, c.end(frame(flagEnd|flagGzip, trailer)), c.awaitClose)
}

// refuseHistory refuses what has a history, as models do that take no structured one.
func (c *agentCall) refuseHistory() error {
	if len(c.request.GetConversationState().GetRootPromptMessagesJson()) > 1 {
		return badArgument("Invalid history")
	}
	return c.begin()
}

// retryable is trouble of a provider that may be over soon.
func (c *agentCall) retryable() error {
	trailer, err := endWithDetails("unavailable", "Error", &agentv1.AiErrorDetails{Error: enumProvider, Details: &agentv1.AiCustomErrorDetails{
		Title: "Provider Error", Detail: "overloaded", IsRetryable: proto.Bool(true),
	}})
	if err != nil {
		return err
	}
	return &failure{trailer}
}

func (c *agentCall) httpStatus() error {
	c.how, c.over = EndRefused, true
	c.freeSlot()
	return c.answerStatus(jsonOf(connectError{Code: httpCode(c.scenario.number), Message: "the simulator was asked for it"}))
}

func (c *agentCall) endsWith(trailer string) error {
	return inOrder(c.says(c.pieces()), c.turn, c.end(frame(flagEnd, []byte(trailer))))
}

func (c *agentCall) gzipBomb() error {
	bomb, err := gzipBomb()
	if err != nil {
		return err
	}
	return inOrder(c.event(bomb), c.finishTurn)
}

func (c *agentCall) corruptGzip() error {
	event := frame(flagGzip, textUpdate(c.text())[prefixLength:])
	event[len(event)-8] ^= 0xff
	return inOrder(c.event(event), c.finishTurn)
}

// description is what arrived.
func (c *agentCall) description() Description {
	d := Description{Model: c.entry.modelID, Roles: []string{}, Media: []Media{}, Tools: toolNames(c.request.GetMcpTools().GetMcpTools()), Thoughts: []string{}}
	media := func(images []ImageSummary, role string) {
		for _, image := range images {
			d.Media = append(d.Media, Media{Kind: "image", Role: role, Message: len(d.Roles) - 1, Bytes: image.Bytes, SHA256: image.SHA256})
		}
	}
	for _, message := range c.history.messages {
		d.Roles = append(d.Roles, message.Role)
		d.Calls += len(message.Calls)
		d.Results += len(message.Results)
		media(message.Images, message.Role)
	}
	if c.request.GetAction().GetUserMessageAction() != nil {
		d.Roles = append(d.Roles, userRole)
		media(c.run.Images, userRole)
	}
	return d
}
