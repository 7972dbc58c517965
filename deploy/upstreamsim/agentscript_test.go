package upstreamsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// agentSmoke is what comes of a scenario: the text, the end frame's enum and code, or an error of
// the connection.
type agentSmoke struct {
	text    string
	trailer string // "" for any success
	enum    int32
	broken  bool
	thought string
}

func TestAgentScenarios(t *testing.T) {
	ok := func(text string) agentSmoke { return agentSmoke{text: text} }
	fails := func(code string, enum int32) agentSmoke { return agentSmoke{trailer: code, enum: enum} }
	broken := agentSmoke{broken: true}
	thought := strings.Join(thoughts, "")
	for name, want := range map[string]agentSmoke{
		"echo": ok(hello), "unicode": ok(UnicodeText()), "count-40": ok(CountText(40)), "one-write": ok(hello), "split-bytes": ok(hello),
		"gzip-text": ok(hello), "gzip-trailer": ok(hello), "context-inline": ok(hello), "kv-first": ok(hello), "memory-text": ok(hello),
		"memory-roots": ok("\n"), "cached": ok(hello), "no-usage": ok(hello), "usage-wild": ok(hello), "new-event": ok(hello), "unknown-blob": ok(hello),
		"reasoning": {text: hello, thought: thought}, "reasoning-only": {thought: hello}, "reasoning-tag": {thought: thought + "</think>" + hello},
		"query-search": ok(hello), "query-ask": ok(hello), "query-unknown": ok(hello), "unknown-exec": ok(hello), "native-insists": ok(hello),
		"native-first": ok(hello), "exec-aborted": ok(hello), "call-aborted": ok(hello),
		"delay-20": ok(hello), "no-turn-ended": ok(hello), "empty": ok(""), "empty-turn": ok(""), "error-after-end": {text: hello, trailer: "resource_exhausted", enum: 57},
		"error-8": fails("resource_exhausted", 8), "error-64": fails("permission_denied", 64), "error-57": fails("resource_exhausted", 57),
		"error-2": fails("unauthenticated", 2), "error-28": fails("resource_exhausted", 28), "error-50-gzip": fails("resource_exhausted", 50),
		"error-8-no-debug": fails("resource_exhausted", 8), "error-no-details": fails("resource_exhausted", -1),
		"error-message-only": fails("unknown", -1), "error-code-unavailable": fails("unavailable", -1), "error-context-length": fails("invalid_argument", 43),
		"error-update-required": fails("resource_exhausted", 28), "error-retryable": fails("unavailable", 57),
		"error-after-text": {text: hello, trailer: "resource_exhausted", enum: 41}, "error-after-text-10": {text: hello, trailer: "resource_exhausted", enum: 10},
		"eof-mid-frame": broken, "eof-no-trailer": broken, "cut": broken, "reset": broken, "reset-first": broken, "goaway": broken, "goaway-first": broken,
		"reset-after-end": broken, "corrupt-gzip": broken, "bad-proto": broken, "gzip-bomb": broken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			c := newAgentClient(t, server, "composer-2.5-sim-"+name, hello).tools("look", "hear")
			c.onCall = func(*agentv1.McpArgs) *agentv1.McpResult { return textResult(hello) }
			if name == "native-first" {
				c.request.McpTools.McpTools, c.context.Tools = nil, nil
			}
			err := c.run()
			if want.broken {
				if err == nil {
					t.Errorf("it ended with %s", c.trailer)
				}
				closedRuns(t, sim)
				noViolations(t, sim)
				return
			}
			if err != nil {
				t.Fatalf("%v after %q", err, c.order)
			}
			if c.text.String() != want.text || c.thought.String() != want.thought {
				t.Errorf("text %q, thought %q", c.text.String(), c.thought.String())
			}
			if want.trailer == "" {
				if c.trailer != success {
					t.Errorf("trailer: %s", c.trailer)
				}
			} else if code, _, enum := agentError(t, c.trailer); code != want.trailer || enum != want.enum {
				t.Errorf("trailer: %s", c.trailer)
			}
			closedRuns(t, sim)
			noViolations(t, sim)
		})
	}
}

