package agent

import (
	"slices"
	"time"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// hasRoom tells whether a run that goes on would have what it needs: what bounds a run bounds
// all of its answers together.
func (r *reactor) hasRoom() bool {
	return !r.spoken.tooMuch && len(r.execs.answers) <= maxExecs/2 && len(r.blobs.stored) <= maxStored/2 && r.blobs.bytes <= maxStoredBytes/2
}

// withdraw takes a call back that the upstream no longer wants. Where the client has it, the
// run can't go on.
func (r *reactor) withdraw(exec uint32) {
	isOurs := slices.ContainsFunc(r.batch.calls, func(c call) bool { return c.asked.id == exec })
	if r.waiting {
		r.astray = r.astray || isOurs
		return
	}
	r.batch.withdraw(exec)
}

// rest has a run that waits begin to wait: its time is told from zero on.
func (r *reactor) rest() {
	r.watch = watch{limits: r.watch.limits, begun: true}
}

// silentAt is when a run that waits has been silent for too long.
func (r *reactor) silentAt() time.Duration { return r.watch.frame + r.watch.silence }

// resume answers the calls that wait, in the order in which they came, and has the run go on
// as if it had begun. Its time is told from zero on.
func (r *reactor) resume(limits limits, results []*agentv1.McpResult) {
	for i, each := range r.batch.calls {
		answer := mcpAnswer(results[i])
		r.execs.answers[each.asked] = answer
		r.reply(each.asked, answer)
	}
	r.batch, r.spoken, r.steps = batch{}, spoken{}, nil
	r.watch = watch{limits: limits}
	r.execs.refused, r.tally.out = 0, 0
	r.over, r.left, r.waiting = false, false, false
}
