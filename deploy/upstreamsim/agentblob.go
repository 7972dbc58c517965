package upstreamsim

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// agentKV is a question for a blob (get), or to keep one.
type agentKV struct {
	get      []byte
	asked    time.Time
	answered bool
}

func (k *agentKV) rule() int {
	if k.get != nil {
		return 16
	}
	return 26
}

// takeKV takes the answer to a question about a blob.
func (c *agentCall) takeKV(answer *agentv1.KvClientMessage) error {
	kv := c.kvs[answer.GetId()]
	switch {
	case kv == nil:
		c.violate(16, "a kv answer has the id %d, which no question has", answer.GetId())
		return nil
	case kv.answered:
		c.violate(kv.rule(), "a kv question was answered twice")
		return nil
	}
	switch result := answer.GetMessage().(type) {
	case *agentv1.KvClientMessage_GetBlobResult:
		if kv.get != nil {
			return c.takeBlob(kv, result.GetBlobResult)
		}
	case *agentv1.KvClientMessage_SetBlobResult:
		if kv.get == nil {
			kv.answered = true
			if result.SetBlobResult.GetError() != nil {
				c.violate(26, "a set_blob was answered with an error")
			}
			return nil
		}
	}
	c.violate(kv.rule(), "a kv answer is of the wrong kind")
	return nil
}

func (c *agentCall) takeBlob(kv *agentKV, result *agentv1.GetBlobResult) error {
	kv.answered = true
	if result.BlobData == nil {
		if bytes.Equal(kv.get, unknownBlob) {
			return nil
		}
		c.violate(16, "a blob that the request names was not found")
		return blobNotFound()
	}
	if sum := sha256.Sum256(result.GetBlobData()); !bytes.Equal(sum[:], kv.get) {
		c.violate(16, "a blob is not the one that its id names")
		return blobNotFound()
	}
	c.blobs[string(kv.get)] = result.GetBlobData()
	return nil
}

// unknownBlob is the id of a blob that nobody has.
var unknownBlob = bytes.Repeat([]byte{0xee}, sha256.Size)

// getBlobs asks for blobs that were not asked for yet, and waits for all of them.
func (c *agentCall) getBlobs(ids [][]byte) error {
	var asked []*agentKV
	for _, id := range ids {
		if _, known := c.blobs[string(id)]; known {
			continue
		}
		c.blobs[string(id)] = nil
		kv := &agentKV{get: id, asked: time.Now()}
		err := c.askKV(kv, &agentv1.KvServerMessage{Message: &agentv1.KvServerMessage_GetBlobArgs{GetBlobArgs: &agentv1.GetBlobArgs{BlobId: id}}})
		if err != nil {
			return err
		}
		asked = append(asked, kv)
	}
	return c.await(func() bool { return allAnswered(asked) })
}

func (c *agentCall) askKV(kv *agentKV, question *agentv1.KvServerMessage) error {
	question.Id = c.nextKV
	c.nextKV++
	c.kvs[question.GetId()] = kv
	return c.send(kvFrame(question))
}

func allAnswered(asked []*agentKV) bool {
	for _, kv := range asked {
		if !kv.answered {
			return false
		}
	}
	return true
}

// setBlob has the client keep a blob; that it did is awaited later.
func (c *agentCall) setBlob(blob []byte) error {
	sum := sha256.Sum256(blob)
	return c.askKV(&agentKV{asked: time.Now()}, &agentv1.KvServerMessage{Message: &agentv1.KvServerMessage_SetBlobArgs{
		SetBlobArgs: &agentv1.SetBlobArgs{BlobId: sum[:], BlobData: blob},
	}})
}

// blobsKept waits until the client has kept all blobs.
func (c *agentCall) blobsKept() error {
	var sets []*agentKV
	for _, kv := range c.kvs {
		if kv.get == nil {
			sets = append(sets, kv)
		}
	}
	return c.await(func() bool { return allAnswered(sets) })
}

// prepare is what comes before every turn: the context, the blobs that the request names, and
// the upstream's own.
func (c *agentCall) prepare() error {
	steps := []step{c.askContext, c.askHistory}
	if c.scenario.kind == "kv-first" {
		steps = []step{c.askHistory, c.askContext}
	}
	return inOrder(append(steps, c.keepPrompt)...)
}

