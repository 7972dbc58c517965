package codex

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Workspace is files in memory, by path. Tools run at the same time.
type Workspace struct {
	mu    sync.Mutex
	files map[string]string
}

// NewWorkspace has these files, by path.
func NewWorkspace(files map[string]string) *Workspace {
	return &Workspace{files: maps.Clone(files)}
}

// File is what a file has; false: there is none.
func (w *Workspace) File(path string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, found := w.files[path]
	return text, found
}

// run runs a call, and returns the output as it goes into the history: a string, or parts.
func (w *Workspace) run(call Item) any {
	w.mu.Lock()
	defer w.mu.Unlock()
	if call.Type == "custom_tool_call" {
		if call.Name != "apply_patch" {
			return "unsupported custom tool call: " + call.Name
		}
		if err := w.patch(call.Arguments); err != nil {
			return "apply_patch verification failed: " + err.Error()
		}
		return commandOutput("Success. Updated the following files:\n"+strings.Join(patched(call.Arguments), "\n"), 0)
	}
	var arguments struct {
		Command     []string `json:"command"`
		Path, Query string
	}
	if err := json.Unmarshal([]byte(call.Arguments), &arguments); err != nil {
		return "failed to parse function arguments: " + err.Error()
	}
	switch name := call.Namespace + "/" + call.Name; name {
	case "/shell":
		return commandOutput(w.shell(arguments.Command))
	case "/view_image":
		return []any{map[string]string{"type": "input_image", "image_url": "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(w.files[arguments.Path]))}}
	case "mcp__notes/search", "mcp__issues/search":
		return []any{map[string]string{"type": "input_text", "text": call.Namespace + " has nothing of " + arguments.Query}}
	default:
		return "unsupported call: " + name
	}
}

// commandOutput is the output of a command as the model is told of it.
func commandOutput(output string, code int) string {
	return fmt.Sprintf("Exit code: %d\nWall time: 0.1 seconds\nOutput:\n%s", code, output)
}

// shell knows `cat` of files and `ls`, also as `bash -lc`.
func (w *Workspace) shell(command []string) (output string, code int) {
	if len(command) == 3 && command[0] == "bash" && command[1] == "-lc" {
		command = strings.Fields(command[2])
	}
	switch {
	case len(command) == 1 && command[0] == "ls":
		return strings.Join(slices.Sorted(maps.Keys(w.files)), "\n"), 0
	case len(command) > 1 && command[0] == "cat":
		for _, path := range command[1:] {
			text, found := w.files[path]
			if !found {
				return "cat: " + path + ": No such file or directory", 1
			}
			output += text
		}
		return output, 0
	}
	return strings.Join(command, " ") + ": command not found", 127
}
