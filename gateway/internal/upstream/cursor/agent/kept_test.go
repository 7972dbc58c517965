package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// conversation is a client that has its runs kept, and answers their calls.
type conversation struct {
	t      *testing.T
	client *Client
	call   *upstream.Call
	kept   upstream.Kept
}

func converse(t *testing.T, c *Client) *conversation {
	t.Helper()
	if c.config.Keep == 0 {
		c.config.Keep = time.Minute
	}
	return &conversation{t: t, client: c, call: callOf()}
}

// asks sends the request, and takes what is offered.
func (c *conversation) asks() answer {
	c.t.Helper()
	c.call.Resume, c.kept = c.kept, nil
	c.call.Keep = func(kept upstream.Kept) bool { c.kept = kept; return true }
	return collectAnswer(c.t.Context(), c.t, c.client, c.call)
}

// hears goes on with an answer: the request is the next one, with a result for each call.
func (c *conversation) hears(got answer, results ...string) {
	c.t.Helper()
	said := chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Text: got.text}}}
	heard := chat.Message{Role: chat.Tool}
	for i, each := range got.calls {
		said.Parts = append(said.Parts, chat.Part{Call: &chat.Call{ID: each.ID, Name: each.Name, Arguments: got.arguments[i]}})
		heard.Parts = append(heard.Parts, chat.Part{Result: &chat.Result{CallID: each.ID, Parts: []chat.Part{{Text: results[i]}}}})
	}
	request := *c.call.Request
	request.Messages = append(slices.Clone(request.Messages), said, heard)
	next := *c.call
	next.Request = &request
	c.call = &next
	if c.kept != nil && !c.kept.Fits(c.call) {
		c.t.Error("the results don't fit")
	}
}

// results reads the answers to so many calls, each with its close, in words.
func (x *exchange) results(n int) (got []string) {
	for len(got) < 2*n {
		message := x.receive()
		switch {
		case message == nil:
			return append(got, "left")
		case message.GetExecClientMessage().GetMcpResult() != nil:
			success := message.GetExecClientMessage().GetMcpResult().GetSuccess()
			text := ""
			for _, item := range success.GetContent() {
				text += item.GetText().GetText()
			}
			if success.GetIsError() {
				text = "failed " + text
			}
			got = append(got, fmt.Sprintf("%d %s %s", message.GetExecClientMessage().GetId(), message.GetExecClientMessage().GetExecId(), text))
		case message.GetExecClientControlMessage().GetStreamClose() != nil:
			got = append(got, fmt.Sprintf("close %d", message.GetExecClientControlMessage().GetStreamClose().GetId()))
		}
	}
	return got
}

func packet(t *testing.T, message *agentv1.AgentServerMessage) []byte {
	t.Helper()
	text, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return envelope(text)
}

// One run answers three requests: two that end in calls, two of them at once, and the last in
// words. What it counts at the end is told but for what was told before.
func TestAKeptRun(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs := 0
	c := converse(t, serve(t, func(x *exchange) {
		mu.Lock()
		runs++
		mu.Unlock()
		x.sendNamed("token-7", "checkpoint", "text-Hi", "call-started", "call")
		if got := x.results(1); !slices.Equal(got, []string{"2 x-2 18 C", "close 2"}) {
			t.Errorf("first %q", got)
		}
		x.send(packet(t, calls(3, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "b", Args: inCity("Rome")})),
			packet(t, calls(4, &agentv1.McpArgs{ToolName: "get_weather", ToolCallId: "c", Args: inCity("Oslo")})))
		if got := x.results(2); !slices.Equal(got, []string{"3 x-3 20 C", "close 3", "4 x-4 (no output)", "close 4"}) {
			t.Errorf("then %q", got)
		}
		x.sendNamed("text-Hi", "turn-ended", "end")
	}))
	got := c.asks()
	if c.kept == nil || got.text != "Hi" || len(got.calls) != 1 || !slices.Equal(c.kept.Calls(), []string{got.calls[0].ID}) || !upstream.MayBeKept(got.calls[0].ID) {
		t.Fatalf("%+v", got)
	}
	c.hears(got, "18 C")
	got = c.asks()
	if c.kept == nil || len(got.calls) != 2 || got.arguments[1] != `{"city":"Oslo"}` {
		t.Fatalf("%+v", got)
	}
	c.hears(got, "20 C", "")
	c.call.Told = chat.Usage{Prompt: 10000, Completion: 50}
	got = c.asks()
	if got.text != "Hi" || got.finish != chat.Stop || got.failure != nil || c.kept != nil {
		t.Fatalf("%+v", got)
	}
	if got.usage.Prompt != 837 || got.usage.Completion != 0 || got.usage.Source != chat.UsageReported {
		t.Errorf("%+v", got.usage)
	}
	if runs != 1 {
		t.Errorf("%d runs", runs)
	}
}

