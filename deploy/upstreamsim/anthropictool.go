package upstreamsim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
)

// toolCall calls the request's first tools, or repeats what a turn of tool results
// holds.
func (m *messageCall) toolCall() error {
	last := m.turns[len(m.turns)-1]
	if len(last.results()) > 0 {
		return m.texts(pieces(describe(last.blocks)))
	}
	choice := m.body.get("tool_choice")
	most := maxToolCalls
	if choice.get("disable_parallel_tool_use").isTrue() || choice.get("type").string() == "tool" {
		most = 1
	}
	var names []string
	for _, tool := range m.body.get("tools").list() {
		kind, name := tool.get("type").string(), tool.get("name").string()
		ours := kind == "" || kind == "custom"
		if chosen := choice.get("name").string(); ours && len(names) < most && (chosen == "" || chosen == name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || choice.get("type").string() == "none" {
		return m.echo()
	}
	return m.whole(m.calls(names))
}

// forced is the tool that the request insists on, or nothing.
func (m *messageCall) forced() string {
	choice := m.body.get("tool_choice")
	switch choice.get("type").string() {
	case "tool":
		return choice.get("name").string()
	case "any":
		return m.body.get("tools").list()[0].get("name").string()
	default:
		return ""
	}
}

// calls is an answer of calls, with the last user text as the input's text, or with
// an input that fits the schema of a strict tool.
func (m *messageCall) calls(names []string) *answer {
	a := &answer{stop: toolUse}
	for index, name := range names {
		input := string(jsonOf(map[string]string{"text": m.lastText()}))
		for _, tool := range m.body.get("tools").list() {
			if tool.get("name").string() == name && tool.get("strict").isTrue() {
				input = fitting(tool.get("input_schema"), m.lastText())
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

// describe tells what blocks hold, a line each: texts as they are, anything else in
// brackets.
func describe(blocks []placed) string {
	var lines []string
	for _, block := range blocks {
		lines = append(lines, describeBlock(block.node)...)
	}
	if len(lines) == 0 {
		return NoText
	}
	return strings.Join(lines, "\n")
}

func describeBlock(n *node) []string {
	source := n.get("source")
	switch kind := n.get("type").string(); kind {
	case "text":
		return []string{n.get("text").string()}
	case "tool_result":
		return describeResult(n)
	case "image", "document":
		switch source.get("type").string() {
		case "base64":
			return []string{MediaText(kind, source.get("media_type").string(), decoded(source))}
		case "text":
			return []string{MediaText(kind, "text/plain", []byte(source.get("data").string()))}
		case "content":
			lines := []string{"[document of blocks]"}
			for _, block := range blocksOf("", source.get("content")) {
				lines = append(lines, describeBlock(block.node)...)
			}
			return lines
		default:
			return []string{"[" + kind + " " + source.get("url").string() + source.get("file_id").string() + "]"}
		}
	default:
		return []string{"[" + kind + "]"}
	}
}

func describeResult(n *node) []string {
	var lines []string
	if n.get("is_error").isTrue() {
		lines = append(lines, "[error]")
	}
	for _, block := range blocksOf("", n.get("content")) {
		lines = append(lines, describeBlock(block.node)...)
	}
	return lines
}

// MediaText is how answers tell of an image or a document whose bytes came with the
// request: "[image image/png 70 bytes sha256 0123456789abcdef]".
func MediaText(kind, mediaType string, data []byte) string {
	return fmt.Sprintf("[%s %s %d bytes sha256 %.8x]", kind, mediaType, len(data), sha256.Sum256(data))
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
		textBlock([]string{"Searching."}),
		{kind: "server_tool_use", id: id, name: "web_search", pieces: pieces(string(jsonOf(map[string]string{"query": m.lastText()})))},
		{kind: "web_search_tool_result", whole: string(result)},
		textBlock(m.pieces()),
	}})
}
