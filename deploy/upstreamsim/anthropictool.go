package upstreamsim

import (
	"encoding/json"
	"fmt"
	"strings"
)

// toolCall calls the request's first tools, or repeats what a turn of tool results
// holds.
func (m *messageCall) toolCall() error {
	last := m.turns[len(m.turns)-1]
	if len(last.results()) > 0 {
		return m.texts(pieces(told(last.blocks)))
	}
	choice := m.body.get("tool_choice")
	names := m.callable()
	if choice.get("type").string() == "none" || len(names) == 0 {
		return m.echo()
	}
	most := maxToolCalls
	if choice.get("disable_parallel_tool_use").isTrue() {
		most = 1
	}
	return m.whole(m.calls(names[:min(most, len(names))]))
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
		input := "{}"
		for _, tool := range m.body.get("tools").list() {
			if schema := tool.get("input_schema"); schema != nil && tool.get("name").string() == name {
				input = string(instanceOf(schema.raw, m.lastText()))
			}
		}
		a.blocks = append(a.blocks, answerBlock{
			kind: "tool_use", id: fmt.Sprintf("toolu_sim%s_%d", sixteenDigits(m.number), index), name: name, pieces: pieces(input),
		})
	}
	return a
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
