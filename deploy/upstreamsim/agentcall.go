package upstreamsim

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const agentRunPath = "/agent.v1.AgentService/Run"

const (
	// firstFrameLimit is how long a client may take to send its run_request.
	firstFrameLimit = 30 * time.Second
	// closeLimit is how long a client may keep a Run open that has ended, or an exec that it has
	// answered.
	closeLimit = 5 * time.Second
	// resetAfter is the silence of a client after which AgentSettings.ResetSilent resets.
	resetAfter = time.Minute
	// answerGrace is the age of a question that a client may leave unanswered when it goes.
	answerGrace = 6 * time.Second
)

// What ends a Run from the client's side.
var (
	errLeft       = errors.New("the client has reset the Run")
	errHalfClosed = errors.New("the client has half-closed the Run")
	errSilent     = errors.New("the client sends no heartbeats")
)

// agentCall is one Run. All of it but the reader belongs to the handler's goroutine.
type agentCall struct {
	exchange
	set     AgentSettings
	book    *agentBook
	run     *AgentRun
	request *agentv1.AgentRunRequest

	arrivals chan arrival
	stopped  chan struct{} // closed when nobody takes arrivals anymore

	execs    map[uint32]*agentExec
	kvs      map[uint32]*agentKV
	queries  map[uint32]*agentQuery
	lastExec uint32
	nextKV   uint32
	blobs    map[string][]byte
	history  history
	context  *agentv1.RequestContext

	headSent bool
	planMode bool
	slot     bool
	over     bool   // turn_ended or an end frame was sent
	closed   bool   // the client's side is closed
	how      string // one of the End constants
	output   int64  // tokens
	thought  int64  // tokens

	lastBeat time.Time // when the client's latest heartbeat came
	quiet    bool      // rule 27 was broken
	beat     *time.Ticker
}

// arrival is what a client has sent, or why nothing more comes.
type arrival struct {
	message *agentv1.AgentClientMessage
	err     error
	at      time.Time
}

// POST /agent.v1.AgentService/Run
func (s *Simulator) serveAgentRun(w http.ResponseWriter, r *http.Request) {
	c := &agentCall{
		exchange: s.newExchange(CursorAgent, w, r), set: s.Agent(), arrivals: make(chan arrival), stopped: make(chan struct{}),
		execs: map[uint32]*agentExec{}, kvs: map[uint32]*agentKV{}, queries: map[uint32]*agentQuery{}, blobs: map[string][]byte{},
		history: history{calls: map[string]string{}, answered: map[string]bool{}},
	}
	c.book = c.entry.book.agent
	c.run = &AgentRun{
		StartedAt: s.options.Now(), Token: c.entry.account.fingerprint, Subject: c.entry.account.subject,
		RequestID: r.Header.Get("X-Request-Id"), Remote: r.RemoteAddr,
	}
	if c.refusedByHTTP() {
		return
	}
	c.book.begin(c.run)
	_ = c.control.SetReadDeadline(time.Time{}) // a Run is open as long as it takes
	c.lastBeat = time.Now()
	c.beat = time.NewTicker(c.set.heartbeat())
	read := make(chan struct{})
	go func() { // ends with the body, which done cuts short
		defer close(read)
		c.read()
	}()
	defer func() { c.done(read) }()
	c.conclude(c.serve())
}

// refusedByHTTP answers what is no Run at all.
func (c *agentCall) refusedByHTTP() bool {
	contentType := c.r.Header.Get("Content-Type")
	switch {
	case c.r.ProtoMajor < 2:
		c.violate(1, "it came over %s", c.r.Proto)
		c.entry.complete()
		wrongHTTP(c.w)
	case c.r.Method != http.MethodPost:
		c.violate(2, "the method is %s instead of POST", c.r.Method)
		_ = c.answerWhole(http.StatusNotFound, jsonType, []byte(`{"code":"unimplemented","message":"no such method"}`))
	case contentType != "application/connect+proto":
		c.violate(2, "content-type is %q instead of application/connect+proto", contentType)
		_ = c.answerWhole(http.StatusUnsupportedMediaType, "", nil)
	default:
		return false
	}
	return true
}

// read takes the client's frames until the body ends, for whoever awaits.
func (c *agentCall) read() {
	defer close(c.arrivals)
	for {
		message, err := readAgentFrame(c.r.Body)
		select {
		case c.arrivals <- arrival{message, err, time.Now()}:
		case <-c.stopped:
			return
		}
		if err != nil {
			return
		}
	}
}

