package openai

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
)

// appendUsage appends the counts. Clients that show prices read the details; an upstream
// that tells none gets none.
func appendUsage(dst []byte, told chat.Usage) []byte {
	usage := told.Bounded()
	dst = append(dst, '{')
	dst = appendCount(dst, "prompt_tokens", usage.Prompt)
	dst = appendCount(append(dst, ','), "completion_tokens", usage.Completion)
	dst = appendCount(append(dst, ','), "total_tokens", usage.Prompt+usage.Completion)
	if usage.CacheRead+usage.CacheWrite > 0 {
		dst = append(dst, `,"prompt_tokens_details":{`...)
		dst = appendCount(dst, "cached_tokens", usage.CacheRead)
		if usage.CacheWrite > 0 {
			dst = appendCount(append(dst, ','), "cache_write_tokens", usage.CacheWrite)
		}
		dst = append(dst, '}')
	}
	if usage.Reasoning > 0 {
		dst = append(dst, `,"completion_tokens_details":{`...)
		dst = appendCount(dst, "reasoning_tokens", usage.Reasoning)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendCount(dst []byte, name string, count int) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return strconv.AppendInt(dst, int64(count), 10)
}
