package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"carousel.internal/gateway/internal/chat"
)

const (
	// trustedBytes is how much room is made for a body because its length was
	// announced; beyond that it has to arrive first.
	trustedBytes = 1 << 20
	// drainBytes and drainTime bound what is read and thrown away of a body that
	// is too large, so that its connection can answer the next request.
	drainBytes = 32 << 20
	drainTime  = 10 * time.Second
)

// readBody reads the whole body, decompressed. Its buffer belongs to the
// request: an upstream's transport may read it after the handler has ended, so
// it is never reused.
func (s *server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "" && encoding != "identity" && encoding != "gzip" {
		return nil, chat.Errorf(chat.InvalidRequest, "Content-Encoding %q is not understood: gzip is, or none", encoding)
	}
	if r.ContentLength > s.Options.BodyLimit {
		return nil, s.tooLarge(w, r)
	}
	controller := http.NewResponseController(w)
	_ = controller.SetReadDeadline(time.Now().Add(s.Options.ReadTimeout))
	body, err := readUpTo(r.Body, r.ContentLength, s.Options.BodyLimit)
	// Cleared before the answer: net/http watches the connection by reading.
	_ = controller.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, errTooLarge):
		return nil, s.tooLarge(w, r)
	case err != nil:
		return nil, unreadable(w, r, err)
	case encoding == "gzip":
		return s.gunzip(body)
	}
	return body, nil
}

var errTooLarge = errors.New("body too large")

// readUpTo reads all of r, or answers errTooLarge after limit bytes. length is
// the announced one; -1 where there is none.
func readUpTo(r io.Reader, length, limit int64) ([]byte, error) {
	room := min(max(length, 0), trustedBytes) + bytes.MinRead
	buffer := bytes.NewBuffer(make([]byte, 0, room))
	if _, err := buffer.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if int64(buffer.Len()) > limit {
		return nil, errTooLarge
	}
	return buffer.Bytes(), nil
}

func (s *server) gunzip(body []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = readUpTo(reader, int64(len(body)), s.Options.BodyLimit)
	}
	if errors.Is(err, errTooLarge) {
		return nil, s.errTooLarge()
	}
	if err != nil {
		return nil, chat.Errorf(chat.InvalidRequest, "the body is not the gzip data that Content-Encoding announces: %v", err)
	}
	return body, nil
}

func (s *server) errTooLarge() *chat.Error {
	return chat.Errorf(chat.PayloadTooLarge, "the request body is larger than %d MiB", s.Options.BodyLimit>>20)
}

// tooLarge reads the rest of the body away if that is not too much, else has
// the connection closed after the answer.
func (s *server) tooLarge(w http.ResponseWriter, r *http.Request) *chat.Error {
	if !drain(w, r) {
		w.Header().Set("Connection", "close")
	}
	return s.errTooLarge()
}

// drain tells whether it has read the body to its end. A client that waits for
// `100 Continue` has not begun to send and is not encouraged to.
func drain(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength > drainBytes || r.Header.Get("Expect") != "" {
		return false
	}
	controller := http.NewResponseController(w)
	_ = controller.SetReadDeadline(time.Now().Add(drainTime))
	_, err := io.CopyN(io.Discard, r.Body, drainBytes)
	_ = controller.SetReadDeadline(time.Time{})
	return errors.Is(err, io.EOF)
}

func unreadable(w http.ResponseWriter, r *http.Request, err error) error {
	w.Header().Set("Connection", "close")
	// First: net/http cancels the context for a missed deadline, too.
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return chat.Errorf(chat.InvalidRequest, "the request body took too long to arrive")
	}
	if gone := r.Context().Err(); gone != nil {
		return gone
	}
	return &chat.Error{Kind: chat.InvalidRequest, Message: "the request body ends early or is not readable", Err: err}
}
