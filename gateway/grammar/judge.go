package grammar

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// End is how a stream is to end.
type End int

const (
	// EitherEnd is the end mark or an error.
	EitherEnd End = iota
	// Complete is message_stop, [DONE] or response.completed.
	Complete
	// Failed is an error, and no end mark.
	Failed
	// Aborted is any place, because somebody hung up.
	Aborted
)

// Options say what an answer is the answer to. The zero value suits a request of the
// simplest form, answered by the gateway itself.
type Options struct {
	End End
	// Native: the answer is a vendor's, passed on. Rules that bind only who composes an
	// answer are left out.
	Native bool
	// Usage: a Chat client asked for include_usage.
	Usage bool
	// NoFinish: the gateway is set to leave out the chunk with the finish_reason.
	NoFinish bool
	// Except are rules that are not judged.
	Except []Rule
	// FrameLimit bounds an event, in bytes; zero: 64 MiB.
	FrameLimit int
}

const frameLimit = 64 << 20

// Violation is a rule that was broken.
type Violation struct {
	Rule Rule
	// Event counts the events of a stream from 1; 0: the answer as a whole.
	Event int
	// Was is what was wrong, Want what would be right.
	Was, Want string
}

func (v Violation) String() string {
	place := ""
	if v.Event > 0 {
		place = fmt.Sprintf(" in event %d", v.Event)
	}
	return fmt.Sprintf("%s%s: %s; want %s", v.Rule, place, v.Was, v.Want)
}

// Judge knows one API.
type Judge interface {
	// Stream begins to judge a stream.
	Stream(options Options) *Stream
	// Answer judges the body of a whole answer.
	Answer(body []byte, options Options) []Violation
	// Error judges the body of an error.
	Error(status int, body []byte, options Options) []Violation
}

// The judges. None keeps anything between answers.
var (
	Messages Judge = messagesJudge{}
	Chat     Judge = chatJudge{}
	// Responses takes a response.incomplete for an end mark, and a response.failed for an error.
	Responses Judge = responsesJudge{}
)

// Stream judges one stream, whose bytes are written to it in pieces of any size. One
// goroutine uses it.
type Stream struct {
	*verdict
	frames   frames
	progress progress
	over     bool
}

// reader reads the events of one API.
type reader interface {
	// event reads one event. It is not called after the end, unless the reader wants more.
	event(f frame)
}

// progress is what a stream has said of its own end.
type progress struct {
	done, failed bool
	// more: an event may still come, which the reader judges.
	more bool
}

// Write judges what has come in full. It never fails.
func (s *Stream) Write(p []byte) (int, error) {
	if !s.over {
		s.frames.write(p)
	}
	return len(p), nil
}

// End judges the end, if it has not been, and returns what was wrong with the stream.
func (s *Stream) End() []Violation { return s.EndAs(s.options.End) }

// EndAs is End with what turned out to be the end.
func (s *Stream) EndAs(end End) []Violation {
	if !s.over {
		s.over = true
		s.judgeEnd(end)
	}
	return s.violations
}

// Ended tells whether the stream has said its end, an error included.
func (s *Stream) Ended() bool { return s.progress.done || s.progress.failed }

func (s *Stream) judgeEnd(end End) {
	whole := s.frames.close()
	s.at = 0
	if end == Aborted {
		return
	}
	if !whole {
		s.report(CutFrame, "the stream ends within an event", "an empty line after it")
	}
	done, failed := s.progress.done, s.progress.failed
	switch {
	case end == Complete && failed:
		s.report(UnwantedError, "an error", "the end mark")
	case end == Failed && done:
		s.report(PretendedEnd, "an end mark", "an error")
	case end == Failed && !failed:
		s.report(NoError, "the end without an error", "an error")
	case !done && !failed:
		s.report(NoEnd, "neither end mark nor error", "one of them")
	}
}

// newStream returns a stream whose events go to the reader that begin makes.
func newStream(options Options, begin func(*verdict, *progress) reader) *Stream {
	s := &Stream{verdict: &verdict{options: options}}
	events := begin(s.verdict, &s.progress)
	limit := options.FrameLimit
	if limit == 0 {
		limit = frameLimit
	}
	s.frames = frames{verdict: s.verdict, limit: limit, each: func(f frame) {
		if s.Ended() && !s.progress.more {
			s.report(AfterEnd, "an event after the end: "+brief(f.data), "nothing")
			return
		}
		events.event(f)
	}}
	return s
}

// maxViolations bounds what is kept: after so many, more say nothing.
const maxViolations = 50

// verdict collects what was wrong.
type verdict struct {
	options    Options
	at         int // the event that is being judged
	violations []Violation
}

func (v *verdict) report(rule Rule, was, want string) {
	binds := rule.doc().Native || !v.options.Native
	if binds && len(v.violations) < maxViolations && !slices.Contains(v.options.Except, rule) {
		v.violations = append(v.violations, Violation{rule, v.at, was, want})
	}
}

// require reports the rule unless the condition holds.
func (v *verdict) require(holds bool, rule Rule, was value, want string) {
	if !holds {
		v.report(rule, was.String(), want)
	}
}

// parse reads a JSON object; ok tells whether it is one.
func (v *verdict) parse(text []byte) (object value, ok bool) {
	object, duplicate, ok := parse(text)
	if !ok || object.kind != isObject {
		v.report(JSONObject, brief(text), "a JSON object")
		return value{}, false
	}
	if duplicate != "" {
		v.report(DuplicateKey, "twice: "+brief([]byte(duplicate)), "each key once")
	}
	return object, true
}

// body is parse for a body that is no stream.
func (v *verdict) body(text []byte) (value, bool) {
	if !utf8.Valid(text) {
		v.report(UTF8, "bytes that are no UTF-8", "UTF-8")
	}
	return v.parse(text)
}

// brief is text for a report: short, and on one line.
func brief(text []byte) string {
	const most = 160
	if len(text) > most {
		return fmt.Sprintf("%.*q… (%d bytes)", most, text, len(text))
	}
	return fmt.Sprintf("%q", text)
}
