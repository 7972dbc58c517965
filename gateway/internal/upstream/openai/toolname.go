package openai

import (
	"crypto/sha256"
	"encoding/hex"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// maxToolName and maxCallID are how long the API lets names of tools and ids of calls
	// be, in bytes; maxIdentity is the same for a cache's key and for the name of a user.
	maxToolName = 64
	maxCallID   = 40
	maxIdentity = 64
)

// naming gives tools the names that the upstream takes; its zero value leaves them as they are.
type naming struct {
	names *upstream.ToolNames
	// free are the tools that are sent as functions.
	free upstream.FreeTools
}

// naming is for the tools of a request.
func (q *quirks) naming(request *chat.Request) naming {
	if q.toolNames == keep {
		return naming{}
	}
	return naming{names: upstream.NewToolNames(request, maxToolName)}
}

// toolName is the name that the upstream knows a tool by.
func (n naming) toolName(name string) string {
	if n.names == nil {
		return name
	}
	return n.names.Sent(name)
}

// ownName is the client's name of the tool that the upstream knows by that one.
func (n naming) ownName(name string) string {
	if n.names == nil {
		return name
	}
	return n.names.Own(name)
}

// own makes, of an event about what the upstream was sent, one about what the client knows.
func (n *naming) own(event *chat.Event) {
	if event.Open != nil {
		event.Open.Name = n.ownName(event.Open.Name)
	}
	n.free.Unwrap(event)
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
