package upstreamsim

import (
	"encoding/json"
	"net/http"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// cursorScripts are the answers of the Cursor side by scenario.
var cursorScripts = map[string]func(*cursorCall) error{
	// Successes.
	normal:             func(c *cursorCall) error { return c.whole(pieces(c.text())) },
	"echo-request":     (*cursorCall).echoRequest,
	countForm:          func(c *cursorCall) error { return c.whole(counting()[:c.scenario.number]) },
	"unicode":          func(c *cursorCall) error { return c.whole(unicodePieces) },
	"one-write":        (*cursorCall).oneWrite,
	"split-bytes":      (*cursorCall).splitBytes,
	"joined-end":       (*cursorCall).joinedEnd,
	"gzip-text":        (*cursorCall).gzipText,
	"gzip-trailer":     func(c *cursorCall) error { return c.endingWith(frame(flagEnd|flagGzip, []byte(success))) },
	"trailer-metadata": func(c *cursorCall) error { return c.endingWith(frame(flagEnd, []byte(`{"metadata":{"x-sim":["1"]}}`))) },
	"no-debug":         func(c *cursorCall) error { return inOrder(c.head, c.echo, c.end(endFrame)) },
	"status-updates":   (*cursorCall).statusUpdates,

	// Slow ones and silent ones.
	delayForm:         func(c *cursorCall) error { return inOrder(c.delay, c.start, c.echo, c.end(endFrame)) },
	"slow":            (*cursorCall).slow,
	"hold":            (*cursorCall).holdAfterText,
	"silence":         func(c *cursorCall) error { return inOrder(c.head, c.control.Flush, c.hold, c.echo, c.end(endFrame)) },
	"silence-headers": func(c *cursorCall) error { return inOrder(c.hold, c.start, c.echo, c.end(endFrame)) },
	"heartbeat-only":  func(c *cursorCall) error { return inOrder(c.start, c.beating(emptyFrame)) },

	// Errors as the upstream tells them.
	"empty":                 func(c *cursorCall) error { return c.failWith([]byte(success), 0) },
	"empty-debug":           func(c *cursorCall) error { return c.whole(nil) },
	errorForm:               func(c *cursorCall) error { return c.fail(c.scenario.number, c.scenario.variant) },
	errorCodeForm:           func(c *cursorCall) error { return c.failBare(c.scenario.variant) },
	errorAfterTextForm:      func(c *cursorCall) error { return c.failAfterText(c.scenario.number) },
	"error-after-text":      func(c *cursorCall) error { return c.failAfterText(resourceExhausted) },
	"error-no-details":      func(c *cursorCall) error { return c.failBare("resource_exhausted") },
	"error-update-required": func(c *cursorCall) error { return c.failWith([]byte(updateRequired), 0) },
	httpForm:                (*cursorCall).httpStatus,

	// Broken connections and broken frames.
	"eof-mid-frame":  func(c *cursorCall) error { return c.endingWith([]byte("\x00\x00\x00\x00\x14\x0a\x12half")) },
	"eof-no-trailer": func(c *cursorCall) error { return inOrder(c.start, c.echo) },
	"cut":            func(c *cursorCall) error { return inOrder(c.start, c.echo, c.cut) },
	"reset":          func(c *cursorCall) error { return inOrder(c.start, c.echo, c.reset) },
	"reset-first":    func(c *cursorCall) error { return c.reset() },
	"oversized":      func(c *cursorCall) error { return inOrder(c.start, c.drowning("\x00\xff\xff\xff\xff\x0a")) },
	"gzip-bomb":      (*cursorCall).gzipBomb,
	"corrupt-gzip":   (*cursorCall).corruptGzip,
	"unknown-flag":   func(c *cursorCall) error { return c.broken(frame(4, []byte("\x0a\x02Hi"))) },
	"bad-proto":      func(c *cursorCall) error { return c.broken(frame(0, []byte("\x0a\x7fHi"))) },
	"bad-trailer":    func(c *cursorCall) error { return c.endingWith(frame(flagEnd, []byte(`{"error":`))) },
}

const resourceExhausted = int(aiserverv1.ErrorDetails_ERROR_RESOURCE_EXHAUSTED)

var endFrame = frame(flagEnd, []byte(success))

// head sends the headers of a stream, with the next flush.
func (c *cursorCall) head() error {
	header := c.w.Header()
	header.Set("Content-Type", "application/connect+proto")
	header.Set("Connect-Content-Encoding", "gzip")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// start sends the headers and what comes before the text.
func (c *cursorCall) start() error { return inOrder(c.head, c.lead) }

func (c *cursorCall) lead() error { return inOrder(c.debug, c.event(emptyFrame)) }

func (c *cursorCall) debug() error {
	event, err := debugFrame(c.request)
	if err != nil {
		return err
	}
	return c.send(event)
}

// texts sends one frame a piece.
func (c *cursorCall) texts(pieces []string) step {
	return func() error {
		for i, piece := range pieces {
			if i > 0 {
				if err := c.between(); err != nil {
					return err
				}
			}
			event, err := appendText(c.buffer[:0], piece)
			if err != nil {
				return err
			}
			c.buffer = event
			if err := c.send(event); err != nil {
				return err
			}
		}
		return nil
	}
}

// echo sends the normal text.
func (c *cursorCall) echo() error { return c.texts(pieces(c.text()))() }

func (c *cursorCall) whole(pieces []string) error {
	return inOrder(c.start, c.texts(pieces), c.end(endFrame))
}

func (c *cursorCall) endingWith(end []byte) error { return inOrder(c.start, c.echo, c.end(end)) }

// broken sends an event that must not be accepted, and then a proper end.
func (c *cursorCall) broken(event []byte) error {
	return inOrder(c.start, c.event(event), c.end(endFrame))
}

func (c *cursorCall) oneWrite() error {
	answer, err := c.captured(c.lead, c.echo, c.end(endFrame))
	if err != nil {
		return err
	}
	return inOrder(c.head, c.end(answer))
}

func (c *cursorCall) splitBytes() error {
	answer, err := c.captured(c.lead, c.echo, c.end(endFrame))
	if err != nil {
		return err
	}
	return inOrder(c.head, c.byteByByte(answer))
}

func (c *cursorCall) joinedEnd() error {
	answer, err := c.captured(c.event(emptyFrame), c.echo, c.end(endFrame))
	if err != nil {
		return err
	}
	return inOrder(c.head, c.debug, c.end(answer))
}

func (c *cursorCall) echoRequest() error {
	summary, err := json.Marshal(c.summary())
	if err != nil {
		return err
	}
	return c.whole(pieces(string(summary)))
}

func (c *cursorCall) gzipText() error {
	steps := []step{c.start}
	for _, piece := range pieces(c.text()) {
		event, err := packedText(piece)
		if err != nil {
			return err
		}
		steps = append(steps, c.event(event))
	}
	return inOrder(append(steps, c.end(endFrame))...)
}

// statusUpdates sends fields that the generated messages lack: 12 is status
// updates, 11 a web citation.
func (c *cursorCall) statusUpdates() error {
	queued, err := proto.Marshal(&aiserverv1.StreamChatResponse{IsUsingSlowRequest: proto.Bool(true)})
	if err != nil {
		return err
	}
	return inOrder(c.start,
		c.event(frame(0, queued)),
		c.event(frame(0, []byte("\x62\x11\x0a\x0f\x0a\x0dReading links"))),
		c.event(frame(flagGzip, []byte("\x5a\x1d\x0a\x1b\x0a\x14https://example.com/\x12\x03One"))),
		c.echo, c.end(endFrame))
}

func (c *cursorCall) slow() error {
	c.slowDown()
	return c.whole(pieces(c.text()))
}

func (c *cursorCall) holdAfterText() error {
	text := pieces(c.text())
	return inOrder(c.start, c.texts(text[:1]), c.hold, c.texts(text[1:]), c.end(endFrame))
}

// fail answers an enum's error as the first frame.
func (c *cursorCall) fail(number int, variant string) error {
	trailer, err := errorTrailer(number, variant)
	if err != nil {
		return err
	}
	if variant == "gzip" {
		return c.failWith(trailer, flagGzip)
	}
	return c.failWith(trailer, 0)
}

// failBare answers a Connect code's error as the first frame.
func (c *cursorCall) failBare(code string) error {
	trailer, err := bareTrailer(code)
	if err != nil {
		return err
	}
	return c.failWith(trailer, 0)
}

// failWith answers an end frame and nothing else.
func (c *cursorCall) failWith(trailer []byte, flags byte) error {
	return inOrder(c.head, c.end(frame(flagEnd|flags, trailer)))
}

func (c *cursorCall) failAfterText(number int) error {
	trailer, err := errorTrailer(number, "")
	if err != nil {
		return err
	}
	return c.endingWith(frame(flagEnd, trailer))
}

func (c *cursorCall) httpStatus() error {
	body, err := json.Marshal(connectError{Code: httpCode(c.scenario.number), Message: http.StatusText(c.scenario.number)})
	if err != nil {
		return err
	}
	return c.answerStatus(body)
}

func (c *cursorCall) gzipBomb() error {
	bomb, err := gzipBomb()
	if err != nil {
		return err
	}
	return c.broken(bomb)
}

// corruptGzip spoils the check sum of a compressed frame.
func (c *cursorCall) corruptGzip() error {
	event, err := packedText(c.text())
	if err != nil {
		return err
	}
	event[len(event)-8] ^= 0xff
	return c.broken(event)
}
