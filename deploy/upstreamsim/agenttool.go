package upstreamsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// lateCall is how long the second call of "call-late" comes after the first.
const lateCall = 800 * time.Millisecond

// plannedCall is a call that is about to be made.
type plannedCall struct {
	id   string
	tool *agentv1.McpToolDefinition
	args map[string]*structpb.Value
	raw  json.RawMessage
}

// declared are the tools that may be called: those of mcp_tools. What stands in the context alone
// is never called.
func (c *agentCall) declared() []*agentv1.McpToolDefinition {
	return c.request.GetMcpTools().GetMcpTools()
}

// toolCall calls the first tools, two at most, and repeats what they answer, in this Run or in one
// that replays it.
func (c *agentCall) toolCall() error {
	if latest := c.history.latest(); len(latest) > 0 {
		return c.answer(pieces(toldResults(latest)))
	}
	if told, found := c.toldInText(); found {
		return c.answer(pieces(told))
	}
	tools := c.declared()
	if len(tools) == 0 {
		return c.echo()
	}
	most := maxToolCalls
	if strings.HasPrefix(c.scenario.kind, "one-") || c.scenario.kind == "call-huge" {
		most = 1
	}
	if err := c.beforeCalls(tools[0]); err != nil {
		return err
	}
	var calls []plannedCall
	for i, tool := range tools[:min(most, len(tools))] {
		call, err := c.plan(i, tool, c.activeText())
		if err != nil {
			return err
		}
		calls = append(calls, call)
	}
	results, err := c.call(calls)
	if err != nil {
		return err
	}
	return c.answer(pieces(toldResults(results)))
}

// toldInText is what a result says that is told in a text: the latest root, where the assistant
// has mentioned a tool before.
func (c *agentCall) toldInText() (string, bool) {
	said := c.history.texts("assistant")
	for _, tool := range c.declared() {
		if said != "" && strings.Contains(said, tool.GetToolName()) {
			return c.history.messages[len(c.history.messages)-1].Text, true
		}
	}
	return "", false
}

// beforeCalls are the questions that may come before a call.
func (c *agentCall) beforeCalls(tool *agentv1.McpToolDefinition) error {
	switch c.scenario.kind {
	case "call-precheck":
		return c.asking(&agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpAllowlistPrecheckArgs{
			McpAllowlistPrecheckArgs: &agentv1.McpAllowlistPrecheckArgs{ProviderIdentifier: tool.GetProviderIdentifier(), ToolName: tool.GetToolName()},
		}})
	case "call-mcp-state":
		answers, err := c.answersTo(&agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpStateExecArgs{
			McpStateExecArgs: &agentv1.McpStateExecArgs{ServerIdentifiers: []string{tool.GetProviderIdentifier()}},
		}})
		if err != nil {
			return err
		}
		servers := answers[0].GetMcpStateExecResult().GetSuccess().GetServers()
		if len(servers) != 1 || len(servers[0].GetTools()) != len(c.declared()) || servers[0].GetStatus() != "connected" {
			c.violate(23, "the answer to mcp_state does not tell of the one server and its tools")
		}
		return nil
	case "call-approval":
		return c.approval(tool)
	}
	return nil
}

// approval asks whether a call may be made.
func (c *agentCall) approval(tool *agentv1.McpToolDefinition) error {
	answers, err := c.answersTo(&agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpArgs{McpArgs: &agentv1.McpArgs{
		Name: tool.GetName(), ToolCallId: c.callID(0), ProviderIdentifier: tool.GetProviderIdentifier(), ToolName: tool.GetToolName(),
		SmartModeApprovalOnly: true,
	}}})
	if err != nil {
		return err
	}
	if answers[0].GetMcpResult().GetApproved() == nil {
		c.violate(23, "the question whether a call may be made was not answered with approved")
	}
	return nil
}

// plan makes a call whose arguments fit the tool's schema, with text in their texts.
func (c *agentCall) plan(index int, tool *agentv1.McpToolDefinition, text string) (plannedCall, error) {
	schema, err := protojson.Marshal(tool.GetInputSchema())
	if err != nil {
		return plannedCall{}, err
	}
	call := plannedCall{id: c.callID(index), tool: tool, raw: instanceOf(schema, text)}
	if len(parseSchema(schema)) == 0 {
		call.raw = json.RawMessage("{}")
	}
	if c.scenario.kind == "call-huge" {
		call.raw = json.RawMessage(`{"text":"` + strings.Repeat("x", hugeInput) + `"}`)
	}
	err = call.readArgs()
	return call, err
}