// A request that is not the next one does not fit.
func TestWhatFitsAKeptRun(t *testing.T) {
	t.Parallel()
	c := converse(t, serve(t, func(x *exchange) {
		x.sendNamed("text-Hi", "call-started", "call")
		<-x.r.Context().Done()
	}))
	got := c.asks()
	defer c.kept.Close()
	c.hears(got, "18 C")
	messages := c.call.Request.Messages
	last := len(messages) - 1
	for name, test := range map[string]struct {
		change func(*upstream.Call)
		fits   bool
	}{
		"as it is":           {func(*upstream.Call) {}, true},
		"a mark for a cache": {func(c *upstream.Call) { c.Request.Messages[0].Parts[0].Cache = &chat.CacheMark{} }, true},
		"a thought": {func(c *upstream.Call) {
			c.Request.Messages[1].Parts = append(c.Request.Messages[1].Parts, chat.Part{Reasoning: &chat.Reasoning{}})
		}, true},
		"a space":                {func(c *upstream.Call) { c.Request.Messages[1].Parts[0].Text = " Hi\n" }, true},
		"arguments written anew": {func(c *upstream.Call) { c.Request.Messages[1].Parts[1].Call.Arguments = `{ "city": "Paris" }` }, true},
		"a limit":                {func(c *upstream.Call) { c.Request.MaxTokens = 10 }, true},
		"another argument":       {func(c *upstream.Call) { c.Request.Messages[1].Parts[1].Call.Arguments = `{"city":"Rome"}` }, false},
		"another call":           {func(c *upstream.Call) { c.Request.Messages[1].Parts[1].Call.ID = "call_1" }, false},
		"another word":           {func(c *upstream.Call) { c.Request.Messages[1].Parts[0].Text = "Ho" }, false},
		"another beginning":      {func(c *upstream.Call) { c.Request.Messages[0].Parts[0].Text = "Ho" }, false},
		"no results":             {func(c *upstream.Call) { c.Request.Messages = c.Request.Messages[:last] }, false},
		"a result too many": {func(c *upstream.Call) {
			c.Request.Messages[last].Parts = append(c.Request.Messages[last].Parts, c.Request.Messages[last].Parts[0])
		}, false},
		"a word after":  {func(c *upstream.Call) { c.Request.Messages = append(c.Request.Messages, said(chat.User, "and?")) }, false},
		"another model": {func(c *upstream.Call) { c.Model = "gpt-5.5" }, false},
		"another tool":  {func(c *upstream.Call) { c.Request.Tools = []chat.ToolSpec{weather, patch} }, false},
		"a choice":      {func(c *upstream.Call) { c.Request.ToolChoice.Mode = chat.ToolsNone }, false},
		"an effort":     {func(c *upstream.Call) { c.Request.Thinking.Effort = chat.EffortNone }, false},
		"instructions":  {func(c *upstream.Call) { c.Options.DefaultInstructions = "Be brief." }, false},
	} {
		call, request := *c.call, *c.call.Request
		call.Request, request.Messages = &request, nil
		for _, message := range messages {
			message.Parts = slices.Clone(message.Parts)
			for i := range message.Parts {
				if message.Parts[i].Call != nil {
					copied := *message.Parts[i].Call
					message.Parts[i].Call = &copied
				}
			}
			request.Messages = append(request.Messages, message)
		}
		test.change(&call)
		if c.kept.Fits(&call) != test.fits {
			t.Errorf("%s: fits %t", name, !test.fits)
		}
	}
}

