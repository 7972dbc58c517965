package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// keeping is a stage whose run may go on after its calls.
func keeping(t *testing.T) *stage {
	t.Helper()
	s := play(t, weather)
	s.keeps = true
	return s
}

// Results go out in the order of their calls, byte for byte as the upstream's own client sends
// them, and a question that is repeated has the same answer.
func TestResultsOfAKeptRun(t *testing.T) {
	t.Parallel()
	s := keeping(t).plays("call-started", "call").passes(settled)
	s.is(" call_1=get_weather({\"city\":\"Paris\"}) tool_calls")
	if !s.waiting {
		t.Fatal("it does not wait")
	}
	s.goesOn("18 C").wantResult()
	s.plays("call").wantResult()
	s.plays("text-Hi", "turn-ended").end([]byte("{}"))
	s.is("Hi stop")
}

// wantResult fails unless the result of call 2 was sent, and that it is all.
func (s *stage) wantResult() {
	s.t.Helper()
	if len(s.sent) != 2 || s.sent[1].GetExecClientControlMessage().GetStreamClose().GetId() != 2 {
		s.t.Fatalf("sent %v", s.sent)
	}
	s.sent = s.sent[:1]
	s.wantSent("call-result")
}

// What ends in calls without the upstream waiting is not kept.
func TestWhatDoesNotWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*stage){
		"nobody keeps it":    func(s *stage) { s.keeps = false; s.plays("call-started", "call").passes(settled) },
		"the turn has ended": func(s *stage) { s.plays("call", "turn-ended") },
		"the end":            func(s *stage) { s.plays("call").end([]byte("{}")) },
		"no room for blobs":  func(s *stage) { s.blobs.bytes = maxStoredBytes; s.plays("call-started", "call").passes(settled) },
		"large results":      func(s *stage) { s.answered = maxHeld; s.plays("call-started", "call").passes(settled) },
		"too many questions": func(s *stage) { s.passesQuestions(maxExecs/2 + 1); s.plays("call-started", "call").passes(settled) },
		"too many words":     func(s *stage) { s.spoken.tooMuch = true; s.plays("call-started", "call").passes(settled) },
	} {
		s := keeping(t)
		test(s)
		if !s.over || s.waiting || s.failure != nil {
			t.Errorf("%s: over %t, waits %t, %v", name, s.over, s.waiting, s.failure)
		}
	}
}

// passesQuestions has questions for the context come.
func (s *stage) passesQuestions(n int) {
	for id := range n {
		s.comes(asks(&agentv1.ExecServerMessage{
			Id: uint32(100 + id), Message: &agentv1.ExecServerMessage_RequestContextArgs{},
		}))
	}
}

// A client that wants one call may have one call, also of a run that is kept.
func TestOneCallOfAKeptRun(t *testing.T) {
	t.Parallel()
	s := keeping(t)
	s.oneCall = true
	s.plays("call")
	if !s.waiting || s.astray {
		t.Error("it does not wait")
	}
	s.take(calls(9, &agentv1.McpArgs{ToolName: "get_weather"}), s.now)
	if !s.astray {
		t.Error("a second call fits nothing")
	}
}

// A run that is resumed has its time from then on.
func TestTheTimeOfAResumedRun(t *testing.T) {
	t.Parallel()
	s := keeping(t)
	s.now = time.Hour
	s.watch.arrived(s.now)
	s.watch.progressed(s.now)
	s.plays("call-started", "call").passes(settled).goesOn()
	s.passes(maxFirst - 1).is("")
	s.passes(1).is(" failed: upstream")
}

// What was told of earlier answers is not told again, and nothing is less than none.
func TestUsageOfAKeptRun(t *testing.T) {
	t.Parallel()
	s := keeping(t).plays("token-7", "checkpoint", "call-started", "call").passes(settled)
	if got := s.steps[len(s.steps)-1].Usage; got == nil || got.Prompt != 11342 || got.Completion != 7 {
		t.Errorf("%+v", got)
	}
	s.goesOn()
	s.tally.told = chat.Usage{Prompt: 11342, Completion: 7}
	s.plays("text-Hi", "turn-ended").end([]byte("{}"))
	want := &chat.Usage{Prompt: 0, Completion: 35, Source: chat.UsageReported}
	got := *s.steps[len(s.steps)-1].Usage
	got.Reasoning = 0
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
