package upstreamsim

import (
	"slices"
	"strings"
)

// The versions of the API.
const (
	oldVersion = "2023-06-01"
	newVersion = "2026-10-21"
)

// maxCacheMarks is how many blocks may carry cache_control.
const maxCacheMarks = 4

// check says what the API refuses in a body, in the vendor's words, or nothing.
// Seals are checked elsewhere, since no client breaks a rule that brings a foreign one.
func (c *checker) check(body *node, counting bool) {
	known := messageFields
	if counting {
		known = countFields
	}
	if c.version == newVersion {
		for _, name := range []string{"temperature", "top_p", "top_k"} {
			if body.get(name) != nil {
				c.fail(name, "Extra inputs are not permitted")
			}
		}
	}
	if c.object("", body, known); c.problem != "" {
		return
	}
	turns := turnsOf(body.get("messages"))
	c.conversation(turns)
	c.toolChoice(body)
	if thinks(body) {
		c.whileThinking(body, turns)
	}
	c.cacheMarks(promptOf(body))
	if c.version == newVersion {
		c.newRules(turns)
	}
}

// thinks tells whether the request turns thinking on.
func thinks(body *node) bool {
	wish := body.get("thinking").get("type").string()
	return wish != "" && wish != "disabled"
}

func (c *checker) toolChoice(body *node) {
	choice := body.get("tool_choice")
	if choice == nil {
		return
	}
	tools := body.get("tools").list()
	if len(tools) == 0 && choice.get("type").string() != "none" {
		c.fail("tool_choice", "may only be specified while providing tools")
	}
	name := choice.get("name").string()
	if choice.get("type").string() == "tool" && !slices.ContainsFunc(tools, func(n *node) bool { return n.get("name").string() == name }) {
		c.fail("", "Tool '%s' not found in provided tools", name)
	}
}

// whileThinking is what thinking rules out.
func (c *checker) whileThinking(body *node, turns []turn) {
	budget, limit := body.get("thinking").get("budget_tokens"), body.get("max_tokens")
	interleaved := slices.ContainsFunc(c.betas, func(beta string) bool { return strings.HasPrefix(beta, "interleaved-thinking-") })
	if budget != nil && limit != nil && budget.integer() >= limit.integer() && !interleaved {
		c.fail("", "`max_tokens` must be greater than `thinking.budget_tokens`.")
	}
	if choice := body.get("tool_choice").get("type").string(); choice == "any" || choice == "tool" {
		c.fail("", "Thinking may not be enabled when tool_choice forces tool use.")
	}
	if n := body.get("temperature"); n != nil && n.float() != 1 {
		c.fail("", "`temperature` may only be set to 1 when thinking is enabled.")
	}
	if body.get("top_k") != nil {
		c.fail("", "`top_k` must be unset when thinking is enabled.")
	}
	if n := body.get("top_p"); n != nil && n.float() < 0.95 {
		c.fail("", "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
	}
	if turns[len(turns)-1].role == assistantRole {
		c.fail("", "This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	if body.get("thinking").get("type").string() == "enabled" {
		c.loopBeginsWithThinking(turns)
	}
}

// loopBeginsWithThinking wants a thinking block at the head of the first assistant
// turn of a tool loop that is still going on. Adaptive thinking may skip it.
func (c *checker) loopBeginsWithThinking(turns []turn) {
	at := len(turns) - 1
	if turns[at].role == systemRole && at > 0 {
		at--
	}
	first := -1
	for at > 0 && len(turns[at].results()) > 0 && turns[at-1].role == assistantRole {
		first = at - 1
		if at -= 2; at < 0 || !turns[at].onlyResults() {
			break
		}
	}
	if first < 0 || turns[first].blocks[0].thinks() {
		return
	}
	head := turns[first].blocks[0]
	c.fail(head.path+".type", "Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` is enabled, "+
		"a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). "+ //nolint:misspell // as the API has it
		"We recommend you include thinking blocks from previous turns. To avoid this requirement, disable `thinking`.", head.kind())
}

// cacheMarks are four at most, and those that last longer come first.
func (c *checker) cacheMarks(p prompt) {
	marks, short := 0, false
	for _, chunk := range p.chunks {
		for _, mark := range chunk.marks {
			marks++
			long := mark.get("ttl").string() == "1h"
			if long && short {
				c.fail("", "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")
			}
			short = short || !long
		}
	}
	if p.automatic != nil {
		marks++
	}
	if marks > maxCacheMarks {
		c.fail("", "A maximum of %d blocks with cache_control may be provided. Found %d.", maxCacheMarks, marks)
	}
}

// newRules are those of the new version.
func (c *checker) newRules(turns []turn) {
	for _, turn := range turns {
		for _, block := range turn.blocks {
			switch {
			case turn.role == assistantRole && block.kind() == "document":
				c.fail(block.path, "`document` blocks are not permitted in assistant messages")
			case turn.role == userRole && block.kind() == "text" && len(block.get("citations").list()) > 0:
				c.fail(block.path+".text.citations", "citations are not permitted on text blocks in user messages")
			}
		}
	}
}
