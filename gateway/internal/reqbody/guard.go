package reqbody

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// unreadTime bounds the time for a body that nobody has asked for whole: its sender may
	// be anybody.
	unreadTime = 10 * time.Second
	// leastRate is how many bytes of a body earn it another second.
	leastRate = 32 << 10
	// refusedBytes and refusedTime bound what is waited for of a body that nobody wants:
	// a small one has arrived with its request.
	refusedBytes = 256 << 10
	refusedTime  = 250 * time.Millisecond
	// lingerTime is how long net/http may read on after the answer to such a request, so
	// that the answer isn't lost with the connection.
	lingerTime = time.Second
)

// Guard is around the body of one request. The body has until a deadline to arrive,
// whether somebody reads it or not: net/http lifts that when it has been read to its
// end. An answer that goes out before ends the connection.
type Guard struct {
	io.ReadCloser
	request    *http.Request
	controller http.ResponseController
	answer     writer
	budget     *Budget
	held       int64
	timeout    time.Duration
	// until is the deadline; paced: what arrives moves it; earned are the bytes that have
	// not moved it yet.
	until  time.Time
	paced  bool
	earned int
	// started: some of it has been read. ended: all of it. err is why no more will come.
	started, ended bool
	err            error
}

// Watch puts a guard around the body of a request and returns the writer for its
// answer. The caller calls release when the request has been served.
func Watch(w http.ResponseWriter, r *http.Request, timeout time.Duration, budget *Budget) (guarded http.ResponseWriter, release func()) {
	if r.Body == nil || r.Body == http.NoBody {
		return w, func() {}
	}
	guard := &Guard{ReadCloser: r.Body, request: r, controller: *http.NewResponseController(w), budget: budget, timeout: timeout}
	guard.answer = writer{ResponseWriter: w, guard: guard}
	guard.deadline(min(timeout, unreadTime))
	r.Body = guard
	return &guard.answer, guard.release
}

// release ends the watch.
func (g *Guard) release() {
	g.answer.begin()
	g.request.Body = g.ReadCloser // net/http looks at it to end the connection gently
	g.budget.give(g.held)
}

// guardOf is the guard of a request's body; nil where there is none.
func guardOf(r *http.Request) *Guard {
	guard, _ := r.Body.(*Guard)
	return guard
}

// Read implements io.Reader.
func (g *Guard) Read(p []byte) (int, error) {
	g.started = true
	n, err := g.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		g.ended = true
	case err != nil:
		g.err = err
	case g.paced:
		g.earn(n)
	}
	return n, err
}

// welcome gives the body its full time, and a second more for every leastRate bytes that
// arrive: it may be large, and its client's line slow.
func (g *Guard) welcome() {
	if g == nil || g.ended || g.err != nil {
		return
	}
	g.deadline(g.timeout)
	g.paced = true
}

// earn moves the deadline. It is never called at the body's end: then the connection's
// deadline is net/http's.
func (g *Guard) earn(bytes int) {
	if g.earned += bytes; g.earned < leastRate {
		return
	}
	g.until = g.until.Add(time.Duration(g.earned) * time.Second / leastRate)
	g.earned = 0
	_ = g.controller.SetReadDeadline(g.until)
}

// overdue tells whether the deadline has passed. What net/http returns of one that is
// missed within a chunk's header or a trailer does not say so.
func (g *Guard) overdue() bool { return g != nil && g.err != nil && !time.Now().Before(g.until) }

// hold counts bytes against the budget until the request ends.
func (g *Guard) hold(bytes int64) bool {
	if g == nil {
		return true
	}
	if !g.budget.take(copies * bytes) {
		return false
	}
	g.held += copies * bytes
	return true
}

// Grow counts against the budget, until the request ends, by how many bytes its body has become
// longer than it came. Errors are *chat.Error.
func Grow(r *http.Request, bytes int) error {
	guard := guardOf(r)
	if more := int64(max(bytes, 0)); !guard.hold(more) {
		return guard.budget.noRoom(copies * more)
	}
	return nil
}

// borrow counts bytes against the budget until they are given back.
func (g *Guard) borrow(bytes int64) (giveBack func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	if !g.budget.take(bytes) {
		return nil, g.budget.noRoom(bytes)
	}
	return func() { g.budget.give(bytes) }, nil
}

// deadline bounds the time for what is read next. A connection without deadlines (a
// recorder) is no reason to fail.
func (g *Guard) deadline(timeout time.Duration) {
	g.until, g.paced = time.Now().Add(timeout), false
	_ = g.controller.SetReadDeadline(g.until)
}

// drain reads the rest of the body away, if it is not more than that and comes in time.
// A client that waits for `100 Continue` has not begun to send and is not encouraged to.
func (g *Guard) drain(bytes int64, timeout time.Duration) {
	if g == nil {
		return
	}
	expected := g.request.Header.Get("Expect") != "" && !g.started
	if g.ended || g.err != nil || g.request.ContentLength > bytes || expected {
		return
	}
	g.deadline(timeout)
	if _, err := io.CopyN(io.Discard, g, bytes); err == nil {
		g.err = errTooLarge // it goes on
	}
}

// writer writes the answer to a request that has a body.
type writer struct {
	http.ResponseWriter
	guard *Guard
	begun bool
}

// begin settles what becomes of the connection before the first byte of the answer: if
// the body has not been read, nor is there, it ends.
func (w *writer) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if w.guard.drain(refusedBytes, refusedTime); w.guard.ended {
		return
	}
	w.Header().Set("Connection", "close")
	w.guard.deadline(lingerTime)
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *writer) Flush() {
	w.begin()
	_ = w.guard.controller.Flush() // a client that has gone is noticed by its context
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
