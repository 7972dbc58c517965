package relay

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// brake ends an answer where the request says, for an upstream that can't be told.
type brake struct {
	stop  stopTexts
	limit outputLimit
}

// brakeFor is the brake of a request at a driver; nil where there is nothing to keep.
func brakeFor(driver upstream.Driver, request *chat.Request) *brake {
	if upstream.TakesAsItCame(driver, request) {
		return nil // the upstream has been told
	}
	b := &brake{}
	if !upstream.Carries(driver, chat.StopTexts) {
		b.stop.texts = request.Stop
	}
	if !upstream.Carries(driver, chat.OutputLimit) && request.MaxTokens > 0 {
		b.limit.left, b.limit.on = request.MaxTokens, true
	}
	if len(b.stop.texts) == 0 && !b.limit.on {
		return nil
	}
	return b
}

// take answers what may be sent of an event, and whether the answer ends with it. Stop
// texts are looked for in what is said, and not in thoughts or calls.
func (b *brake) take(event chat.Event) (passed []chat.Event, ended bool) {
	text, stopped := event.Text, false
	said := event.Kind == chat.TextBlock
	if said {
		text, stopped = b.stop.take(event.Text)
		if (event.Close || event.Finish != chat.Unfinished) && !stopped { // what was held back is no stop text
			text += b.stop.flush()
		}
	}
	text, full := b.limit.take(text)
	last := chat.Event{Finish: event.Finish, Usage: event.Usage}
	switch {
	case full:
		last.Finish, event.Close = chat.Length, true
	case stopped:
		last.Finish, last.StopText, event.Close = chat.StoppedAt, b.stop.found, true
	}
	heldBack := event.Text != "" && text == "" && event.Open == nil && !event.Close
	event.Text, event.Finish, event.Usage, event.Raw = text, chat.Unfinished, nil, chat.Raw{} // Raw would say more
	if last.Finish != chat.Unfinished {
		event.More = true
		if hasContent(&event) || event.Open != nil || event.Close {
			passed = append(passed, event)
		}
		return append(passed, last), full || stopped
	}
	event.Usage = last.Usage
	event.More = event.More && len(b.stop.texts) == 0 // a sink must not wait for what may be held back
	if !heldBack || hasContent(&event) {
		passed = append(passed, event)
	}
	return passed, false
}

// stopTexts finds the texts that end an answer, also where they are cut over events.
type stopTexts struct {
	texts []string
	// held is the end of the answer so far, where it may be the beginning of such a
	// text.
	held string
	// found is the one that has ended the answer.
	found string
}

// take answers what may be sent now, and whether a stop text follows it.
func (s *stopTexts) take(piece string) (text string, stopped bool) {
	if len(s.texts) == 0 {
		return piece, false
	}
	text, s.held = s.held+piece, ""
	first := -1
	for _, stop := range s.texts {
		if at := strings.Index(text, stop); at >= 0 && (first < 0 || at < first) {
			first, s.found = at, stop
		}
	}
	if first >= 0 {
		return text[:first], true
	}
	keep := 0
	for _, stop := range s.texts {
		keep = max(keep, overlap(text, stop))
	}
	text, s.held = text[:len(text)-keep], text[len(text)-keep:]
	return text, false
}

// flush answers what is held back, at the end of an answer.
func (s *stopTexts) flush() string {
	held := s.held
	s.held = ""
	return held
}

// overlap is how many bytes at the end of text are the beginning of stop.
func overlap(text, stop string) int {
	for n := min(len(text), len(stop)-1); n > 0; n-- {
		if strings.HasPrefix(stop, text[len(text)-n:]) {
			return n
		}
	}
	return 0
}

// maxWord bounds the end of an answer that is counted anew with each piece.
const maxWord = 256

// outputLimit bounds an answer in tokens, as tokencount estimates them.
type outputLimit struct {
	on bool
	// left are the tokens that may follow what stands before word; word is the end of
	// the answer, which may be one token with what comes next.
	left int
	word string
}

// take answers what may be sent of a piece, and whether the answer is full: there
// was more than fits.
func (l *outputLimit) take(piece string) (text string, full bool) {
	if !l.on || piece == "" {
		return piece, false
	}
	whole := l.word + piece
	if tokencount.Text(whole) > l.left {
		head := tokencount.Head(whole, l.left)
		return head[min(len(l.word), len(head)):], true
	}
	l.word = whole
	// Before the space in front of a word nothing is one token with what follows.
	if at := strings.LastIndexByte(whole, ' '); at > 0 {
		l.left, l.word = l.left-tokencount.Text(whole[:at]), whole[at:]
	}
	if len(l.word) > maxWord {
		l.left, l.word = l.left-tokencount.Text(l.word), ""
	}
	return piece, false
}
