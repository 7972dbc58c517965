package upstreamsim

import (
	"crypto/sha256"
	"encoding/json"
)

// cachedTokens is how much of the prompt the token has sent before, and remembers all of it, as
// the API does on its own: the tools, then message by message. There is no least length.
func (c *completionCall) cachedTokens() int {
	var body struct {
		Tools    json.RawMessage   `json:"tools"`
		Messages []json.RawMessage `json:"messages"`
	}
	_ = json.Unmarshal(c.body, &body) // it has been read
	hash := sha256.New()
	_, _ = hash.Write([]byte(string(OpenAI) + c.entry.account.hash)) // it never fails
	now := c.sim.options.Now()
	cache := &c.entry.book.prompts
	cache.mu.Lock()
	defer cache.mu.Unlock()
	known := 0
	part := completionRequest{Tools: c.request.Tools}
	for i, raw := range append([]json.RawMessage{body.Tools}, body.Messages...) {
		if len(raw) == 0 {
			continue // there are no tools
		}
		_, _ = hash.Write(raw)
		_, _ = hash.Write([]byte{0}) // between messages
		part.Messages = c.request.Messages[:i]
		sum := [sha256.Size]byte(hash.Sum(nil))
		if prefix, found := cache.prefixes[sum]; found && now.Before(prefix.expires) {
			known = part.promptTokens()
		}
		cache.write(sum, shortLife, now)
	}
	return known
}