// readArgs makes the arguments of their JSON.
func (p *plannedCall) readArgs() error {
	var args map[string]any
	if err := json.Unmarshal(p.raw, &args); err != nil {
		return err
	}
	p.args = map[string]*structpb.Value{}
	for name, value := range args {
		read, err := structpb.NewValue(value)
		if err != nil {
			return err
		}
		p.args[name] = read
	}
	return nil
}

// callID is unlike in every Run.
func (c *agentCall) callID(index int) string {
	id := fmt.Sprintf("call_sim%d_%d", c.run.Number, index+len(c.run.Calls))
	if c.scenario.kind == "call-newline-id" {
		id += "\nfc_" + strconv.Itoa(index)
	}
	return id
}

// call announces and makes calls, and waits for their results. A client may leave instead: it goes
// on in another Run.
func (c *agentCall) call(calls []plannedCall) ([]AgentResult, error) {
	for _, call := range calls {
		if err := c.announce(call); err != nil {
			return nil, err
		}
	}
	if c.entry.unwatch() { // to leave is no cancellation here
		defer c.entry.watch(c.r.Context())
	}
	execs, err := c.makeCalls(calls)
	if err == nil {
		err = c.settle(execs)
	}
	if err != nil {
		if errors.Is(err, errLeft) || c.r.Context().Err() != nil {
			c.entry.complete()
			c.how = EndAtCalls
			c.remembered(&c.book.poisoned, c.request.GetConversationId())
		}
		return nil, err
	}
	return c.collect(calls, execs)
}

// makeCalls asks for the execution of calls, and tells of the state meanwhile.
func (c *agentCall) makeCalls(calls []plannedCall) ([]*agentExec, error) {
	var execs []*agentExec
	for i, call := range calls {
		if i > 0 && c.scenario.kind == "call-late" {
			if err := c.wait(lateCall); err != nil {
				return nil, err
			}
		}
		exec, err := c.makeCall(call)
		if err != nil {
			return nil, err
		}
		execs = append(execs, exec)
	}
	return execs, c.send(checkpoint(&agentv1.ConversationStateStructure{
		Mode:         agentv1.AgentMode_AGENT_MODE_AGENT.Enum(),
		TokenDetails: &agentv1.ConversationTokenDetails{UsedTokens: uint32(c.inputTokens()), MaxTokens: 200_000}, //nolint:gosec // small
	}))
}

// announce tells of a call before it is made.
func (c *agentCall) announce(call plannedCall) error {
	if c.scenario.kind == "call-unannounced" {
		return nil
	}
	id := call.id
	if c.scenario.kind == "call-other-id" {
		id = "toolu_" + id
	}
	modelCall := "mc_" + id
	display := &agentv1.ToolCall{ToolCallId: &id, Tool: &agentv1.ToolCall_McpToolCall{McpToolCall: &agentv1.McpToolCall{Args: &agentv1.McpArgs{
		Name: call.tool.GetName(), ToolCallId: id, ProviderIdentifier: call.tool.GetProviderIdentifier(), ToolName: call.tool.GetToolName(),
	}}}}
	if err := c.send(update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ToolCallStarted{
		ToolCallStarted: &agentv1.ToolCallUpdate{CallId: id, ToolCall: display, ModelCallId: modelCall},
	}})); err != nil {
		return err
	}
	said := ""
	for _, piece := range pieces(string(call.raw)) {
		if said += piece; len(said) > maxRecordText {
			break // a snapshot of everything for every piece would be too much
		}
		text := said
		if c.scenario.kind == "call-increments" {
			text = piece
		}
		if err := c.send(update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_PartialToolCall{
			PartialToolCall: &agentv1.PartialToolCallUpdate{CallId: id, ArgsTextDelta: text, ModelCallId: modelCall},
		}})); err != nil {
			return err
		}
	}
	return nil
}

// makeCall asks for the execution of a call.
func (c *agentCall) makeCall(call plannedCall) (*agentExec, error) {
	c.book.change(c.run, func(r *AgentRun) {
		if len(r.Calls) < maxRecordList {
			raw := call.raw
			if len(raw) > maxRecordText {
				raw = json.RawMessage(`"(long)"`)
			}
			r.Calls = append(r.Calls, AgentCall{call.id, call.tool.GetToolName(), raw})
		}
	})
	question := &agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpArgs{McpArgs: &agentv1.McpArgs{
		Name: call.tool.GetName(), Args: call.args, ToolCallId: call.id, ProviderIdentifier: call.tool.GetProviderIdentifier(),
		ToolName: call.tool.GetToolName(),
	}}}
	exec, err := c.ask(question)
	if err == nil && c.scenario.kind == "call-twice" {
		exec.repeats, exec.sentAgain = 1, true
		err = c.send(execFrame(question))
	}
	return exec, err
}

