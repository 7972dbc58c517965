package upstreamsim

import (
	"net/http"
	"slices"
	"strings"
)

// describe answers with a Description. The role of what stands in a tool's result is
// "tool", and there is one message for every turn.
func (m *messageCall) describe() error {
	d := Description{Model: m.entry.modelID, Roles: []string{}, Media: []Media{}, Tools: []string{}, Thoughts: []string{}}
	for at, turn := range m.turns {
		d.Roles = append(d.Roles, turn.role)
		d.Calls += len(turn.of("tool_use"))
		d.Results += len(turn.of("tool_result"))
		for _, thought := range turn.of("thinking") {
			d.Thoughts = append(d.Thoughts, thought.get("thinking").string())
		}
		for _, block := range turn.blocks {
			role := turn.role
			if block.kind() == "tool_result" {
				role = "tool"
			}
			for _, media := range mediaIn(block.node) {
				media.Role, media.Message = role, at
				d.Media = append(d.Media, media)
			}
		}
	}
	for _, tool := range m.body.get("tools").list() {
		d.Tools = append(d.Tools, tool.get("name").string())
	}
	return m.texts(pieces(string(jsonOf(d))))
}

// RequestHead is the answer of "echo-headers", as JSON: how a request came. In place of
// its keys are their Fingerprints.
type RequestHead struct {
	Path   string      `json:"path"`
	Query  string      `json:"query"`
	Header http.Header `json:"header"`
}

func headOf(r *http.Request) RequestHead {
	head := RequestHead{r.URL.Path, r.URL.RawQuery, r.Header.Clone()}
	for name, token := range map[string]string{"X-Api-Key": head.Header.Get("X-Api-Key"), "Authorization": bearer(r)} {
		if token != "" {
			head.Header.Set(name, Fingerprint(token))
		}
	}
	return head
}

func (m *messageCall) echoHeaders() error { return m.texts(pieces(string(jsonOf(headOf(m.r))))) }

// mediaIn are the images and documents of a block, and of the blocks inside it.
func mediaIn(n *node) []Media {
	var found []Media
	source := n.get("source")
	if kind := n.get("type").string(); kind == "image" || kind == "document" {
		found = append(found, mediaOfSource(kind, n.get("title").string(), source))
	}
	for _, inner := range slices.Concat(n.get("content").list(), source.get("content").list()) {
		found = append(found, mediaIn(inner)...)
	}
	return found
}

func mediaOfSource(kind, name string, source *node) Media {
	media := Media{Kind: kind, Name: name}
	switch source.get("type").string() {
	case "base64":
		media.set(source.get("media_type").string(), decoded(source))
	case "text":
		media.set("text/plain", []byte(source.get("data").string()))
	default:
		media.URL = source.get("url").string() + source.get("file_id").string()
	}
	return media
}

// told is what tool results and the texts beside them say, a line each; of images
// and documents their Media.
func told(blocks []placed) string {
	var lines []string
	for _, block := range blocks {
		lines = append(lines, linesOf(block.node)...)
	}
	if len(lines) == 0 {
		return NoText
	}
	return strings.Join(lines, "\n")
}

func linesOf(n *node) []string {
	switch kind := n.get("type").string(); kind {
	case "text":
		return []string{n.get("text").string()}
	case "tool_result":
		var lines []string
		if n.get("is_error").isTrue() {
			lines = append(lines, "(error)")
		}
		for _, block := range blocksOf("", n.get("content")) {
			lines = append(lines, linesOf(block.node)...)
		}
		return lines
	case "image", "document":
		var lines []string
		for _, media := range mediaIn(n) {
			lines = append(lines, media.String())
		}
		return lines
	default:
		return []string{"(" + kind + ")"}
	}
}
