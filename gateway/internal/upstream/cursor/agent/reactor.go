package agent

import (
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/wire"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	"carousel.internal/proto/service/secret"
)

// quiet is how long the end frame is waited for after the turn's end, which some servers never
// send.
const quiet = 500 * time.Millisecond

// again is whether a run that has failed, before anything came of it, is worth another one.
type again uint8

const (
	// asIs: the failure stands.
	asIs again = iota
	// withFreshIDs: the same once more may pass.
	withFreshIDs
	// onAnotherConnection: the run has not reached the upstream.
	onAnotherConnection
	// inFlatForm: the history in another form may pass.
	inFlatForm
)

// reactor answers what the upstream sends during a run, in whatever order it comes, and finds
// the model's answer in it. It does no I/O and reads no clock: it is told how much of the
// run's time has passed. Nobody calls it after it is over, unless it is waiting.
type reactor struct {
	prompt *prompt.Prompt
	// send puts a message on its way to the upstream.
	send func(*agentv1.AgentClientMessage)
	// newCallID makes the id that the client knows a call by.
	newCallID func() string
	// oneCall tells that the client wants no more than one call.
	oneCall bool
	// window is what the model reads, in tokens; 0: not known.
	window int
	// secret is hidden in what the upstream says.
	secret secret.Value
	// keeps tells that the run may go on after its calls. waiting: it has ended in calls, and
	// the upstream waits for what they come to. astray: while it waited it has gone on by
	// itself, so that no results fit it any more.
	keeps, waiting, astray bool
	// answered is the size of the results that calls were answered with, in bytes.
	answered int

	watch  watch
	execs  execs
	batch  batch
	blobs  blobs
	tally  tally
	spoken spoken
	// endedAt is when the turn ended; never before that.
	endedAt time.Duration

	// steps are the answer so far, since the caller took the last of it.
	steps []upstream.Flat
	// over tells that the run has come to its end, well or with failure. left tells that the
	// stream has not, or is gone: then it is reset.
	over, left bool
	failure    *upstream.Failure
	again      again
}

func newReactor(p *prompt.Prompt, limits limits, send func(*agentv1.AgentClientMessage)) *reactor {
	return &reactor{
		prompt: p, send: send, newCallID: newCallID,
		watch: watch{limits: limits}, blobs: blobs{own: p.Blobs}, endedAt: never,
	}
}

// take answers a message.
func (r *reactor) take(message *agentv1.AgentServerMessage, now time.Duration) {
	r.watch.arrived(now)
	switch m := message.GetMessage().(type) {
	case *agentv1.AgentServerMessage_InteractionUpdate:
		r.update(m.InteractionUpdate, now)
	case *agentv1.AgentServerMessage_ExecServerMessage:
		r.watch.progressed(now)
		r.exec(m.ExecServerMessage, now)
	case *agentv1.AgentServerMessage_KvServerMessage:
		if answer := r.blobs.answer(m.KvServerMessage); answer != nil {
			r.send(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_KvClientMessage{KvClientMessage: answer}})
		}
	case *agentv1.AgentServerMessage_ConversationCheckpointUpdate:
		if used := m.ConversationCheckpointUpdate.GetTokenDetails().GetUsedTokens(); used > 0 {
			r.tally.context = int64(used)
		}
	case *agentv1.AgentServerMessage_ExecServerControlMessage:
		if withdrawn := m.ExecServerControlMessage.GetAbort(); withdrawn != nil {
			r.withdraw(withdrawn.GetId())
		}
	case *agentv1.AgentServerMessage_InteractionQuery:
		r.watch.progressed(now)
		answer := query(m.InteractionQuery, noPerson)
		r.send(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_InteractionResponse{InteractionResponse: answer}})
	}
}

// update takes what the user is shown. What nobody knows is left out.
func (r *reactor) update(update *agentv1.InteractionUpdate, now time.Duration) {
	switch u := update.GetMessage().(type) {
	case *agentv1.InteractionUpdate_Heartbeat, nil:
		return
	case *agentv1.InteractionUpdate_TextDelta:
		r.say(u.TextDelta.GetText())
	case *agentv1.InteractionUpdate_ThinkingDelta:
		r.think(u.ThinkingDelta.GetText())
	case *agentv1.InteractionUpdate_TokenDelta:
		r.tally.out += int64(max(u.TokenDelta.GetTokens(), 0))
	case *agentv1.InteractionUpdate_ToolCallStarted:
		r.batch.announce(now, u.ToolCallStarted.GetCallId(), u.ToolCallStarted.GetToolCall())
	case *agentv1.InteractionUpdate_PartialToolCall:
		p := u.PartialToolCall
		if announced := r.batch.announce(now, p.GetCallId(), p.GetToolCall()); announced != nil {
			r.batch.write(announced, p.GetArgsTextDelta())
		}
	case *agentv1.InteractionUpdate_ToolCallCompleted:
		r.batch.done(u.ToolCallCompleted.GetCallId(), u.ToolCallCompleted.GetToolCall())
	case *agentv1.InteractionUpdate_TurnEnded:
		r.tally.ended = u.TurnEnded
		r.endTurn(now)
	}
	r.watch.progressed(now)
}

// endTurn takes the last update of a turn.
func (r *reactor) endTurn(now time.Duration) {
	if r.waiting {
		r.astray = true
		return
	}
	if len(r.batch.calls) > 0 {
		r.callAtLast()
		return
	}
	if r.endedAt == never {
		r.endedAt = now
	}
}

