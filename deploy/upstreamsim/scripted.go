package upstreamsim

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// A Move is one thing that a model does in a round of a script: it thinks, says or calls.
type Move struct {
	Think string `json:"think,omitempty"`
	// Say may have ResultsMark, in the place of which the latest results stand.
	Say string `json:"say,omitempty"`
	// Call is a tool, by its own name; of a group, Group is in the name that the tool goes by.
	// It gets Arguments, or the free text of Input. A function without free text gets that as
	// its property "input".
	Call      string          `json:"call,omitempty"`
	Group     string          `json:"group,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Input     string          `json:"input,omitempty"`
}

// ResultsMark stands for what the tools that were called last have answered, a line each.
const ResultsMark = "{results}"

const (
	scriptOpens  = "<script>"
	scriptCloses = "</script>"
)

// Script is a text of a user that has models of the scenario "scripted" play these rounds: of each
// round all moves, as one answer. A round is over with its results, and which one is next these
// tell, so that any request can go on. Behind the last round the answer is that again, without its
// calls.
func Script(rounds ...[]Move) string {
	return scriptOpens + string(jsonOf(rounds)) + scriptCloses
}

// script is where a conversation stands in its latest script.
type script struct {
	rounds [][]Move
	// results are those since the script began; of them, the latest rounds' are told.
	results []string
}

// hears takes what the user says.
func (s *script) hears(text string) {
	at := strings.LastIndex(text, scriptOpens)
	if at < 0 {
		return
	}
	body, _, closed := strings.Cut(text[at+len(scriptOpens):], scriptCloses)
	var rounds [][]Move
	if closed && json.Unmarshal([]byte(body), &rounds) == nil && len(rounds) > 0 {
		s.rounds, s.results = rounds, nil
	}
}

// sees takes a result.
func (s *script) sees(text string) { s.results = append(s.results, text) }

// next are the moves of the round that is due, what is said with the results in it; nothing where
// there is no script.
func (s *script) next() []Move {
	seen, latest := len(s.results), s.results
	for _, round := range s.rounds {
		calls := 0
		for _, move := range round {
			if move.Call != "" {
				calls++
			}
		}
		if seen < calls || calls == 0 {
			return toldIn(round, latest)
		}
		seen -= calls
		latest = s.results[len(s.results)-seen-calls : len(s.results)-seen]
	}
	return nil
}

func toldIn(round []Move, results []string) []Move {
	round = slices.Clone(round)
	for i := range round {
		round[i].Say = strings.ReplaceAll(round[i].Say, ResultsMark, strings.Join(results, "\n"))
	}
	return round
}

// named is the tool of a move, by the name that it goes by; empty: there is none.
func (m Move) named(tools []string) string {
	for _, name := range tools {
		if name == m.Call && m.Group == "" || m.Group != "" && strings.Contains(name, m.Group) && strings.HasSuffix(name, m.Call) {
			return name
		}
	}
	return ""
}

// function are the arguments for a tool that takes no free text.
func (m Move) function() string {
	if m.Arguments != nil {
		return string(m.Arguments)
	}
	return string(jsonOf(map[string]string{"input": m.Input}))
}

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
			for _, tool := range c.declared() {
				if move.named([]string{tool.GetToolName()}) == "" {
					continue
				}
				call := plannedCall{id: c.callID(len(calls)), tool: tool, raw: json.RawMessage(move.function()), args: map[string]*structpb.Value{}}
				var args map[string]any
				if err := json.Unmarshal(call.raw, &args); err != nil {
					return nil, err
				}
				for name, value := range args {
					if call.args[name], err = structpb.NewValue(value); err != nil {
						return nil, err
					}
				}
				calls = append(calls, call)
				break
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return calls, nil
}