// A kept run that is closed is reset, without a result; so is one that nobody takes, or whose
// client has hung up.
func TestWhoLeavesAKeptRun(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]func(*testing.T, *conversation){
		"closed": func(_ *testing.T, c *conversation) { c.asks(); c.kept.Close(); c.kept.Close() },
		"its time over": func(_ *testing.T, c *conversation) {
			c.client.config.Keep = time.Millisecond
			c.asks()
			<-c.kept.Done()
			c.kept.Close()
		},
		"not taken": func(t *testing.T, c *conversation) {
			c.call.Keep = func(upstream.Kept) bool { return false }
			collectAnswer(t.Context(), t, c.client, c.call)
		},
		"hung up": func(t *testing.T, c *conversation) {
			c.call.Keep = func(kept upstream.Kept) bool { c.kept = kept; return true }
			for event := range c.client.Chat(t.Context(), c.call) {
				if event.Finish != chat.Unfinished {
					break
				}
			}
			<-c.kept.Done()
			c.kept.Close()
		},
		"results that can't be sent": func(t *testing.T, c *conversation) {
			got := c.asks()
			c.hears(got, "18 C")
			parts := c.call.Request.Messages[len(c.call.Request.Messages)-1].Parts
			parts[0].Result.Parts = []chat.Part{{Audio: &chat.Audio{}}}
			if got := c.asks(); got.failure == nil || got.failure.Class != upstream.CallerFault {
				t.Errorf("%+v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan error, 1)
			leaves(t, converse(t, serve(t, func(x *exchange) {
				x.sendNamed("call-started", "call")
				next, err := x.frames.next()
				if err == nil {
					t.Errorf("sent %v", next)
				}
				left <- err
			})))
			select {
			case err := <-left:
				if !strings.Contains(err.Error(), "CANCEL") && !strings.Contains(err.Error(), "client disconnected") {
					t.Errorf("left by %v", err)
				}
			case <-time.After(patience):
				t.Error("the run was not left")
			}
		})
	}
}

// What the upstream does while it should wait ends a kept run, unless it only asks.
func TestWhatHappensToAKeptRun(t *testing.T) {
	t.Parallel()
	abort := &agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ExecServerControlMessage{
		ExecServerControlMessage: &agentv1.ExecServerControlMessage{
			Message: &agentv1.ExecServerControlMessage_Abort{Abort: &agentv1.ExecStreamId{Id: 2}},
		},
	}}
	for name, test := range map[string]struct {
		happens func(x *exchange)
		ends    bool
	}{
		"an abort":       {func(x *exchange) { x.send(packet(x.t, abort)) }, true},
		"another call":   {func(x *exchange) { x.send(packet(x.t, calls(9, &agentv1.McpArgs{ToolName: "get_weather"}))) }, true},
		"a word":         {func(x *exchange) { x.sendNamed("text-Hi") }, true},
		"a thought":      {func(x *exchange) { x.sendNamed("thinking-hm") }, true},
		"the turn's end": {func(x *exchange) { x.sendNamed("turn-ended") }, true},
		"the end":        {func(x *exchange) { x.sendNamed("end") }, true},
		"a reset":        {func(*exchange) { panic(http.ErrAbortHandler) }, true},
		"questions": {func(x *exchange) {
			x.sendNamed("get-blob", "context-question", "unknown-question", "call", "call-started", "heartbeat", "checkpoint")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told, asked := make(chan struct{}), make(chan struct{})
			c := converse(t, serve(t, func(x *exchange) {
				x.sendNamed("call-started", "call")
				<-told
				test.happens(x)
				if test.ends {
					<-x.r.Context().Done()
					return
				}
				for closes := 0; closes < 2; { // of the two questions
					if x.receive().GetExecClientControlMessage().GetStreamClose() != nil {
						closes++
					}
				}
				close(asked)
				if got := x.results(1); !slices.Equal(got, []string{"2 x-2 18 C", "close 2"}) {
					t.Errorf("%q", got)
				}
				x.sendNamed("text-Hi", "turn-ended", "end")
			}))
			got := c.asks()
			kept := c.kept
			close(told)
			select {
			case <-kept.Done():
			case <-asked:
			case <-time.After(patience):
				t.Fatal("it is still there")
			}
			c.hears(got, "18 C")
			got = c.asks()
			if test.ends != (got.failure != nil && got.failure.Class == upstream.Transport) || !test.ends && got.text != "Hi" {
				t.Errorf("%+v", got)
			}
			kept.Close()
		})
	}
}

