package upstreamsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (m *messageCall) failStatus(status int) error {
	return m.fail(status, vendorErrorOf(status, m.entry.modelID))
}

func (m *messageCall) refusal() error {
	refusal := refusals[m.scenario.kind]
	return m.fail(refusal.status, refusal.vendorError)
}

// rateLimit says when to come again in whole seconds.
func (m *messageCall) rateLimit() error {
	m.limits(true)
	m.w.Header().Set("Retry-After", strconv.Itoa(m.retryAfter()))
	return m.failStatus(http.StatusTooManyRequests)
}

// rateLimitReset says it only in the headers of the limits.
func (m *messageCall) rateLimitReset() error {
	m.limits(true)
	return m.failStatus(http.StatusTooManyRequests)
}

// httpStatus is a status with the vendor's error, a page, or nothing.
func (m *messageCall) httpStatus() error {
	return m.answerStatus(vendorErrorOf(m.scenario.number, m.entry.modelID).object(m.requestID()))
}

// The simulated context windows, in tokens: one that every request is over, and one
// with little room for the output.
const (
	window     = 200_000
	windowRoom = 1_000
)

// contextLength says that the input alone is too long.
func (m *messageCall) contextLength() error {
	p := promptOf(m.body)
	return m.fail(http.StatusBadRequest, invalidRequest(fmt.Sprintf("prompt is too long: %d tokens > %d maximum", window+p.tokens(), window)))
}

// contextSum says that input and output are too long together, unless the output is
// at most windowRoom.
func (m *messageCall) contextSum() error {
	p := promptOf(m.body)
	input, output := p.tokens(), m.body.get("max_tokens").integer()
	if output <= windowRoom {
		return m.echo()
	}
	return m.fail(http.StatusBadRequest, invalidRequest(fmt.Sprintf(
		"input length and `max_tokens` exceed context limit: %d + %d > %d, decrease input length or `max_tokens` and try again",
		input, output, input+windowRoom)))
}

// invalidSignature refuses every thinking block, even an own one.
func (m *messageCall) invalidSignature() error {
	for _, turn := range m.turns {
		for _, block := range turn.blocks {
			if block.thinks() {
				return m.fail(http.StatusBadRequest, invalidRequest(invalidSignature(block)))
			}
		}
	}
	return m.echo()
}

// toldStatus is the status of a scenario's error; what is none counts as 500.
func (m *messageCall) toldStatus() int {
	if m.scenario.number < http.StatusBadRequest || m.scenario.number > 599 {
		return http.StatusInternalServerError
	}
	return m.scenario.number
}

// errorFirst is a 200 whose first event is the error.
func (m *messageCall) errorFirst(status int) error {
	if !m.streaming {
		return m.failStatus(status)
	}
	e := new(events)
	m.format.failure(e, vendorErrorOf(status, m.entry.modelID), m.requestID())
	return inOrder(m.head, m.end(e.buffer))
}

func (m *messageCall) errorAfterText(status int) error {
	if !m.streaming {
		return m.failStatus(status)
	}
	e := new(events)
	m.format.failure(e, vendorErrorOf(status, m.entry.modelID), m.requestID())
	return inOrder(m.beginning, m.end(e.buffer))
}

// lack is something that a model does not have: where a request asks for it, and the
// vendor's words.
type lack struct {
	asked func(*messageCall) bool
	words string
}

var lacks = map[string]lack{
	"without-thinking": {
		func(m *messageCall) bool { return thinks(m.body) },
		"thinking is not supported on this model",
	},
	"without-cache-control": {
		func(m *messageCall) bool {
			p := promptOf(m.body)
			return len(p.marked()) > 0
		},
		"cache_control is not supported on this model",
	},
	"without-system-messages": {
		func(m *messageCall) bool {
			return slices.ContainsFunc(m.turns, func(t turn) bool { return t.role == systemRole })
		},
		"role 'system' is not supported on this model",
	},
	"without-prefill": {
		func(m *messageCall) bool { return m.turns[len(m.turns)-1].role == assistantRole },
		"This model does not support assistant message prefill. The conversation must end with a user message.",
	},
	"without-sampling": {
		func(m *messageCall) bool {
			return slices.ContainsFunc([]string{"temperature", "top_p", "top_k"}, func(name string) bool { return m.body.get(name) != nil })
		},
		"`temperature`, `top_p` and `top_k` are not supported on this model",
	},
	"without-advisor": {
		func(m *messageCall) bool {
			return slices.ContainsFunc(m.body.get("tools").list(), func(n *node) bool { return strings.HasPrefix(n.get("type").string(), "advisor_") })
		},
		"advisor tool is not supported on this model",
	},
	"without-images": {
		func(m *messageCall) bool {
			return slices.ContainsFunc(m.turns, func(t turn) bool { return len(t.of("image")) > 0 })
		},
		"image input is not supported on this model",
	},
}

// without refuses a request for what the model lacks, and answers any other.
func (m *messageCall) without() error {
	lack := lacks[m.scenario.kind]
	if lack.asked(m) {
		return m.fail(http.StatusBadRequest, invalidRequest(lack.words))
	}
	return m.echo()
}
