package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// maxCount bounds a count, so that sums of counts don't overflow.
const maxCount = 1 << 40

// tokenCounts are the members of a usage.
type tokenCounts struct {
	chat.Usage
	total int
	// told: there is a count of what went in or came out.
	told bool
}

// usage reads the counts of tokens.
func (r *reading) usage() {
	var c tokenCounts
	for ok := r.object(); ok; ok = r.s.Member() {
		switch string(r.s.Key()) {
		case "prompt_tokens":
			c.told = r.count(&c.Prompt) || c.told
		case "completion_tokens":
			c.told = r.count(&c.Completion) || c.told
			r.p.spent = r.p.spent || c.Completion > 0
		case "total_tokens":
			r.count(&c.total)
		case "prompt_tokens_details":
			r.input(&c)
		case "completion_tokens_details", "output_tokens_details":
			r.thoughts(&c)
		case "prompt_cache_hit_tokens", "cached_tokens": // DeepSeek's and Moonshot's names
			r.count(&c.CacheRead)
		case "output_tokens":
			r.produced()
		default:
			r.s.Skip()
		}
	}
	if c.told {
		usage := c.whole()
		r.p.event.Usage = &usage
	}
}

// whole returns the counts with the thinking in the completion: xAI and others count it
// beside.
func (c *tokenCounts) whole() chat.Usage {
	usage := c.Usage
	usage.Source = chat.UsageReported
	if beside := c.Prompt + c.Completion + c.Reasoning; c.Reasoning > c.Completion || c.Reasoning > 0 && c.total == beside {
		usage.Completion += c.Reasoning
	}
	return usage
}

// input reads the details of what went in.
func (r *reading) input(c *tokenCounts) {
	for ok := r.object(); ok; ok = r.s.Member() {
		switch string(r.s.Key()) {
		case "cached_tokens":
			r.count(&c.CacheRead)
		case "cache_write_tokens":
			r.count(&c.CacheWrite)
		default:
			r.s.Skip()
		}
	}
}

// thoughts reads the details of what came out. Thinking alone is an answer that was
// produced, too.
func (r *reading) thoughts(c *tokenCounts) {
	for ok := r.object(); ok; ok = r.s.Member() {
		if string(r.s.Key()) != "reasoning_tokens" {
			r.s.Skip()
			continue
		}
		r.count(&c.Reasoning)
		r.p.spent = r.p.spent || c.Reasoning > 0
	}
}

// produced consumes a count of what the upstream has produced.
func (r *reading) produced() {
	var n int
	r.count(&n)
	r.p.spent = r.p.spent || n > 0
}

// object enters an object, as the scanner's Object does; what is none is left out.
func (r *reading) object() bool {
	if r.s.Kind() != rawjson.Object {
		r.s.Skip()
		return false
	}
	return r.s.Object()
}

// count reads a number, if there is one.
func (r *reading) count(n *int) bool {
	if r.s.Kind() != rawjson.Number {
		r.s.Skip()
		return false
	}
	*n = min(max(0, r.s.Int()), maxCount)
	return true
}