// done ends what belongs to the Run.
func (c *agentCall) done(read <-chan struct{}) {
	c.beat.Stop()
	close(c.stopped)
	_ = c.control.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	<-read
	c.freeSlot()
	if !c.over && c.how != EndBroken {
		c.leftOpen()
	}
	c.noteQuiet(time.Now())
	c.book.end(c.run, c.how, c.sim.options.Now())
	c.entry.close(c.r.Context())
	c.sim.watchers.notify()
}

// leftOpen counts what the client owed when it went.
func (c *agentCall) leftOpen() {
	for _, exec := range c.execs {
		if !exec.answered && !exec.mcp() && exec.aborted.IsZero() && time.Since(exec.asked) > answerGrace {
			c.violate(exec.rule(), "exec %s was not answered", exec.name)
		}
	}
	for _, kv := range c.kvs {
		if !kv.answered && time.Since(kv.asked) > answerGrace {
			c.violate(kv.rule(), "a question for a blob was not answered")
		}
	}
	for _, query := range c.queries {
		if !query.answered && time.Since(query.asked) > answerGrace {
			c.violate(25, "interaction query %d was not answered", query.number)
		}
	}
}

// serve plays the Run to where its end frame is due.
func (c *agentCall) serve() error {
	if err := c.checkHead(); err != nil {
		return c.headFailure(err)
	}
	first, err := c.first()
	if err != nil {
		return err
	}
	c.request = first
	c.note()
	model := c.modelID()
	c.choose(model)
	c.markScenario()
	c.book.change(c.run, func(r *AgentRun) { r.Model, r.Scenario = model, c.entry.scenario })
	if err := c.checkRequest(); err != nil {
		return err
	}
	if !c.book.take(c.entry.account.slotName(), c.set.MaxRuns) {
		return failingEnum(50)
	}
	c.slot = true
	if number, over := c.sim.count(c.entry.account); over {
		return failingEnum(number)
	}
	if err := c.checkModel(); err != nil {
		return err
	}
	if c.rule.Delay > 0 {
		if err := c.wait(c.rule.Delay); err != nil {
			return err
		}
	}
	return c.play()
}

// play plays the scenario, behind what comes before every turn.
func (c *agentCall) play() error {
	script, known := agentScripts[c.scenario.kind]
	if !known {
		return failing("not_found", "AI Model Not Found")
	}
	if script.early {
		return script.play(c)
	}
	if err := inOrder(c.head, c.prepare); err != nil {
		return err
	}
	if c.planMode {
		return c.answer(pieces("Plan: " + c.userText()))
	}
	return script.play(c)
}

// headFailure is the answer to bad credentials, which may be one of HTTP.
func (c *agentCall) headFailure(err error) error {
	var told *failure
	if c.set.HTTPUnauthenticated && errors.As(err, &told) && strings.Contains(string(told.trailer), `"unauthenticated"`) {
		c.how, c.over = EndRefused, true
		return c.answerWhole(http.StatusUnauthorized, jsonType, []byte(`{"code":"unauthenticated","message":"Error"}`))
	}
	return err
}

// first is the run_request, which must be the first frame.
func (c *agentCall) first() (*agentv1.AgentRunRequest, error) {
	timer := time.NewTimer(firstFrameLimit)
	defer timer.Stop()
	select {
	case a := <-c.arrivals:
		var broken errFrame
		switch request := a.message.GetRunRequest(); {
		case request != nil:
			return request, nil
		case a.err == nil:
			c.violate(7, "the first frame is no run_request")
			return nil, badArgument("the first message must be a run_request")
		case errors.As(a.err, &broken):
			c.violate(7, "%v", broken)
			return nil, badArgument("invalid message")
		case errors.Is(a.err, io.EOF):
			c.closed = true
			c.violate(7, "the body has no frame")
			return nil, badArgument("missing message")
		default:
			return nil, errLeft
		}
	case <-timer.C:
		c.violate(7, "no frame came in %v", firstFrameLimit)
		return nil, badArgument("missing message")
	case <-c.sim.closed:
		return nil, errClosed
	case <-c.r.Context().Done():
		return nil, errLeft
	}
}

// conclude ends the stream as the error says, and waits for the client to close it.
func (c *agentCall) conclude(err error) {
	var told *failure
	switch {
	case c.how != "": // the scenario has seen to it
	case err == nil:
		c.how = EndTurn
		c.linger()
	case errors.Is(err, errHalfClosed):
		c.how = EndHalfClosed
		c.violate(28, "the body was half-closed before turn_ended")
		_ = c.finishWith([]byte(`{"error":{"code":"internal","message":"No exec result"}}`))
	case errors.As(err, &told):
		c.how = EndError
		if c.finishWith(told.trailer) == nil {
			c.linger()
		}
	case errors.Is(err, errSilent):
		c.how = EndSilent
		panic(http.ErrAbortHandler)
	case errors.Is(err, errClosed):
		c.how = EndShutdown
	case c.over: // it left with turn_ended
		c.how = EndTurn
	default:
		c.how = EndLeft
	}
	if c.r.Context().Err() != nil {
		c.drain()
	}
}

