package agent

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// maxHeld bounds what a run may hold while it waits, in bytes: there may be hundreds.
const maxHeld = 2 << 20

// hasRoom tells whether a run that goes on would have what it needs, and takes no more than it
// may: what bounds a run bounds all of its answers together.
func (r *reactor) hasRoom() bool {
	if r.spoken.tooMuch || len(r.execs.answers) > maxExecs/2 || len(r.blobs.stored) > maxStored/2 {
		return false
	}
	held := r.blobs.bytes + r.answered + proto.Size(r.prompt.Run)
	for _, data := range r.blobs.own {
		held += len(data)
	}
	return held <= maxHeld
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
		r.answered += proto.Size(results[i])
		r.reply(each.asked, answer)
	}
	r.batch, r.spoken, r.steps = batch{}, spoken{}, nil
	r.watch = watch{limits: limits}
	r.execs.refused, r.tally.out = 0, 0
	r.over, r.left, r.waiting = false, false, false
}
