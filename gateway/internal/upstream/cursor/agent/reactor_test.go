package agent

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

var weather = chat.ToolSpec{
	Kind: chat.Function, Name: "get_weather", Description: "Weather",
	Schema: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`),
}

// patch is a tool that takes free text.
var patch = chat.ToolSpec{Kind: chat.Custom, Name: "patch"}

// stage is a reactor whose clock the test moves, and what it sent.
type stage struct {
	*reactor
	t    testing.TB
	now  time.Duration
	sent []*agentv1.AgentClientMessage
}

func play(t testing.TB, tools ...chat.ToolSpec) *stage {
	t.Helper()
	written, err := prompt.Build(&chat.Request{
		Messages: []chat.Message{
			{Role: chat.System, Parts: []chat.Part{{Text: "Be brief."}}},
			{Role: chat.User, Parts: []chat.Part{{Text: "Hi"}}},
			{Role: chat.Assistant, Parts: []chat.Part{{Text: "Hello"}}},
			{Role: chat.User, Parts: []chat.Part{{Text: "And you?"}}},
		},
		Tools: tools,
	}, prompt.Options{Choice: models.Choice{Requested: &agentv1.RequestedModel{ModelId: "composer-2.5"}, Family: "composer-2.5"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t}
	s.reactor = newReactor(written, limitsOf(time.Minute, 2*time.Minute), func(m *agentv1.AgentClientMessage) {
		s.sent = append(s.sent, proto.CloneOf(m))
	})
	ids := 0
	s.newCallID = func() string { ids++; return fmt.Sprint("call_", ids) }
	return s
}

// comes has messages come now.
func (s *stage) comes(messages ...*agentv1.AgentServerMessage) *stage {
	for _, message := range messages {
		if !s.over {
			s.take(message, s.now)
		}
	}
	return s
}

// plays has vectors come now.
func (s *stage) plays(names ...string) *stage {
	for _, name := range names {
		s.comes(fromServer(s.t, name))
	}
	return s
}

// passes lets time pass, with all that it brings.
func (s *stage) passes(wait time.Duration) *stage {
	end := s.now + wait
	for !s.over && s.next() <= end {
		s.now = max(s.now, s.next())
		s.tick(s.now)
	}
	s.now = end
	return s
}

// want compares what was sent with vectors, and forgets it.
func (s *stage) wantSent(names ...string) *stage {
	s.t.Helper()
	var want []*agentv1.AgentClientMessage
	for _, name := range names {
		want = append(want, fromClient(s.t, name))
	}
	if diff := cmp.Diff(want, s.sent, protocmp.Transform()); diff != "" {
		s.t.Errorf("sent: %s", diff)
	}
	s.sent = nil
	return s
}

// said is the answer so far: its text, thinking in brackets, calls, and its end.
func (s *stage) said() string {
	var all strings.Builder
	for _, step := range s.steps {
		if step.Reasoning != "" {
			all.WriteString("[" + step.Reasoning + "]")
		}
		all.WriteString(step.Text)
		for _, each := range step.Calls {
			fmt.Fprintf(&all, " %s=%s(%s)", each.ID, each.Name, each.Arguments)
		}
		if step.Finish != chat.Unfinished {
			all.WriteString(" " + string(step.Finish))
		}
	}
	if s.failure != nil {
		all.WriteString(" failed: " + string(s.failure.Class))
	}
	return all.String()
}

// is fails unless the answer so far is the text.
func (s *stage) is(want string) *stage {
	s.t.Helper()
	if got := s.said(); got != want {
		s.t.Errorf("the answer is %q, want %q (%v)", got, want, s.failure)
	}
	return s
}

func shown(update *agentv1.InteractionUpdate) *agentv1.AgentServerMessage {
	return &agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_InteractionUpdate{InteractionUpdate: update}}
}

func thought(text string) *agentv1.AgentServerMessage {
	return shown(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ThinkingDelta{ThinkingDelta: &agentv1.ThinkingDeltaUpdate{Text: text}}})
}

func asks(question *agentv1.ExecServerMessage) *agentv1.AgentServerMessage {
	return &agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ExecServerMessage{ExecServerMessage: question}}
}

// calls asks for a tool of ours to be run.
func calls(id uint32, args *agentv1.McpArgs) *agentv1.AgentServerMessage {
	if args.ProviderIdentifier == "" {
		args.ProviderIdentifier = prompt.Provider
	}
	return asks(&agentv1.ExecServerMessage{Id: id, ExecId: fmt.Sprint("x-", id), Message: &agentv1.ExecServerMessage_McpArgs{McpArgs: args}})
}

func inCity(name string) map[string]*structpb.Value {
	return map[string]*structpb.Value{"city": structpb.NewStringValue(name)}
}

func announced(id string) *agentv1.AgentServerMessage {
	return shown(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ToolCallStarted{ToolCallStarted: &agentv1.ToolCallUpdate{
		CallId: id, ToolCall: &agentv1.ToolCall{Tool: &agentv1.ToolCall_McpToolCall{McpToolCall: &agentv1.McpToolCall{}}},
	}}})
}

func written(id, text string) *agentv1.AgentServerMessage {
	return shown(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_PartialToolCall{PartialToolCall: &agentv1.PartialToolCallUpdate{
		CallId: id, ArgsTextDelta: text,
	}}})
}

func TestWhatIsKnownIsAnswered(t *testing.T) {
	t.Parallel()
	s := play(t, weather)
	s.plays("get-blob").wantSent("blob")
	s.comes(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_KvServerMessage{KvServerMessage: &agentv1.KvServerMessage{
		Id: 3, Message: &agentv1.KvServerMessage_GetBlobArgs{GetBlobArgs: &agentv1.GetBlobArgs{BlobId: make([]byte, 32)}},
	}}}).wantSent("unknown-blob")
	s.plays("context-question").wantSent("context-answer", "close-1")
	s.plays("set-blob").wantSent("blob-stored")
	s.plays("precheck-question")
	if len(s.sent) != 2 || !cmp.Equal(s.sent[0], fromClient(t, "precheck-allowed"), protocmp.Transform()) {
		t.Errorf("the precheck is answered with %v", s.sent)
	}
	s.sent = nil
	s.plays("mcp-state-question")
	if len(s.sent) != 2 || !cmp.Equal(s.sent[0], fromClient(t, "mcp-state"), protocmp.Transform()) {
		t.Errorf("the state is answered with %v", s.sent)
	}
	s.is("")
}

// What the upstream stores in a run it can have back in it.
func TestABlobThatWasStored(t *testing.T) {
	t.Parallel()
	s := play(t).plays("set-blob")
	stored := fromServer(t, "set-blob").GetKvServerMessage().GetSetBlobArgs()
	if got := s.blobs.get(stored.GetBlobId()); string(got) != string(stored.GetBlobData()) {
		t.Errorf("%q", got)
	}
	full := &blobs{bytes: maxStoredBytes}
	if full.set(make([]byte, idLen), []byte("x")) {
		t.Error("more is kept than there is room for")
	}
}

func TestWhatIsUnknownIsAnsweredToo(t *testing.T) {
	t.Parallel()
	s := play(t).plays("unknown-question").wantSent("throw", "close-6")
	s.comes(shown(&agentv1.InteractionUpdate{}), &agentv1.AgentServerMessage{}).wantSent()
	s.is("")
}

// The same question gets the same answer, and is counted once.
func TestARepeatedQuestion(t *testing.T) {
	t.Parallel()
	s := play(t)
	for range 20 {
		s.plays("read-question")
	}
	if len(s.sent) != 40 || s.execs.refused != 1 || s.over {
		t.Errorf("%d messages, %d refusals", len(s.sent), s.execs.refused)
	}
	for i := 2; i < len(s.sent); i += 2 {
		if !proto.Equal(s.sent[i], s.sent[0]) || !proto.Equal(s.sent[i+1], s.sent[1]) {
			t.Errorf("answer %d differs", i/2)
		}
	}
}

func TestAModelThatInsists(t *testing.T) {
	t.Parallel()
	s := play(t, weather)
	for id := range uint32(maxRefusals) {
		if s.over {
			t.Fatalf("over after %d refusals", id)
		}
		s.comes(asks(&agentv1.ExecServerMessage{Id: id, Message: &agentv1.ExecServerMessage_LsArgs{LsArgs: &agentv1.LsArgs{Path: "/"}}}))
	}
	s.is(" failed: upstream")
	if s.failure.Rule != "agent: insists on native tools" || len(s.sent) != 2*maxRefusals {
		t.Errorf("%v, %d messages", s.failure, len(s.sent))
	}
}

func TestAnswersInWords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		play func(*stage)
		want string
	}{
		"text":                   {func(s *stage) { s.plays("text-Hi", "turn-ended").end([]byte("{}")) }, "Hi stop"},
		"thinking first":         {func(s *stage) { s.plays("thinking-hm", "text-Hi", "turn-ended").end([]byte("{}")) }, "[hm]Hi stop"},
		"no word of the end":     {func(s *stage) { s.plays("text-Hi").end([]byte("{}")) }, "Hi stop"},
		"no end frame":           {func(s *stage) { s.plays("text-Hi", "turn-ended").passes(quiet) }, "Hi stop"},
		"the end is not yet due": {func(s *stage) { s.plays("text-Hi", "turn-ended").passes(quiet - 1) }, "Hi"},
		"the stream's end":       {func(s *stage) { s.plays("text-Hi", "turn-ended").broke(io.EOF) }, "Hi stop"},
		"a reset after the end":  {func(s *stage) { s.plays("text-Hi", "turn-ended").broke(&fault.ReadError{Err: errors.New("reset")}) }, "Hi stop"},
		"an error after the end": {func(s *stage) { s.plays("text-Hi", "turn-ended").end(vectorOf(t, "end-outdated")[headLen:]) }, "Hi stop"},
		"an error of null":       {func(s *stage) { s.plays("text-Hi").end([]byte(`{"error":null}`)) }, "Hi stop"},
		"only thinking": {
			func(s *stage) { s.comes(thought("so "), thought("it is")).plays("turn-ended").end([]byte("{}")) },
			"[so ][it is]so it is stop",
		},
		"the answer inside thinking": {
			func(s *stage) {
				s.comes(thought("hm</th"), thought("ink>\nYes.")).plays("turn-ended").end([]byte("{}"))
			},
			"[hm</th][ink>\nYes.]Yes. stop",
		},
		"a notice of tools of the upstream's own": {
			func(s *stage) {
				s.comes(shown(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ToolCallStarted{
					ToolCallStarted: &agentv1.ToolCallUpdate{CallId: "a", ToolCall: &agentv1.ToolCall{}},
				}}), written("a", "{")).plays("text-Hi", "turn-ended").end([]byte("{}"))
			}, "Hi stop",
		},
	} {
		s := play(t)
		test.play(s)
		if s.is(test.want); t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestAnswersThatFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		play        func(*stage)
		want, row   string
		beforeEvent again
	}{
		"an empty turn":          {func(s *stage) { s.plays("turn-ended").end([]byte("{}")) }, " failed: truncated", "empty", asIs},
		"an empty turn, no end":  {func(s *stage) { s.plays("turn-ended-silently").passes(quiet) }, " failed: truncated", "empty", asIs},
		"an empty end":           {func(s *stage) { s.plays("checkpoint").end([]byte("{}")) }, " failed: truncated", "empty", asIs},
		"blank thinking":         {func(s *stage) { s.comes(thought(" \n")).end([]byte("{}")) }, "[ \n] failed: truncated", "empty", asIs},
		"cut between frames":     {func(s *stage) { s.plays("text-Hi").broke(io.EOF) }, "Hi failed: truncated", "cut short", asIs},
		"cut within a frame":     {func(s *stage) { s.plays("text-Hi").broke(io.ErrUnexpectedEOF) }, "Hi failed: truncated", "cut short", asIs},
		"a reset":                {func(s *stage) { s.plays("text-Hi").broke(&fault.ReadError{Err: errors.New("reset")}) }, "Hi failed: transport", "connection lost", asIs},
		"an unknown flag":        {func(s *stage) { s.broke(fault.ErrUnknownFlags) }, " failed: truncated", "garbled", asIs},
		"too large":              {func(s *stage) { s.broke(fault.ErrOversized) }, " failed: truncated", "garbled", asIs},
		"an end of another form": {func(s *stage) { s.plays("text-Hi").end([]byte("[]")) }, "Hi failed: truncated", "garbled", asIs},
		"an end that is no JSON": {func(s *stage) { s.plays("text-Hi").end([]byte(`{"error":`)) }, "Hi failed: truncated", "garbled", asIs},
		"an error after text": {
			func(s *stage) { s.plays("text-Hi").end(vectorOf(t, "end-provider-error")[headLen:]) },
			"Hi failed: caller_fault", "agent: provider refuses the request", asIs,
		},
		"outdated": {func(s *stage) { s.end(vectorOf(t, "end-outdated")[headLen:]) }, " failed: outdated_client", "agent: outdated client, in words", asIs},
		"a refused option": {
			func(s *stage) { s.end(vectorOf(t, "end-unknown-option")[headLen:]) },
			" failed: caller_fault", "bad request", inFlatForm,
		},
		"a refused history": {
			func(s *stage) { s.end([]byte(`{"error":{"code":"internal","message":"Blob not found"}}`)) },
			" failed: upstream", "anything else", inFlatForm,
		},
		"a refusal after text": {
			func(s *stage) {
				s.plays("text-Hi").end([]byte(`{"error":{"code":"internal","message":"Blob not found"}}`))
			},
			"Hi failed: upstream", "anything else", asIs,
		},
		"exhausted without a word": {
			func(s *stage) { s.end([]byte(`{"error":{"code":"resource_exhausted","message":"Error"}}`)) },
			" failed: upstream", "agent: exhausted without a word", withFreshIDs,
		},
		"exhausted by a large prompt": {
			func(s *stage) {
				s.window = 10
				s.end([]byte(`{"error":{"code":"resource_exhausted","message":"Error"}}`))
			},
			" failed: too_large", "agent: too large", asIs,
		},
		"nothing at all":       {func(s *stage) { s.passes(maxFirst) }, " failed: upstream", "silent", asIs},
		"nothing but signs":    {func(s *stage) { beating(s, time.Minute) }, " failed: upstream", "silent", asIs},
		"silence after text":   {func(s *stage) { s.plays("text-Hi").passes(maxSilence) }, "Hi failed: upstream", "silent", asIs},
		"no progress for long": {func(s *stage) { s.plays("text-Hi"); beating(s, maxStall) }, "Hi failed: upstream", "silent", asIs},
	} {
		s := play(t)
		test.play(s)
		s.is(test.want)
		if s.failure == nil || s.failure.Rule != test.row || s.again != test.beforeEvent || !s.left {
			t.Errorf("%s: %v by %q, again %d, left %t", name, s.failure, s.failure.Rule, s.again, s.left)
		}
	}
}

// beating has the upstream send nothing but signs of life.
func beating(s *stage, wait time.Duration) {
	for range wait / (10 * time.Second) {
		s.passes(10 * time.Second).plays("heartbeat")
	}
	s.passes(time.Millisecond)
}

// Not yet late.
func TestPatience(t *testing.T) {
	t.Parallel()
	s := play(t).passes(maxFirst - 1)
	s.plays("heartbeat").passes(maxSilence - 1)
	s.plays("step-completed").passes(maxSilence - 1).plays("checkpoint").passes(maxSilence - 1).plays("heartbeat")
	s.passes(maxSilence - time.Second).is("")
	if s.over {
		t.Error(s.failure)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	ended := func(in, out, read int64) *agentv1.AgentServerMessage {
		return shown(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TurnEnded{TurnEnded: &agentv1.TurnEndedUpdate{
			InputTokens: &in, OutputTokens: &out, CacheReadTokens: &read,
		}}})
	}
	for name, test := range map[string]struct {
		play func(*stage)
		want *chat.Usage
	}{
		"reported": {
			func(s *stage) { s.plays("token-7", "checkpoint", "turn-ended") },
			&chat.Usage{Prompt: 10837, Completion: 42, CacheRead: 5888, Reasoning: 12, Source: chat.UsageReported},
		},
		"estimated": {
			func(s *stage) { s.plays("token-7", "token-7", "checkpoint", "turn-ended-silently") },
			&chat.Usage{Prompt: 11342, Completion: 14, Source: chat.UsageEstimated},
		},
		"nothing told":        {func(s *stage) { s.plays("turn-ended-silently") }, nil},
		"no word of input":    {func(s *stage) { s.plays("token-7") }, nil},
		"a cache beyond all":  {func(s *stage) { s.plays("checkpoint").comes(ended(50000, 10, 40000)) }, &chat.Usage{Prompt: 50000, Completion: 10, Source: chat.UsageReported}},
		"an output beyond it": {func(s *stage) { s.plays("token-7").comes(ended(100, 5000, 0)) }, &chat.Usage{Prompt: 100, Completion: 7, Source: chat.UsageReported}},
	} {
		s := play(t).plays("text-Hi")
		test.play(s)
		s.end([]byte("{}"))
		if diff := cmp.Diff(test.want, s.steps[len(s.steps)-1].Usage); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		play func(*stage)
		want string
	}{
		"as announced": {
			func(s *stage) { s.plays("call-started", "call-written", "call").is("").passes(settled) },
			` call_1=get_weather({"city":"Paris"}) tool_calls`,
		},
		"not yet settled": {func(s *stage) { s.plays("call-started", "call-written", "call").passes(settled - 1) }, ""},
		"unannounced":     {func(s *stage) { s.plays("call").passes(unannounced) }, ` call_1=get_weather({"city":"Paris"}) tool_calls`},
		"after words": {
			func(s *stage) { s.plays("text-Hi", "call-started", "call").passes(settled) },
			`Hi call_1=get_weather({"city":"Paris"}) tool_calls`,
		},
		"by the turn's end": {func(s *stage) { s.plays("call", "turn-ended") }, ` call_1=get_weather({"city":"Paris"}) tool_calls`},
		"by the end frame":  {func(s *stage) { s.plays("call").end([]byte("{}")) }, ` call_1=get_weather({"city":"Paris"}) tool_calls`},
		"two at once": {
			func(s *stage) {
				s.comes(announced("a"), announced("b"), calls(1, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "a", Args: inCity("Rome")}),
					calls(2, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "b", Args: inCity("Oslo")})).passes(settled)
			},
			` call_1=get_weather({"city":"Rome"}) call_2=get_weather({"city":"Oslo"}) tool_calls`,
		},
		"the second later": {
			func(s *stage) {
				s.comes(announced("a"), announced("b"), calls(1, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "a", Args: inCity("Rome")}))
				s.passes(800 * time.Millisecond)
				s.comes(calls(2, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "b", Args: inCity("Oslo")})).passes(settled)
			},
			` call_1=get_weather({"city":"Rome"}) call_2=get_weather({"city":"Oslo"}) tool_calls`,
		},
		"the second never": {
			func(s *stage) {
				s.comes(announced("a"), announced("b"), calls(1, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "a", Args: inCity("Rome")})).passes(owed)
			},
			` call_1=get_weather({"city":"Rome"}) tool_calls`,
		},
		"the second is long in writing": {
			func(s *stage) {
				s.comes(announced("a"), announced("b"), calls(1, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "a", Args: inCity("Rome")}))
				for range 10 {
					s.passes(time.Second).comes(written("b", " "))
				}
			}, "",
		},
		"under another id": {
			func(s *stage) {
				s.comes(announced("a\nfc_1"), calls(1, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "tool_9\nmc_1", Args: inCity("Rome")})).passes(settled)
			},
			` call_1=get_weather({"city":"Rome"}) tool_calls`,
		},
		"asked twice": {
			func(s *stage) { s.plays("call-started", "call", "call").passes(settled) },
			` call_1=get_weather({"city":"Paris"}) tool_calls`,
		},
		"only one is wanted": {
			func(s *stage) { s.oneCall = true; s.plays("call") },
			` call_1=get_weather({"city":"Paris"}) tool_calls`,
		},
		"in free text": {
			func(s *stage) {
				s.comes(calls(1, &agentv1.McpArgs{ToolName: "patch", Args: map[string]*structpb.Value{"input": structpb.NewStringValue("*** Begin")}})).passes(unannounced)
			},
			" call_1=patch(*** Begin) tool_calls",
		},
		"in free text of another name (48)": {
			func(s *stage) {
				s.comes(calls(1, &agentv1.McpArgs{ToolName: "patch", Args: map[string]*structpb.Value{"patch": structpb.NewStringValue("*** Begin")}})).passes(unannounced)
			},
			" call_1=patch(*** Begin) tool_calls",
		},
		"without arguments": {
			func(s *stage) { s.comes(calls(1, &agentv1.McpArgs{ToolName: "get_weather"})).passes(unannounced) },
			" call_1=get_weather({}) tool_calls",
		},
		"by the declared name": {
			func(s *stage) {
				s.comes(calls(1, &agentv1.McpArgs{Name: "carousel-get_weather", Args: inCity("Rome")})).passes(unannounced)
			},
			` call_1=get_weather({"city":"Rome"}) tool_calls`,
		},
		"taken back": {
			func(s *stage) {
				s.plays("call").comes(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ExecServerControlMessage{
					ExecServerControlMessage: &agentv1.ExecServerControlMessage{Message: &agentv1.ExecServerControlMessage_Abort{Abort: &agentv1.ExecStreamId{Id: 2}}},
				}}).plays("text-Hi", "turn-ended").passes(quiet)
			},
			"Hi stop",
		},
	} {
		s := play(t, weather, patch)
		test.play(s)
		if s.is(test.want); t.Failed() {
			t.Fatal(name)
		}
		// No result is made up for a call that is the client's.
		if s.wantSent(); t.Failed() {
			t.Fatal(name)
		}
		if s.over != strings.HasSuffix(test.want, "tool_calls") && test.want != "Hi stop" {
			t.Errorf("%s: over is %t", name, s.over)
		}
	}
}

// Calls of what is not the client's go back to the model, which may correct itself.
func TestCallsOfOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args *agentv1.McpArgs
		want *agentv1.McpResult
	}{
		"another provider": {
			&agentv1.McpArgs{ToolName: "get_weather", ProviderIdentifier: "elsewhere"},
			&agentv1.McpResult{Result: &agentv1.McpResult_ServerNotFound{ServerNotFound: &agentv1.McpServerNotFound{
				Name: "elsewhere", AvailableServers: []string{"carousel"},
			}}},
		},
		"an unknown tool": {
			&agentv1.McpArgs{ToolName: "get_time"},
			&agentv1.McpResult{Result: &agentv1.McpResult_ToolNotFound{ToolNotFound: &agentv1.McpToolNotFound{
				Name: "get_time", AvailableTools: []string{"get_weather"},
			}}},
		},
		"only leave to call": {
			&agentv1.McpArgs{ToolName: "get_weather", SmartModeApprovalOnly: true},
			&agentv1.McpResult{Result: &agentv1.McpResult_Approved{Approved: &agentv1.McpApproved{}}},
		},
	} {
		s := play(t, weather).comes(calls(4, test.args))
		if len(s.sent) != 2 {
			t.Fatalf("%s: %v", name, s.sent)
		}
		if diff := cmp.Diff(test.want, s.sent[0].GetExecClientMessage().GetMcpResult(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if s.sent[1].GetExecClientControlMessage().GetStreamClose().GetId() != 4 {
			t.Errorf("%s: not closed: %v", name, s.sent[1])
		}
		s.passes(2 * unannounced).is("")
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	number := structpb.NewNumberValue
	for name, test := range map[string]struct {
		args    map[string]*structpb.Value
		written string
		want    string
	}{
		"numbers": {
			map[string]*structpb.Value{"a": number(1), "b": number(1.5), "c": number(-3e6), "d": number(1e300), "e": number(1 << 53)},
			"",
			`{"a":1,"b":1.5,"c":-3000000,"d":1e+300,"e":9.007199254740992e+15}`,
		},
		"all kinds": {
			map[string]*structpb.Value{
				"b": structpb.NewBoolValue(true), "n": structpb.NewNullValue(), "s": structpb.NewStringValue("<a&\"\n"),
				"l": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{number(0), structpb.NewStringValue("")}}),
				"o": structpb.NewStructValue(&structpb.Struct{Fields: inCity("Köln")}),
			},
			"",
			`{"b":true,"l":[0,""],"n":null,"o":{"city":"Köln"},"s":"<a&\"\n"}`,
		},
		"as written, where that says the same": {
			map[string]*structpb.Value{"z": number(9007199254740993), "a": structpb.NewStringValue("é")},
			` {"z": 9007199254740993, "a": "\u00e9"}`,
			`{"z": 9007199254740993, "a": "\u00e9"}`,
		},
		"written only in part":       {inCity("Paris"), `{"city":"Pa`, `{"city":"Paris"}`},
		"written otherwise":          {inCity("Paris"), `{"city":"Rome"}`, `{"city":"Paris"}`},
		"written with more":          {inCity("Paris"), `{"city":"Paris","x":1}`, `{"city":"Paris"}`},
		"written with a tail":        {inCity("Paris"), `{"city":"Paris"}]`, `{"city":"Paris"}`},
		"written as another form":    {inCity("Paris"), `["city"]`, `{"city":"Paris"}`},
		"nothing, and null, written": {nil, `null`, `{}`},
	} {
		if got := argumentsText(test.args, test.written); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Snapshots that grow, and pieces, come to the same.
func TestWhatIsWritten(t *testing.T) {
	t.Parallel()
	for name, pieces := range map[string][]string{
		"snapshots": {`{"ci`, `{"city":"Pa`, `{"city":"Paris"}`},
		"pieces":    {`{"ci`, `ty":"Pa`, `ris"}`},
	} {
		var b batch
		b.announce(0, "a", &agentv1.ToolCall{Tool: &agentv1.ToolCall_McpToolCall{McpToolCall: &agentv1.McpToolCall{}}})
		for _, piece := range pieces {
			b.write(b.announce(0, "a", nil), piece)
		}
		if got := b.announced[0].written; got != `{"city":"Paris"}` {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestCallIDs(t *testing.T) {
	t.Parallel()
	a, b := newCallID(), newCallID()
	if a == b || !strings.HasPrefix(a, "call_") || strings.ContainsAny(a, "\n ") || len(a) > 40 {
		t.Errorf("%q, %q", a, b)
	}
}