// finishWith sends an end frame.
func (c *agentCall) finishWith(trailer []byte) error {
	return inOrder(c.head, c.end(frame(flagEnd, trailer)))
}

// head sends the headers of a stream, with the next flush.
func (c *agentCall) head() error {
	if c.headSent {
		return nil
	}
	c.headSent = true
	header := c.w.Header()
	header.Set("Content-Type", "application/connect+proto")
	header.Set("Connect-Content-Encoding", "gzip")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// end sends what ends a Run, whose slot is free from then on.
func (c *agentCall) end(event []byte) step {
	return func() error {
		if c.capture == nil {
			c.endedWell()
		}
		return c.finish(event)
	}
}

// endedWell is from when a client may take the Run as ended: its slot is free.
func (c *agentCall) endedWell() {
	c.freeSlot()
	c.over = true
	c.entry.complete()
}

func (c *agentCall) freeSlot() {
	if c.slot {
		c.slot = false
		c.book.free(c.entry.account.slotName())
	}
}

// linger waits for the client to close a Run that has ended.
func (c *agentCall) linger() {
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	for !c.closed {
		select {
		case a, ok := <-c.arrivals:
			if !ok || a.err != nil {
				c.noteReset(a.err)
				return
			}
			_ = c.take(a) // what comes late changes nothing
		case <-timer.C:
			c.violate(32, "the Run was not closed within %v of its end", closeLimit)
			return
		case <-c.sim.closed:
			return
		}
	}
}

// await takes what the client sends until the condition is met, and sends heartbeats meanwhile.
func (c *agentCall) await(met func() bool) error { return c.awaitFor(met, nil) }

// awaitFor is await that also ends when the channel does; nil never does.
func (c *agentCall) awaitFor(met func() bool, limit <-chan time.Time) error {
	for !met() {
		select {
		case a, ok := <-c.arrivals:
			if !ok {
				return errLeft
			}
			if err := c.take(a); err != nil {
				return err
			}
		case <-limit:
			return nil
		case <-c.beat.C:
			if err := c.tick(); err != nil {
				return err
			}
		case <-c.r.Context().Done():
			return errLeft
		case <-c.sim.closed:
			return errClosed
		}
	}
	return nil
}

// tick sends a heartbeat, and looks for the client's.
func (c *agentCall) tick() error {
	now := time.Now()
	c.noteQuiet(now)
	if c.set.ResetSilent && now.Sub(c.lastBeat) > resetAfter {
		return errSilent
	}
	if c.over || c.capture != nil || !c.headSent {
		return nil
	}
	return c.send(agentHeartbeat())
}

// noteQuiet looks at the time since the client's latest heartbeat.
func (c *agentCall) noteQuiet(now time.Time) {
	if c.over {
		return
	}
	gap := now.Sub(c.lastBeat)
	c.book.change(c.run, func(r *AgentRun) { r.LongestQuietMS = max(r.LongestQuietMS, gap.Milliseconds()) })
	if gap > c.set.quiet() && !c.quiet {
		c.quiet = true
		c.violate(27, "no client_heartbeat came for %v", gap.Round(time.Millisecond))
	}
}

// drain takes the rest, for the code of a reset.
func (c *agentCall) drain() {
	for a := range c.arrivals {
		if a.err != nil {
			c.noteReset(a.err)
		}
	}
}

// streamReset has the shape of the HTTP/2 server's own error.
type streamReset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamReset) Error() string { return "stream reset" }

// noteReset looks at the code of a reset: 8 is CANCEL, 0 is NO_ERROR.
func (c *agentCall) noteReset(err error) {
	c.closed = true
	var reset streamReset
	if errors.As(err, &reset) && reset.Code != 8 && reset.Code != 0 {
		c.violate(31, "the Run was reset with code %d instead of CANCEL", reset.Code)
	}
}

// take handles one arrival.
func (c *agentCall) take(a arrival) error {
	var broken errFrame
	switch {
	case a.err == nil:
		return c.handle(a)
	case errors.As(a.err, &broken):
		c.closed = true
		c.violate(7, "%v", broken)
		return badArgument("invalid message")
	case errors.Is(a.err, io.EOF):
		c.closed = true
		if c.over {
			return nil
		}
		return errHalfClosed
	default:
		c.noteReset(a.err)
		return errLeft
	}
}