// Signs of life go on while a run is kept, and one that does not go on after its results is a
// failure before the client would give up.
func TestTheTimeOfAKeptRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var beats, execBeats int
		upstreamSide := pipes(func(request *http.Request, answer *io.PipeWriter) {
			write := func(names ...string) {
				for _, name := range names {
					_, _ = answer.Write(vectorOf(t, name))
				}
			}
			go func() {
				ticker := time.NewTicker(10 * time.Second)
				defer ticker.Stop()
				for {
					select {
					case <-request.Context().Done():
						return
					case <-ticker.C:
						write("heartbeat")
					}
				}
			}()
			write("call-started", "call")
			frames := newDecoder(request.Body)
			for {
				next, err := frames.next()
				if err != nil {
					return
				}
				message := &agentv1.AgentClientMessage{}
				_ = proto.Unmarshal(next.payload, message)
				if message.GetClientHeartbeat() != nil {
					beats++
				}
				if message.GetExecClientControlMessage().GetHeartbeat().GetId() == 2 {
					execBeats++
				}
			}
		})
		client := clientOf("http://upstream.test", upstreamSide)
		client.config.Keep = 2 * time.Minute
		c := converse(t, client)
		got := c.asks()
		time.Sleep(time.Minute)
		synctest.Wait()
		if beats != 12 || execBeats != 20 {
			t.Errorf("%d signs of life, %d of the call", beats, execBeats)
		}
		c.hears(got, "18 C")
		c.call.Resume = c.kept
		began := time.Now()
		for _, err := range client.Chat(t.Context(), c.call) {
			if err == nil {
				t.Error("an event")
			}
		}
		if took := time.Since(began); took > maxResumed {
			t.Errorf("it took %v", took)
		}
	})
}

// An upstream that has gone silent is not waited for until the time is over.
func TestASilentUpstreamOfAKeptRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := clientOf("http://upstream.test", pipes(func(request *http.Request, answer *io.PipeWriter) {
			_, _ = answer.Write(append(slices.Clone(vectorOf(t, "call-started")), vectorOf(t, "call")...))
			_, _ = io.Copy(io.Discard, request.Body)
		}))
		client.config.Keep = 10 * time.Minute
		c := converse(t, client)
		c.asks()
		began := time.Now()
		<-c.kept.Done()
		if took := time.Since(began); took > maxSilence {
			t.Errorf("after %v", took)
		}
		c.kept.Close()
	})
}

// A run does not end with the request that began it.
func TestAKeptRunOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	c := converse(t, serve(t, func(x *exchange) {
		x.sendNamed("call-started", "call")
		x.results(1)
		x.sendNamed("text-Hi", "turn-ended", "end")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	c.call.Keep = func(kept upstream.Kept) bool { c.kept = kept; return true }
	got := collectAnswer(ctx, t, c.client, c.call)
	cancel()
	c.hears(got, "18 C")
	if got := c.asks(); got.text != "Hi" {
		t.Errorf("%+v", got)
	}
}
