package grammar

import (
	"io"
	"net/http"
	"sync"
)

// Report takes what was wrong with an answer; no violations: nothing was. It is called
// once an answer, by the goroutine that ends it.
type Report func(request *http.Request, found []Violation)

// Transport judges all answers of the Messages, the Chat Completions and the Responses API that
// a client reads through it.
type Transport struct {
	// Base sends the requests; nil: http.DefaultTransport.
	Base http.RoundTripper
	// Options are those of a request; false: its answer is not judged. Nil: the zero value.
	Options func(*http.Request) (Options, bool)
	Report  Report
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	e := newExchange(request, t.Options, t.Report)
	if e == nil {
		return base.RoundTrip(request)
	}
	sent := request.Clone(request.Context())
	if request.Body != nil {
		sent.Body = &askedBody{request.Body, e}
	}
	if request.GetBody != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			e.askAgain()
			body, err := request.GetBody()
			return &askedBody{body, e}, err
		}
	}
	response, err := base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	e.head(response.StatusCode, response.Header)
	response.Body = &answerBody{ReadCloser: response.Body, exchange: e}
	return response, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// askedBody is a request's body.
type askedBody struct {
	io.ReadCloser
	exchange *exchange
}

func (b *askedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.ask(p[:n])
	return n, err
}

// answerBody is an answer's body, as a client reads it; one that hangs up closes it while it
// waits for more.
type answerBody struct {
	io.ReadCloser
	mu       sync.Mutex
	exchange *exchange
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exchange.answer(p[:n])
	if err != nil {
		b.exchange.end(err != io.EOF)
	}
	return n, err
}

func (b *answerBody) Close() error {
	b.mu.Lock()
	b.exchange.end(true)
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

// Handler judges all answers of the Messages, the Chat Completions and the Responses API that a
// handler gives.
type Handler struct {
	http.Handler
	// Options are those of a request; false: its answer is not judged. Nil: the zero value.
	Options func(*http.Request) (Options, bool)
	Report  Report
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	e := newExchange(request, h.Options, h.Report)
	if e == nil {
		h.Handler.ServeHTTP(w, request)
		return
	}
	answer := &answerWriter{ResponseWriter: w, exchange: e}
	judged := request.Clone(request.Context())
	if request.Body != nil {
		judged.Body = &askedBody{request.Body, e}
	}
	whole := false
	defer func() { // a panic cuts the answer
		answer.begin(http.StatusOK)
		e.end(!whole || answer.failed || request.Context().Err() != nil)
	}()
	h.Handler.ServeHTTP(answer, judged)
	whole = true
}

// answerWriter is an answer's body, as a handler writes it.
type answerWriter struct {
	http.ResponseWriter
	exchange *exchange
	begun    bool
	failed   bool // the client is gone
}

func (w *answerWriter) begin(status int) {
	if !w.begun {
		w.begun = true
		w.exchange.head(status, w.Header())
	}
}

func (w *answerWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // others are not the answer yet
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.exchange.answer(p[:n])
	w.failed = w.failed || err != nil
	return n, err
}

// Flush implements http.Flusher, which some handlers ask for by that name.
func (w *answerWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *answerWriter) FlushError() error {
	w.begin(http.StatusOK)
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.failed = w.failed || err != nil
	return err
}

// Unwrap lets http.ResponseController reach deadlines.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
