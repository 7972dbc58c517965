package upstreamsim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// agentClient is a Run as the facts about the protocol tell a client to make one, written by hand.
// Tests change the request and the answers.
type agentClient struct {
	t       *testing.T
	ctx     context.Context
	url     string
	header  http.Header
	request *agentv1.AgentRunRequest
	blobs   map[string][]byte
	context *agentv1.RequestContext

	// before changes or swallows an answer: it returns what is sent instead.
	before func(question *agentv1.AgentServerMessage, answers []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage
	// onCall answers a call; nil leaves the Run.
	onCall func(*agentv1.McpArgs) *agentv1.McpResult
	// raw is sent instead of the run_request.
	raw []byte
	// silent clients send no heartbeats; careless ones neither close nor leave at the end.
	silent, careless bool

	body     *io.PipeWriter
	cancel   context.CancelFunc
	text     strings.Builder
	thought  strings.Builder
	calls    []*agentv1.McpArgs
	usage    *agentv1.TurnEndedUpdate
	order    []string
	trailer  string
	response *http.Response
}

var agentUUIDs atomic.Int64

// freshUUID is a UUID of version 4, unlike all others of the test.
func freshUUID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", agentUUIDs.Add(1))
}

func newAgentClient(t *testing.T, server *httptest.Server, model, text string) *agentClient {
	t.Helper()
	conversation, id := freshUUID(), freshUUID()
	c := &agentClient{t: t, ctx: deadline(t), url: server.URL, blobs: map[string][]byte{}, context: &agentv1.RequestContext{
		Env: &agentv1.RequestContextEnv{OsVersion: "linux 6.8.0", WorkspacePaths: []string{"/workspace"}},
	}}
	c.header = http.Header{
		"Content-Type": {"application/connect+proto"}, "Connect-Protocol-Version": {"1"}, "Authorization": {"Bearer " + DemoTokens().Cursor[0]},
		"User-Agent": {"connect-es/1.6.1"}, "X-Cursor-Client-Type": {"cli"}, "X-Cursor-Client-Version": {"cli-2026.10.01-e373342"},
		"X-Ghost-Mode": {"true"}, "X-Request-Id": {id}, "Te": {"trailers"}, "Connect-Accept-Encoding": {"gzip"},
	}
	c.request = &agentv1.AgentRunRequest{
		ConversationState: &agentv1.ConversationStateStructure{Mode: agentv1.AgentMode_AGENT_MODE_AGENT.Enum()},
		Action: &agentv1.ConversationAction{Action: &agentv1.ConversationAction_UserMessageAction{UserMessageAction: &agentv1.UserMessageAction{
			UserMessage: &agentv1.UserMessage{Text: text, MessageId: freshUUID(), SelectedContext: &agentv1.SelectedContext{}, Mode: agentv1.AgentMode_AGENT_MODE_AGENT},
		}}},
		McpTools: &agentv1.McpTools{}, ConversationId: &conversation, ConversationGroupId: &conversation,
		RequestedModel: &agentv1.RequestedModel{ModelId: model}, RunId: &id,
	}
	return c
}

// userMessage is the active one.
func (c *agentClient) userMessage() *agentv1.UserMessage {
	return c.request.GetAction().GetUserMessageAction().GetUserMessage()
}

