package upstreamsim

import (
	"encoding/json"
	"slices"
	"strings"
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
// tell, so that any request can go on. A round without calls is the last one.
func Script(rounds ...[]Move) string {
	return scriptOpens + string(jsonOf(rounds)) + scriptCloses
}

// script is where a conversation stands in its latest script.
type script struct {
	rounds [][]Move
	// results are those since the script began.
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
