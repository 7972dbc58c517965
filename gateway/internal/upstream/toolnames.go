package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// ToolNames gives the tools of a request names that an upstream takes: letters, digits, `_`
// and `-`, up to a length. A name that has to be changed is changed in the same way in every
// request, so that prompt caches hold.
type ToolNames struct {
	most int
	// own are the client's names, by those that were made of them.
	own map[string]string
}

// NewToolNames reads the names in a request. most is in bytes, at least 16.
func NewToolNames(request *chat.Request, most int) *ToolNames {
	names := &ToolNames{most: most}
	for i := range request.Tools {
		names.note(request.Tools[i].Name)
	}
	for _, name := range request.ToolChoice.Names {
		names.note(name)
	}
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			if call := request.Messages[i].Parts[j].Call; call != nil {
				names.note(call.Name)
			}
		}
	}
	return names
}

func (n *ToolNames) note(name string) {
	if sent := n.Sent(name); sent != name {
		if n.own == nil {
			n.own = map[string]string{}
		}
		n.own[sent] = name
	}
}

// Sent is the name that the upstream is sent for the client's.
func (n *ToolNames) Sent(name string) string {
	if name != "" && len(name) <= n.most && strings.IndexFunc(name, isNoName) < 0 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:4])
	plain := strings.Map(func(r rune) rune {
		if isNoName(r) {
			return '_'
		}
		return r
	}, name)
	return plain[:min(len(plain), n.most-len(tail))] + tail
}

// Own is the client's name for the one that the upstream was sent.
func (n *ToolNames) Own(sent string) string {
	if own, changed := n.own[sent]; changed {
		return own
	}
	return sent
}

func isNoName(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		return false
	}
	return true
}
