package upstreamsim

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// TestAgentChecksRequests breaks one check each and sees it counted, and answered as it should be.
func TestAgentChecksRequests(t *testing.T) {
	type broken struct {
		name     string
		rule     int
		change   func(*agentClient)
		settings AgentSettings
		code     string // of the end frame; empty for a turn that goes well
		message  string
		enum     int32 // -1 for none
	}
	user := func(c *agentClient) *agentv1.UserMessage { return c.userMessage() }
	schema := func(of map[string]any) func(*agentClient) {
		return func(c *agentClient) {
			value, err := structpb.NewValue(of)
			if err != nil {
				c.t.Fatal(err)
			}
			c.tools("look")
			c.request.McpTools.McpTools[0].InputSchema = value
		}
	}
	root := func(text string) func(*agentClient) { return func(c *agentClient) { c.root(text) } }
	const invalid = "invalid_argument"
	for _, b := range []broken{
		{"protocol version", 3, func(c *agentClient) { c.header.Del("Connect-Protocol-Version") }, AgentSettings{}, invalid, "", -1},
		{"no token", 4, func(c *agentClient) { c.header.Del("Authorization") }, AgentSettings{}, "unauthenticated", "", 2},
		{"client type", 5, func(c *agentClient) { c.header.Set("X-Cursor-Client-Type", "ide") }, AgentSettings{}, "resource_exhausted", "", 28},
		{"client version", 5, func(c *agentClient) { c.header.Set("X-Cursor-Client-Version", "3.19.7") }, AgentSettings{Outdated: "enum-30"}, "failed_precondition", "", 30},
		{"ghost mode", 6, func(c *agentClient) { c.header.Del("X-Ghost-Mode") }, AgentSettings{}, "", "", -1},
		{"request id", 6, func(c *agentClient) { c.header.Set("X-Request-Id", "1") }, AgentSettings{}, "", "", -1},
		{"first frame", 7, func(c *agentClient) { c.raw = clientFrame(c.t, clientMessage(&agentv1.ClientHeartbeat{})) }, AgentSettings{}, invalid, "", -1},
		{"flag 4", 7, func(c *agentClient) { c.raw = []byte{4, 0, 0, 0, 0} }, AgentSettings{}, invalid, "", -1},
		{"not decodable", 7, func(c *agentClient) { c.raw = []byte{0, 0, 0, 0, 2, 0x0a, 0x7f} }, AgentSettings{}, invalid, "", -1},
		{"second run_request", 8, func(c *agentClient) {
			first := clientFrame(c.t, clientMessage(c.request))
			c.raw = append(first, first...)
		}, AgentSettings{}, invalid, "", -1},
		{"no state", 9, func(c *agentClient) { c.request.ConversationState = nil }, AgentSettings{}, invalid, "Conversation state is required", -1},
		{"no action", 10, func(c *agentClient) { c.request.Action = nil }, AgentSettings{}, invalid, "", -1},
		{"no text", 10, func(c *agentClient) { user(c).Text = "" }, AgentSettings{}, invalid, "", -1},
		{"mode 0", 10, func(c *agentClient) { user(c).Mode = 0 }, AgentSettings{}, "", "", -1},
		{"message id", 10, func(c *agentClient) { user(c).MessageId = "m" }, AgentSettings{}, "", "", -1},
		{"system prompt", 11, func(c *agentClient) { c.request.CustomSystemPrompt = proto.String("") }, AgentSettings{}, invalid, "unknown option '--system-prompt'", -1},
		{"system prompt, empty turn", 11, func(c *agentClient) { c.request.CustomSystemPrompt = proto.String("x") }, AgentSettings{EmptyForSystemPrompt: true}, "", "", -1},
		{
			"workspace context", 12, func(c *agentClient) { c.request.ExcludeWorkspaceContext = proto.Bool(true) },
			AgentSettings{},
			invalid,
			"Workspace context exclusion is not allowed for this user, team, or selected model", -1,
		},
		{"root id", 15, func(c *agentClient) {
			c.request.ConversationState.RootPromptMessagesJson = [][]byte{[]byte("short")}
		}, AgentSettings{}, "internal", "Blob not found", -1},
		{"unknown blob", 16, func(c *agentClient) {
			c.request.ConversationState.RootPromptMessagesJson = [][]byte{bytes.Repeat([]byte{1}, 32)}
		}, AgentSettings{}, "internal", "Blob not found", -1},
		{"other blob", 16, func(c *agentClient) {
			c.root(`{"role":"system","content":"a"}`)
			for id := range c.blobs {
				c.blobs[id] = []byte("b")
			}
		}, AgentSettings{}, "internal", "Blob not found", -1},
		{"root is no JSON", 17, root(`{`), AgentSettings{}, invalid, "", -1},
		{"root without role", 17, root(`{"content":"x"}`), AgentSettings{}, invalid, "", -1},
		{"bare string", 17, root(`{"role":"user","content":"x"}`), AgentSettings{}, invalid, "", -1},
		{"result without call", 17, root(`{"role":"tool","id":"c","content":[{"type":"tool-result","toolCallId":"c","toolName":"n","result":"r"}]}`), AgentSettings{}, invalid, "", -1},
		{"call without result", 17, root(`{"role":"assistant","content":[{"type":"tool-call","toolCallId":"c","toolName":"n","args":{}}]}`), AgentSettings{}, "", "", -1},
		{"two results", 17, func(c *agentClient) {
			c.root(`{"role":"assistant","content":[{"type":"tool-call","toolCallId":"c","toolName":"n","args":{}}]}`)
			c.root(`{"role":"tool","id":"c","content":[{"type":"tool-result","toolCallId":"c","toolName":"n","result":"r"}]}`)
			c.root(`{"role":"tool","id":"c","content":[{"type":"tool-result","toolCallId":"c","toolName":"n","result":"r"} ]}`)
		}, AgentSettings{}, invalid, "", -1},
		{"other toolName", 17, func(c *agentClient) {
			c.root(`{"role":"assistant","content":[{"type":"tool-call","toolCallId":"c","toolName":"n","args":{}}]}`)
			c.root(`{"role":"tool","id":"c","content":[{"type":"tool-result","toolCallId":"c","toolName":"m","result":"r"}]}`)
		}, AgentSettings{}, invalid, "", -1},
		{"turn", 18, func(c *agentClient) {
			message := c.blob([]byte("\x0a\x02Hi"))
			turn, err := proto.Marshal(&agentv1.ConversationTurnStructure{Turn: &agentv1.ConversationTurnStructure_AgentConversationTurn{
				AgentConversationTurn: &agentv1.AgentConversationTurnStructure{UserMessage: message},
			}})
			if err != nil {
				c.t.Fatal(err)
			}
			c.request.ConversationState.Turns = [][]byte{c.blob(turn)}
		}, AgentSettings{}, "", "", -1},
		{"roots", 19, func(c *agentClient) {
			for range maxRoots + 1 {
				c.root(`{"role":"system","content":"x"}`)
			}
		}, AgentSettings{}, invalid, "", -1},
		{"long text", 19, func(c *agentClient) { user(c).Text = strings.Repeat("x", maxUserText+1) }, AgentSettings{}, invalid, "", -1},
		{"no object", 20, func(c *agentClient) {
			c.tools("look")
			c.request.McpTools.McpTools[0].InputSchema = structpb.NewStringValue("x")
		}, AgentSettings{}, "resource_exhausted", "Error", -1},
		{"anyOf", 20, schema(map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"anyOf": []any{}}}}), AgentSettings{}, "resource_exhausted", "Error", -1},
		{"no mcp_tools", 21, func(c *agentClient) { c.request.McpTools = nil }, AgentSettings{}, "", "", -1},
		{"tools in the context alone", 21, func(c *agentClient) { c.tools("look"); c.request.McpTools.McpTools = nil }, AgentSettings{}, "", "", -1},
		{"conversation id", 29, func(c *agentClient) { c.request.ConversationId = proto.String("c") }, AgentSettings{}, "", "", -1},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			if err := sim.SetAgent(b.settings); err != nil {
				t.Fatal(err)
			}
			c := newAgentClient(t, server, "composer-2.5", hello)
			b.change(c)
			c.mustRun()
			violated(t, sim, b.rule)
			if b.code == "" {
				if c.trailer != success {
					t.Errorf("trailer: %s", c.trailer)
				}
				return
			}
			code, message, enum := agentError(t, c.trailer)
			if code != b.code || b.message != "" && message != b.message || enum != b.enum {
				t.Errorf("trailer: %s", c.trailer)
			}
		})
	}
}

