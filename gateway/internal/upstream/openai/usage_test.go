package openai

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// Tokens of caches and thinking are read by each name that upstreams give them, and the
// completion has the thinking in it, wherever it was counted.
func TestUsageIsReadWithItsParts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		usage string
		want  chat.Usage
	}{
		"details": {
			`{"prompt_tokens":1000,"completion_tokens":60,"total_tokens":1060,"prompt_tokens_details":{"cached_tokens":900,"cache_write_tokens":50,"audio_tokens":0},` +
				`"completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":0}}`,
			chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 50, Completion: 60, Reasoning: 40},
		},
		"details first":       {`{"completion_tokens_details":{"reasoning_tokens":4},"completion_tokens":6}`, chat.Usage{Completion: 6, Reasoning: 4}},
		"no details":          {`{"prompt_tokens":5,"completion_tokens":6}`, chat.Usage{Prompt: 5, Completion: 6}},
		"details that are no": {`{"prompt_tokens":5,"completion_tokens":6,"prompt_tokens_details":null,"completion_tokens_details":[]}`, chat.Usage{Prompt: 5, Completion: 6}},
		"counts that are no": {
			`{"prompt_tokens":5,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":"4"},"completion_tokens_details":{"reasoning_tokens":null}}`,
			chat.Usage{Prompt: 5, Completion: 6},
		},
		"cache hits":             {`{"prompt_tokens":50,"prompt_cache_hit_tokens":40,"prompt_cache_miss_tokens":10,"completion_tokens":6}`, chat.Usage{Prompt: 50, CacheRead: 40, Completion: 6}},
		"cached, not in details": {`{"prompt_tokens":50,"cached_tokens":40,"completion_tokens":6}`, chat.Usage{Prompt: 50, CacheRead: 40, Completion: 6}},
		"thinking is counted beside": {
			`{"prompt_tokens":32,"completion_tokens":94,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":9}}`,
			chat.Usage{Prompt: 32, Completion: 103, Reasoning: 9},
		},
		"more thought than answered": {
			`{"prompt_tokens":21,"completion_tokens":0,"completion_tokens_details":{"reasoning_tokens":60}}`,
			chat.Usage{Prompt: 21, Completion: 60, Reasoning: 60},
		},
		"below 0": {`{"prompt_tokens":-5,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":-1}}`, chat.Usage{Completion: 6}},
	} {
		test.want.Source = chat.UsageReported
		for form, body := range map[string]string{
			"whole":  `{"choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}],"usage":` + test.usage + `}`,
			"stream": eventsOf(delta(`"content":"hello"`), finished, `{"choices":[],"usage":`+test.usage+`}`, "[DONE]"),
		} {
			events, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(true))
			if failure != nil || len(events) == 0 || events[len(events)-1].Usage == nil {
				t.Errorf("%s, %s: %+v, %v", name, form, events, failure)
			} else if got := *events[len(events)-1].Usage; got != test.want {
				t.Errorf("%s, %s: %+v, want %+v", name, form, got, test.want)
			}
		}
	}
}
