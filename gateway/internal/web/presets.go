package web

// preset is a well-known provider: what a new upstream for it is called, and where it is.
type preset struct{ Label, Name, Driver, URL string }

// presets are in the order in which they are offered. The last ones run on the admin's own machine.
var presets = []preset{
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
