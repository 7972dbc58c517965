package upstreamsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// anthropicScripts are the answers of the Anthropic side by scenario.
var anthropicScripts = map[string]func(*messageCall) error{
	// Successes.
	normal:         func(m *messageCall) error { return m.texts(m.pieces()) },
	"echo-request": func(m *messageCall) error { return m.texts(pieces(string(m.raw))) },
	"echo-headers": (*messageCall).echoHeaders,
	countForm:      func(m *messageCall) error { return m.texts(counting()[:m.scenario.number]) },
	"unicode":      func(m *messageCall) error { return m.texts(unicodePieces) },
	"one-write":    (*messageCall).oneWrite,
	"split-bytes":  (*messageCall).splitBytes,
	"tool-call":    func(m *messageCall) error { return m.calling(m.callsAtOnce) },
	"one-call":     func(m *messageCall) error { return m.calling(m.ordered("c")) },
	"reasoning-call": func(m *messageCall) error {
		return m.calling(func(names []string) *answer { return m.thoughtful(m.callsAtOnce(names)) })
	},
	"text-call-text-call":  func(m *messageCall) error { return m.calling(m.ordered("tctc")) },
	"reasoning-text-call":  func(m *messageCall) error { return m.calling(m.ordered("rtc")) },
	"call-then-text":       func(m *messageCall) error { return m.calling(m.ordered("ct")) },
	"call-cut":             func(m *messageCall) error { return m.calling(m.cutCall) },
	"call-empty-arguments": func(m *messageCall) error { return m.calling(m.emptyCall) },
	"call-huge":            func(m *messageCall) error { return m.calling(m.hugeCall) },
	"describe":             (*messageCall).describe,
	"scripted":             (*messageCall).scripted,
	"reasoning":            (*messageCall).reasoning,
	"redacted-thinking":    (*messageCall).redactedThinking,
	"server-tool":          (*messageCall).serverTool,
	"finish-length":        func(m *messageCall) error { return m.ending(outputLimit, "") },
	"finish-window":        func(m *messageCall) error { return m.ending(windowFull, "") },
	"refusal":              func(m *messageCall) error { return m.ending(refusedByModel, refusalCategory) },
	"finish-pause":         func(m *messageCall) error { return m.ending(pauseTurn, "") },
	"cached":               (*messageCall).echo, // half of the input is read from the cache
	"limit-reached":        func(m *messageCall) error { m.limits(true); return m.echo() },
	"sse-crlf":             func(m *messageCall) error { return m.written(" ", "\r\n", "") },
	"sse-no-space":         func(m *messageCall) error { return m.written("", "\n", "") },
	"sse-comments":         func(m *messageCall) error { return m.written(" ", "\n", ": still here\n\nid: 1\n") },

	// Slow ones and silent ones.
	delayForm:         func(m *messageCall) error { return inOrder(m.delay, m.echo) },
	"slow":            (*messageCall).slow,
	"hold":            (*messageCall).holdAfterText,
	"silence":         (*messageCall).silence,
	"silence-headers": func(m *messageCall) error { return inOrder(m.hold, m.echo) },
	"heartbeat-only":  (*messageCall).heartbeatOnly,

	// Errors as the upstream tells them.
	"empty":                   func(m *messageCall) error { return m.whole(&answer{stop: endTurn}) },
	"credit-exhausted":        (*messageCall).refusal,
	"spend-limit":             (*messageCall).refusal,
	"organization-disabled":   (*messageCall).refusal,
	"overloaded":              (*messageCall).refusal,
	"rate-limit":              (*messageCall).rateLimit,
	"rate-limit-reset":        (*messageCall).rateLimitReset,
	"rate-limit-bare":         func(m *messageCall) error { return m.failStatus(http.StatusTooManyRequests) },
	"error-context-length":    (*messageCall).contextLength,
	"error-context-sum":       (*messageCall).contextSum,
	"error-first":             func(m *messageCall) error { return m.errorFirst(StatusOverloaded) },
	"error-invalid-signature": (*messageCall).invalidSignature,
	"error-after-text":        func(m *messageCall) error { return m.errorAfterText(StatusOverloaded) },
	errorAfterTextForm:        func(m *messageCall) error { return m.errorAfterText(m.toldStatus()) },
	errorForm:                 func(m *messageCall) error { return m.errorFirst(m.toldStatus()) },
	httpForm:                  (*messageCall).httpStatus,

	// Models that lack something.
	"without-thinking":        (*messageCall).without,
	"without-cache-control":   (*messageCall).without,
	"without-system-messages": (*messageCall).without,
	"without-prefill":         (*messageCall).without,
	"without-sampling":        (*messageCall).without,
	"without-advisor":         (*messageCall).without,
	"without-images":          (*messageCall).without,

	// Streams that stray from the API, or are of a newer one.
	"new-event":     (*messageCall).newEvent,
	"no-finish":     (*messageCall).noFinish,
	"after-done":    (*messageCall).afterDone,
	"stream-always": func(m *messageCall) error { m.streaming = true; return m.echo() },
	"object-always": func(m *messageCall) error { m.streaming = false; return m.echo() },

	// Broken connections and broken events.
	"eof-mid-frame":  (*messageCall).eofMidFrame,
	"eof-no-trailer": func(m *messageCall) error { return m.beginning() },
	"eof-no-stop":    (*messageCall).eofNoStop,
	"cut":            func(m *messageCall) error { return inOrder(m.beginning, m.cut) },
	"reset":          func(m *messageCall) error { return inOrder(m.beginning, m.reset) },
	"reset-first":    func(m *messageCall) error { return m.reset() },
	"oversized":      (*messageCall).oversized,
	"garbage":        (*messageCall).garbage,
}

