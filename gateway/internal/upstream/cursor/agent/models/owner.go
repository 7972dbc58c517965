package models

import "strings"

// owners are the makers of models by how their ids begin.
var owners = []struct{ prefix, owner string }{
	{"claude", "anthropic"},
	{"gpt", "openai"},
	{"gemini", "google"},
	{"grok", "xai"},
	{"cursor-grok", "xai"},
	{"kimi", "moonshotai"},
	{"glm", "zai"},
}

// ownerOf is who has made a model: as the upstream says, else by its id.
func ownerOf(id, vendor string) string {
	if vendor != "" {
		return strings.ToLower(strings.ReplaceAll(strings.ToValidUTF8(vendor, ""), " ", ""))
	}
	for _, each := range owners {
		if strings.HasPrefix(id, each.prefix) {
			return each.owner
		}
	}
	return "cursor"
}
