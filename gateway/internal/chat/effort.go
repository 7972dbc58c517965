package chat

// budgets are up to how many tokens of thinking stand for an effort.
var budgets = []struct {
	upTo   int
	effort Effort
}{{4 << 10, EffortLow}, {16 << 10, EffortMedium}, {32 << 10, EffortHigh}}

// InEffort is what the wish comes to where an upstream takes efforts alone; empty: to nothing.
func (t Thinking) InEffort() Effort {
	switch {
	case t.Mode == ThinkingOff:
		return EffortNone
	case t.Effort != "" || t.Budget == 0:
		return t.Effort
	}
	for _, budget := range budgets {
		if t.Budget <= budget.upTo {
			return budget.effort
		}
	}
	return EffortXHigh
}
