package agent

import "carousel.internal/gateway/internal/chat"

// budgets are up to how many tokens of thinking stand for an effort.
var budgets = []struct {
	upTo   int
	effort chat.Effort
}{{4 << 10, chat.EffortLow}, {16 << 10, chat.EffortMedium}, {32 << 10, chat.EffortHigh}}

// effortOf is what a wish for thinking comes to; empty: to nothing.
func effortOf(wish chat.Thinking) chat.Effort {
	switch {
	case wish.Mode == chat.ThinkingOff:
		return chat.EffortNone
	case wish.Effort != "" || wish.Budget == 0:
		return wish.Effort
	}
	for _, budget := range budgets {
		if wish.Budget <= budget.upTo {
			return budget.effort
		}
	}
	return chat.EffortXHigh
}

// tuned are the fields, as clients of any dialect name them, that the choice of a variant goes
// by, or the end of a run.
var tuned = map[string]bool{
	"reasoning_effort": true, "reasoning": true, "thinking": true, "output_config.effort": true, "enable_thinking": true,
	"thinking_budget": true, "chat_template_kwargs": true, "parallel_tool_calls": true,
}

// Tunes is as upstream.Tuner has it.
func (c *Client) Tunes(field string) bool { return tuned[field] }