func (c *agentCall) handle(a arrival) error {
	switch message := a.message.GetMessage().(type) {
	case *agentv1.AgentClientMessage_RunRequest:
		if c.request == nil { // the head was refused before the first frame came
			return nil
		}
		c.violate(8, "a second run_request came")
		return badArgument("unexpected run_request")
	case *agentv1.AgentClientMessage_ClientHeartbeat:
		c.noteQuiet(a.at)
		c.lastBeat = a.at
		c.book.change(c.run, func(r *AgentRun) { r.Heartbeats++ })
	case *agentv1.AgentClientMessage_ExecClientMessage:
		c.takeExec(message.ExecClientMessage)
	case *agentv1.AgentClientMessage_ExecClientControlMessage:
		c.takeControl(message.ExecClientControlMessage)
	case *agentv1.AgentClientMessage_KvClientMessage:
		return c.takeKV(message.KvClientMessage)
	case *agentv1.AgentClientMessage_InteractionResponse:
		c.takeResponse(message.InteractionResponse)
	case *agentv1.AgentClientMessage_ConversationAction:
		if message.ConversationAction.GetCancelAction() == nil {
			c.violate(8, "a conversation_action came that is no cancel")
		}
	default:
		c.violate(7, "a frame has no case that is known")
	}
	return nil
}

// wait is a pause in which the client is heard.
func (c *agentCall) wait(d time.Duration) error {
	if d <= 0 {
		return c.hear()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	return c.awaitFor(func() bool { return false }, timer.C)
}

// hear takes what the client has sent already.
func (c *agentCall) hear() error {
	for {
		select {
		case a, ok := <-c.arrivals:
			if !ok {
				return errLeft
			}
			if err := c.take(a); err != nil {
				return err
			}
		default:
			if c.r.Context().Err() != nil {
				return errLeft
			}
			return nil
		}
	}
}

// hang sends heartbeats until the client leaves.
func (c *agentCall) hang() error { return c.await(func() bool { return false }) }

// modelID is the model that is asked for, with its parameters where it has some.
func (c *agentCall) modelID() string {
	if id := c.request.GetRequestedModel().GetModelId(); id != "" {
		return id
	}
	return c.request.GetModelDetails().GetModelId()
}

// userText is the text of the active message.
func (c *agentCall) userText() string {
	return c.request.GetAction().GetUserMessageAction().GetUserMessage().GetText()
}

// markScenario lets a marker in the user's text, [[sim-<scenario>]], choose the scenario where
// nothing else does.
func (c *agentCall) markScenario() {
	if c.entry.scenario != normal {
		return
	}
	_, rest, found := strings.Cut(c.userText(), "[[sim-")
	name, _, ended := strings.Cut(rest, "]]")
	if found && ended {
		c.entry.scenario, c.scenario = name, parseScenario(name)
	}
}

// note puts what the request says into the record.
func (c *agentCall) note() {
	request := c.request
	images := []ImageSummary{}
	for _, image := range request.GetAction().GetUserMessageAction().GetUserMessage().GetSelectedContext().GetSelectedImages() {
		data := image.GetData()
		if inline := image.GetBlobIdWithData(); inline != nil {
			data = inline.GetData()
		}
		told := pictureOf(data)
		if id := image.GetBlobId(); id != nil { // its data is still to come
			told.SHA256 = hex.EncodeToString(id)
		}
		told.Width, told.Height = image.GetDimension().GetWidth(), image.GetDimension().GetHeight()
		images = append(images, told)
	}
	c.book.change(c.run, func(r *AgentRun) {
		r.ConversationID, r.Request, r.Text = request.GetConversationId(), requestJSON(request), shortened(c.userText())
		r.Resumed = request.GetAction().GetResumeAction() != nil
		r.Tools, r.Images, r.Turns = toolNames(request.GetMcpTools().GetMcpTools()), images, len(request.GetConversationState().GetTurns())
		r.History, r.ContextTools, r.Rules = []HistoryMessage{}, []string{}, []string{}
		r.Calls, r.Results, r.Refusals = []AgentCall{}, []AgentResult{}, []AgentRefusal{}
	})
}

// requestJSON is the request without pictures; nothing where it is long.
func requestJSON(request *agentv1.AgentRunRequest) json.RawMessage {
	if proto.Size(request) > maxRecordRequest {
		return nil
	}
	text, err := protojson.Marshal(request)
	if err != nil || len(text) > maxRecordRequest {
		return nil
	}
	return text
}

func toolNames(tools []*agentv1.McpToolDefinition) []string {
	names := []string{}
	for _, tool := range tools {
		names = append(names, tool.GetToolName())
	}
	return names
}
