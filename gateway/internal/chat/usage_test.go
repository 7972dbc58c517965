package chat_test

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
)

func TestBoundedUsage(t *testing.T) {
	t.Parallel()
	sound := chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 50, Reasoning: 40, Source: chat.UsageReported}
	for name, test := range map[string]struct{ reported, want chat.Usage }{
		"nothing":                    {chat.Usage{}, chat.Usage{}},
		"it adds up":                 {sound, sound},
		"more read than there was":   {chat.Usage{Prompt: 100, CacheRead: 900, CacheWrite: 5}, chat.Usage{Prompt: 100, CacheRead: 100}},
		"more written than was left": {chat.Usage{Prompt: 100, CacheRead: 90, CacheWrite: 50}, chat.Usage{Prompt: 100, CacheRead: 90, CacheWrite: 10}},
		"an hour for more than was written": {
			chat.Usage{Prompt: 100, CacheWrite: 50, CacheWriteHour: 60}, chat.Usage{Prompt: 100, CacheWrite: 50, CacheWriteHour: 50},
		},
		"more thought than answered": {chat.Usage{Completion: 5, Reasoning: 6}, chat.Usage{Completion: 5, Reasoning: 5}},
		"below 0": {
			chat.Usage{Prompt: -1, CacheRead: -1, CacheWrite: -1, CacheWriteHour: -1, Completion: -1, Reasoning: -1}, chat.Usage{},
		},
	} {
		got := test.reported.Bounded()
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if got.Fresh()+got.CacheRead+got.CacheWrite != got.Prompt {
			t.Errorf("%s: the parts of %+v do not add up", name, got)
		}
	}
}