// lastText is what the normal answer echoes.
func (m *messageCall) lastText() string {
	for _, turn := range slices.Backward(m.turns) {
		if turn.role == userRole {
			if text := turn.text(); text != "" {
				return text
			}
		}
	}
	return NoText
}

// pieces are those of the last text, without what the request has the answer begin
// with.
func (m *messageCall) pieces() []string {
	text := m.lastText()
	if last := m.turns[len(m.turns)-1]; last.role == assistantRole {
		text = strings.TrimPrefix(text, last.text())
	}
	return pieces(text)
}

// echo is the normal answer.
func (m *messageCall) echo() error { return m.texts(m.pieces()) }

// texts is an answer of text.
func (m *messageCall) texts(pieces []string) error { return m.whole(m.textAnswer(pieces)) }

func (m *messageCall) textAnswer(pieces []string) *answer {
	if len(pieces) == 0 {
		return &answer{stop: endTurn}
	}
	return &answer{blocks: []answerBlock{said(pieces)}, stop: endTurn}
}

// prepared is an answer as the request wants it: calls that it forces, thinking
// before, the end where a limit or a stop sequence is.
func (m *messageCall) prepared(a *answer) *answer {
	if names := m.callable(); m.forced() && len(names) > 0 && a.stop == endTurn {
		a = m.calls(names[:1])
	}
	if schema := m.body.get("output_config").get("format").get("schema"); schema != nil && a.stop == endTurn {
		a.blocks = []answerBlock{said(pieces(string(instanceOf(schema.raw, m.lastText()))))}
	}
	if thinks(m.body) {
		a = m.thoughtful(a)
	}
	var sequences []string
	for _, sequence := range m.body.get("stop_sequences").list() {
		sequences = append(sequences, sequence.text)
	}
	a.stopAt(sequences)
	if limit := m.body.get("max_tokens"); limit != nil {
		a.limit(limit.integer())
	}
	return a
}

// head sets the headers of a success.
func (m *messageCall) head() error {
	header := m.w.Header()
	if header.Get("Anthropic-Ratelimit-Requests-Limit") == "" {
		m.limits(false)
	}
	if m.streaming {
		header.Set("Content-Type", "text/event-stream; charset=utf-8")
		header.Set("Cache-Control", "no-cache")
	} else {
		header.Set("Content-Type", jsonType)
	}
	return nil
}

// meetCache counts the input, which also writes the cache.
func (m *messageCall) meetCache() {
	p := promptOf(m.body)
	if m.counting {
		m.format.input = cached{fresh: p.tokens()}
		return
	}
	if m.scenario.kind == "cached" {
		total := p.tokens()
		m.format.input = cached{fresh: total - total/2, read: total / 2}
		return
	}
	owner := m.entry.account.organization + " " + m.entry.modelID
	m.format.input = m.entry.book.prompts.meet(owner, p, m.sim.options.Now())
}

// render is an answer as events.
func (m *messageCall) render(a *answer) *events {
	m.meetCache()
	return m.format.stream(m.prepared(a))
}

