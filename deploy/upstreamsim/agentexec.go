package upstreamsim

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// abortGrace is how long after an abort an answer may still have been on its way.
const abortGrace = time.Second

// agentExec is a question of the exec channel, and what has come of it.
type agentExec struct {
	id       uint32
	execID   string
	question protoreflect.FieldNumber // 0 is one that nobody knows
	name     string
	fields   protoreflect.Message // the question itself
	asked    time.Time
	aborted  time.Time
	answered bool
	closes   int
	// repeats is how often it was sent again and may be answered again.
	repeats   int
	sentAgain bool
	answer    *agentv1.ExecClientMessage // nil where it was thrown
}

const (
	contextQuestion = 10
	mcpQuestion     = 11
	gitDiffQuestion = 44
)

func (e *agentExec) mcp() bool { return e.question == mcpQuestion }

// throws tells whether a throw is the answer.
func (e *agentExec) throws() bool { return e.question == 0 || e.question == gitDiffQuestion }

func (e *agentExec) rule() int {
	if e.throws() {
		return 24
	}
	return 22
}

// settled tells whether it was answered, and closed.
func (e *agentExec) settled() bool { return e.answered && e.closes > 0 }

// answerNumber is the field of the answer to a question, which differs from 45 on.
func answerNumber(question protoreflect.FieldNumber) protoreflect.FieldNumber {
	switch {
	case question >= 45 && question <= 51:
		return question + 1
	case question == 52:
		return 55
	default:
		return question
	}
}

// refusalCases are the cases of the answers with which a pure gateway answers each question.
var refusalCases = map[protoreflect.FieldNumber]protoreflect.FieldNumber{
	2: 4, 3: 6, 4: 6, 5: 2, 7: 3, 8: 3, 9: 3, 10: 1, 14: 5, 16: 3, 17: 1, 18: 4, 20: 2, 21: 4, 22: 2, 23: 2, 28: 2, 29: 3, 36: 1, 37: 3, 38: 2,
	40: 2, 45: 2, 46: 2, 47: 2, 48: 2, 49: 2, 50: 2, 51: 2, 52: 4, 53: 2, 54: 2,
}

// ask sends a question; its ids are given here.
func (c *agentCall) ask(question *agentv1.ExecServerMessage) (*agentExec, error) {
	c.lastExec++
	question.Id = c.lastExec
	if question.ExecId == "" {
		question.ExecId = fmt.Sprintf("x-%d", question.GetId())
	}
	exec := &agentExec{id: question.GetId(), execID: question.GetExecId(), asked: time.Now(), name: "of an unknown kind"}
	if field := caseOf(question); field != nil {
		exec.question, exec.name = field.Number(), string(field.Name())
		exec.fields = question.ProtoReflect().Get(field).Message()
	}
	c.execs[exec.id] = exec
	return exec, c.send(execFrame(question))
}

// caseOf is the field that is set of a message's first oneof.
func caseOf(message proto.Message) protoreflect.FieldDescriptor {
	m := message.ProtoReflect()
	if m.Descriptor().Oneofs().Len() == 0 {
		return nil
	}
	for i := range m.Descriptor().Oneofs().Len() {
		if one := m.Descriptor().Oneofs().Get(i); !one.IsSynthetic() {
			return m.WhichOneof(one)
		}
	}
	return nil
}

// abort withdraws a question.
func (c *agentCall) abort(exec *agentExec) error {
	exec.aborted = time.Now()
	return c.send(abortFrame(exec.id))
}

// takeExec takes an answer. One that does not fit its question leaves it unanswered.
func (c *agentCall) takeExec(answer *agentv1.ExecClientMessage) {
	exec := c.execs[answer.GetId()]
	switch {
	case exec == nil:
		c.violate(22, "an exec answer has the id %d, which no question has", answer.GetId())
		return
	case answer.GetExecId() != "" && answer.GetExecId() != exec.execID:
		c.violate(22, "an exec answer has another exec_id than its question")
		return
	case exec.answered && exec.repeats > 0:
		exec.repeats--
		return
	case exec.answered:
		c.violate(22, "exec %s was answered twice", exec.name)
		return
	case !exec.aborted.IsZero():
		if time.Since(exec.aborted) > abortGrace {
			c.violate(22, "exec %s was answered after it was withdrawn", exec.name)
		}
		return
	}
	field := caseOf(answer)
	if field == nil || exec.throws() || field.Number() != answerNumber(exec.question) {
		c.violate(exec.rule(), "exec %s has an answer of the wrong kind", exec.name)
		return
	}
	exec.answered, exec.answer = true, answer
	switch {
	case exec.mcp():
		c.noteResult(exec)
	case exec.question == contextQuestion:
		if caseOf(answer.GetRequestContextResult()) == nil || answer.GetRequestContextResult().GetSuccess() == nil {
			c.violate(23, "the answer to request_context is no success")
		}
	default:
		c.checkRefusal(exec, field)
	}
}

