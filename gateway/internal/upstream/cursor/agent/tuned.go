package agent

// tuned are the fields, as clients of any dialect name them, that the choice of a variant goes
// by, or the end of a run.
var tuned = map[string]bool{
	"reasoning_effort": true, "reasoning": true, "thinking": true, "output_config.effort": true, "enable_thinking": true,
	"thinking_budget": true, "chat_template_kwargs": true, "parallel_tool_calls": true,
}

// Tunes is as upstream.Tuner has it.
func (c *Client) Tunes(field string) bool { return tuned[field] }