func TestAgentSpeaksOnlyHTTP2(t *testing.T) {
	sim, server := serving(t, Options{})
	request, err := http.NewRequestWithContext(deadline(t), http.MethodPost, server.URL+agentRunPath, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	got := roundTrip(t, server, request)
	if got.status != 464 || len(got.body) > 0 || got.header.Get("Server") != "awselb/2.0" {
		t.Errorf("answer: %+v", got)
	}
	violated(t, sim, 1)
}

func TestAgentChecksMethodAndType(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5", hello)
	c.header.Set("Content-Type", "application/proto")
	c.mustRun()
	if c.response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("status: %d", c.response.StatusCode)
	}
	violated(t, sim, 2)
}

// TestAgentChecksAnswers breaks one check each of what a client answers.
func TestAgentChecksAnswers(t *testing.T) {
	type messages = []*agentv1.AgentClientMessage
	exec := func(m *agentv1.AgentClientMessage) *agentv1.ExecClientMessage { return m.GetExecClientMessage() }
	reject := func(q *agentv1.AgentServerMessage) bool { return q.GetExecServerMessage().GetReadArgs() != nil }
	for name, b := range map[string]struct {
		rule     int
		scenario string
		hangs    bool
		change   func(question *agentv1.AgentServerMessage, answers messages) messages
	}{
		"other exec_id": {22, "native-first", true, func(_ *agentv1.AgentServerMessage, a messages) messages {
			if exec(a[0]) != nil {
				exec(a[0]).ExecId = "x"
			}
			return a
		}},
		"other id": {22, "native-first", true, func(_ *agentv1.AgentServerMessage, a messages) messages {
			if exec(a[0]) != nil {
				exec(a[0]).Id = 99
			}
			return a
		}},
		"no close": {22, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				return a[:1]
			}
			return a
		}},
		"two closes": {22, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				return append(a, a[1])
			}
			return a
		}},
		"close before answer": {22, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				return messages{a[1], a[0]}
			}
			return a
		}},
		"answered twice": {22, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				return messages{a[0], a[0], a[1]}
			}
			return a
		}},
		"wrong number": {22, "native-first", true, func(q *agentv1.AgentServerMessage, a messages) messages {
			if pi := q.GetExecServerMessage().GetPiReadArgs(); pi != nil {
				exec(a[0]).Message = &agentv1.ExecClientMessage_ReadResult{ReadResult: &agentv1.ReadResult{}}
			}
			return a
		}},
		"wrong case": {23, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				exec(a[0]).Message = &agentv1.ExecClientMessage_ReadResult{ReadResult: &agentv1.ReadResult{Result: &agentv1.ReadResult_Error{
					Error: &agentv1.PathError{Path: q.GetExecServerMessage().GetReadArgs().GetPath()},
				}}}
			}
			return a
		}},
		"other path": {23, "native-first", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if reject(q) {
				exec(a[0]).GetReadResult().GetRejected().Path = "/other"
			}
			return a
		}},
		"no throw": {24, "unknown-exec", true, func(q *agentv1.AgentServerMessage, a messages) messages {
			if q.GetExecServerMessage() != nil && caseOf(q.GetExecServerMessage()) == nil {
				return nil
			}
			return a
		}},
		"query unanswered": {25, "query-search", true, func(q *agentv1.AgentServerMessage, a messages) messages {
			if q.GetInteractionQuery() != nil {
				return nil
			}
			return a
		}},
		"query approved": {25, "query-search", false, func(q *agentv1.AgentServerMessage, a messages) messages {
			if query := q.GetInteractionQuery(); query != nil {
				return messages{clientMessage(&agentv1.InteractionResponse{Id: query.GetId(), Result: &agentv1.InteractionResponse_WebSearchRequestResponse{
					WebSearchRequestResponse: &agentv1.ApprovalResponse{Result: &agentv1.ApprovalResponse_Approved{Approved: &agentv1.EmptyArgs{}}},
				}})}
			}
			return a
		}},
		"set_blob unanswered": {26, "echo", true, func(q *agentv1.AgentServerMessage, a messages) messages {
			if q.GetKvServerMessage().GetSetBlobArgs() != nil {
				return nil
			}
			return a
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			c := newAgentClient(t, server, "composer-2.5-sim-"+b.scenario, hello)
			ctx, cancel := context.WithCancel(c.ctx)
			defer cancel()
			leave := time.AfterFunc(patience, cancel)
			defer leave.Stop()
			c.before = func(q *agentv1.AgentServerMessage, answers []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
				if len(answers) == 0 {
					return answers
				}
				leave.Reset(answerGrace + 100*time.Millisecond) // was asked by now
				return b.change(q, answers)
			}
			if b.hangs { // what is not answered is counted when the client leaves
				c.ctx = ctx
				if err := c.run(); err == nil {
					t.Errorf("the Run ended: %s", c.trailer)
				}
				violated(t, sim, b.rule, 22)
				return
			}
			c.mustRun()
			if c.trailer != success {
				t.Errorf("trailer: %s", c.trailer)
			}
			violated(t, sim, b.rule)
		})
	}
}

