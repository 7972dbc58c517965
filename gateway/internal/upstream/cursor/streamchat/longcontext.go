package streamchat

// longContext has the models that must be asked for in long-context mode.
var longContext = map[string]bool{
	"gpt-4o-128k":            true,
	"gemini-1.5-flash-500k":  true,
	"claude-3-haiku-200k":    true,
	"claude-3-5-sonnet-200k": true,
}
