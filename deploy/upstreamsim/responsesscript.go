package upstreamsim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// invalidEncrypted refuses every encrypted_content, own ones too.
const invalidEncrypted = "error-invalid-encrypted-content"

// responsesScripts are the answers of the Responses API by scenario.
var responsesScripts = allResponsesScripts()

func allResponsesScripts() map[string]func(*responsesCall) error {
	all := map[string]func(*responsesCall) error{}
	for name, reply := range responsesReplies {
		all[name] = func(c *responsesCall) error { return c.say(reply(c)) }
	}
	for name, end := range responsesFailures {
		all[name] = func(c *responsesCall) error { return c.failAfter(says(c.pieces()), end) }
	}
	for name, body := range overflows {
		all[name] = func(c *responsesCall) error { return c.overflow(body) }
	}
	for name, failure := range responsesErrors {
		all[name] = func(c *responsesCall) error {
			resets := strconv.FormatInt(c.sim.options.Now().Add(resetsAfter).Unix(), 10)
			return c.answerWhole(failure.status, jsonType, []byte(strings.ReplaceAll(failure.body, "RESETS_AT", resets)))
		}
	}
	maps.Copy(all, responsesManner)
	maps.Copy(all, responsesStrays)
	return all
}

// responsesReplies are the scenarios that are about what is said. Those of Chat say the same there.
var responsesReplies = map[string]func(*responsesCall) reply{
	normal:         (*responsesCall).normalReply,
	"echo-request": func(c *responsesCall) reply { return says(pieces(string(c.body))) },
	"echo-headers": func(c *responsesCall) reply { return says(pieces(string(jsonOf(headOf(c.r))))) },
	countForm:      func(c *responsesCall) reply { return says(counting()[:c.scenario.number]) },
	"unicode":      func(*responsesCall) reply { return says(unicodePieces) },
	"tool-call":    func(c *responsesCall) reply { return c.toolReply(maxToolCalls) },
	"scripted":     func(c *responsesCall) reply { return c.scriptedReply() },
	"one-call":     func(c *responsesCall) reply { return c.toolReply(1) },
	"reasoning":    func(c *responsesCall) reply { return c.thinking(c.normalReply()) },
	"reasoning-text": func(c *responsesCall) reply {
		c.raw = true
		return c.thinking(c.normalReply())
	},
	"reasoning-call": func(c *responsesCall) reply { return c.thinking(c.toolReply(maxToolCalls)) },
	"refusal": func(*responsesCall) reply {
		return reply{[]block{{kind: refusalBlock, pieces: []string{"I can't ", "help with ", "that."}}}, stop}
	},
	"content-filter": func(c *responsesCall) reply {
		said := c.pieces()
		return reply{[]block{{pieces: said[:len(said)/2]}}, "content_filter"}
	},
	"finish-length": func(c *responsesCall) reply {
		r := c.normalReply()
		r.finish = "length"
		return r
	},
	"describe": func(c *responsesCall) reply { return says(pieces(string(jsonOf(c.description())))) },
	"big":      func(*responsesCall) reply { return says(bigPieces()) },
	"cached": func(c *responsesCall) reply {
		c.cached = c.request.promptTokens() / 2
		return c.normalReply()
	},
	"cached-over-prompt": func(c *responsesCall) reply {
		c.cached = c.request.promptTokens() + 100
		return c.normalReply()
	},
	"annotations": func(c *responsesCall) reply {
		c.annotated = true
		return c.normalReply()
	},
	"keepalive": func(c *responsesCall) reply {
		c.beats = true
		return c.normalReply()
	},
	"empty":               func(*responsesCall) reply { return says(nil) },
	"no-output":           func(*responsesCall) reply { return reply{finish: stop} },
	"text-reasoning-text": func(c *responsesCall) reply { return c.mixed("text", "reasoning", "text") },
	"text-call-text-call": func(c *responsesCall) reply { return c.mixed("text", "call", "text", "call") },
	"reasoning-text-call": func(c *responsesCall) reply { return c.mixed("reasoning", "text", "call") },
	"call-then-text":      func(c *responsesCall) reply { return c.mixed("call", "text") },
	"call-huge": func(c *responsesCall) reply {
		return c.changedCall(func(b *block) {
			b.pieces = []string{string(jsonOf(map[string]string{"text": strings.Repeat("x", 2<<20)}))}
		}, toolCalls)
	},
	"call-cut": func(c *responsesCall) reply {
		return c.changedCall(func(b *block) { b.pieces = b.pieces[:(len(b.pieces)+1)/2] }, "length")
	},
	"call-empty-arguments": func(c *responsesCall) reply { return c.changedCall(func(b *block) { b.pieces = nil }, toolCalls) },
	invalidEncrypted:       (*responsesCall).normalReply,
}

