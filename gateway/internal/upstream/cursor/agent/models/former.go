package models

import "maps"

// former has, for each id that Cursor served in the days of the older protocol, which of
// today's it goes to: the same maker's in the same place, of what is served to most accounts.
var former = map[string]string{
	"claude-3.5-sonnet":             "claude-4.5-sonnet",     // the maker's everyday model
	"claude-3-5-sonnet-20241022":    "claude-4.5-sonnet",     // a dated name of the one above
	"claude-3-5-sonnet-200k":        "claude-4.5-sonnet",     // reads 200k tokens by itself
	"claude-3-opus":                 "claude-4.5-opus-high",  // the maker's largest of its time, not the dearest of today
	"claude-3.5-haiku":              byDefault,               // the small ones of this maker come and go: Cursor chooses
	"claude-3-haiku-200k":           byDefault,               // as above
	"cursor-fast":                   "composer-2.5-fast",     // Cursor's own, for speed
	"cursor-small":                  "composer-2.5",          // Cursor's own, not billed as a large one
	"gpt-3.5-turbo":                 "gpt-5-mini",            // small and quick
	"gpt-4o-mini":                   "gpt-5-mini",            // small and quick
	"gpt-4":                         "gpt-5.5-none",          // answered without thinking first
	"gpt-4-turbo-2024-04-09":        "gpt-5.5-none",          // as above
	"gpt-4o":                        "gpt-5.5-none",          // as above
	"gpt-4o-128k":                   "gpt-5.5-none",          // as above; reads far more than 128k
	"o1-mini":                       "gpt-5.4-mini-high",     // small, and thinks
	"o1-preview":                    "gpt-5.5-high",          // large, and thinks
	"o1":                            "gpt-5.5-high",          // as above
	"gemini-1.5-flash-500k":         "gemini-3-flash",        // reads 1M tokens
	"gemini-2.0-flash-exp":          "gemini-3-flash",        // the maker's quick one
	"gemini-2.0-flash-thinking-exp": "gemini-3.6-flash-high", // quick, and thinks
	"gemini-exp-1206":               "gemini-3.1-pro",        // an early pro
}

// Former has today's id for each of the 21 ids of the older protocol.
func Former() map[string]string { return maps.Clone(former) }