// TestAgentTakesNoAnswerLongAfterAnAbort: the text comes when the time for an answer is over.
func TestAgentTakesNoAnswerLongAfterAnAbort(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-exec-aborted", hello)
	var late []*agentv1.AgentClientMessage
	c.before = func(q *agentv1.AgentServerMessage, answers []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
		switch {
		case q.GetExecServerMessage().GetReadArgs() != nil:
			late = answers
			return nil
		case q.GetInteractionUpdate().GetTextDelta() != nil:
			answers, late = late, nil
		}
		return answers
	}
	if c.mustRun(); c.text.String() != hello {
		t.Errorf("text: %q", c.text.String())
	}
	violated(t, sim, 22)
}

func TestAgentNeedsHeartbeats(t *testing.T) {
	sim, server := serving(t, Options{})
	if err := sim.SetAgent(AgentSettings{QuietMS: 100, HeartbeatMS: 20}); err != nil {
		t.Fatal(err)
	}
	c := newAgentClient(t, server, "composer-2.5-sim-delay-400", hello)
	c.silent = true
	c.mustRun()
	violated(t, sim, 27)
	if runs := closedRuns(t, sim); runs.Runs[0].LongestQuietMS < 100 || runs.Runs[0].Heartbeats != 0 {
		t.Errorf("runs: %+v", runs.Runs)
	}
}