// thinking is a reply after thoughts, which are summed up whether asked for or not.
func (c *responsesCall) thinking(r reply) reply {
	c.summary = c.summary || !c.raw
	r.blocks = slices.Insert(slices.Clone(r.blocks), 0, reasoningOf(thoughts))
	return r
}

// mixed is a reply of parts in an order; the calls are of the tools in theirs.
func (c *responsesCall) mixed(parts ...string) reply {
	called := c.toolReply(maxToolCalls)
	if !called.has(callBlock) {
		return called
	}
	r, calls := reply{finish: called.finish}, called.blocks
	for _, part := range parts {
		switch part {
		case "text":
			r.blocks = append(r.blocks, block{pieces: c.pieces()})
		case "reasoning":
			c.summary = true
			r.blocks = append(r.blocks, reasoningOf(thoughts))
		case "call":
			if len(calls) > 0 {
				r.blocks, calls = append(r.blocks, calls[0]), calls[1:]
			}
		}
	}
	return r
}

// changedCall is one call that is not as usual.
func (c *responsesCall) changedCall(change func(*block), finish string) reply {
	r := c.toolReply(1)
	if r.has(callBlock) {
		change(&r.blocks[0])
		r.finish = finish
	}
	return r
}

// responsesFailures are answers that fail after their text.
var responsesFailures = map[string]outcome{
	"failed":                   {status: "failed", code: "server_error", message: "The server had an error processing your request. Sorry about that!"},
	"failed-rate-limit":        {status: "failed", code: "rate_limit_exceeded", message: "Rate limit reached for requests. Please try again in 1.5s."},
	"failed-context-length":    {status: "failed", code: "context_length_exceeded", message: "Your input exceeds the context window of this model. Please adjust your input and try again."},
	"failed-insufficient":      {status: "failed", code: "insufficient_quota", message: "You exceeded your current quota, please check your plan and billing details."},
	"failed-overloaded":        {status: "failed", code: "server_is_overloaded", message: "Our servers are currently overloaded. Please try again later."},
	"failed-invalid-prompt":    {status: "failed", code: "invalid_prompt", message: "Invalid prompt: we've limited access to this content for safety reasons."},
	"failed-usage-not-include": {status: "failed", code: "usage_not_included", message: "To use this model, upgrade your plan."},
}

// resetsAfter is when a used up limit begins anew.
const resetsAfter = time.Hour

// responsesErrors are refusals with a status, which tell clients more than it does. RESETS_AT is
// when the limit ends, in seconds since 1970.
var responsesErrors = map[string]struct {
	status int
	body   string
}{
	"usage-limit-reached": {
		http.StatusTooManyRequests,
		`{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","param":null,"code":null,"plan_type":"plus","resets_at":RESETS_AT}}`,
	},
	"server-overloaded": {
		http.StatusServiceUnavailable,
		`{"error":{"type":"server_error","message":"Our servers are currently overloaded. Please try again later.","param":null,"code":"server_is_overloaded"}}`,
	},
}

// failAfter says a text and fails; an answer that is whole fails without it.
func (c *responsesCall) failAfter(r reply, end outcome) error {
	_ = c.headAnswer()
	if !c.streaming() {
		return c.answerWhole(http.StatusOK, jsonType, jsonOf(c.ended(r, []any{}, end)))
	}
	events := c.untilEnd(r)
	return c.playAll(append(events, responseEvent{kind: "response.failed", members: jsonBody{"response": c.ended(r, []any{}, end)}}))()
}

// untilEnd are the events of an answer up to the deltas of its last item.
func (c *responsesCall) untilEnd(r reply) []responseEvent {
	events := c.eventsOf(r, completed)
	c.keeping = nil // it does not come to its end
	last := len(events)
	for last > 0 && !events[last-1].delta {
		last--
	}
	return events[:last]
}

