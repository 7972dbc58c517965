package upstreamsim

import (
	"encoding/json"
	"fmt"
	"strings"
)

// calling answers with calls of the tools that the request has, by name. Where it has
// none the answer is the normal one, and after tool results what they say.
func (m *messageCall) calling(answerOf func(names []string) *answer) error {
	last := m.lastSaid()
	if len(last.results()) > 0 {
		return m.texts(pieces(told(last.blocks)))
	}
	names := m.callable()
	if len(names) == 0 || m.body.get("tool_choice").get("type").string() == "none" {
		return m.echo()
	}
	return m.whole(answerOf(names))
}

// lastSaid is the last turn; instructions behind it change nothing of what is to be answered.
func (m *messageCall) lastSaid() turn {
	at := len(m.turns) - 1
	for at > 0 && m.turns[at].role == "system" {
		at--
	}
	return m.turns[at]
}

// callsAtOnce are calls of the first tools.
func (m *messageCall) callsAtOnce(names []string) *answer {
	most := maxToolCalls
	if m.body.get("tool_choice").get("disable_parallel_tool_use").isTrue() {
		most = 1
	}
	return m.calls(names[:min(most, len(names))])
}

// ordered makes answers of thinking (r), text (t) and calls (c) in an order.
func (m *messageCall) ordered(order string) func(names []string) *answer {
	return func(names []string) *answer {
		a := &answer{stop: toolUse}
		calls := 0
		for _, kind := range order {
			switch kind {
			case 'r':
				a.blocks = append(a.blocks, m.thinking())
			case 't':
				a.blocks = append(a.blocks, said(m.pieces()))
			case 'c':
				a.blocks = append(a.blocks, m.call(calls, names[calls%len(names)]))
				calls++
			}
		}
		return a
	}
}

// callable are the tools that the client runs, or the one of them that is chosen.
func (m *messageCall) callable() []string {
	chosen := m.body.get("tool_choice").get("name").string()
	var names []string
	for _, tool := range m.body.get("tools").list() {
		kind, name := tool.get("type").string(), tool.get("name").string()
		if (kind == "" || kind == "custom") && (chosen == "" || chosen == name) {
			names = append(names, name)
		}
	}
	return names
}

// forced tells whether the request insists on a call.
func (m *messageCall) forced() bool {
	choice := m.body.get("tool_choice").get("type").string()
	return choice == "any" || choice == "tool"
}

// calls is an answer of calls, with inputs that fit the tools' schemas.
func (m *messageCall) calls(names []string) *answer {
	a := &answer{stop: toolUse}
	for index, name := range names {
		a.blocks = append(a.blocks, m.call(index, name))
	}
	return a
}

func (m *messageCall) call(index int, name string) answerBlock {
	input := "{}"
	for _, tool := range m.body.get("tools").list() {
		if schema := tool.get("input_schema"); schema != nil && tool.get("name").string() == name {
			input = string(instanceOf(schema.raw, m.lastText()))
		}
	}
	return answerBlock{kind: "tool_use", id: fmt.Sprintf("toolu_sim%s_%d", sixteenDigits(m.number), index), name: name, pieces: pieces(input)}
}

// cutCall ends in the middle of its input.
func (m *messageCall) cutCall(names []string) *answer {
	call := m.call(0, names[0])
	input := []rune(strings.Join(call.pieces, ""))
	call.pieces = pieces(string(input[:len(input)/2]))
	return &answer{blocks: []answerBlock{call}, stop: outputLimit}
}

// emptyCall is a call without any piece of input.
func (m *messageCall) emptyCall(names []string) *answer {
	call := m.call(0, names[0])
	call.pieces = nil
	return &answer{blocks: []answerBlock{call}, stop: toolUse}
}

// hugeInput is the size of hugeCall's text, in bytes.
const hugeInput = 2 << 20

// hugeCall has its input in one piece.
func (m *messageCall) hugeCall(names []string) *answer {
	call := m.call(0, names[0])
	call.pieces = []string{`{"text":"` + strings.Repeat("x", hugeInput) + `"}`}
	return &answer{blocks: []answerBlock{call}, stop: toolUse}
}

// text is the text of a turn's own blocks.
func (t turn) text() string {
	var texts []string
	for _, block := range t.of("text") {
		texts = append(texts, block.get("text").string())
	}
	return strings.Join(texts, "\n")
}

// serverTool is an answer in which the vendor has searched the web.
func (m *messageCall) serverTool() error {
	id := "srvtoolu_sim" + sixteenDigits(m.number)
	result, err := json.Marshal(map[string]any{
		"type": "web_search_tool_result", "tool_use_id": id, "content": []map[string]any{{
			"type": "web_search_result", "url": "https://example.com/", "title": "Example", "encrypted_content": "c2lt", "page_age": nil,
		}},
	})
	if err != nil {
		return err
	}
	return m.whole(&answer{stop: endTurn, blocks: []answerBlock{
		said([]string{"Searching."}),
		{kind: "server_tool_use", id: id, name: "web_search", pieces: pieces(string(jsonOf(map[string]string{"query": m.lastText()})))},
		{kind: "web_search_tool_result", whole: string(result)},
		said(m.pieces()),
	}})
}
