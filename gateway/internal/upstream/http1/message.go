package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

const (
	// promptBody is how many bytes of a body are written together with the head: as much as
	// the other side's system takes whether anybody reads it or not. What is behind that is
	// written beside the reading of the answer, which may come before the body's end.
	promptBody = 32 << 10
	// largestMessage bounds the buffers that are used again, in bytes.
	largestMessage = 64 << 10
)

// message is a request as it goes out: the head and the beginning of the body.
type message struct {
	data []byte
	// rest is what the body still has, of which so many bytes are to be sent; nil: nothing.
	rest io.ReadCloser
	left int64
	size int64 // of the whole body
}

var messages = sync.Pool{New: func() any { return new(message) }}

// newMessage reads the beginning of a request's body, and all of one that is short. It closes
// the body, unless there is a rest.
func newMessage(request *http.Request, keep bool) (*message, error) {
	m := messages.Get().(*message)
	err := m.writeHead(request, keep)
	if err == nil {
		err = m.readBody(request)
	}
	if m.rest == nil && request.Body != nil {
		_ = request.Body.Close()
	}
	if err != nil {
		m.drop()
		return nil, err
	}
	return m, nil
}

// readBody takes the beginning of the body.
func (m *message) readBody(request *http.Request) error {
	m.size = request.ContentLength
	if m.size == 0 {
		return nil
	}
	prompt := int(min(m.size, promptBody))
	from := len(m.data)
	m.data = slices.Grow(m.data, prompt)[:from+prompt]
	if _, err := io.ReadFull(request.Body, m.data[from:]); err != nil {
		return m.badBody(err)
	}
	if m.size > promptBody {
		m.rest, m.left = request.Body, m.size-promptBody
		return nil
	}
	return m.atEnd(request.Body)
}

// sendRest writes what is behind the beginning of the body.
func (m *message) sendRest(to io.Writer) error {
	piece := m.data[:cap(m.data)]
	for m.left > 0 {
		n, err := readSome(m.rest, piece[:min(int64(len(piece)), m.left)])
		m.left -= int64(n)
		if _, err := to.Write(piece[:n]); err != nil {
			return err
		}
		if err != nil && m.left > 0 {
			return m.badBody(err)
		}
	}
	return m.atEnd(m.rest)
}

// atEnd tells of a body that goes on where it should end.
func (m *message) atEnd(body io.Reader) error {
	var one [1]byte
	switch n, err := readSome(body, one[:]); {
	case n > 0:
		return &bodyError{fmt.Errorf("the request's body is longer than the %d bytes that were announced", m.size)}
	case err == io.EOF: //nolint:errorlint // as readers return it
		return nil
	default:
		return &bodyError{err}
	}
}

// readSome reads something, or tells why there is nothing.
func readSome(from io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := from.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// bodyError is a body of a request that can't be read.
type bodyError struct{ error }

// Unwrap returns the cause.
func (e *bodyError) Unwrap() error { return e.error }

func (m *message) badBody(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // as io.ReadFull returns them
		return &bodyError{fmt.Errorf("the request's body ends early: %d bytes were announced", m.size)}
	}
	return &bodyError{err}
}

// drop ends the use of the message, and of the body.
func (m *message) drop() {
	if m.rest != nil {
		_ = m.rest.Close()
	}
	if cap(m.data) <= largestMessage {
		*m = message{data: m.data[:0]}
		messages.Put(m)
	}
}

// writeHead writes the request line and the fields, by name.
func (m *message) writeHead(request *http.Request, keep bool) error {
	method, target, host := request.Method, request.URL.RequestURI(), request.Host
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = request.URL.Host
	}
	if !httpguts.ValidHeaderFieldName(method) {
		return errors.New("the request's method is none")
	}
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("the request's path or query has white space or control characters in it")
	}
	m.data = append(append(append(m.data, method...), ' '), target...)
	m.data = append(append(append(m.data, " HTTP/1.1\r\nHost: "...), host...), "\r\n"...)
	if !keep {
		m.data = append(m.data, "Connection: close\r\n"...)
	}
	if request.ContentLength > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		m.data = strconv.AppendInt(append(m.data, "Content-Length: "...), request.ContentLength, 10)
		m.data = append(m.data, "\r\n"...)
	}
	if err := m.writeFields(request.Header); err != nil {
		return err
	}
	m.data = append(m.data, "\r\n"...)
	return nil
}

func (m *message) writeFields(header http.Header) error {
	var room [16]string
	names := room[:0]
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if isFraming(name) {
			continue
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("the request has a header field with the name %q", name)
		}
		for _, value := range header[name] {
			if !httpguts.ValidHeaderFieldValue(value) { // which may be a secret
				return fmt.Errorf("the value of the header field %q has control characters in it", name)
			}
			m.data = append(append(append(m.data, name...), ": "...), value...)
			m.data = append(m.data, "\r\n"...)
		}
	}
	return nil
}

// isFraming tells whether a field says where a message goes or ends, which is not for a header
// to say.
func isFraming(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}
