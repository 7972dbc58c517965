package anthropic

import (
	"fmt"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/ondemand"
)

// overflow says in the vendor's words that a request does not fit into the model's window:
// clients look for these, take the numbers out of them, and send less.
func overflow(message string) string {
	if strings.Contains(message, "prompt is too long") || strings.Contains(message, "exceed context limit") {
		return message
	}
	size, known := sizesIn(message)
	switch {
	case !known:
		return "prompt is too long: " + message
	case size.input > size.window || size.output == 0:
		return fmt.Sprintf("prompt is too long: %d tokens > %d maximum", size.input, size.window)
	default:
		return fmt.Sprintf("input length and `max_tokens` exceed context limit: %d + %d > %d, decrease input length or `max_tokens` and try again",
			size.input, size.output, size.window)
	}
}

// sizes are in tokens; output is 0 where only the input is told.
type sizes struct{ input, output, window int }

// overflows are how upstreams say it, by the names of the numbers in it. The first that
// matches counts.
var overflows = []*ondemand.Pattern{
	// OpenAI and those that speak like it: "maximum context length is 4097 tokens, however
	// you requested 5360 tokens (1360 in your prompt; 4000 for the completion)".
	ondemand.Regexp(`maximum context length is (?P<window>\d+) tokens.*requested \d+ tokens \((?P<input>\d+) in (?:the|your) (?:messages|prompt)(?:, (?P<more>\d+) in the functions)?[,;] (?:and )?(?P<output>\d+) (?:in|for) the completion`),
	// OpenRouter: "requested about 140000 tokens (139000 of text input, 1000 in the output)".
	ondemand.Regexp(`maximum context length is (?P<window>\d+) tokens.*requested about \d+ tokens \((?P<input>\d+) of text input,(?: (?P<more>\d+) of tool input,)? (?P<output>\d+) in the output`),
	// "maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens".
	ondemand.Regexp(`maximum context length is (?P<window>\d+) tokens.*resulted in (?P<input>\d+) tokens`),
	// vLLM: "'max_tokens' is too large: 5000. This model's maximum context length is 4096
	// tokens and your request has 20 input tokens".
	ondemand.Regexp(`too large: (?P<output>\d+)\..*maximum context length is (?P<window>\d+) tokens and your request has (?P<input>\d+) input tokens`),
	// "You passed 4000 input tokens and requested 512 output tokens. However, the model's
	// context length is only 4096 tokens".
	ondemand.Regexp(`passed (?P<input>\d+) input tokens and requested (?P<output>\d+) output tokens.*context length is (?:only )?(?P<window>\d+)`),
	// "maximum context length is 4096 tokens. However, you requested 512 output tokens and
	// your prompt contains at least 3585 input tokens".
	ondemand.Regexp(`maximum context length is (?P<window>\d+) tokens.*requested (?P<output>\d+) output tokens and your prompt contains (?:at least )?(?P<input>\d+) input tokens`),
	// "The decoder prompt (length 5000) is longer than the maximum model length of 4096".
	ondemand.Regexp(`prompt \(length (?P<input>\d+)\) is longer than the maximum model length of (?P<window>\d+)`),
	// llama.cpp: "the request exceeds the available context size (4096 tokens)", with the
	// size of the request before it.
	ondemand.Regexp(`request \((?P<input>\d+) tokens\) exceeds the available context size \((?P<window>\d+) tokens\)`),
	// Gemini: "The input token count (1048577) exceeds the maximum number of tokens allowed
	// (1048576)".
	ondemand.Regexp(`token count \((?P<input>\d+)\) exceeds the maximum number of tokens allowed \((?P<window>\d+)\)`),
	// "maximum context length is 4096 tokens ... requested 5000 tokens".
	ondemand.Regexp(`maximum context length is (?P<window>\d+) tokens.*requested (?P<input>\d+) tokens`),
}

// sizesIn finds the numbers in an upstream's words.
func sizesIn(message string) (sizes, bool) {
	for _, form := range overflows {
		match := form.Get().FindStringSubmatch(message)
		if match == nil {
			continue
		}
		number := func(name string) int {
			at := form.Get().SubexpIndex(name)
			if at < 0 {
				return 0
			}
			value, _ := strconv.Atoi(match[at])
			return value
		}
		return sizes{input: number("input") + number("more"), output: number("output"), window: number("window")}, true
	}
	return sizes{}, false
}
