package upstreamsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// openAIScripts are the answers of the OpenAI side by scenario.
var openAIScripts = allOpenAIScripts()

func allOpenAIScripts() map[string]func(*completionCall) error {
	all := maps.Clone(usualScripts)
	maps.Copy(all, defects())
	for name, body := range overflows {
		all[name] = func(c *completionCall) error { return c.overflow(body) }
	}
	return all
}

var usualScripts = map[string]func(*completionCall) error{
	// Successes.
	normal:               (*completionCall).echo,
	"echo-request":       func(c *completionCall) error { return c.whole(pieces(string(c.body))) },
	countForm:            func(c *completionCall) error { return c.whole(counting()[:c.scenario.number]) },
	"unicode":            func(c *completionCall) error { return c.whole(unicodePieces) },
	"one-write":          (*completionCall).oneWrite,
	"split-bytes":        (*completionCall).splitBytes,
	"tool-call":          (*completionCall).toolCall,
	"one-call":           (*completionCall).oneCall,
	"reasoning":          func(c *completionCall) error { return c.reasoning("reasoning_content") },
	"reasoning-field":    func(c *completionCall) error { return c.reasoning("reasoning") },
	"reasoning-call":     (*completionCall).reasonedCall,
	"scripted":           func(c *completionCall) error { return c.tell(c.scriptedReply(), c.asked()) },
	"refusal":            (*completionCall).refuseInWords,
	"content-filter":     (*completionCall).filtered,
	"describe":           (*completionCall).describe,
	"big":                func(c *completionCall) error { return c.whole(bigPieces()) },
	"cached":             func(c *completionCall) error { return c.withCached(c.request.promptTokens() / 2) },
	"cached-over-prompt": func(c *completionCall) error { return c.withCached(c.request.promptTokens() + 100) },
	"finish-length":      (*completionCall).finishLength,
	"no-usage":           func(c *completionCall) error { return c.tell(c.normalReply(), noUsage) },
	"usage-always":       func(c *completionCall) error { return c.tell(c.normalReply(), usageInLast) },
	"sse-crlf":           func(c *completionCall) error { return c.written("data: ", "\r\n", "") },
	"sse-no-space":       func(c *completionCall) error { return c.written("data:", "\n", "") },
	"sse-comments": func(c *completionCall) error {
		return c.written("data: ", "\n", ": still here\n\nevent: message\nid: 1\n")
	},

	// Slow ones and silent ones.
	delayForm:         func(c *completionCall) error { return inOrder(c.delay, c.echo) },
	"slow":            (*completionCall).slow,
	"hold":            (*completionCall).holdAfterText,
	"silence":         (*completionCall).silence,
	"silence-headers": func(c *completionCall) error { return inOrder(c.hold, c.echo) },
	"heartbeat-only":  (*completionCall).heartbeatOnly,

	// Errors as the upstream tells them.
	"empty":                func(c *completionCall) error { return c.whole(nil) },
	"error-after-text":     (*completionCall).errorAfterText,
	"error-context-length": func(c *completionCall) error { return c.fail(http.StatusBadRequest, contextLength()) },
	httpForm:               (*completionCall).httpStatus,

	// Broken connections and broken events.
	"eof-mid-frame":  (*completionCall).eofMidFrame,
	"eof-no-trailer": func(c *completionCall) error { return c.beginning() },
	"eof-no-done":    (*completionCall).eofNoDone,
	"cut":            func(c *completionCall) error { return inOrder(c.beginning, c.cut) },
	"reset":          func(c *completionCall) error { return inOrder(c.beginning, c.reset) },
	"reset-first":    func(c *completionCall) error { return c.reset() },
	"oversized":      (*completionCall).oversized,
	"garbage":        (*completionCall).garbage,
}

// How an answer tells its usage.
type usagePlace int

const (
	noUsage     usagePlace = iota
	usageAtEnd             // a chunk of its own, and in the object
	usageInLast            // in the last chunk that has a choice, and in the object
)

const (
	stop            = "stop"
	roleDelta       = `{"role":"assistant","content":"","refusal":null}`
	silentRoleDelta = `{"role":"assistant","content":null,"refusal":null}`
)

// asked is where the request wants the usage: an object always has it.
func (c *completionCall) asked() usagePlace {
	if c.request.wantsUsage() || !c.request.Stream {
		return usageAtEnd
	}
	return noUsage
}

// head sets the headers.
func (c *completionCall) head() error {
	header := c.w.Header()
	header.Set("X-Request-Id", "req_"+c.format.id)
	if c.request.Stream {
		header.Set("Content-Type", "text/event-stream; charset=utf-8")
		header.Set("Cache-Control", "no-cache")
	} else {
		header.Set("Content-Type", "application/json")
	}
	return nil
}

// open starts a stream.
func (c *completionCall) open() error { return inOrder(c.head, c.begin(c.normalReply())) }

// texts sends one chunk a piece.
func (c *completionCall) texts(pieces []string) step { return c.named("content", pieces) }