// collect are the results of calls that were answered on this stream.
func (c *agentCall) collect(calls []plannedCall, execs []*agentExec) ([]AgentResult, error) {
	var results []AgentResult
	for i, exec := range execs {
		result, empty := resultOfMCP(calls[i].id, exec.answer.GetMcpResult())
		if empty {
			c.violate(30, "the result of a call is an empty success")
			return nil, c.derail()
		}
		results = append(results, result)
	}
	return results, nil
}

// derail is what a model does with an empty success: it talks nonsense and never ends.
func (c *agentCall) derail() error {
	return inOrder(c.says([]string{"As", " the", " the", " the"}), c.hang)
}

// noteResult puts the answer to a call into the record.
func (c *agentCall) noteResult(exec *agentExec) {
	args, _ := exec.fields.Interface().(*agentv1.McpArgs)
	result, _ := resultOfMCP(args.GetToolCallId(), exec.answer.GetMcpResult())
	result.full = ""
	c.book.change(c.run, func(r *AgentRun) {
		if len(r.Results) < maxRecordList {
			r.Results = append(r.Results, result)
		}
	})
}

func resultOfMCP(callID string, answer *agentv1.McpResult) (result AgentResult, empty bool) {
	success := answer.GetSuccess()
	if success == nil {
		text := answer.GetError().GetError() + answer.GetRejected().GetReason() + answer.GetPermissionDenied().GetError()
		return agentResult(callID, text, true), false
	}
	var texts []string
	var images []ImageSummary
	for _, item := range success.GetContent() {
		if image := item.GetImage(); image != nil {
			images = append(images, pictureOf(image.GetData()))
		} else {
			texts = append(texts, item.GetText().GetText())
		}
	}
	result = agentResult(callID, strings.Join(texts, "\n"), success.GetIsError())
	result.Images = images
	return result, len(success.GetContent()) == 0
}

// unknownTool calls a tool and a server that there are not; the answers say so.
func (c *agentCall) unknownTool() error {
	provider := "carousel"
	if tools := c.declared(); len(tools) > 0 {
		provider = tools[0].GetProviderIdentifier()
	}
	answers, err := c.answersTo(&agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpArgs{McpArgs: &agentv1.McpArgs{
		Name: provider + "-no_such_tool", ToolCallId: c.callID(0), ProviderIdentifier: provider, ToolName: "no_such_tool",
	}}}, &agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_McpArgs{McpArgs: &agentv1.McpArgs{
		Name: "elsewhere-look", ToolCallId: c.callID(1), ProviderIdentifier: "elsewhere", ToolName: "look",
	}}})
	if err != nil {
		return err
	}
	if answers[0].GetMcpResult().GetToolNotFound() == nil {
		c.violate(23, "the call of a tool that there is not was not answered with tool_not_found")
	}
	if answers[1].GetMcpResult().GetServerNotFound() == nil {
		c.violate(23, "the call of a server that there is not was not answered with server_not_found")
	}
	return c.echo()
}

// abortedCall makes a call and withdraws it at once.
func (c *agentCall) abortedCall() error {
	tools := c.declared()
	if len(tools) == 0 {
		return c.echo()
	}
	call, err := c.plan(0, tools[0], c.activeText())
	if err != nil {
		return err
	}
	return inOrder(func() error { return c.withdrawn(func() (*agentExec, error) { return c.makeCall(call) }) }, c.echo)
}

// abortedExec asks for a file and withdraws the question at once.
func (c *agentCall) abortedExec() error {
	return inOrder(func() error {
		return c.withdrawn(func() (*agentExec, error) { return c.ask(readQuestion(0)) })
	}, c.echo)
}

// withdrawn asks and aborts in one write, and waits for what may still come.
func (c *agentCall) withdrawn(ask func() (*agentExec, error)) error {
	event, err := c.captured(func() error {
		exec, err := ask()
		if err != nil {
			return err
		}
		return c.abort(exec)
	})
	if err != nil {
		return err
	}
	return inOrder(c.event(event), func() error { return c.wait(abortGrace + 100*time.Millisecond) })
}

// loopMark is in the arguments of every call of a loop.
var loopMark = regexp.MustCompile(`loop-\d+-\d+`)

// AgentLoopText is the answer of "agent-loop-<n>" once all results are there: their number and the
// SHA-256 of them, joined by line ends.
func AgentLoopText(results []string) string {
	return fmt.Sprintf("%d results: %s", len(results), hashOf(strings.Join(results, "\n")))
}

