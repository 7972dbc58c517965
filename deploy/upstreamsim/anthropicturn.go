package upstreamsim

import (
	"slices"
	"strings"
)

// The roles of a conversation's entries.
const (
	userRole      = "user"
	assistantRole = "assistant"
	systemRole    = "system"
)

// turn is one side's say: entries of the same role that follow each other are one.
type turn struct {
	role   string
	path   string // of the last entry
	blocks []placed
}

// placed is a block and where it stands in the request.
type placed struct {
	*node
	path string
}

func (p placed) kind() string { return p.get("type").string() }

func (p placed) thinks() bool { return p.kind() == "thinking" || p.kind() == "redacted_thinking" }

// textNode is the block that a string as content stands for.
func textNode(text *node) *node {
	return &node{kind: objectKind, members: []member{
		{"type", &node{kind: stringKind, text: "text"}}, {"text", text},
	}}
}

// blocksOf are the blocks of a content, or of a system text.
func blocksOf(path string, content *node) []placed {
	switch {
	case content == nil:
		return nil
	case content.kind == stringKind && content.text == "":
		return nil
	case content.kind == stringKind:
		return []placed{{textNode(content), path}}
	}
	var placedBlocks []placed
	for at, block := range content.items {
		placedBlocks = append(placedBlocks, placed{block, join(path, at)})
	}
	return placedBlocks
}

// turnsOf are the turns of a request whose shape was checked.
func turnsOf(messages *node) []turn {
	var turns []turn
	for at, entry := range messages.list() {
		role, path := entry.get("role").string(), join("messages", at)
		entryBlocks := blocksOf(join(path, "content"), entry.get("content"))
		if last := len(turns) - 1; last >= 0 && turns[last].role == role && role != systemRole {
			turns[last].path = path
			turns[last].blocks = append(turns[last].blocks, entryBlocks...)
			continue
		}
		turns = append(turns, turn{role, path, entryBlocks})
	}
	return turns
}

// of are the turn's blocks of a kind.
func (t turn) of(kind string) []placed {
	var found []placed
	for _, block := range t.blocks {
		if block.kind() == kind {
			found = append(found, block)
		}
	}
	return found
}

// results are the tool results that the turn begins with.
func (t turn) results() []placed {
	end := slices.IndexFunc(t.blocks, func(p placed) bool { return p.kind() != "tool_result" })
	if end < 0 {
		end = len(t.blocks)
	}
	return t.blocks[:end]
}

// onlyResults tells a turn that goes on with a tool loop.
func (t turn) onlyResults() bool {
	return t.role == userRole && len(t.blocks) > 0 && len(t.results()) == len(t.blocks)
}

const maxMessages = 100_000

// isMessages checks every entry by itself.
func isMessages(c *checker, path string, n *node) {
	isList(c, path, n)
	switch {
	case n.kind == listKind && len(n.items) == 0:
		c.fail(path, "at least one message is required")
	case len(n.items) > maxMessages:
		c.fail(path, "List should have at most %d items", maxMessages)
	}
	for at, entry := range n.items {
		c.entry(join(path, at), entry, at == len(n.items)-1)
	}
}

var entryFields = fields{"role": need(oneOf(userRole, assistantRole, systemRole)), "content": need(anyValue)}

var placeOf = map[string]place{userRole: inUser, assistantRole: inAssistant, systemRole: inSystem}

func (c *checker) entry(path string, n *node, last bool) {
	if c.object(path, n, entryFields); c.problem != "" {
		return
	}
	role, content := n.get("role").string(), n.get("content")
	empty := content.text == "" && len(content.items) == 0
	switch {
	case content.kind != stringKind && content.kind != listKind:
		c.fail(join(path, "content"), "Input should be a valid list")
	case empty && role == userRole:
		c.fail(path, "user messages must have non-empty content")
	case empty && (role != assistantRole || !last):
		c.fail(path, "all messages must have non-empty content except for the optional final assistant message")
	case content.kind == listKind:
		blocksIn(placeOf[role])(c, join(path, "content"), content)
	case !empty && strings.TrimSpace(content.text) == "":
		c.fail("messages", "text content blocks must contain non-whitespace text")
	}
}