// responsesManner are the scenarios that are about how an answer arrives.
var responsesManner = map[string]func(*responsesCall) error{
	"one-write":    (*responsesCall).oneWriteAnswer,
	"split-bytes":  (*responsesCall).splitAnswer,
	"sse-crlf":     func(c *responsesCall) error { return c.writing("data: ", "\r\n", "") },
	"sse-no-space": func(c *responsesCall) error { return c.writing("data:", "\n", "") },
	"sse-comments": func(c *responsesCall) error { return c.writing("data: ", "\n", ": still here\n\nid: 1\n") },
	"no-usage": func(c *responsesCall) error {
		c.noUsage = true
		return c.say(c.normalReply())
	},

	delayForm: func(c *responsesCall) error { return inOrder(c.delay, c.sayNormal) },
	"slow": func(c *responsesCall) error {
		c.slowDown()
		if !c.streaming() {
			return inOrder(c.between, c.sayNormal)
		}
		return c.sayNormal()
	},
	"hold":            (*responsesCall).holdAfterDelta,
	"silence":         func(c *responsesCall) error { return inOrder(c.headAnswer, c.control.Flush, c.hold, c.sayNormal) },
	"silence-headers": func(c *responsesCall) error { return inOrder(c.hold, c.sayNormal) },
	"heartbeat-only": func(c *responsesCall) error {
		if !c.streaming() {
			return inOrder(c.headAnswer, c.beating([]byte("\n")))
		}
		return inOrder(c.headAnswer, c.beating([]byte(": keep-alive\n\n")))
	},
	"keepalive-only": (*responsesCall).keepaliveOnly,
	"queued":         (*responsesCall).queuedFirst,

	"error-after-text":     func(c *responsesCall) error { return c.errorEvent(c.untilEnd(c.shaped(says(c.pieces()))), false) },
	"error-event-nested":   func(c *responsesCall) error { return c.errorEvent(c.untilEnd(c.shaped(says(c.pieces()))), true) },
	"error-first":          func(c *responsesCall) error { return c.errorEvent(nil, false) },
	"error-then-failed":    (*responsesCall).errorThenFailed,
	"failed-first":         (*responsesCall).failedFirst,
	"error-context-length": func(c *responsesCall) error { return c.fail(http.StatusBadRequest, responsesWindow().apiError) },
	"error-no-route": func(c *responsesCall) error {
		return c.fail(http.StatusNotFound, unknownURL(c.r).apiError)
	},
	httpForm: func(c *responsesCall) error {
		if c.scenario.number == http.StatusTooManyRequests {
			c.w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
			c.w.Header().Set("X-Ratelimit-Reset-Requests", (time.Duration(c.retryAfter()) * time.Second).String())
		}
		return c.answerStatus(jsonOf(statusError(c.scenario.number, c.scenario.variant).body()))
	},

	"eof-mid-frame": func(c *responsesCall) error {
		return c.breaking(func() error {
			event := c.written(responseEvent{kind: "response.output_text.delta", members: jsonBody{"delta": "half"}})
			return c.finish(event[:len(event)/2])
		})
	},
	"eof-no-trailer": func(c *responsesCall) error { return c.breaking() },
	"eof-no-done":    (*responsesCall).eofNoCompleted,
	"cut":            func(c *responsesCall) error { return c.breaking(c.cut) },
	"reset":          func(c *responsesCall) error { return c.breaking(c.reset) },
	"reset-first":    func(c *responsesCall) error { return c.reset() },
	"oversized": func(c *responsesCall) error {
		if !c.streaming() {
			return inOrder(c.headAnswer, c.drowning(`{"id":"`))
		}
		return c.breaking(c.drowning("event: response.output_text.delta\ndata: {\"delta\":\""))
	},
	"garbage": func(c *responsesCall) error {
		if !c.streaming() {
			return inOrder(c.headAnswer, c.end([]byte(`{"id": what`)))
		}
		return c.breaking(c.end([]byte("event: response.output_text.delta\ndata: {\"delta\": what\n\n")))
	},
}

func (c *responsesCall) sayNormal() error { return c.say(c.normalReply()) }

// renderedAnswer is the normal answer in bytes.
func (c *responsesCall) renderedAnswer() ([]byte, error) {
	r := c.shaped(c.normalReply())
	events := c.eventsOf(r, outcomeOf(r))
	c.keepNow()
	if !c.streaming() {
		return jsonOf(events[len(events)-1].members["response"]), nil
	}
	return c.captured(c.play(events))
}

func (c *responsesCall) oneWriteAnswer() error {
	answer, err := c.renderedAnswer()
	if err != nil {
		return err
	}
	return inOrder(c.headAnswer, c.end(answer))
}

func (c *responsesCall) splitAnswer() error {
	answer, err := c.renderedAnswer()
	if err != nil {
		return err
	}
	return inOrder(c.headAnswer, c.byteByByte(answer))
}

