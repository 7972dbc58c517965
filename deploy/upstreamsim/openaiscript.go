package upstreamsim

import (
	"encoding/json"
	"net/http"
)

// openAIScripts are the answers of the OpenAI side by scenario.
var openAIScripts = map[string]func(*completionCall) error{
	// Successes.
	normal:          func(c *completionCall) error { return c.whole(c.pieces()) },
	"echo-request":  func(c *completionCall) error { return c.whole(pieces(string(c.body))) },
	countForm:       func(c *completionCall) error { return c.whole(counting()[:c.scenario.number]) },
	"unicode":       func(c *completionCall) error { return c.whole(unicodePieces) },
	"one-write":     (*completionCall).oneWrite,
	"split-bytes":   (*completionCall).splitBytes,
	"tool-call":     (*completionCall).toolCall,
	"reasoning":     (*completionCall).reasoning,
	"finish-length": func(c *completionCall) error { return c.wholeAs(c.pieces(), "length", c.asked()) },
	"no-usage":      func(c *completionCall) error { return c.wholeAs(c.pieces(), stop, noUsage) },
	"usage-always":  func(c *completionCall) error { return c.wholeAs(c.pieces(), stop, usageInLast) },
	"sse-crlf":      func(c *completionCall) error { return c.written("data: ", "\r\n", "") },
	"sse-no-space":  func(c *completionCall) error { return c.written("data:", "\n", "") },
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
	stop      = "stop"
	roleDelta = `{"role":"assistant","content":"","refusal":null}`
)

func (c *completionCall) pieces() []string { return pieces(c.request.lastText()) }

// asked is where the request wants the usage: an object always has it.
func (c *completionCall) asked() usagePlace {
	if c.request.StreamOptions.IncludeUsage || !c.request.Stream {
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

// role is the first chunk.
func (c *completionCall) role() error {
	return c.send(c.format.chunk(c.buffer[:0], roleDelta, "", ""))
}

// open starts a stream.
func (c *completionCall) open() error { return inOrder(c.head, c.role) }

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
			c.buffer = c.format.text(c.buffer[:0], name, piece)
			if err := c.send(c.buffer); err != nil {
				return err
			}
		}
		return nil
	}
}

// last sends what comes between the text and [DONE].
func (c *completionCall) last(finish string, place usagePlace, completionTokens int) step {
	return func() error {
		usage := usageJSON(c.request.promptTokens(), completionTokens)
		inLast := ""
		if place == usageInLast {
			inLast = usage
		}
		if err := c.send(c.format.chunk(c.buffer[:0], `{}`, finish, inLast)); err != nil || place != usageAtEnd {
			return err
		}
		return c.send(c.format.usageOnly(usage))
	}
}

func (c *completionCall) done() error { return c.finish(c.format.data("[DONE]")) }

// echo is the normal answer.
func (c *completionCall) echo() error { return c.whole(c.pieces()) }

func (c *completionCall) whole(pieces []string) error { return c.wholeAs(pieces, stop, c.asked()) }

func (c *completionCall) wholeAs(pieces []string, finish string, place usagePlace) error {
	if !c.request.Stream {
		_ = c.head()
		return c.answerWhole(http.StatusOK, "", c.object(pieces, finish, place))
	}
	return inOrder(c.open, c.texts(pieces), c.last(finish, place, len(pieces)), c.done)
}

func (c *completionCall) object(pieces []string, finish string, place usagePlace) []byte {
	usage := ""
	if place != noUsage {
		usage = usageJSON(c.request.promptTokens(), len(pieces))
	}
	return c.format.textObject(pieces, finish, usage)
}

// rendered is the normal answer in bytes.
func (c *completionCall) rendered() ([]byte, error) {
	if !c.request.Stream {
		return c.object(c.pieces(), stop, usageAtEnd), nil
	}
	text := c.pieces()
	return c.captured(c.role, c.texts(text), c.last(stop, c.asked(), len(text)), c.done)
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

func (c *completionCall) reasoning() error {
	thoughts := []string{"Thinking ", "about ", "it."}
	if !c.request.Stream {
		_ = c.head()
		message := `{"role":"assistant","reasoning_content":"Thinking about it.","content":` + quoted(c.request.lastText()) + `}`
		usage := usageJSON(c.request.promptTokens(), len(thoughts)+len(c.pieces()))
		return c.answerWhole(http.StatusOK, "", c.format.object(message, stop, usage))
	}
	text := c.pieces()
	return inOrder(c.open, c.named("reasoning_content", thoughts), c.texts(text),
		c.last(stop, c.asked(), len(thoughts)+len(text)), c.done)
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
	text := c.pieces()
	return inOrder(c.open, c.texts(text[:1]), c.hold, c.texts(text[1:]), c.last(stop, c.asked(), len(text)), c.done)
}

func (c *completionCall) silence() error {
	if err := inOrder(c.head, c.control.Flush, c.hold); err != nil {
		return err
	}
	if !c.request.Stream {
		return c.finish(c.object(c.pieces(), stop, usageAtEnd))
	}
	return c.echo()
}

func (c *completionCall) heartbeatOnly() error {
	if !c.request.Stream {
		return inOrder(c.head, c.beating([]byte("\n")))
	}
	return inOrder(c.head, c.beating([]byte(": keep-alive\n\n")))
}

// beginning is what comes before a failure: the stream's text, or half of the
// object.
func (c *completionCall) beginning() error {
	if c.request.Stream {
		return inOrder(c.open, c.texts(c.pieces()))
	}
	body := c.object(c.pieces(), stop, usageAtEnd)
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
	event := c.format.text(nil, "content", "half")
	return inOrder(c.beginning, c.end(event[:len(event)/2]))
}

func (c *completionCall) eofNoDone() error {
	if !c.request.Stream {
		return c.beginning()
	}
	return inOrder(c.beginning, c.last(stop, c.asked(), len(c.pieces())))
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