// conversation checks what the turns say of each other.
func (c *checker) conversation(turns []turn) {
	for at, turn := range turns {
		var before, after string
		if at > 0 {
			before = turns[at-1].role
		}
		if at < len(turns)-1 {
			after = turns[at+1].role
		}
		switch turn.role {
		case systemRole:
			c.systemEntry(turn, before, after, at > 0 && turns[at-1].endsInServerTool())
		case userRole:
			c.resultsHaveCalls(turns, at)
		case assistantRole:
			if at == 0 {
				c.fail("messages", `first message must use the "user" role`)
			}
			c.callsHaveResults(turns, at)
			c.thinkingPlaces(turn, at == len(turns)-1)
		}
	}
	if last := turns[len(turns)-1]; last.role == assistantRole && len(last.blocks) > 0 {
		text := last.blocks[len(last.blocks)-1].get("text").string()
		if text != strings.TrimRight(text, " \t\r\n") {
			c.fail("messages", "final assistant content cannot end with trailing whitespace")
		}
	}
}

func (t turn) endsInServerTool() bool {
	return len(t.blocks) > 0 && t.role == assistantRole && strings.HasSuffix(t.blocks[len(t.blocks)-1].kind(), "_tool_result")
}

// systemEntry is where a system text in the middle may stand.
func (c *checker) systemEntry(t turn, before, after string, afterServerTool bool) {
	switch {
	case before == "":
		c.fail(t.path, "role 'system' is not allowed for the first message; use the top-level `system` parameter")
	case before != userRole && !afterServerTool:
		c.fail(t.path, "role 'system' must follow a 'user' message or an 'assistant' message that ends in a server tool result")
	case after != "" && after != assistantRole:
		c.fail(t.path, "role 'system' must be the last message or be followed by an 'assistant' message")
	}
}

func ids(blocks []placed, name string) []string {
	var found []string
	for _, block := range blocks {
		found = append(found, block.get(name).string())
	}
	return found
}

// callsHaveResults wants all results of a turn's calls at the head of the next.
func (c *checker) callsHaveResults(turns []turn, at int) {
	calls := turns[at].of("tool_use")
	var results []string
	if at+1 < len(turns) && turns[at+1].role == userRole {
		results = ids(turns[at+1].results(), "tool_use_id")
	}
	var missing []string
	seen := map[string]bool{}
	for _, call := range calls {
		id := call.get("id").string()
		if seen[id] {
			c.fail(call.path, "`tool_use` ids must be unique")
		}
		seen[id] = true
		if !slices.Contains(results, id) {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		c.fail(turns[at].path, "`tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
			"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", strings.Join(missing, ", "))
	}
}

// resultsHaveCalls wants one call in the turn before for every result.
func (c *checker) resultsHaveCalls(turns []turn, at int) {
	var calls []string
	if at > 0 && turns[at-1].role == assistantRole {
		calls = ids(turns[at-1].of("tool_use"), "id")
	}
	seen := map[string]bool{}
	for _, result := range turns[at].of("tool_result") {
		id := result.get("tool_use_id").string()
		switch {
		case !slices.Contains(calls, id):
			c.fail(result.path, "unexpected `tool_use_id` found in `tool_result` blocks: %s. "+
				"Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", id)
		case seen[id]:
			c.fail(result.path, "each tool_use must have a single result. Found multiple `tool_result` blocks with id: %s", id)
		}
		seen[id] = true
	}
}

// thinkingPlaces wants thinking at the head of a turn that has any, never at its end.
func (c *checker) thinkingPlaces(t turn, prefill bool) {
	if !slices.ContainsFunc(t.blocks, placed.thinks) {
		return
	}
	if first := t.blocks[0]; !first.thinks() {
		c.fail(first.path, "If an assistant message contains any thinking blocks, the first block must be "+
			"`thinking` or `redacted_thinking`. Found `%s`.", first.kind())
	}
	if last := t.blocks[len(t.blocks)-1]; last.kind() == "thinking" && !prefill {
		c.fail(t.path, "The final block in an assistant message cannot be `thinking`.")
	}
}