// checkRefusal looks whether a refusal is of the case that its question wants, and says what was
// refused.
func (c *agentCall) checkRefusal(exec *agentExec, field protoreflect.FieldDescriptor) {
	result := exec.answer.ProtoReflect().Get(field).Message()
	refusal := AgentRefusal{Question: exec.name}
	var detail protoreflect.Message
	switch inner := caseOf(result.Interface()); {
	case inner != nil:
		refusal.Answer = string(inner.Name())
		if want, listed := refusalCases[exec.question]; listed && inner.Number() != want {
			c.violate(23, "exec %s was answered with the case %s", exec.name, inner.Name())
		}
		detail = result.Get(inner).Message()
	default:
		c.checkPlain(exec, &refusal)
	}
	if detail != nil {
		refusal.Reason = textField(detail, "reason") + textField(detail, "error")
		for _, name := range []protoreflect.Name{"path", "command", "working_directory", "uri", "url", "agent_id"} {
			want, asked := exec.fields.Descriptor().Fields().ByName(name), detail.Descriptor().Fields().ByName(name)
			if want != nil && asked != nil && exec.fields.Get(want).String() != detail.Get(asked).String() {
				c.violate(23, "the refusal of exec %s has another %s than the question", exec.name, name)
			}
		}
	}
	c.book.change(c.run, func(r *AgentRun) {
		if len(r.Refusals) < maxRecordList {
			r.Refusals = append(r.Refusals, refusal)
		}
	})
}

// checkPlain looks at the answers that have no cases.
func (c *agentCall) checkPlain(exec *agentExec, refusal *AgentRefusal) {
	answer := exec.answer
	fits := false
	switch int(exec.question) {
	case 27:
		refusal.Answer, fits = "response", answer.GetExecuteHookResult().GetResponse() != nil
	case 30:
		refusal.Answer, fits = "status", answer.GetForceBackgroundShellResult().GetStatus() == 2
	case 31:
		refusal.Answer, fits = "status", answer.GetForceBackgroundSubagentResult().GetStatus() == 2
	case 41:
		refusal.Answer, fits = "allowlisted", !answer.GetShellAllowlistPrecheckResult().GetAllowlisted()
	case 42:
		refusal.Answer, fits = "allowlisted", answer.GetMcpAllowlistPrecheckResult().GetAllowlisted()
	case 43:
		refusal.Answer, fits = "allowlisted", !answer.GetWebFetchAllowlistPrecheckResult().GetAllowlisted()
	}
	if !fits {
		c.violate(23, "exec %s has an answer that does not fit", exec.name)
	}
}

func textField(m protoreflect.Message, name protoreflect.Name) string {
	field := m.Descriptor().Fields().ByName(name)
	if field == nil {
		return ""
	}
	return shortened(m.Get(field).String())
}

// takeControl takes closes, throws and heartbeats of execs.
func (c *agentCall) takeControl(control *agentv1.ExecClientControlMessage) {
	switch message := control.GetMessage().(type) {
	case *agentv1.ExecClientControlMessage_StreamClose:
		c.takeClose(message.StreamClose.GetId())
	case *agentv1.ExecClientControlMessage_Throw:
		c.takeThrow(message.Throw)
	case *agentv1.ExecClientControlMessage_Heartbeat:
		if c.execs[message.Heartbeat.GetId()] == nil {
			c.violate(22, "a heartbeat is for exec %d, which there is not", message.Heartbeat.GetId())
		}
	default:
		c.violate(22, "an exec control has no case that is known")
	}
}

