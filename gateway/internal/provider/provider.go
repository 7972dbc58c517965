// Package provider knows where well-known providers are, and which driver speaks with them.
package provider

import "slices"

// Provider is one: what an upstream for it is called, and where it is.
type Provider struct{ Label, Name, Driver, URL string }

// Known are in the order in which they are offered. The last ones run on the admin's own machine.
var Known = []Provider{
	{"OpenAI", "openai", "openai", "https://api.openai.com/v1"},
	{"Anthropic", "anthropic", "anthropic", "https://api.anthropic.com"},
	{"Cursor", "cursor", "cursor", "https://api2.cursor.sh"},
	{"DeepSeek", "deepseek", "openai", "https://api.deepseek.com/v1"},
	{"OpenRouter", "openrouter", "openai", "https://openrouter.ai/api/v1"},
	{"Groq", "groq", "openai", "https://api.groq.com/openai/v1"},
	{"Mistral", "mistral", "openai", "https://api.mistral.ai/v1"},
	{"Moonshot", "moonshot", "openai", "https://api.moonshot.ai/v1"},
	{"xAI", "xai", "openai", "https://api.x.ai/v1"},
	{"Ollama", "ollama", "openai", "http://localhost:11434/v1"},
	{"vLLM", "vllm", "openai", "http://localhost:8000/v1"},
}

// Find is the provider with this name.
func Find(name string) (Provider, bool) {
	at := slices.IndexFunc(Known, func(p Provider) bool { return p.Name == name })
	if at < 0 {
		return Provider{}, false
	}
	return Known[at], true
}