// tools declares tools with one text parameter, "at".
func (c *agentClient) tools(names ...string) *agentClient {
	for _, name := range names {
		schema, err := structpb.NewValue(map[string]any{
			"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}}, "required": []any{"at"},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		tool := &agentv1.McpToolDefinition{Name: "carousel-" + name, Description: name, InputSchema: schema, ProviderIdentifier: "carousel", ToolName: name}
		c.request.McpTools.McpTools = append(c.request.McpTools.McpTools, tool)
		c.context.Tools = append(c.context.Tools, tool)
	}
	return c
}

// blob keeps a blob for the server to ask for.
func (c *agentClient) blob(content []byte) []byte {
	sum := sha256.Sum256(content)
	c.blobs[string(sum[:])] = content
	return sum[:]
}

// root adds a root message.
func (c *agentClient) root(text string) *agentClient {
	c.request.ConversationState.RootPromptMessagesJson = append(c.request.ConversationState.RootPromptMessagesJson, c.blob([]byte(text)))
	return c
}

// message wraps what a client sends.
func clientMessage(of any) *agentv1.AgentClientMessage {
	m := new(agentv1.AgentClientMessage)
	switch of := of.(type) {
	case *agentv1.AgentRunRequest:
		m.Message = &agentv1.AgentClientMessage_RunRequest{RunRequest: of}
	case *agentv1.ExecClientMessage:
		m.Message = &agentv1.AgentClientMessage_ExecClientMessage{ExecClientMessage: of}
	case *agentv1.KvClientMessage:
		m.Message = &agentv1.AgentClientMessage_KvClientMessage{KvClientMessage: of}
	case *agentv1.ExecClientControlMessage:
		m.Message = &agentv1.AgentClientMessage_ExecClientControlMessage{ExecClientControlMessage: of}
	case *agentv1.InteractionResponse:
		m.Message = &agentv1.AgentClientMessage_InteractionResponse{InteractionResponse: of}
	case *agentv1.ClientHeartbeat:
		m.Message = &agentv1.AgentClientMessage_ClientHeartbeat{ClientHeartbeat: of}
	}
	return m
}

func clientFrame(t testing.TB, m *agentv1.AgentClientMessage) []byte {
	t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(payload))), payload...)
}

func closing(id uint32) *agentv1.AgentClientMessage {
	return clientMessage(&agentv1.ExecClientControlMessage{Message: &agentv1.ExecClientControlMessage_StreamClose{StreamClose: &agentv1.ExecStreamId{Id: id}}})
}

// run plays the Run to its end, and answers the error of the connection where there was one.
func (c *agentClient) run() error {
	ctx, cancel := context.WithCancel(c.ctx)
	c.cancel = cancel
	defer cancel()
	body, writer := io.Pipe()
	c.body = writer
	defer func() { _ = writer.Close() }()
	// The transport resets the stream only once the body's reader wakes.
	context.AfterFunc(ctx, func() { _ = writer.CloseWithError(context.Canceled) })
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+agentRunPath, body)
	if err != nil {
		return err
	}
	request.Header = c.header
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	first := c.raw
	if first == nil {
		first = clientFrame(c.t, clientMessage(c.request))
	}
	go func() { _, _ = writer.Write(first) }() // ends with the body
	c.response, err = transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = c.response.Body.Close() }()
	if c.response.StatusCode != http.StatusOK {
		return nil
	}
	if !c.silent {
		c.send(clientMessage(&agentv1.ClientHeartbeat{}))
	}
	return c.react()
}

func (c *agentClient) send(messages ...*agentv1.AgentClientMessage) {
	for _, m := range messages {
		_, _ = c.body.Write(clientFrame(c.t, m)) // the server may be gone
	}
}

