package upstreamsim

// newEvent has an event, a delta and a block of kinds that no client knows yet.
func (m *messageCall) newEvent() error {
	a := m.textAnswer(m.pieces())
	a.blocks = append(a.blocks, answerBlock{kind: "hologram", whole: `{"type":"hologram","data":"c2lt"}`})
	if !m.streaming {
		return m.whole(a)
	}
	e, rendered := new(events), m.render(a)
	first, _ := rendered.deltas()
	e.take(rendered, 0, first)
	m.format.begin(e, "content_block_hint")
	e.buffer = append(e.buffer, `,"index":0`...)
	m.format.end(e, false)
	m.format.delta(e, 0, "mood_delta", "mood", "calm")
	e.take(rendered, first, len(rendered.spans))
	return inOrder(m.head, func() error { return m.play(e, 0, len(e.spans)) })
}

// take appends the events of another stream from one to before another.
func (e *events) take(other *events, from, to int) {
	for at := from; at < to; at++ {
		e.buffer = append(e.buffer, other.slice(at, at+1)...)
		e.spans = append(e.spans, span{len(e.buffer), other.spans[at].delta})
	}
}

// noFinish has message_stop without message_delta; a whole answer has no stop_reason.
func (m *messageCall) noFinish() error {
	a := m.textAnswer(m.pieces())
	if !m.streaming {
		return m.ending("", "")
	}
	e, rendered := new(events), m.render(a)
	last := len(rendered.spans) - 1
	e.take(rendered, 0, last-1)
	e.take(rendered, last, last+1)
	return inOrder(m.head, func() error { return m.play(e, 0, len(e.spans)) })
}

// afterDone goes on after message_stop.
func (m *messageCall) afterDone() error {
	if !m.streaming {
		return m.echo()
	}
	e := m.render(m.textAnswer(m.pieces()))
	m.format.delta(e, 0, "text_delta", "text", "after the end")
	return inOrder(m.head, func() error { return m.play(e, 0, len(e.spans)) })
}