func TestAgentEndsWithBadTrailers(t *testing.T) {
	for scenario, trailer := range map[string]string{"bad-trailer": `{"error":`, "null-trailer": `{"error":null}`, "list-trailer": `[]`, "trailer-metadata": `{"metadata":{"x-sim":["1"]}}`} {
		_, server := serving(t, Options{})
		if c := newAgentClient(t, server, "sim-"+scenario, hello).mustRun(); c.trailer != trailer {
			t.Errorf("%s: %q", scenario, c.trailer)
		}
	}
}

func TestAgentAnswersHTTPStatus(t *testing.T) {
	_, server := serving(t, Options{})
	for _, status := range []int{429, 502} {
		c := newAgentClient(t, server, fmt.Sprintf("sim-http-%d-html", status), hello).mustRun()
		if c.response.StatusCode != status {
			t.Errorf("status: %d", c.response.StatusCode)
		}
	}
}

func TestAgentScenarioByMarkerAndRule(t *testing.T) {
	sim, server := serving(t, Options{})
	if c := newAgentClient(t, server, "composer-2.5", "say [[sim-count-3]]").mustRun(); c.text.String() != CountText(3) {
		t.Errorf("by marker: %q", c.text.String())
	}
	if err := sim.SetRule(Rule{Scenario: "reasoning-only", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if c := newAgentClient(t, server, "composer-2.5", hello).mustRun(); c.thought.String() != hello {
		t.Errorf("by rule: %q", c.thought.String())
	}
	if c := newAgentClient(t, server, "composer-99", hello).mustRun(); !strings.Contains(c.trailer, "not_found") {
		t.Errorf("unknown model: %s", c.trailer)
	}
	c := newAgentClient(t, server, "grok-4.6", hello)
	c.request.RequestedModel.Parameters = []*agentv1.ModelParameter{{Id: "effort", Value: "high"}, {Id: "fast", Value: "false"}}
	if c.mustRun(); c.trailer != success {
		t.Errorf("with parameters: %s", c.trailer)
	}
	if c := newAgentClient(t, server, "grok-4.6", hello).mustRun(); !strings.Contains(c.trailer, "not_found") {
		t.Errorf("without parameters: %s", c.trailer)
	}
	noViolations(t, sim)
}

func TestAgentCallsTools(t *testing.T) {
	for _, scenario := range []string{
		"tool-call", "call-late", "call-newline-id", "call-other-id", "call-unannounced", "call-increments", "call-precheck", "call-mcp-state", "native-first",
		"reasoning-call", "text-call-text-call",
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			c := newAgentClient(t, server, "composer-2.5-sim-"+scenario, "Red?").tools("look", "hear")
			c.onCall = func(call *agentv1.McpArgs) *agentv1.McpResult { return textResult("It is " + call.GetToolName() + ".") }
			c.mustRun()
			if got := c.text.String(); !strings.HasSuffix(got, "It is look.\nIt is hear.") {
				t.Errorf("text: %q", got)
			}
			if len(c.calls) != 2 || c.calls[0].GetArgs()["at"].GetStringValue() != "Red?" || c.calls[1].GetName() != "carousel-hear" {
				t.Errorf("calls: %v", c.calls)
			}
			noViolations(t, sim)
			run := closedRuns(t, sim).Runs[0]
			if len(run.Calls) != 2 || len(run.Results) != 2 || run.Results[1].Text != "It is hear." || run.Results[0].CallID != run.Calls[0].ID {
				t.Errorf("run: %+v", run)
			}
		})
	}
}

func TestAgentTellsOfUnknownTools(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-call-unknown", "Red?").tools("look")
	c.onCall = func(call *agentv1.McpArgs) *agentv1.McpResult {
		if call.GetProviderIdentifier() != "carousel" {
			return &agentv1.McpResult{Result: &agentv1.McpResult_ServerNotFound{ServerNotFound: &agentv1.McpServerNotFound{Name: call.GetProviderIdentifier()}}}
		}
		return &agentv1.McpResult{Result: &agentv1.McpResult_ToolNotFound{ToolNotFound: &agentv1.McpToolNotFound{Name: call.GetToolName()}}}
	}
	c.mustRun()
	if c.text.String() != "Red?" {
		t.Errorf("text: %q", c.text.String())
	}
	noViolations(t, sim)
}

