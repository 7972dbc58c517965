package agent

import (
	"math"
	"slices"
	"strings"
	"time"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// How long the calls of one turn are waited for, each from the latest news of them.
const (
	// settled: every call that was announced is here.
	settled = 50 * time.Millisecond
	// owed: one that was announced is not.
	owed = 1500 * time.Millisecond
	// unannounced: nothing was, so nobody knows how many there will be.
	unannounced = time.Second
)

const (
	// maxCalls bounds the calls of a turn, and those that are announced.
	maxCalls = 128
	// maxWritten bounds what is kept of calls while the model writes them, in bytes.
	maxWritten = 16 << 20
)

// never is later than every run.
const never = time.Duration(math.MaxInt64)

// batch are the calls of one turn. The upstream announces them, shows how the model writes
// them, and at last asks for each to be run, which alone is binding.
type batch struct {
	announced []*announcement
	calls     []call
	written   int // bytes in announced
	news      time.Duration
}

// announcement is a call that is on its way.
type announcement struct {
	ids     []string
	written string
	come    bool
}

// call is a call of one of the client's tools.
type call struct {
	// asked is the question that its result answers, id what the client knows it by, once it
	// has been told.
	asked  execKey
	id     string
	name   string
	custom bool
	args   *agentv1.McpArgs
	// announced is nil where nothing was.
	announced *announcement
}

// announce takes news of a call that is on its way.
func (b *batch) announce(now time.Duration, id string, tool *agentv1.ToolCall) *announcement {
	ids := idsOf(id, tool)
	found := b.find(ids)
	if found == nil {
		if tool.GetMcpToolCall() == nil || len(b.announced) >= maxCalls {
			return nil // one of the upstream's own, which are only shown
		}
		found = &announcement{}
		b.announced = append(b.announced, found)
	}
	for _, id := range ids {
		if !slices.Contains(found.ids, id) && len(found.ids) < len(ids)+4 {
			found.ids = append(found.ids, id)
		}
	}
	b.news = now
	return found
}

// write takes what the model has written of a call: all of it so far, or what is new.
func (b *batch) write(a *announcement, text string) {
	if !strings.HasPrefix(text, a.written) || a.written == "" {
		text = a.written + text
	}
	if b.written+len(text)-len(a.written) > maxWritten {
		return // it is only a better text of what comes anyway
	}
	b.written += len(text) - len(a.written)
	a.written = text
}

// arrive finds the announcement of a call that has come; the oldest that is open, where the
// ids don't tell.
func (b *batch) arrive(now time.Duration, id string) *announcement {
	b.news = now
	found := b.find([]string{id})
	if found == nil || found.come {
		found = nil
		for _, each := range b.announced {
			if !each.come {
				found = each
				break
			}
		}
	}
	if found != nil {
		found.come = true
	}
	return found
}

// done takes the end of a call that nobody was asked to run.
func (b *batch) done(id string, tool *agentv1.ToolCall) {
	if found := b.find(idsOf(id, tool)); found != nil {
		found.come = true
	}
}

// withdraw takes back the call of an exec.
func (b *batch) withdraw(exec uint32) {
	b.calls = slices.DeleteFunc(b.calls, func(c call) bool { return c.asked.id == exec })
}

// due is when no more calls are waited for.
func (b *batch) due() time.Duration {
	switch {
	case len(b.calls) == 0:
		return never
	case len(b.announced) == 0:
		return b.news + unannounced
	case slices.ContainsFunc(b.announced, func(a *announcement) bool { return !a.come }):
		return b.news + owed
	default:
		return b.news + settled
	}
}

func (b *batch) find(ids []string) *announcement {
	for _, each := range b.announced {
		if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(each.ids, id) }) {
			return each
		}
	}
	return nil
}

// idsOf are the names under which a call may come again.
func idsOf(id string, tool *agentv1.ToolCall) []string {
	var ids []string
	for _, each := range []string{id, tool.GetToolCallId(), tool.GetMcpToolCall().GetArgs().GetToolCallId()} {
		if each != "" && !slices.Contains(ids, each) {
			ids = append(ids, each)
		}
	}
	return ids
}