func (c *completionCall) named(name string, pieces []string) step {
	return func() error {
		for i, piece := range pieces {
			if i > 0 {
				if err := c.between(); err != nil {
					return err
				}
			}
			for choice := range c.request.choices() {
				c.buffer = c.format.text(c.buffer[:0], choice, name, piece)
				if err := c.send(c.buffer); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// last sends what comes between the text and [DONE].
func (c *completionCall) last(r reply, place usagePlace) step {
	return func() error {
		usage := c.usageOf(r).json()
		choices := c.request.choices()
		for choice := range choices {
			inLast := ""
			if place == usageInLast && choice == choices-1 {
				inLast = usage
			}
			if err := c.send(c.format.choice(c.buffer[:0], choice, `{}`, r.finish, inLast)); err != nil {
				return err
			}
		}
		if place != usageAtEnd {
			return nil
		}
		return c.send(c.format.usageOnly(usage))
	}
}

func (c *completionCall) done() error { return c.finish(c.format.data("[DONE]")) }

// echo is the normal answer.
func (c *completionCall) echo() error { return c.tell(c.normalReply(), c.asked()) }

// whole is an answer of text.
func (c *completionCall) whole(pieces []string) error { return c.tell(says(pieces), c.asked()) }

func (c *completionCall) finishLength() error {
	r := c.normalReply()
	r.finish = "length"
	return c.tell(r, c.asked())
}

// rendered is the normal answer in bytes.
func (c *completionCall) rendered() ([]byte, error) {
	r := c.fitted(c.normalReply())
	if !c.request.Stream {
		return c.replyObject(r, usageAtEnd), nil
	}
	return c.captured(c.stream(r, c.asked()))
}

func (c *completionCall) oneWrite() error {
	answer, err := c.rendered()
	if err != nil {
		return err
	}
	return inOrder(c.head, c.end(answer))
}

func (c *completionCall) splitBytes() error {
	answer, err := c.rendered()
	if err != nil {
		return err
	}
	return inOrder(c.head, c.byteByByte(answer))
}

// written is the normal answer in another legal form of event streams.
func (c *completionCall) written(field, newline, before string) error {
	c.format.field, c.format.newline, c.format.before = field, newline, before
	c.format.render()
	return c.echo()
}

// reasoning comes before the normal answer, under the name of a field.
func (c *completionCall) reasoning(field string) error {
	c.reasoningField = field
	r := c.normalReply()
	r.blocks = slices.Insert(r.blocks, 0, reasoningOf(thoughts))
	return c.tell(r, c.asked())
}

// refuseInWords is a refusal by the model itself.
func (c *completionCall) refuseInWords() error {
	return c.tell(reply{[]block{{kind: refusalBlock, pieces: []string{"I can't ", "help with ", "that."}}}, stop}, c.asked())
}

// filtered ends after half of the text.
func (c *completionCall) filtered() error {
	r := says(c.pieces())
	r.blocks[0].pieces = r.blocks[0].pieces[:len(r.blocks[0].pieces)/2]
	r.finish = "content_filter"
	return c.tell(r, c.asked())
}

// bigPieces are 8 MiB of text, one a piece.
func bigPieces() []string { return slices.Repeat([]string{strings.Repeat("big ", 1<<18)}, 8) }

// withCached tells of a cached prompt.
func (c *completionCall) withCached(tokens int) error {
	c.cached = tokens
	return c.echo()
}

func (c *completionCall) slow() error {
	c.slowDown()
	if !c.request.Stream {
		return inOrder(c.between, c.echo)
	}
	return c.echo()
}

func (c *completionCall) holdAfterText() error {
	if !c.request.Stream {
		return inOrder(c.hold, c.echo)
	}
	r := c.fitted(says(c.pieces()))
	text := r.blocks[len(r.blocks)-1].pieces
	first := min(1, len(text))
	return inOrder(c.open, c.texts(text[:first]), c.hold, c.texts(text[first:]), c.last(r, c.asked()), c.done)
}

func (c *completionCall) silence() error {
	if err := inOrder(c.head, c.control.Flush, c.hold); err != nil {
		return err
	}
	if !c.request.Stream {
		return c.finish(c.normalObject())
	}
	return c.echo()
}

func (c *completionCall) heartbeatOnly() error {
	if !c.request.Stream {
		return inOrder(c.head, c.beating([]byte("\n")))
	}
	return inOrder(c.head, c.beating([]byte(": keep-alive\n\n")))
}

func (c *completionCall) normalObject() []byte {
	return c.replyObject(c.fitted(c.normalReply()), usageAtEnd)
}

// beginning is what comes before a failure: the stream's text, or half of the
// object.
func (c *completionCall) beginning() error {
	if c.request.Stream {
		return inOrder(c.open, c.texts(c.pieces()))
	}
	body := c.normalObject()
	return inOrder(c.head, c.event(body[:len(body)/2]))
}

func (c *completionCall) errorAfterText() error {
	failure := statusError(http.StatusInternalServerError, "")
	if !c.request.Stream {
		return c.fail(http.StatusInternalServerError, failure)
	}
	event, err := json.Marshal(failure.body())
	if err != nil {
		return err
	}
	return inOrder(c.beginning, c.end(c.format.data(string(event))))
}

func (c *completionCall) httpStatus() error {
	body, err := json.Marshal(statusError(c.scenario.number, c.scenario.variant).body())
	if err != nil {
		return err
	}
	return c.answerStatus(body)
}

func (c *completionCall) eofMidFrame() error {
	if !c.request.Stream {
		return c.beginning()
	}
	event := c.format.text(nil, 0, "content", "half")
	return inOrder(c.beginning, c.end(event[:len(event)/2]))
}

func (c *completionCall) eofNoDone() error {
	if !c.request.Stream {
		return c.beginning()
	}
	return inOrder(c.beginning, c.last(says(c.pieces()), c.asked()))
}

func (c *completionCall) oversized() error {
	if !c.request.Stream {
		return inOrder(c.head, c.drowning(`{"id":"`))
	}
	return inOrder(c.open, c.drowning(c.format.prefix+`{"content":"`))
}

func (c *completionCall) garbage() error {
	if !c.request.Stream {
		return inOrder(c.head, c.end([]byte(`{"id": what`)))
	}
	return inOrder(c.beginning, c.event(c.format.data(`{"id": what`)), c.done)
}