// writing is the normal answer in another legal form of event streams.
func (c *responsesCall) writing(field, newline, before string) error {
	c.format.field, c.format.newline, c.format.before = field, newline, before
	return c.sayNormal()
}

func (c *responsesCall) holdAfterDelta() error {
	if !c.streaming() {
		return inOrder(c.hold, c.sayNormal)
	}
	r := c.shaped(c.normalReply())
	events := c.eventsOf(r, outcomeOf(r))
	first := slices.IndexFunc(events, func(e responseEvent) bool { return e.delta }) + 1
	return inOrder(c.headAnswer, c.play(events[:first]), c.hold, c.playAll(events[first:]))
}

// keepaliveOnly is an answer that has begun, and numbered keepalive events until someone goes.
func (c *responsesCall) keepaliveOnly() error {
	if !c.streaming() {
		return inOrder(c.headAnswer, c.beating([]byte("\n")))
	}
	return inOrder(c.headAnswer, c.play(c.beginning()), func() error {
		for {
			if err := c.send(c.written(responseEvent{kind: "keepalive"})); err != nil {
				return err
			}
			if err := c.pause(c.sim.options.Heartbeat); err != nil {
				return err
			}
		}
	})
}

// queuedFirst waits in a queue before it is in progress.
func (c *responsesCall) queuedFirst() error {
	r := c.shaped(c.normalReply())
	events := c.eventsOf(r, outcomeOf(r))
	if !c.streaming() {
		return c.say(c.normalReply())
	}
	queued := responseEvent{kind: "response.queued", members: jsonBody{"response": c.object("queued", []any{})}}
	return inOrder(c.headAnswer, c.playAll(slices.Insert(events, 1, queued)))
}

// errorEvent is an error after some events. A whole answer has the status of the error.
func (c *responsesCall) errorEvent(events []responseEvent, nested bool) error {
	failure := statusError(http.StatusInternalServerError, "")
	if !c.streaming() {
		return c.fail(http.StatusInternalServerError, failure)
	}
	members := jsonBody{"code": "server_error", "message": failure.Message, "param": nil}
	if nested {
		members = jsonBody{"error": jsonBody{"type": "server_error", "code": "server_error", "message": failure.Message, "param": nil}}
	}
	return inOrder(c.headAnswer, c.playAll(append(events, responseEvent{kind: "error", members: members})))
}

// errorThenFailed tells a failure twice, as the vendor does.
func (c *responsesCall) errorThenFailed() error {
	end := responsesFailures["failed"]
	if !c.streaming() {
		return c.failAfter(reply{}, end)
	}
	events := append(c.untilEnd(c.shaped(says(c.pieces()))),
		responseEvent{kind: "error", members: jsonBody{"code": end.code, "message": end.message, "param": nil}},
		responseEvent{kind: "response.failed", members: jsonBody{"response": c.ended(reply{}, []any{}, end)}})
	return inOrder(c.headAnswer, c.playAll(events))
}

// failedFirst fails before anything was said.
func (c *responsesCall) failedFirst() error {
	end := responsesFailures["failed-rate-limit"]
	_ = c.headAnswer()
	if !c.streaming() {
		return c.failAfter(reply{}, end)
	}
	failed := responseEvent{kind: "response.failed", members: jsonBody{"response": c.ended(reply{}, []any{}, end)}}
	return c.playAll(append(c.beginning()[:1], failed))()
}

// breaking is what comes before a failure, and that: the stream's text, or half of the object.
func (c *responsesCall) breaking(then ...step) error {
	r := c.shaped(says(c.pieces()))
	events := c.untilEnd(r)
	if c.streaming() {
		return inOrder(append([]step{c.headAnswer, c.play(events)}, then...)...)
	}
	half := jsonOf(c.object("completed", []any{}))
	return inOrder(c.headAnswer, c.event(half[:len(half)/2]), func() error {
		if len(then) == 0 || c.scenario.kind == "eof-mid-frame" {
			return nil
		}
		return then[0]()
	})
}

// eofNoCompleted has every event but the last.
func (c *responsesCall) eofNoCompleted() error {
	r := c.shaped(says(c.pieces()))
	events := c.eventsOf(r, completed)
	if !c.streaming() {
		return c.breaking()
	}
	return inOrder(c.headAnswer, c.play(events[:len(events)-1]))
}

// unknownURL is the answer to a path that the API does not have.
func unknownURL(r *http.Request) *rejection {
	return misused("", "Invalid URL (%s %s)", r.Method, r.URL.Path).notFound()
}