// loop makes n rounds of two parallel calls. Which round it is, the results tell that the history
// shows, so that any Run can go on with it.
func (c *agentCall) loop() error {
	tools := c.declared()
	if len(tools) == 0 {
		return c.echo()
	}
	results := c.history.results()
	seen := max(len(results), c.marksInText())
	for round := seen / 2; round < c.scenario.number; round++ {
		var calls []plannedCall
		for i := range 2 {
			call, err := c.plan(i, tools[i%len(tools)], fmt.Sprintf("loop-%d-%d", round, i))
			if err != nil {
				return err
			}
			calls = append(calls, call)
		}
		answered, err := c.call(calls)
		if err != nil {
			return err
		}
		results = append(results, answered...)
	}
	texts := make([]string, 0, len(results))
	for _, result := range results {
		texts = append(texts, result.full)
	}
	return c.answer(pieces(AgentLoopText(texts)))
}

// marksInText counts the calls of a loop that a history in texts shows.
func (c *agentCall) marksInText() int {
	marks := map[string]bool{}
	text := c.userText()
	for _, message := range c.history.messages {
		text += "\n" + message.Text
	}
	for _, mark := range loopMark.FindAllString(text, -1) {
		marks[mark] = true
	}
	return len(marks)
}

func readQuestion(n int) *agentv1.ExecServerMessage {
	return &agentv1.ExecServerMessage{Message: &agentv1.ExecServerMessage_ReadArgs{ReadArgs: &agentv1.ReadArgs{
		Path: fmt.Sprintf("/workspace/file-%d.txt", n), ToolCallId: fmt.Sprintf("call_r%d", n),
	}}}
}

// unknownQuestion is a question of field 60.
func unknownQuestion() *agentv1.ExecServerMessage {
	question := new(agentv1.ExecServerMessage)
	question.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 60, protowire.BytesType), nil))
	return question
}

// nativeFirst asks for what models try first, and then calls the client's tools.
func (c *agentCall) nativeFirst() error {
	shell := &agentv1.ShellArgs{Command: "ls", WorkingDirectory: "/workspace", ToolCallId: "call_s"}
	for _, question := range []*agentv1.ExecServerMessage{
		readQuestion(0),
		{Message: &agentv1.ExecServerMessage_GrepArgs{GrepArgs: &agentv1.GrepArgs{Pattern: "TODO", ToolCallId: "call_g"}}},
		{Message: &agentv1.ExecServerMessage_LsArgs{LsArgs: &agentv1.LsArgs{Path: "/workspace", ToolCallId: "call_l"}}},
		{Message: &agentv1.ExecServerMessage_ShellStreamArgs{ShellStreamArgs: shell}},
		{Message: &agentv1.ExecServerMessage_PiReadArgs{PiReadArgs: &agentv1.PiReadExecArgs{Path: "/workspace/a.txt"}}},
		{Message: &agentv1.ExecServerMessage_MiniSweAgentBashArgs{MiniSweAgentBashArgs: shell}},
	} {
		if err := c.asking(question); err != nil {
			return err
		}
	}
	return c.toolCall()
}

// nativeAll asks every question that is known, at once.
func (c *agentCall) nativeAll() error {
	question := new(agentv1.ExecServerMessage).ProtoReflect()
	cases := question.Descriptor().Oneofs().ByName("message").Fields()
	var questions []*agentv1.ExecServerMessage
	for i := range cases.Len() {
		field := cases.Get(i)
		if field.Number() == contextQuestion || field.Number() == mcpQuestion || field.Number() == 42 && len(c.declared()) == 0 {
			continue
		}
		one := new(agentv1.ExecServerMessage)
		arguments := one.ProtoReflect().Mutable(field).Message()
		for _, name := range []string{"path", "command", "working_directory", "url", "uri", "agent_id"} {
			if text := arguments.Descriptor().Fields().ByTextName(name); text != nil {
				arguments.Set(text, protoreflect.ValueOfString("/workspace/"+name))
			}
		}
		if precheck := one.GetMcpAllowlistPrecheckArgs(); precheck != nil {
			precheck.ProviderIdentifier, precheck.ToolName = c.declared()[0].GetProviderIdentifier(), c.declared()[0].GetToolName()
		}
		questions = append(questions, one)
	}
	return inOrder(func() error { return c.asking(append(questions, unknownQuestion())...) }, c.echo)
}

// insistence is how often "native-insists" asks for files.
const insistence = 20

func (c *agentCall) nativeInsists() error {
	for n := range insistence {
		if err := c.asking(readQuestion(n)); err != nil {
			return err
		}
	}
	return c.echo()
}

// querying asks the user something before the answer.
func (c *agentCall) querying(query *agentv1.InteractionQuery) error {
	return inOrder(func() error { return c.query(query) }, c.echo)
}

func (c *agentCall) unknownQuery() error {
	query := new(agentv1.InteractionQuery)
	query.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 13, protowire.BytesType), nil))
	return c.querying(query)
}
