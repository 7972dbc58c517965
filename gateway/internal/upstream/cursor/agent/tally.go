package agent

import (
	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// tally counts tokens from what the upstream tells of them in passing, and at the end.
type tally struct {
	// context is how much the model has read, out the sum of what came out.
	context, out int64
	ended        *agentv1.TurnEndedUpdate
	// told is what was told of the run's earlier answers: the end counts all of them.
	told chat.Usage
}

// implausibleOut is the count from which an output is compared with what was seen of it.
const implausibleOut = 2000

// usage is what an answer cost; nil: that is not known.
func (t *tally) usage() *chat.Usage {
	if e := t.ended; e != nil && (e.InputTokens != nil || e.OutputTokens != nil) {
		usage := &chat.Usage{
			Prompt: int(e.GetInputTokens()), Completion: int(t.plausibleOut(e.GetOutputTokens())),
			CacheRead: int(e.GetCacheReadTokens()), CacheWrite: int(e.GetCacheWriteTokens()), Reasoning: int(e.GetReasoningTokens()),
			Source: chat.UsageReported,
		}
		if t.context > 0 && e.GetCacheReadTokens() > 3*t.context { //nolint:mnd // more than was ever read
			usage.CacheRead = 0
		}
		usage.Prompt, usage.Completion = max(usage.Prompt-t.told.Prompt, 0), max(usage.Completion-t.told.Completion, 0)
		bounded := usage.Bounded()
		return &bounded
	}
	if t.context <= 0 || t.out <= 0 {
		return nil // who asks counts better
	}
	return &chat.Usage{Prompt: int(t.context), Completion: int(t.out), Source: chat.UsageEstimated}
}

// plausibleOut corrects an output in which counts of a cache are.
func (t *tally) plausibleOut(out int64) int64 {
	if t.out > 0 && out > implausibleOut && out > 4*t.out {
		return t.out
	}
	return out
}
