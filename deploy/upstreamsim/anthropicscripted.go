package upstreamsim

// scripted plays the Anthropic side's script.
func (m *messageCall) scripted() error {
	var s script
	for _, turn := range m.turns {
		if turn.role != userRole {
			continue
		}
		for _, result := range turn.results() {
			s.sees(told([]placed{result}))
		}
		s.hears(turn.text())
	}
	moves := s.next()
	if moves == nil {
		return m.echo()
	}
	var tools []string
	for _, tool := range m.body.get("tools").list() {
		tools = append(tools, tool.get("name").string())
	}
	a := &answer{stop: endTurn}
	for _, move := range moves {
		switch {
		case move.Think != "":
			thought := answerBlock{kind: "thinking", pieces: pieces(move.Think)}
			thought.seal = m.sim.seal(thinkingSeal, m.number, move.Think)
			a.blocks = append(a.blocks, thought)
		case move.Say != "":
			a.blocks = append(a.blocks, said(pieces(move.Say)))
		default:
			call := m.call(len(a.blocks), move.named(tools))
			call.pieces = pieces(move.function())
			a.blocks, a.stop = append(a.blocks, call), toolUse
		}
	}
	return m.whole(a)
}