// askContext asks for the context, unless the scenario takes the one that came along.
func (c *agentCall) askContext() error {
	if inline := c.inlineContext(); c.scenario.kind == "context-inline" && inline.GetRulesInfoComplete() && inline.GetMcpInfoComplete() {
		c.context = inline
	} else {
		answers, err := c.answersTo(&agentv1.ExecServerMessage{ExecId: "ctx-1", Message: &agentv1.ExecServerMessage_RequestContextArgs{
			RequestContextArgs: &agentv1.RequestContextArgs{},
		}})
		if err != nil {
			return err
		}
		c.context = answers[0].GetRequestContextResult().GetSuccess().GetRequestContext()
	}
	c.checkContext()
	return nil
}

func (c *agentCall) inlineContext() *agentv1.RequestContext {
	action := c.request.GetAction()
	if resume := action.GetResumeAction(); resume != nil {
		return resume.GetRequestContext()
	}
	return action.GetUserMessageAction().GetRequestContext()
}

// checkContext looks whether the context has the tools that the request has, and readable rules.
func (c *agentCall) checkContext() {
	declared, inContext := c.request.GetMcpTools().GetMcpTools(), c.context.GetTools()
	same := len(declared) == len(inContext)
	for i := range declared {
		same = same && proto.Equal(declared[i], inContext[i])
	}
	if !same {
		c.violate(21, "the tools of the context are not those of mcp_tools")
	}
	rules := []string{}
	for _, rule := range c.context.GetRules() {
		rules = append(rules, shortened(rule.GetContent()))
		if rule.GetFullPath() == "" || rule.GetType().GetType() == nil {
			c.violate(21, "a rule has no path or no type")
		}
	}
	c.book.change(c.run, func(r *AgentRun) { r.ContextTools, r.Rules = toolNames(inContext), rules })
}

// askHistory asks for all blobs that the request names, and reads the conversation from them.
func (c *agentCall) askHistory() error {
	state := c.request.GetConversationState()
	images := [][]byte{}
	for _, image := range c.request.GetAction().GetUserMessageAction().GetUserMessage().GetSelectedContext().GetSelectedImages() {
		if id := image.GetBlobId(); id != nil {
			images = append(images, id)
		}
	}
	if err := c.getBlobs(append(append(images, state.GetRootPromptMessagesJson()...), state.GetTurns()...)); err != nil {
		return err
	}
	for _, id := range state.GetRootPromptMessagesJson() {
		if problem := c.history.read(c.blobs[string(id)]); problem != "" && c.violate(17, "%s", problem) {
			return badArgument("Invalid message: " + problem)
		}
	}
	c.book.change(c.run, func(r *AgentRun) { r.History = shortHistory(c.history.messages) })
	if c.history.unanswered() > 0 {
		c.violate(17, "%d tool-calls have no result", c.history.unanswered())
	}
	if c.set.RefuseToolHistory && len(c.history.calls) > 0 && !ownsModel(c.modelID()) {
		return badArgument("Unsupported message")
	}
	return c.askTurns(state.GetTurns())
}

// ownsModel tells whether a model is Cursor's own, which take tools in their history.
func ownsModel(id string) bool {
	return strings.HasPrefix(id, "composer") || id == "default" || id == "auto"
}

func (c *agentCall) askTurns(turns [][]byte) error {
	fetch := func(id []byte) ([]byte, error) {
		if len(id) != sha256.Size {
			c.violate(15, "a turn names a blob with an id of %d bytes", len(id))
			return nil, blobNotFound()
		}
		err := c.getBlobs([][]byte{id})
		return c.blobs[string(id)], err
	}
	for _, id := range turns {
		problem, err := c.history.checkTurn(c.blobs[string(id)], fetch)
		if err != nil {
			return err
		}
		if problem != "" {
			c.violate(18, "%s", problem)
		}
	}
	return nil
}

func shortHistory(messages []HistoryMessage) []HistoryMessage {
	short := make([]HistoryMessage, 0, min(len(messages), maxRecordList))
	for _, message := range messages[:min(len(messages), maxRecordList)] {
		message.Text = shortened(message.Text)
		message.Results = slices.Clone(message.Results)
		for i := range message.Results {
			message.Results[i].full = "" // it may be long
		}
		short = append(short, message)
	}
	return short
}

// keepPrompt has the client keep what the upstream makes of the prompt.
func (c *agentCall) keepPrompt() error {
	err := c.setBlob(jsonOf(map[string]any{"role": "system", "content": "You are a coding agent."}))
	if c.request.GetAction().GetResumeAction() != nil {
		return err
	}
	return errors.Join(err, c.setBlob(jsonOf(map[string]any{"role": "user", "content": []map[string]string{{"type": "text", "text": c.userText()}}})))
}