func TestAgentRefusesHalfClosedRuns(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5-sim-hold", hello)
	c.before = func(q *agentv1.AgentServerMessage, a []*agentv1.AgentClientMessage) []*agentv1.AgentClientMessage {
		if q.GetInteractionUpdate().GetTextDelta() != nil {
			_ = c.body.Close()
		}
		return a
	}
	c.mustRun()
	if code, message, _ := agentError(t, c.trailer); code != "internal" || message != "No exec result" {
		t.Errorf("trailer: %s", c.trailer)
	}
	violated(t, sim, 28)
}

func TestAgentWantsEndedRunsClosed(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5", hello)
	c.careless = true
	_ = c.run() // the server cuts it short
	violated(t, sim, 32)
}

func TestAgentDerailsForEmptyResults(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5-sim-one-call", hello).tools("look")
	c.onCall = func(*agentv1.McpArgs) *agentv1.McpResult {
		return &agentv1.McpResult{Result: &agentv1.McpResult_Success{Success: &agentv1.McpSuccess{}}}
	}
	ctx, leave := context.WithCancel(c.ctx)
	defer leave()
	c.ctx = ctx
	ended := make(chan error, 1)
	go func() { ended <- c.run() }() // ends with leave
	violated(t, sim, 30)
	leave()
	if err := <-ended; err == nil {
		t.Error("the Run ended")
	}
}

func TestAgentPoisonsConversations(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5-sim-one-call", hello).tools("look")
	c.onCall = func(*agentv1.McpArgs) *agentv1.McpResult { return nil }
	_ = c.run()
	if runs := closedRuns(t, sim); runs.Ends[EndAtCalls] != 1 {
		t.Errorf("runs: %+v", runs)
	}
	noViolations(t, sim)
	again := newAgentClient(t, server, "composer-2.5", hello)
	again.request.ConversationId = c.request.ConversationId
	again.mustRun()
	if code, message, enum := agentError(t, again.trailer); code != "resource_exhausted" || message != "Error" || enum != -1 {
		t.Errorf("trailer: %s", again.trailer)
	}
	violated(t, sim, 29)
}