// object is an answer as one message, or as a count of its input.
func (m *messageCall) object(a *answer) []byte {
	m.meetCache()
	if m.counting {
		return []byte(`{"input_tokens":` + strconv.Itoa(m.format.input.total()) + `}`)
	}
	return m.format.object(m.prepared(a))
}

// whole writes a complete answer.
func (m *messageCall) whole(a *answer) error {
	_ = m.head()
	if !m.streaming {
		return m.writeWhole(http.StatusOK, "", m.object(a))
	}
	e := m.render(a)
	return m.play(e, 0, len(e.spans))
}

// play sends the events from one to before another. The last one of all ends the answer.
func (m *messageCall) play(e *events, from, to int) error {
	for at := from; at < to; at++ {
		if at > 0 && e.spans[at].delta && e.spans[at-1].delta {
			if err := m.between(); err != nil {
				return err
			}
		}
		if at == len(e.spans)-1 {
			m.entry.complete()
		}
		if err := m.send(e.slice(at, at+1)); err != nil {
			return err
		}
	}
	return nil
}

// rendered is the normal answer in bytes.
func (m *messageCall) rendered() []byte {
	a := m.textAnswer(m.pieces())
	if !m.streaming {
		return m.object(a)
	}
	return m.render(a).buffer
}

func (m *messageCall) oneWrite() error { return inOrder(m.head, m.end(m.rendered())) }

func (m *messageCall) splitBytes() error { return inOrder(m.head, m.byteByByte(m.rendered())) }

// written is the normal answer in another legal form of event streams.
func (m *messageCall) written(space, newline, before string) error {
	m.format.space, m.format.newline, m.format.before = space, newline, before
	return m.echo()
}

// ending is the normal answer with another end.
func (m *messageCall) ending(stop, details string) error {
	a := m.textAnswer(m.pieces())
	a.stop, a.details = stop, details
	return m.whole(a)
}

func (m *messageCall) slow() error {
	m.slowDown()
	if !m.streaming {
		return inOrder(m.between, m.echo)
	}
	return m.echo()
}

func (m *messageCall) holdAfterText() error {
	if !m.streaming {
		return inOrder(m.hold, m.echo)
	}
	e := m.render(m.textAnswer(m.pieces()))
	first, _ := e.deltas()
	return inOrder(m.head,
		func() error { return m.play(e, 0, first+1) }, m.hold,
		func() error { return m.play(e, first+1, len(e.spans)) })
}

func (m *messageCall) silence() error {
	if err := inOrder(m.head, m.control.Flush, m.hold); err != nil {
		return err
	}
	if !m.streaming {
		return m.finish(m.rendered())
	}
	return m.echo()
}

func (m *messageCall) heartbeatOnly() error {
	if !m.streaming {
		return inOrder(m.head, m.beating([]byte("\n")))
	}
	m.meetCache()
	opening, ping := new(events), new(events)
	m.format.start(opening, 1)
	m.format.ping(ping)
	return inOrder(m.head, m.event(opening.buffer), m.beating(ping.buffer))
}

// beginning is what comes before a failure: the stream up to the last piece, or half
// of the object.
func (m *messageCall) beginning() error {
	a := m.textAnswer(m.pieces())
	if !m.streaming {
		body := m.object(a)
		return inOrder(m.head, m.event(body[:len(body)/2]))
	}
	e := m.render(a)
	_, last := e.deltas()
	return inOrder(m.head, func() error { return m.play(e, 0, last+1) })
}

func (m *messageCall) eofMidFrame() error {
	if !m.streaming {
		return m.beginning()
	}
	half := new(events)
	m.format.delta(half, 0, "text_delta", "text", "half")
	return inOrder(m.beginning, m.end(half.buffer[:len(half.buffer)/2]))
}

// eofNoStop ends before message_stop.
func (m *messageCall) eofNoStop() error {
	if !m.streaming {
		return m.beginning()
	}
	e := m.render(m.textAnswer(m.pieces()))
	return inOrder(m.head, func() error { return m.play(e, 0, len(e.spans)-1) })
}

func (m *messageCall) oversized() error {
	if !m.streaming {
		return inOrder(m.head, m.drowning(`{"id":"`))
	}
	return inOrder(m.beginning, m.drowning("event: content_block_delta\ndata: "+
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`))
}

func (m *messageCall) garbage() error {
	if !m.streaming {
		return inOrder(m.head, m.end([]byte(`{"id": what`)))
	}
	return inOrder(m.beginning, m.end([]byte("event: content_block_delta\ndata: {\"type\": what\n\n")))
}