// loopResult is what the tool of a loop answers.
func loopResult(call *agentv1.McpArgs) string {
	return "result of " + call.GetArgs()["at"].GetStringValue()
}

// TestAgentLoopGoesOnInOtherRuns leaves every Run at its calls and replays the history in the next.
func TestAgentLoopGoesOnInOtherRuns(t *testing.T) {
	sim, server := serving(t, Options{})
	const rounds = 3
	var roots, results []string
	for {
		c := newAgentClient(t, server, fmt.Sprintf("sim-agent-loop-%d", rounds), "Go.").tools("look", "hear")
		c.root(`{"role":"user","content":[{"type":"text","text":"Go."}]}`)
		for _, root := range roots {
			c.root(root)
		}
		if len(roots) > 0 {
			c.request.Action = &agentv1.ConversationAction{Action: &agentv1.ConversationAction_ResumeAction{ResumeAction: &agentv1.ResumeAction{}}}
		} else {
			c.request.ConversationState.RootPromptMessagesJson = nil
		}
		c.onCall = func(*agentv1.McpArgs) *agentv1.McpResult {
			if len(c.calls) == 2 {
				return nil
			}
			return textResult("never waited for")
		}
		c.before = func(q *agentv1.AgentServerMessage, a []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
			if q.GetExecServerMessage().GetMcpArgs() != nil {
				return nil
			}
			return a
		}
		err := c.run()
		if err == nil {
			if want := AgentLoopText(results); c.text.String() != want {
				t.Errorf("text: %q, want %q", c.text.String(), want)
			}
			break
		}
		if len(c.calls) != 2 {
			t.Fatalf("%d calls, %v", len(c.calls), err)
		}
		for _, call := range c.calls {
			args := jsonOf(map[string]string{"at": call.GetArgs()["at"].GetStringValue()})
			roots = append(roots,
				fmt.Sprintf(`{"role":"assistant","content":[{"type":"tool-call","toolCallId":%q,"toolName":%q,"args":%s}]}`, call.GetToolCallId(), call.GetName(), args))
		}
		for _, call := range c.calls {
			results = append(results, loopResult(call))
			roots = append(roots, fmt.Sprintf(`{"role":"tool","id":%[1]q,"content":[{"type":"tool-result","toolCallId":%[1]q,"toolName":%[2]q,"result":%[3]q}]}`,
				call.GetToolCallId(), call.GetName(), loopResult(call)))
		}
	}
	if len(results) != 2*rounds {
		t.Errorf("results: %q", results)
	}
	runs := closedRuns(t, sim)
	if runs.Ends[EndAtCalls] != rounds || runs.Ends[EndTurn] != 1 {
		t.Errorf("ends: %v", runs.Ends)
	}
	last := runs.Runs[len(runs.Runs)-1]
	seen := map[string]int{}
	for _, message := range last.History {
		for _, result := range message.Results {
			seen[result.CallID]++
		}
	}
	if len(seen) != 2*rounds {
		t.Errorf("the last history shows %v", seen)
	}
	noViolations(t, sim)
}

func TestAgentLoopInOneRun(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-agent-loop-3", "Go.").tools("look")
	var results []string
	c.onCall = func(call *agentv1.McpArgs) *agentv1.McpResult {
		results = append(results, loopResult(call))
		return textResult(loopResult(call))
	}
	c.mustRun()
	if c.text.String() != AgentLoopText(results) || len(results) != 6 {
		t.Errorf("text: %q of %q", c.text.String(), results)
	}
	noViolations(t, sim)
}

func TestAgentAsksEverything(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-native-all", hello)
	c.mustRun()
	if c.text.String() != hello {
		t.Errorf("text: %q", c.text.String())
	}
	noViolations(t, sim)
	if refusals := closedRuns(t, sim).Runs[0].Refusals; len(refusals) < 35 {
		t.Errorf("%d refusals", len(refusals))
	}
}