func TestAgentCountsSeenRequestIDs(t *testing.T) {
	sim, server := serving(t, Options{})
	if err := sim.SetAgent(AgentSettings{RefuseSeenRequests: true}); err != nil {
		t.Fatal(err)
	}
	c := newAgentClient(t, server, "composer-2.5", hello).mustRun()
	again := newAgentClient(t, server, "composer-2.5", hello)
	again.header.Set("X-Request-Id", c.header.Get("X-Request-Id"))
	again.mustRun()
	if code, _, _ := agentError(t, again.trailer); code != "already_exists" {
		t.Errorf("trailer: %s", again.trailer)
	}
	violated(t, sim, 6)
}

func TestAgentLimitsRuns(t *testing.T) {
	sim, server := serving(t, Options{})
	if err := sim.SetAgent(AgentSettings{MaxRuns: 1}); err != nil {
		t.Fatal(err)
	}
	first := newAgentClient(t, server, "composer-2.5-sim-hold", hello)
	ended := make(chan error, 1)
	go func() { ended <- first.run() }() // ends with the release
	if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
		t.Fatal(err)
	}
	second := newAgentClient(t, server, "composer-2.5", hello).mustRun()
	if _, _, enum := agentError(t, second.trailer); enum != 50 {
		t.Errorf("trailer: %s", second.trailer)
	}
	sim.Release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if third := newAgentClient(t, server, "composer-2.5", hello).mustRun(); third.trailer != success {
		t.Errorf("trailer: %s", third.trailer)
	}
	noViolations(t, sim)
}

func TestAgentRefusesTokensAndVersions(t *testing.T) {
	sim, server := serving(t, Options{Now: time.Now})
	web := newAgentClient(t, server, "composer-2.5", hello)
	web.header.Set("Authorization", "Bearer "+jwt(t, map[string]any{"type": "web", "sub": "auth0|user_1"}))
	if _, _, enum := agentError(t, web.mustRun().trailer); enum != 2 {
		t.Errorf("web: %s", web.trailer)
	}
	old := newAgentClient(t, server, "composer-2.5", hello)
	old.header.Set("Authorization", "Bearer "+jwt(t, map[string]any{"type": "session", "exp": 1}))
	if _, _, enum := agentError(t, old.mustRun().trailer); enum != 12 || sim.Logins().Expired != 1 {
		t.Errorf("expired: %s, %+v", old.trailer, sim.Logins())
	}
	if err := sim.SetAgent(AgentSettings{HTTPUnauthenticated: true, MinVersion: "cli-2026.11.01-0000000"}); err != nil {
		t.Fatal(err)
	}
	old = newAgentClient(t, server, "composer-2.5", hello)
	old.header.Set("Authorization", "Bearer "+jwt(t, map[string]any{"type": "session", "exp": 1}))
	if old.mustRun().response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status: %d", old.response.StatusCode)
	}
	outdated := newAgentClient(t, server, "composer-2.5", hello).mustRun()
	if _, _, enum := agentError(t, outdated.trailer); enum != 28 {
		t.Errorf("outdated: %s", outdated.trailer)
	}
	noViolations(t, sim)
}

func TestAgentChecksUnaryCalls(t *testing.T) {
	for name, b := range map[string]struct {
		rule   string
		change func(*http.Request)
		status int
		told   string
	}{
		"envelope": {"rule 35", func(r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader([]byte{0, 0, 0, 0, 0}))
			r.ContentLength = 5
		}, 400, "illegal tag"},
		"content-type": {"rule 2", func(r *http.Request) { r.Header.Set("Content-Type", "application/connect+proto") }, 415, ""},
		"version":      {"rule 5", func(r *http.Request) { r.Header.Del("X-Cursor-Client-Version") }, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sim, server := serving(t, Options{})
			request := unaryRequest(t, server.URL, "/agent.v1.AgentService/GetUsableModels")
			b.change(request)
			got := agentRoundTrip(t, request)
			if got.status != b.status || !strings.Contains(string(got.body), b.told) {
				t.Errorf("answer: %d %s", got.status, got.body)
			}
			if v := sim.Ledger().Violations; len(v) != 1 || !strings.HasPrefix(v[0].Problems[0], b.rule+":") {
				t.Errorf("violations: %+v", v)
			}
		})
	}
}

func unaryRequest(t *testing.T, base, path string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(deadline(t), http.MethodPost, base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Content-Type": {"application/proto"}, "Connect-Protocol-Version": {"1"}, "Authorization": {"Bearer " + DemoTokens().Cursor[0]},
		"X-Cursor-Client-Type": {"cli"}, "X-Cursor-Client-Version": {"cli-2026.10.01-e373342"}, "X-Ghost-Mode": {"true"}, "X-Request-Id": {freshUUID()},
	}
	return request
}