// say takes a piece of the answer.
func (r *reactor) say(text string) {
	if text == "" {
		return
	}
	if r.waiting {
		r.astray = true
		return
	}
	r.spoken.text = true
	if r.keeps {
		r.spoken.say(text)
	}
	r.steps = append(r.steps, upstream.Flat{Text: text})
}

// think takes a piece of what the model thinks.
func (r *reactor) think(text string) {
	if text == "" {
		return
	}
	if r.waiting {
		r.astray = true
		return
	}
	r.spoken.keep(text)
	r.steps = append(r.steps, upstream.Flat{Reasoning: text})
}

// end takes the payload of the end frame.
func (r *reactor) end(payload []byte) {
	said, failed, understood := fault.OfEnd(payload)
	switch {
	case r.endedAt != never: // all was said before
		r.complete()
	case !understood:
		r.fail(wire.Signed(failures, upstream.SignGarbled, http.StatusOK, "the end of the upstream's answer is unreadable", nil))
	case failed:
		r.refused(&said)
	case len(r.batch.calls) > 0:
		r.callAtLast()
	default:
		r.complete()
	}
}

// refused takes the upstream's word that it won't go on.
func (r *reactor) refused(said *fault.Complaint) {
	r.fail(judge(said, r.prompt, r.window, r.secret))
	if r.spoken.anything() {
		return
	}
	switch {
	case isBare(said) && r.failure.Class == upstream.Broken:
		r.again = withFreshIDs
	case !said.Named && (said.Code == "invalid_argument" || said.Code == "internal") && hasHistory(r.prompt):
		r.again = inFlatForm
	}
}

// broke takes the end of the stream where no end frame was.
func (r *reactor) broke(err error) {
	if r.endedAt == never {
		r.fail(fault.Broken(failures, err))
		return
	}
	r.complete()
	r.left = true
}

// next is when tick is to be called, if nothing comes before.
func (r *reactor) next() time.Duration {
	if r.endedAt != never {
		return r.endedAt + quiet
	}
	return min(r.batch.due(), r.watch.due())
}

// tick takes the passing of time.
func (r *reactor) tick(now time.Duration) {
	switch {
	case r.endedAt != never:
		if now >= r.endedAt+quiet {
			r.complete()
			r.left = true
		}
	case now >= r.batch.due():
		r.call()
	default:
		if why := r.watch.late(now); why != nil {
			r.fail(wire.Signed(failures, upstream.SignSilent, 0, why.Message, why))
		}
	}
}

// complete ends an answer in words.
func (r *reactor) complete() {
	last := upstream.Flat{Finish: chat.Stop, Usage: r.tally.usage()}
	switch {
	case r.spoken.text:
	case r.spoken.thought():
		last.Text = r.spoken.inside()
	default:
		r.fail(wire.Signed(failures, upstream.SignEmpty, http.StatusOK, "the upstream sent an empty answer", nil))
		return
	}
	r.steps = append(r.steps, last)
	r.over = true
}

// call ends an answer with its calls. The upstream waits for what they come to, which a later
// run tells it, or this one where it is kept.
func (r *reactor) call() {
	step := upstream.Flat{Finish: chat.CalledTools, Usage: r.tally.usage()}
	for i := range r.batch.calls {
		each := &r.batch.calls[i]
		each.id = r.newCallID()
		step.Calls = append(step.Calls, upstream.CallPiece{
			Index: i, ID: each.id, Name: each.name, Custom: each.custom, Arguments: each.input(),
		})
	}
	r.steps = append(r.steps, step)
	r.over, r.left, r.waiting = true, true, r.keeps && r.hasRoom()
}

// callAtLast is call where the upstream waits for nothing.
func (r *reactor) callAtLast() {
	r.keeps = false
	r.call()
}

// input is what the tool is called with.
func (c *call) input() string {
	written := ""
	if c.announced != nil {
		written = c.announced.written
	}
	arguments := argumentsText(c.args.GetArgs(), written)
	if c.custom {
		return upstream.UnwrapFreeText(arguments)
	}
	return arguments
}

// fail ends the run.
func (r *reactor) fail(failure *upstream.Failure) {
	r.failure, r.over, r.left = failure, true, true
}

// spoken is what an answer has so far.
type spoken struct {
	text  bool
	any   bool
	think strings.Builder
	// words are the answer of a run that may be kept; tooMuch: not all of it.
	words   strings.Builder
	tooMuch bool
}

// maxWords bounds what is kept of an answer, in bytes.
const maxWords = 1 << 20

// say keeps a piece of the answer, to know it again.
func (s *spoken) say(text string) {
	if s.words.Len()+len(text) > maxWords {
		s.tooMuch = true
		return
	}
	s.words.WriteString(text)
}

// maxThought bounds what is kept of what a model thinks, in bytes.
const maxThought = 4 << 20

// keep keeps what may turn out to be the answer.
func (s *spoken) keep(thought string) {
	s.any = true
	if !s.text && s.think.Len()+len(thought) <= maxThought {
		s.think.WriteString(thought)
	}
}

// anything tells whether there was an event.
func (s *spoken) anything() bool { return s.text || s.any }

func (s *spoken) thought() bool { return strings.TrimSpace(s.think.String()) != "" }

// thoughtEnd is where some models end their thinking, without the upstream seeing it.
const thoughtEnd = "</think>"

// inside is the answer of a turn that has nothing but thinking: what stands after its end, or
// all of it.
func (s *spoken) inside() string {
	all := s.think.String()
	if at := strings.LastIndex(all, thoughtEnd); at >= 0 {
		if rest := strings.TrimSpace(all[at+len(thoughtEnd):]); rest != "" {
			return rest
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(all, thoughtEnd, ""))
}
