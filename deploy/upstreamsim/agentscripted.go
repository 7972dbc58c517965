package upstreamsim

import "encoding/json"

// scripted plays the agent side's script: in one Run as long as results come on it.
func (c *agentCall) scripted() error {
	var s script
	for _, message := range c.history.messages {
		if message.Role == userRole {
			s.hears(message.Text)
		}
		for _, result := range message.Results {
			s.sees(toldResults([]AgentResult{result}))
		}
	}
	s.hears(c.userText())
	for {
		moves := s.next()
		if moves == nil {
			return c.echo()
		}
		calls, err := c.plays(moves)
		if err != nil {
			return err
		}
		if len(calls) == 0 {
			return c.finishTurn()
		}
		results, err := c.call(calls)
		if err != nil {
			return err
		}
		for _, result := range results {
			s.sees(toldResults([]AgentResult{result}))
		}
	}
}

// plays says what a round says, and returns its calls.
func (c *agentCall) plays(moves []Move) ([]plannedCall, error) {
	var calls []plannedCall
	for _, move := range moves {
		var err error
		switch {
		case move.Think != "":
			err = c.thinks(move.Think)()
		case move.Say != "":
			err = c.says(pieces(move.Say))()
		default:
			calls, err = c.planned(calls, move)
		}
		if err != nil {
			return nil, err
		}
	}
	return calls, nil
}

// planned adds the call of a move; a tool that nobody declares is not called.
func (c *agentCall) planned(calls []plannedCall, move Move) ([]plannedCall, error) {
	for _, tool := range c.declared() {
		if move.named([]string{tool.GetToolName()}) == "" {
			continue
		}
		call := plannedCall{id: c.callID(len(calls)), tool: tool, raw: json.RawMessage(move.function())}
		err := call.readArgs()
		return append(calls, call), err
	}
	return calls, nil
}