// agentRoundTrip is roundTrip over HTTP/2.
func agentRoundTrip(t *testing.T, request *http.Request) received {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return received{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return received{response.StatusCode, response.Header, body, err}
}

// TestAgentChecksCodesOfResets speaks HTTP/2 by hand, since no client lets one choose the code.
func TestAgentChecksCodesOfResets(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-silence", hello)
	connection, err := new(net.Dialer).DialContext(deadline(t), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	http2Frame := func(kind, flags byte, stream uint32, payload []byte) []byte {
		size := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
		return append(binary.BigEndian.AppendUint32(append(size, kind, flags), stream), payload...)
	}
	var headers []byte
	literal := func(name, value string) { // never indexed, never packed; all shorter than 127
		headers = append(append(append(headers, 0, byte(len(name))), name...), byte(len(value)))
		headers = append(headers, value...)
	}
	for _, pseudo := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", agentRunPath}, {":authority", "sim"}} {
		literal(pseudo[0], pseudo[1])
	}
	c.header.Set("Authorization", "Bearer short")
	for name, values := range c.header {
		literal(strings.ToLower(name), values[0])
	}
	const (
		data, head, rst, settings = 0, 1, 3, 4
		endHeaders                = 4
	)
	sent := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	sent = append(sent, http2Frame(settings, 0, 0, nil)...)
	sent = append(sent, http2Frame(head, endHeaders, 1, headers)...)
	sent = append(sent, http2Frame(data, 0, 1, clientFrame(t, clientMessage(c.request)))...)
	if _, err := connection.Write(sent); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
		t.Fatal(err, sim.Ledger().Violations)
	}
	if _, err := connection.Write(http2Frame(rst, 0, 1, []byte{0, 0, 0, 2})); err != nil {
		t.Fatal(err)
	}
	if told := violated(t, sim, 31); !strings.Contains(told, "code 2") {
		t.Errorf("told: %s", told)
	}
	if runs := closedRuns(t, sim); runs.Ends[EndLeft] != 1 {
		t.Errorf("runs: %+v", runs)
	}
}

func TestAgentIgnoresConversationHistory(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "sim-memory-roots", hello)
	c.request.GetAction().GetUserMessageAction().ProtoReflect().SetUnknown([]byte{7<<3 | 2, 0})
	if c.mustRun(); c.text.String() != "\n" {
		t.Errorf("it remembers %q", c.text.String())
	}
	violated(t, sim, 34)
}

func TestAgentChecksCanBeSwitchedOff(t *testing.T) {
	sim, server := serving(t, Options{})
	if err := sim.SetAgent(AgentSettings{Off: []int{3, 5, 6, 9, 10, 13, 21, 29}}); err != nil {
		t.Fatal(err)
	}
	c := newAgentClient(t, server, "some-model", hello).tools("look")
	c.header.Del("Connect-Protocol-Version")
	c.header.Del("X-Cursor-Client-Type")
	c.header.Del("X-Ghost-Mode")
	c.request.ConversationState, c.request.McpTools, c.request.ConversationId = nil, nil, nil
	c.userMessage().Mode = 0
	if c.mustRun(); c.text.String() != hello {
		t.Errorf("text %q, trailer %s", c.text.String(), c.trailer)
	}
	noViolations(t, sim)
	for _, bad := range []AgentSettings{{MaxRuns: -1}, {Outdated: "x"}, {MinVersion: "1"}} {
		if sim.SetAgent(bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestAgentLeastVersionIsThatOfTheControl(t *testing.T) {
	sim, server := serving(t, Options{})
	sim.SetMinClientVersion("cli-2026.10.02-0000000")
	if c := newAgentClient(t, server, "composer-2.5", hello).mustRun(); !strings.Contains(c.trailer, "Update Required") {
		t.Errorf("trailer: %s", c.trailer)
	}
	noViolations(t, sim)
}

func TestUserInfoForTheCLI(t *testing.T) {
	sim, server := serving(t, Options{})
	if got := agentRoundTrip(t, unaryRequest(t, server.URL, "/aiserver.v1.AiService/GetUserInfo")); got.status != http.StatusOK {
		t.Errorf("answer: %d %s", got.status, got.body)
	}
	noViolations(t, sim)
}
