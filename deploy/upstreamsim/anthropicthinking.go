package upstreamsim

import "slices"

func (a *answer) thinks() bool {
	return slices.ContainsFunc(a.blocks, func(b answerBlock) bool { return b.thinks() })
}

// thoughtful is an answer that begins with thinking.
func (m *messageCall) thoughtful(a *answer) *answer {
	if !a.thinks() {
		a.blocks = slices.Insert(a.blocks, 0, m.thinking())
	}
	return a
}

// thinking is a block of thoughts with their signature, shown as the request wants.
func (m *messageCall) thinking() answerBlock {
	b := answerBlock{kind: "thinking", pieces: thoughts}
	if m.body.get("thinking").get("display").string() == "omitted" {
		b.pieces, b.hidden = nil, len(thoughts)
	}
	text := ""
	for _, piece := range b.pieces {
		text += piece
	}
	b.seal = m.sim.seal(thinkingSeal, m.number, text)
	return b
}

// reasoning thinks, asked or not.
func (m *messageCall) reasoning() error {
	return m.whole(&answer{blocks: []answerBlock{m.thinking(), said(m.pieces())}, stop: endTurn})
}

// redactedThinking thinks what may not be shown, and then what may.
func (m *messageCall) redactedThinking() error {
	redacted := answerBlock{kind: "redacted_thinking", seal: m.sim.seal(redactedSeal, m.number, ""), hidden: len(thoughts)}
	return m.whole(&answer{blocks: []answerBlock{redacted, m.thinking(), said(m.pieces())}, stop: endTurn})
}
