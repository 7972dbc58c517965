package agent

import (
	"io"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// In whatever order messages come, and whatever they hold: nothing panics, each question is
// answered once and closed once, and the run ends by itself.
func FuzzReactor(f *testing.F) {
	var whole []byte
	for _, each := range vectors {
		if each.way == "server" {
			f.Add(each.bytes)
			whole = append(whole, each.bytes...)
		}
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := play(t, weather, patch)
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
				s.passes(10 * time.Millisecond)
			}
		}
		asked.check(t, s)
		if (s.failure == nil) == (len(s.steps) == 0) && s.failure == nil {
			t.Error("over without an end")
		}
	})
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
		if args != nil && known && !args.GetSmartModeApprovalOnly() {
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
