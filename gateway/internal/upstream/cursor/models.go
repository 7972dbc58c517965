package cursor

import "carousel.internal/gateway/internal/chat"

// models is what the upstream serves, in the order in which clients see it.
var models = []chat.Model{
	{ID: "claude-3.5-sonnet", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "gpt-4", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "gpt-4o", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "claude-3-opus", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "cursor-fast", OwnedBy: "cursor", Created: chat.UntoldCreated},
	{ID: "cursor-small", OwnedBy: "cursor", Created: chat.UntoldCreated},
	{ID: "gpt-3.5-turbo", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "gpt-4-turbo-2024-04-09", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "gpt-4o-128k", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "gemini-1.5-flash-500k", OwnedBy: "google", Created: chat.UntoldCreated},
	{ID: "claude-3-haiku-200k", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "claude-3-5-sonnet-200k", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "claude-3-5-sonnet-20241022", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "gpt-4o-mini", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "o1-mini", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "o1-preview", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "o1", OwnedBy: "openai", Created: chat.UntoldCreated},
	{ID: "claude-3.5-haiku", OwnedBy: "anthropic", Created: chat.UntoldCreated},
	{ID: "gemini-exp-1206", OwnedBy: "google", Created: chat.UntoldCreated},
	{ID: "gemini-2.0-flash-thinking-exp", OwnedBy: "google", Created: chat.UntoldCreated},
	{ID: "gemini-2.0-flash-exp", OwnedBy: "google", Created: chat.UntoldCreated},
}
