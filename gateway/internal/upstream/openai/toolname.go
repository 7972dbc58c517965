package openai

import (
	"crypto/sha256"
	"encoding/hex"

	"carousel.internal/gateway/internal/chat"
)

const (
	// maxToolName and maxCallID are how long the API lets names of tools and ids of calls
	// be, in bytes; maxIdentity is the same for a cache's key and for the name of a user.
	maxToolName = 64
	maxCallID   = 40
	maxIdentity = 64
	// hashDigits are those of a hash that tells shortened texts apart.
	hashDigits = 8
)

// toolName is the name that the upstream knows a tool by: always the same for the same name,
// so that prompts have the same beginnings.
func (q *quirks) toolName(name string) string {
	if q.toolNames == keep || isToolName(name) {
		return name
	}
	safe := []byte(name[:min(len(name), maxToolName-1-hashDigits)])
	for i, char := range safe {
		if !isNameByte(char) {
			safe[i] = '_'
		}
	}
	return string(safe) + "_" + hashOf(name)[:hashDigits]
}

func isToolName(name string) bool {
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return name != "" && len(name) <= maxToolName
}

func isNameByte(char byte) bool {
	return 'a' <= char && char <= 'z' || 'A' <= char && char <= 'Z' || '0' <= char && char <= '9' || char == '_' || char == '-'
}

// clientNames has the client's name of each tool that the upstream knows by another; nil:
// there is none.
func (q *quirks) clientNames(tools []chat.ToolSpec) map[string]string {
	var names map[string]string
	for i := range tools {
		if theirs := q.toolName(tools[i].Name); theirs != tools[i].Name {
			if names == nil {
				names = map[string]string{}
			}
			names[theirs] = tools[i].Name
		}
	}
	return names
}

// shortened is a text that is too long as a hash of it.
func shortened(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return hashOf(text)[:limit]
}

// hashOf returns 64 hexadecimal digits.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
