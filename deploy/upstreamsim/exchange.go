package upstreamsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// errClosed ends the scenarios that wait when the simulator closes.
var errClosed = errors.New("the simulator is closed")

// usualRetryAfter comes with HTTP 429 and 503, in seconds.
const usualRetryAfter = 2

// step is a part of an answer. An error tells the script to stop; it goes nowhere,
// since whoever caused it is gone.
type step func() error

func inOrder(steps ...step) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// exchange is one chat request and its answer.
type exchange struct {
	sim      *Simulator
	w        http.ResponseWriter
	r        *http.Request
	control  *http.ResponseController
	entry    *entry
	rule     Rule
	scenario scenario
	buffer   []byte        // scratch of the events
	capture  *bytes.Buffer // takes what is sent, while captured
}

func (s *Simulator) newExchange(api API, w http.ResponseWriter, r *http.Request) exchange {
	return exchange{sim: s, w: w, r: r, control: http.NewResponseController(w), entry: s.beginEntry(api, bearer(r))}
}

// choose settles the scenario, once the model is known, and watches the client
// from then on.
func (x *exchange) choose(model string) {
	x.entry.setModel(model)
	x.rule = x.sim.rules.take(x.entry.account, model)
	name := x.rule.Scenario
	if name == "" {
		name = scenarioOf(model)
	}
	x.entry.scenario = name
	x.scenario = parseScenario(name)
	x.entry.watch(x.r.Context())
}

// body reads the request's body into a buffer that the caller gives back with
// putBody. Where it can't, the answer is an error.
func (x *exchange) body() (*bytes.Buffer, error) {
	buffer := bodies.Get().(*bytes.Buffer)
	_, err := buffer.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if err != nil {
		putBody(buffer)
		return nil, err
	}
	return buffer, nil
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putBody(buffer *bytes.Buffer) {
	if buffer.Cap() > 1<<20 {
		return
	}
	buffer.Reset()
	bodies.Put(buffer)
}

// send writes one event and flushes it.
func (x *exchange) send(event []byte) error {
	if x.capture != nil {
		x.capture.Write(event)
		return nil
	}
	if _, err := x.w.Write(event); err != nil {
		return err
	}
	return x.control.Flush()
}

// finish is send for the last write of an answer.
func (x *exchange) finish(event []byte) error {
	if x.capture == nil {
		x.entry.complete()
	}
	return x.send(event)
}

// captured answers what the steps would have sent.
func (x *exchange) captured(steps ...step) ([]byte, error) {
	x.capture = new(bytes.Buffer)
	err := inOrder(steps...)
	answer := x.capture.Bytes()
	x.capture = nil
	return answer, err
}

// event is send as a step.
func (x *exchange) event(event []byte) step { return func() error { return x.send(event) } }

// end is finish as a step.
func (x *exchange) end(event []byte) step { return func() error { return x.finish(event) } }

// byteByByte writes every byte by itself, and ends the answer.
func (x *exchange) byteByByte(answer []byte) step {
	last := len(answer) - 1
	return func() error { return inOrder(x.singly(answer[:last]), x.end(answer[last:])) }
}

// singly writes every byte by itself.
func (x *exchange) singly(event []byte) step {
	return func() error {
		for at := range event {
			if err := x.send(event[at : at+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// answerWhole is a complete response with its length known, and with a Retry-After
// where one is usual.
func (x *exchange) answerWhole(status int, contentType string, body []byte) error {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		x.w.Header().Set("Retry-After", strconv.Itoa(max(x.retryAfter(), 0)))
	}
	return x.writeWhole(status, contentType, body)
}

// writeWhole is a complete response with its length known.
func (x *exchange) writeWhole(status int, contentType string, body []byte) error {
	header := x.w.Header()
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.entry.complete()
	x.w.WriteHeader(status)
	_, err := x.w.Write(body)
	return err
}

func (x *exchange) retryAfter() int {
	if x.rule.RetryAfter > 0 {
		return int(x.rule.RetryAfter / time.Second)
	}
	return usualRetryAfter
}

// between is the wait between text events.
func (x *exchange) between() error { return x.pause(x.rule.ChunkDelay) }

// pause waits, unless the client or the simulator goes first.
func (x *exchange) pause(d time.Duration) error { return x.sim.pause(x.r.Context(), d) }

// pause waits, unless ctx or the simulator ends first.
func (s *Simulator) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
}

// delay is the wait of delayForm.
func (x *exchange) delay() error { return x.pause(time.Duration(x.scenario.number) * time.Millisecond) }

// slowDown is for "slow".
func (x *exchange) slowDown() {
	x.rule.ChunkDelay = max(x.rule.ChunkDelay, x.sim.options.SlowInterval)
}

// beating sends the same event again and again, until someone goes.
func (x *exchange) beating(event []byte) step {
	return func() error {
		for {
			if err := x.send(event); err != nil {
				return err
			}
			if err := x.pause(x.sim.options.Heartbeat); err != nil {
				return err
			}
		}
	}
}

// answerStatus is the answer of httpForm; body is the side's error as JSON.
func (x *exchange) answerStatus(body []byte) error {
	switch x.scenario.variant {
	case "html":
		page := fmt.Sprintf("<!DOCTYPE html><html><head><title>%[1]d</title></head><body><h1>%[1]d %[2]s</h1></body></html>\n",
			x.scenario.number, http.StatusText(x.scenario.number))
		return x.answerWhole(x.scenario.number, "text/html; charset=utf-8", []byte(page))
	case "empty":
		return x.answerWhole(x.scenario.number, "", nil)
	default:
		return x.answerWhole(x.scenario.number, "application/json", body)
	}
}

// hold waits for a release.
func (x *exchange) hold() error {
	opened := x.sim.gate.enter()
	x.sim.watchers.notify()
	defer x.sim.watchers.notify()
	defer x.sim.gate.held.Add(-1)
	timer := time.NewTimer(maxAnswer)
	defer timer.Stop()
	select {
	case <-opened:
		return nil
	case <-x.r.Context().Done():
		return x.r.Context().Err()
	case <-x.sim.closed:
		return errClosed
	case <-timer.C:
		return errClosed
	}
}

// reset ends the connection with a TCP reset; an HTTP/2 stream is reset alone.
func (x *exchange) reset() error {
	x.entry.complete()
	connection, _, err := x.control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that Close sends RST
	}
	return connection.Close()
}

// cut ends the connection without the body's end.
func (x *exchange) cut() error {
	x.entry.complete()
	panic(http.ErrAbortHandler)
}

// drowning writes a head and then 64 MiB of filler.
func (x *exchange) drowning(head string) step {
	return func() error {
		if _, err := io.WriteString(x.w, head); err != nil {
			return err
		}
		filler := bytes.Repeat([]byte("A"), 64<<10)
		for range 1 << 10 {
			if err := x.send(filler); err != nil {
				return err
			}
		}
		return nil
	}
}

// gate holds answers until Release.
type gate struct {
	held   atomic.Int64
	mu     sync.Mutex
	opened chan struct{}
}

func (g *gate) enter() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held.Add(1)
	return g.opened
}

// Release lets everything go on that is held now, and tells how many that are.
// Await tells when something is held.
func (s *Simulator) Release() int64 {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	held := s.gate.held.Load() // before those who wake count themselves out
	close(s.gate.opened)
	s.gate.opened = make(chan struct{})
	return held
}