// react answers what comes until the end frame.
func (c *agentClient) react() error {
	for {
		flags, payload, err := readEnvelope(c.response.Body)
		if err != nil {
			return err
		}
		if flags&flagEnd != 0 {
			c.trailer = string(payload)
			c.order = append(c.order, "end")
			if c.careless {
				_, err = io.Copy(io.Discard, c.response.Body)
				return err
			}
			return nil
		}
		message := new(agentv1.AgentServerMessage)
		if err := proto.Unmarshal(payload, message); err != nil {
			return err
		}
		answers := c.answer(message)
		if c.before != nil {
			answers = c.before(message, answers)
		}
		c.send(answers...)
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
}

func readEnvelope(from io.Reader) (flags byte, payload []byte, err error) {
	var prefix [5]byte
	if _, err := io.ReadFull(from, prefix[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	if _, err := io.ReadFull(from, payload); err != nil {
		return 0, nil, err
	}
	if prefix[0]&flagGzip != 0 {
		if payload, err = inflate(payload); err != nil {
			return 0, nil, err
		}
	}
	return prefix[0], payload, nil
}

// answer is what the facts say that a gateway answers.
func (c *agentClient) answer(m *agentv1.AgentServerMessage) []*agentv1.AgentClientMessage {
	switch m := m.GetMessage().(type) {
	case *agentv1.AgentServerMessage_InteractionUpdate:
		c.see(m.InteractionUpdate)
	case *agentv1.AgentServerMessage_KvServerMessage:
		return c.answerKV(m.KvServerMessage)
	case *agentv1.AgentServerMessage_ExecServerMessage:
		return c.answerExec(m.ExecServerMessage)
	case *agentv1.AgentServerMessage_InteractionQuery:
		c.order = append(c.order, "query")
		return []*agentv1.AgentClientMessage{clientMessage(&agentv1.InteractionResponse{Id: m.InteractionQuery.GetId()})}
	case *agentv1.AgentServerMessage_ConversationCheckpointUpdate:
		c.order = append(c.order, "checkpoint")
	}
	return nil
}

func (c *agentClient) see(u *agentv1.InteractionUpdate) {
	field := caseOf(u)
	if field == nil {
		return
	}
	if name := string(field.Name()); len(c.order) == 0 || c.order[len(c.order)-1] != name {
		c.order = append(c.order, name)
	}
	c.text.WriteString(u.GetTextDelta().GetText())
	c.thought.WriteString(u.GetThinkingDelta().GetText())
	if ended := u.GetTurnEnded(); ended != nil {
		c.usage = ended
	}
}

func (c *agentClient) answerKV(kv *agentv1.KvServerMessage) []*agentv1.AgentClientMessage {
	answer := &agentv1.KvClientMessage{Id: kv.GetId()}
	if get := kv.GetGetBlobArgs(); get != nil {
		c.order = append(c.order, "get_blob")
		result := new(agentv1.GetBlobResult)
		if blob, known := c.blobs[string(get.GetBlobId())]; known {
			result.BlobData = blob
		}
		answer.Message = &agentv1.KvClientMessage_GetBlobResult{GetBlobResult: result}
	} else {
		c.order = append(c.order, "set_blob")
		answer.Message = &agentv1.KvClientMessage_SetBlobResult{SetBlobResult: &agentv1.SetBlobResult{}}
	}
	return []*agentv1.AgentClientMessage{clientMessage(answer)}
}

func (c *agentClient) answerExec(q *agentv1.ExecServerMessage) []*agentv1.AgentClientMessage {
	field := caseOf(q)
	answer := &agentv1.ExecClientMessage{Id: q.GetId(), ExecId: q.GetExecId()}
	if field == nil || field.Number() == gitDiffQuestion {
		c.order = append(c.order, "unknown exec")
		throw := &agentv1.ExecClientControlMessage{Message: &agentv1.ExecClientControlMessage_Throw{Throw: &agentv1.ExecClientThrow{Id: q.GetId(), Error: "unsupported request"}}}
		return []*agentv1.AgentClientMessage{clientMessage(throw), closing(q.GetId())}
	}
	c.order = append(c.order, string(field.Name()))
	switch {
	case q.GetRequestContextArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_RequestContextResult{RequestContextResult: &agentv1.RequestContextResult{
			Result: &agentv1.RequestContextResult_Success{Success: &agentv1.RequestContextSuccess{RequestContext: c.context}},
		}}
	case q.GetMcpArgs() != nil:
		c.calls = append(c.calls, q.GetMcpArgs())
		if c.onCall == nil {
			return nil
		}
		result := c.onCall(q.GetMcpArgs())
		if result == nil {
			c.cancel()
			return nil
		}
		answer.Message = &agentv1.ExecClientMessage_McpResult{McpResult: result}
	case q.GetReadArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_ReadResult{ReadResult: &agentv1.ReadResult{Result: &agentv1.ReadResult_Rejected{
			Rejected: &agentv1.PathReason{Path: q.GetReadArgs().GetPath(), Reason: "not available"},
		}}}
	case q.GetGrepArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_GrepResult{GrepResult: &agentv1.GrepResult{Result: &agentv1.GrepResult_Error{Error: &agentv1.ErrorText{Error: "not available"}}}}
	case q.GetLsArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_LsResult{LsResult: &agentv1.LsResult{Result: &agentv1.LsResult_Rejected{
			Rejected: &agentv1.PathReason{Path: q.GetLsArgs().GetPath(), Reason: "not available"},
		}}}
	case q.GetShellStreamArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_ShellStream{ShellStream: &agentv1.ShellStream{Event: &agentv1.ShellStream_Rejected{Rejected: c.noShell(q.GetShellStreamArgs())}}}
	case q.GetPiReadArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_PiReadResult{PiReadResult: &agentv1.ErrorAtTwoResult{Result: &agentv1.ErrorAtTwoResult_Error{Error: &agentv1.ErrorText{Error: "not available"}}}}
	case q.GetMiniSweAgentBashArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_MiniSweAgentBashResult{MiniSweAgentBashResult: &agentv1.ShellResult{Result: &agentv1.ShellResult_Rejected{Rejected: c.noShell(q.GetMiniSweAgentBashArgs())}}}
	case q.GetMcpAllowlistPrecheckArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_McpAllowlistPrecheckResult{McpAllowlistPrecheckResult: &agentv1.AllowlistResult{Allowlisted: true}}
	case q.GetMcpStateExecArgs() != nil:
		answer.Message = &agentv1.ExecClientMessage_McpStateExecResult{McpStateExecResult: &agentv1.McpStateExecResult{Result: &agentv1.McpStateExecResult_Success{
			Success: &agentv1.McpStateSuccess{Servers: []*agentv1.McpStateServer{{
				ServerName: "carousel", ServerIdentifier: "carousel", Tools: c.context.GetTools(), Status: proto.String("connected"),
			}}},
		}}}
	default:
		return refusal(c.t, q)
	}
	return []*agentv1.AgentClientMessage{clientMessage(answer), closing(q.GetId())}
}

func (c *agentClient) noShell(of *agentv1.ShellArgs) *agentv1.CommandReason {
	return &agentv1.CommandReason{Command: of.GetCommand(), WorkingDirectory: of.GetWorkingDirectory(), Reason: "not available"}
}

// textResult is the success of a call.
func textResult(text string) *agentv1.McpResult {
	return &agentv1.McpResult{Result: &agentv1.McpResult_Success{Success: &agentv1.McpSuccess{Content: []*agentv1.McpToolResultContentItem{
		{Content: &agentv1.McpToolResultContentItem_Text{Text: &agentv1.McpTextContent{Text: text}}},
	}}}}
}

// errorOf reads an end frame: the code, the message and the enum, -1 without one.
func agentError(t *testing.T, trailer string) (code, message string, enum int32) {
	t.Helper()
	var end struct {
		Error struct {
			Code, Message string
			Details       []struct{ Type, Value string }
		}
	}
	if err := json.Unmarshal([]byte(trailer), &end); err != nil {
		t.Fatalf("%v: %q", err, trailer)
	}
	enum = -1
	for _, detail := range end.Error.Details {
		told := new(agentv1.AiErrorDetails)
		if err := proto.Unmarshal(unbase64(t, detail.Value), told); err != nil {
			t.Fatal(err)
		}
		enum = told.GetError()
	}
	return end.Error.Code, end.Error.Message, enum
}

// mustRun fails where the connection does.
func (c *agentClient) mustRun() *agentClient {
	c.t.Helper()
	if err := c.run(); err != nil {
		c.t.Fatalf("%v after %q", err, c.order)
	}
	return c
}

// violated waits for a violation of a rule, and fails where one of another rule is there.
func violated(t *testing.T, sim *Simulator, rule int, others ...int) string {
	t.Helper()
	prefix := fmt.Sprintf("rule %d: ", rule)
	of := func(l Ledger, of string) string {
		for _, v := range l.Violations {
			for _, problem := range v.Problems {
				if strings.HasPrefix(problem, of) {
					return problem
				}
			}
		}
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ledger, err := sim.Await(ctx, func(l Ledger) bool { return of(l, prefix) != "" })
	if err != nil {
		t.Fatalf("rule %d was not violated: %+v", rule, ledger.Violations)
	}
	for _, v := range ledger.Violations {
		for _, problem := range v.Problems {
			if !strings.HasPrefix(problem, prefix) && !slices.ContainsFunc(others, func(o int) bool { return strings.HasPrefix(problem, fmt.Sprintf("rule %d: ", o)) }) {
				t.Errorf("also violated: %s", problem)
			}
		}
	}
	return of(ledger, prefix)
}

// closedRuns waits until no Run is open.
func closedRuns(t *testing.T, sim *Simulator) AgentRuns {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := sim.Await(ctx, func(Ledger) bool { open, _ := sim.OpenRuns(); return open == 0 }); err != nil {
		t.Fatalf("Runs are open: %+v", sim.AgentRuns())
	}
	return sim.AgentRuns()
}

// jwt is a token with claims, which nobody has signed.
func jwt(t *testing.T, claims map[string]any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(jsonOf(claims)) + "." + encode([]byte("signature"))
}