func (c *agentCall) takeClose(id uint32) {
	exec := c.execs[id]
	switch {
	case exec == nil:
		c.violate(22, "a stream_close is for exec %d, which there is not", id)
		return
	case !exec.aborted.IsZero():
		if time.Since(exec.aborted) > abortGrace {
			c.violate(22, "exec %s was closed long after it was withdrawn", exec.name)
		}
	case !exec.answered:
		c.violate(22, "exec %s was closed before its answer", exec.name)
	case exec.closes > 0 && !exec.sentAgain:
		c.violate(22, "exec %s was closed twice", exec.name)
	}
	exec.closes++
}

func (c *agentCall) takeThrow(throw *agentv1.ExecClientThrow) {
	exec := c.execs[throw.GetId()]
	switch {
	case exec == nil:
		c.violate(22, "a throw is for exec %d, which there is not", throw.GetId())
	case exec.answered:
		c.violate(22, "exec %s was answered twice", exec.name)
	case !exec.throws():
		c.violate(22, "exec %s was thrown instead of answered", exec.name)
	default:
		exec.answered = true
		refusal := AgentRefusal{Question: exec.name, Answer: "throw", Reason: shortened(throw.GetError())}
		c.book.change(c.run, func(r *AgentRun) { r.Refusals = append(r.Refusals, refusal) })
	}
}

// asking sends questions and waits for all answers.
func (c *agentCall) asking(questions ...*agentv1.ExecServerMessage) error {
	_, err := c.answersTo(questions...)
	return err
}

// answersTo sends questions and answers what the client answers to each.
func (c *agentCall) answersTo(questions ...*agentv1.ExecServerMessage) ([]*agentv1.ExecClientMessage, error) {
	var execs []*agentExec
	for _, question := range questions {
		exec, err := c.ask(question)
		if err != nil {
			return nil, err
		}
		execs = append(execs, exec)
	}
	if err := c.settle(execs); err != nil {
		return nil, err
	}
	answers := make([]*agentv1.ExecClientMessage, 0, len(execs))
	for _, exec := range execs {
		answers = append(answers, exec.answer)
	}
	return answers, nil
}

// settle waits until questions are answered, and closeLimit more for their closes.
func (c *agentCall) settle(execs []*agentExec) error {
	all := func(is func(*agentExec) bool) func() bool {
		return func() bool {
			for _, exec := range execs {
				if !is(exec) {
					return false
				}
			}
			return true
		}
	}
	if err := c.await(all(func(e *agentExec) bool { return e.answered })); err != nil {
		return err
	}
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	if err := c.awaitFor(all((*agentExec).settled), timer.C); err != nil {
		return err
	}
	for _, exec := range execs {
		if exec.closes == 0 {
			c.violate(22, "exec %s has no stream_close", exec.name)
		}
	}
	return nil
}

// agentQuery is a question to the user.
type agentQuery struct {
	number   protoreflect.FieldNumber
	asked    time.Time
	answered bool
}

// query asks the user something and waits for the response.
func (c *agentCall) query(query *agentv1.InteractionQuery) error {
	query.Id = uint32(len(c.queries) + 1) //nolint:gosec // a few
	q := &agentQuery{asked: time.Now()}
	if field := caseOf(query); field != nil {
		q.number = field.Number()
	}
	c.queries[query.GetId()] = q
	if err := c.send(queryFrame(query)); err != nil {
		return err
	}
	return c.await(func() bool { return q.answered })
}

func (c *agentCall) takeResponse(response *agentv1.InteractionResponse) {
	query := c.queries[response.GetId()]
	switch {
	case query == nil:
		c.violate(25, "an interaction_response has the id %d, which no query has", response.GetId())
		return
	case query.answered:
		c.violate(25, "an interaction query was answered twice")
		return
	}
	query.answered = true
	field := caseOf(response)
	if field == nil {
		return
	}
	if field.Number() != query.number {
		c.violate(25, "an interaction query of kind %d has a response of kind %d", query.number, field.Number())
	}
	approval, _ := response.ProtoReflect().Get(field).Message().Interface().(*agentv1.ApprovalResponse)
	if approval.GetApproved() != nil {
		c.violate(25, "an interaction query was approved")
	}
}
