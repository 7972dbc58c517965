package upstreamsim

// scriptedReply is what the script of a conversation says next, else the normal reply.
func (c *completionCall) scriptedReply() reply {
	var s script
	for i := range c.request.Messages {
		switch m := &c.request.Messages[i]; m.Role {
		case userRole:
			s.hears(m.Content.text)
		case "tool":
			s.sees(m.Content.text)
		}
	}
	moves := s.next()
	if moves == nil {
		return c.normalReply()
	}
	tools, custom := make([]string, len(c.request.Tools)), map[string]bool{}
	for i, tool := range c.request.Tools {
		tools[i] = tool.name()
		custom[tool.name()] = tool.Custom != nil
	}
	r := reply{finish: stop}
	for _, move := range moves {
		switch name := move.named(tools); {
		case move.Think != "":
			r.blocks = append(r.blocks, reasoningOf(pieces(move.Think)))
		case move.Say != "":
			r.blocks = append(r.blocks, block{pieces: pieces(move.Say)})
		case custom[name]:
			r.blocks = append(r.blocks, block{kind: callBlock, name: name, pieces: pieces(move.Input), custom: true})
			r.finish = toolCalls
		default:
			r.blocks = append(r.blocks, block{kind: callBlock, name: name, pieces: pieces(move.function())})
			r.finish = toolCalls
		}
	}
	return r
}