// refusal is an answer of the case that the table tells, made by number.
func refusal(t *testing.T, exec *agentv1.ExecServerMessage) []*agentv1.AgentClientMessage {
	t.Helper()
	field := caseOf(exec)
	if field == nil || field.Number() == gitDiffQuestion {
		throw := &agentv1.ExecClientControlMessage{Message: &agentv1.ExecClientControlMessage_Throw{Throw: &agentv1.ExecClientThrow{Id: exec.GetId(), Error: "unsupported"}}}
		return []*agentv1.AgentClientMessage{clientMessage(throw), closing(exec.GetId())}
	}
	answer := &agentv1.ExecClientMessage{Id: exec.GetId()}
	m := answer.ProtoReflect()
	result := m.Mutable(m.Descriptor().Fields().ByNumber(answerNumber(field.Number()))).Message()
	switch field.Number() {
	case 27:
		result.Mutable(result.Descriptor().Fields().ByNumber(1))
	case 30, 31:
		if err := proto.Unmarshal([]byte{8, 2}, result.Interface()); err != nil {
			t.Fatal(err)
		}
	case 41, 42, 43:
	default:
		inner := result.Mutable(result.Descriptor().Fields().ByNumber(refusalCases[field.Number()])).Message()
		question := exec.ProtoReflect().Get(field).Message()
		for i := range inner.Descriptor().Fields().Len() {
			to := inner.Descriptor().Fields().Get(i)
			if from := question.Descriptor().Fields().ByName(to.Name()); from != nil && from.Kind() == to.Kind() {
				inner.Set(to, question.Get(from))
			}
		}
	}
	return []*agentv1.AgentClientMessage{clientMessage(answer), closing(exec.GetId())}
}

func TestAgentSeesImages(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-describe", "What is this?")
	c.userMessage().SelectedContext.SelectedImages = []*agentv1.SelectedImage{{
		Uuid: freshUUID(), Path: "image-1.png", MimeType: "image/png", Dimension: &agentv1.ImageDimension{Width: 8, Height: 8},
		DataOrBlobId: &agentv1.SelectedImage_Data{Data: []byte("\x89PNG\r\n\x1a\n")},
	}}
	c.mustRun()
	var told Description
	if err := json.Unmarshal([]byte(c.text.String()), &told); err != nil {
		t.Fatalf("%v: %q", err, c.text.String())
	}
	if want := hashOf("\x89PNG\r\n\x1a\n"); len(told.Media) != 1 || told.Media[0].SHA256 != want || closedRuns(t, sim).Runs[0].Images[0].SHA256 != want {
		t.Errorf("told: %+v", told)
	}
	noViolations(t, sim)
}

func TestAgentFollowsSchemas(t *testing.T) {
	_, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5", "red")
	c.context.Rules = []*agentv1.CursorRule{{
		FullPath: "/carousel/system.mdc", Source: 2, Type: &agentv1.CursorRuleType{Type: &agentv1.CursorRuleType_Global{Global: &agentv1.EmptyArgs{}}},
		Content: `Answer with JSON of this schema: {"type":"object","properties":{"colour":{"type":"string"}},"required":["colour"]} and nothing else.`,
	}}
	if c.mustRun(); c.text.String() != `{"colour":"red"}` {
		t.Errorf("text: %q", c.text.String())
	}
}

func TestAgentRunsLeftAreCancelled(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-hold", hello)
	c.before = func(q *agentv1.AgentServerMessage, a []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
		if q.GetInteractionUpdate().GetTextDelta() != nil {
			if sim.AgentRuns().Open != 1 {
				t.Errorf("runs: %+v", sim.AgentRuns())
			}
			c.cancel()
		}
		return a
	}
	if err := c.run(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the Run ended: %v", err)
	}
	if runs := closedRuns(t, sim); runs.Ends[EndLeft] != 1 {
		t.Errorf("runs: %+v", runs)
	}
	if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Models["sim-hold"].Cancelled == 1 }); err != nil {
		t.Error(err)
	}
	noViolations(t, sim)
}

func TestAgentRunsFiftyAtATime(t *testing.T) {
	sim, server := serving(t, Options{})
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	failed := make(chan error, 50)
	for n := range 50 {
		c := newAgentClient(t, server, "composer-2.5", strings.Repeat(fmt.Sprintf("%d ", n), 50))
		go func() { // ends with its Run
			err := c.run()
			if err == nil && c.text.String() != c.userMessage().GetText() {
				err = fmt.Errorf("mixed: %q", c.text.String())
			}
			failed <- err
		}()
	}
	for range 50 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	noViolations(t, sim)
}

