package agent

import (
	"bytes"
	"io"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// In whatever order messages come, and whatever they hold: nothing panics, each question is
// answered once and closed once, and the run ends by itself. So does one that is resumed
// wherever it waits; of its calls, each is answered once too.
func FuzzReactor(f *testing.F) {
	var whole []byte
	for _, each := range vectors {
		if each.way == "server" {
			f.Add(each.bytes)
			whole = append(whole, each.bytes...)
		}
	}
	f.Add(whole)
	again, _ := bytes.CutSuffix(whole, vectorOf(f, "end"))
	f.Add(append(append([]byte{}, vectorOf(f, "call")...), again...))
	f.Add(append(append([]byte{}, vectorOf(f, "call")...), whole...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		fuzz(t, stream, false)
		fuzz(t, stream, true)
	})
}

func fuzz(t *testing.T, stream []byte, keeps bool) {
	t.Helper()
	s := play(t, weather, patch)
	s.keeps = keeps
	pause := 10 * time.Millisecond
	if keeps {
		pause = owed // no more calls are waited for
	}
	var asked ledger
	frames := newDecoder(&onceOnly{stream: stream})
	for !s.over {
		next, err := frames.next()
		switch {
		case err != nil:
			s.broke(err)
		case next.end:
			s.end(next.payload)
		default:
			message := &agentv1.AgentServerMessage{}
			if proto.Unmarshal(next.payload, message) != nil {
				s.broke(errNoMessage)
				break
			}
			asked.question(s, message)
			s.comes(message)
		}
		if !s.over {
			s.passes(pause)
		}
		if s.waiting && !s.astray {
			asked.ours -= len(s.batch.calls)
			asked.execs += len(s.batch.calls)
			s.goesOn()
		}
	}
	asked.check(t, s)
	if (s.failure == nil) == (len(s.steps) == 0) && s.failure == nil {
		t.Error("over without an end")
	}
}

// goesOn answers the calls that wait, after a question meanwhile.
func (s *stage) goesOn(results ...string) *stage {
	s.rest()
	s.take(fromServer(s.t, "heartbeat"), 0)
	var made []*agentv1.McpResult
	for i := range s.batch.calls {
		text := "done"
		if i < len(results) {
			text = results[i]
		}
		made = append(made, &agentv1.McpResult{Result: &agentv1.McpResult_Success{Success: &agentv1.McpSuccess{
			Content: []*agentv1.McpToolResultContentItem{{Content: &agentv1.McpToolResultContentItem_Text{Text: &agentv1.McpTextContent{Text: text}}}},
		}}})
	}
	s.now = 0
	s.resume(limitsOf(time.Minute, 2*time.Minute), made)
	return s
}

// onceOnly is a stream, once.
type onceOnly struct{ stream []byte }

// Read implements io.Reader.
func (c *onceOnly) Read(p []byte) (int, error) {
	n := copy(p, c.stream)
	c.stream = c.stream[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ledger counts what was asked.
type ledger struct{ execs, ours, queries, blobs int }

// question counts a message. Calls of the client's own tools have no answer.
func (l *ledger) question(s *stage, message *agentv1.AgentServerMessage) {
	switch m := message.GetMessage().(type) {
	case *agentv1.AgentServerMessage_ExecServerMessage:
		args := m.ExecServerMessage.GetMcpArgs()
		_, _, known := s.prompt.Tools.Find(args)
		key := execKey{questionOf(m.ExecServerMessage), m.ExecServerMessage.GetId(), m.ExecServerMessage.GetExecId()}
		before := s.execs.answers[key]
		hasResult := before != nil && before.message != nil // a call that is asked for again
		if !hasResult && args != nil && known && !args.GetSmartModeApprovalOnly() {
			l.ours++
			return
		}
		l.execs++
	case *agentv1.AgentServerMessage_InteractionQuery:
		l.queries++
	case *agentv1.AgentServerMessage_KvServerMessage:
		if m.KvServerMessage.GetMessage() != nil {
			l.blobs++
		}
	}
}

func (l *ledger) check(t *testing.T, s *stage) {
	t.Helper()
	var answers, closes, queries, blobs int
	for _, each := range s.sent {
		switch m := each.GetMessage().(type) {
		case *agentv1.AgentClientMessage_ExecClientMessage:
			answers++
		case *agentv1.AgentClientMessage_ExecClientControlMessage:
			if m.ExecClientControlMessage.GetThrow() != nil {
				answers++
			}
			if m.ExecClientControlMessage.GetStreamClose() != nil {
				closes++
			}
		case *agentv1.AgentClientMessage_InteractionResponse:
			queries++
		case *agentv1.AgentClientMessage_KvClientMessage:
			blobs++
		}
	}
	if answers != l.execs || closes != l.execs || queries != l.queries || blobs != l.blobs {
		t.Errorf("%d answers and %d ends to %d questions (%d calls); %d of %d queries, %d of %d blobs",
			answers, closes, l.execs, l.ours, queries, l.queries, blobs, l.blobs)
	}
}
