package codex

import "encoding/json"

// patchGrammar is that of the freeform tool, shortened.
const patchGrammar = `start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change?
filename: /(.+)/
add_line: "+" /(.*)/ LF
change: ("@@" | ("+" | "-" | " ") /(.*)/) LF
%import common.LF`

// Tools are those of every request: functions, a freeform one, the groups of two MCP servers that
// have a tool of the same name, and the search that the provider is to run.
func Tools() []any {
	return []any{
		function("shell", "Runs a command and returns its output.", `{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The command"},"workdir":{"type":"string"},"timeout_ms":{"type":"number"}},"required":["command"],"additionalProperties":false}`),
		function("view_image", "Looks at an image of the workspace.", `{"type":"object","properties":{"path":{"type":"string"}},"required":["path"],"additionalProperties":false}`),
		map[string]any{
			"type": "custom", "name": "apply_patch", "description": "Edits files. This is a FREEFORM tool, so do not wrap the patch in JSON.",
			"format": map[string]string{"type": "grammar", "syntax": "lark", "definition": patchGrammar},
		},
		namespace("mcp__notes", "Notes of the team"),
		namespace("mcp__issues", "Issues of the project"),
		map[string]any{"type": "web_search", "external_web_access": false},
	}
}

func function(name, description, parameters string) map[string]any {
	return map[string]any{"type": "function", "name": name, "description": description, "strict": false, "parameters": json.RawMessage(parameters)}
}

func namespace(name, description string) map[string]any {
	return map[string]any{"type": "namespace", "name": name, "description": description, "tools": []any{
		function("search", "Finds what has the words.", `{"type":"object","properties":{"query":{"type":"string"}},"required":["query"],"additionalProperties":false}`),
	}}
}