func TestAgentModelsCanBeChanged(t *testing.T) {
	sim, server := serving(t, Options{})
	if err := sim.SetAgentModels([]AgentModel{{Name: "new-model", Display: "New", Window: 1000}}); err != nil {
		t.Fatal(err)
	}
	sim.SetAgentURL("https://agentn.example")
	got := agentRoundTrip(t, unaryRequest(t, server.URL, "/agent.v1.AgentService/GetUsableModels"))
	usable := new(agentv1.GetUsableModelsResponse)
	if err := proto.Unmarshal(got.body, usable); err != nil || len(usable.GetModels()) != 1 || usable.GetModels()[0].GetModelId() != "new-model" {
		t.Errorf("models: %v %v", usable, err)
	}
	got = agentRoundTrip(t, unaryRequest(t, server.URL, "/agent.v1.AgentService/GetDefaultModelForCli"))
	if chosen := new(agentv1.GetDefaultModelForCliResponse); proto.Unmarshal(got.body, chosen) != nil || chosen.GetModel().GetModelId() != "new-model" {
		t.Errorf("default: %v", chosen)
	}
	got = agentRoundTrip(t, unaryRequest(t, server.URL, "/aiserver.v1.ServerConfigService/GetServerConfig"))
	if config := new(agentv1.AiGetServerConfigResponse); proto.Unmarshal(got.body, config) != nil || config.GetAgentUrlConfig().GetAgentnUrl() != "https://agentn.example" {
		t.Errorf("config: %v", config)
	}
	if c := newAgentClient(t, server, "new-model", hello).mustRun(); c.text.String() != hello {
		t.Errorf("text: %q", c.text.String())
	}
	noViolations(t, sim)
}

func TestAgentScenariosAreListed(t *testing.T) {
	names := Scenarios(CursorAgent)
	for _, name := range []string{"echo", "agent-loop-<n>", "goaway", "native-all"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not listed", name)
		}
	}
}

func TestAgentHolds(t *testing.T) {
	for _, scenario := range []string{"hold", "silence", "silence-headers"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			c := newAgentClient(t, server, "sim-"+scenario, hello)
			ended := make(chan error, 1)
			go func() { ended <- c.run() }() // ends with the release
			if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
				t.Fatal(err)
			}
			sim.Release()
			if err := <-ended; err != nil || c.text.String() != hello {
				t.Errorf("%v, text %q", err, c.text.String())
			}
			noViolations(t, sim)
		})
	}
}

// TestAgentIsLeftWithTurnEnded: a client need not wait for the end frame.
func TestAgentIsLeftWithTurnEnded(t *testing.T) {
	for _, scenario := range []string{"no-end", "echo"} {
		sim, server := serving(t, Options{})
		c := newAgentClient(t, server, "sim-"+scenario, hello)
		c.before = func(q *agentv1.AgentServerMessage, a []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
			if q.GetInteractionUpdate().GetTurnEnded() != nil {
				c.cancel()
			}
			return a
		}
		_ = c.run() // it may still see the end frame
		if runs := closedRuns(t, sim); runs.Ends[EndTurn] != 1 {
			t.Errorf("%s: %+v", scenario, runs)
		}
		if ledger := sim.Ledger(); ledger.Total.Cancelled != 0 {
			t.Errorf("%s: %+v", scenario, ledger.Total)
		}
		noViolations(t, sim)
	}
}

func TestAgentTellsResultsThatCameAsText(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "gpt-5.5-high-sim-tool-call", "Go on with the result.").tools("look")
	c.root(`{"role":"user","content":[{"type":"text","text":"Red?"}]}`).
		root(`{"role":"assistant","content":[{"type":"text","text":"I called look with {}."}]}`).
		root(`{"role":"user","content":[{"type":"text","text":"It is red."}]}`)
	if c.mustRun(); c.text.String() != "It is red." || len(c.calls) > 0 {
		t.Errorf("text %q, %d calls", c.text.String(), len(c.calls))
	}
	noViolations(t, sim)
}
