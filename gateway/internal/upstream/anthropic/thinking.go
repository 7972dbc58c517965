package anthropic

import (
	"slices"
	"strconv"

	"carousel.internal/gateway/internal/chat"
)

// leastBudget is the smallest budget of thinking that the API takes, in tokens.
const leastBudget = 1024

// budgets are what efforts come to for models that are told a budget, in tokens.
var budgets = map[chat.Effort]int{
	chat.EffortMinimal: leastBudget, chat.EffortLow: 4096, chat.EffortMedium: 16384,
	chat.EffortHigh: 32768, chat.EffortXHigh: 32768, chat.EffortMax: 32768,
}

// efforts are the API's names of efforts.
var efforts = map[chat.Effort]string{
	chat.EffortMinimal: "low", chat.EffortLow: "low", chat.EffortMedium: "medium", chat.EffortHigh: "high",
	chat.EffortXHigh: "xhigh", chat.EffortMax: "max",
}

// thinking is how the model is to think.
type thinking struct {
	adaptive bool
	budget   int    // 0: none
	effort   string // for output_config; empty: not said
}

func (t thinking) on() bool { return t.adaptive || t.budget > 0 }

// thinking decides how the model is to think, for an answer of at most limit tokens. It does
// not where the API would refuse it: with a call that it must make, with an answer to be
// continued, and with a budget in the middle of a tool's use that began without.
func (b *builder) thinking(limit int) thinking {
	wish := b.request.Thinking
	effort := wish.Effort
	wants := wish.Mode == chat.ThinkingOn || wish.Mode == chat.ThinkingAdaptive || wish.Budget > 0 || effort != "" && effort != chat.EffortNone
	switch {
	case !b.model.thinks || wish.Mode == chat.ThinkingOff || !wants:
		return thinking{}
	case b.request.ToolChoice.Mode == chat.ToolsRequired, b.turns[len(b.turns)-1].role == chat.Assistant:
		return thinking{}
	case b.model.adaptive:
		if effort == "" {
			effort = effortOf(wish.Budget)
		}
		return thinking{adaptive: true, effort: efforts[effort]}
	case b.midUse():
		return thinking{}
	}
	budget := wish.Budget
	if budget == 0 {
		budget = budgets[effort]
	}
	if budget == 0 {
		budget = budgets[chat.EffortMedium]
	}
	if budget = min(max(budget, leastBudget), limit-1); budget < leastBudget {
		return thinking{}
	}
	return thinking{budget: budget}
}

// effortOf is the effort that a budget comes to; empty where there is none.
func effortOf(budget int) chat.Effort {
	switch {
	case budget <= 0:
		return ""
	case budget <= budgets[chat.EffortLow]:
		return chat.EffortLow
	case budget <= budgets[chat.EffortMedium]:
		return chat.EffortMedium
	}
	return chat.EffortHigh
}

// midUse tells whether a use of tools goes on that began without a thought, or whose first one
// is lost. A model that decides itself when to think may have had none.
func (b *builder) midUse() bool {
	at := len(b.turns) - 1
	if b.turns[at].role == chat.System {
		at--
	}
	first := -1
	for at > 0 && b.turns[at].parts[0].Result != nil && b.turns[at-1].role == chat.Assistant {
		first = at - 1
		at -= 2
		if at < 0 || slices.ContainsFunc(b.turns[at].parts, func(part chat.Part) bool { return part.Result == nil }) {
			break
		}
	}
	return first >= 0 && b.turns[first].parts[0].Reasoning == nil
}

func (t thinking) write(b *builder) {
	if !t.on() {
		return
	}
	b.field("thinking")
	if t.adaptive {
		b.dst = append(b.dst, `{"type":"adaptive"`...)
	} else {
		b.dst = append(b.dst, `{"type":"enabled","budget_tokens":`...)
		b.dst = strconv.AppendInt(b.dst, int64(t.budget), 10)
	}
	if show := b.request.Thinking.Show; show == "omitted" || show == "summarized" {
		b.dst = append(b.dst, `,"display":"`+show+`"`...)
	}
	b.dst = append(b.dst, '}')
}

// writeOutputConfig writes how much the model is to think, and the schema of its answer.
func (b *builder) writeOutputConfig(effort string) {
	schema := b.request.Output.Form == chat.SchemaOutput
	if effort == "" && !schema {
		return
	}
	b.field("output_config")
	b.dst = append(b.dst, '{')
	if effort != "" {
		b.dst = append(b.dst, `"effort":"`+effort+`"`...)
	}
	if schema {
		if effort != "" {
			b.dst = append(b.dst, ',')
		}
		b.dst = append(b.dst, `"format":{"type":"json_schema","schema":`...)
		if len(b.request.Output.Schema) == 0 {
			b.dst = append(b.dst, `{"type":"object","additionalProperties":false,"properties":{}}`...)
		} else {
			b.dst = appendPlainSchema(b.dst, b.request.Output.Schema)
		}
		b.dst = append(b.dst, '}')
	}
	b.dst = append(b.dst, '}')
}
