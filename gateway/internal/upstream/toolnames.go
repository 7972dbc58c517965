package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// ToolNames gives the tools of a request names that an upstream takes: letters, digits, `_`
// and `-`, up to a length. A name that has to be changed is changed in the same way in every
// request, so that prompt caches hold; unless the request itself has a tool of the new name.
type ToolNames struct {
	most int
	// sent are the new names, by the client's; own is the reverse. Names that stay are in
	// neither.
	sent, own map[string]string
}

// NewToolNames reads the names in a request. most is in bytes, at least 49: a hash of 24 bytes,
// in hex, and the sign in front of it.
func NewToolNames(request *chat.Request, most int) *ToolNames {
	names := &ToolNames{most: most}
	var changed []string
	stays := map[string]bool{}
	note := func(name string) {
		if names.fits(name) {
			stays[name] = true
		} else {
			changed = append(changed, name)
		}
	}
	for i := range request.Tools {
		note(request.Tools[i].Name)
	}
	for _, name := range request.ToolChoice.Names {
		note(name)
	}
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			if call := request.Messages[i].Parts[j].Call; call != nil {
				note(call.Name)
			}
		}
	}
	for _, name := range changed {
		names.change(name, stays)
	}
	return names
}

// change finds another name for one that does not fit, which no other has.
func (n *ToolNames) change(name string, stays map[string]bool) {
	if _, known := n.sent[name]; known {
		return
	}
	if n.sent == nil {
		n.sent, n.own = map[string]string{}, map[string]string{}
	}
	sent := n.made(name, shortHash)
	for length := shortHash + 1; length <= longHash && n.taken(sent, stays); length++ {
		sent = n.made(name, length)
	}
	n.sent[name], n.own[sent] = sent, name
}

func (n *ToolNames) taken(sent string, stays map[string]bool) bool {
	_, given := n.own[sent]
	return given || stays[sent]
}

// How much of a name's hash tells it apart, and at most does, in bytes.
const (
	shortHash = 4
	longHash  = 24
)

func (n *ToolNames) fits(name string) bool {
	return name != "" && len(name) <= n.most && strings.IndexFunc(name, isNoName) < 0
}

// made is a name that fits: the letters that may stay, and so many bytes of a hash.
func (n *ToolNames) made(name string, length int) string {
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:length])
	plain := strings.Map(func(r rune) rune {
		if isNoName(r) {
			return '_'
		}
		return r
	}, name)
	return plain[:min(len(plain), n.most-len(tail))] + tail
}

// Sent is the name that the upstream is sent for the client's.
func (n *ToolNames) Sent(name string) string {
	if n.fits(name) {
		return name
	}
	if sent, known := n.sent[name]; known {
		return sent
	}
	return n.made(name, shortHash)
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
