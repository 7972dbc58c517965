package fault

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const (
	// FrameType is the content type of a stream of frames.
	FrameType = "application/connect+proto"
	// MaxFrame bounds one frame, packed and not, in bytes.
	MaxFrame = 16 << 20
)

// What a frame of any protocol can be refused for.
var (
	ErrUnknownFlags = errors.New("a frame with unknown flags")
	ErrOversized    = fmt.Errorf("a frame larger than %d MiB", MaxFrame>>20)
)

// Why an upstream that says nothing is given up.
var (
	NoBeginning = &Silence{Setting: "first_byte_timeout", Message: "the upstream did not begin to answer in time"}
	NoProgress  = &Silence{Setting: "idle_timeout", Message: "the upstream stopped in the middle of its answer"}
)

// ReadError is a stream that could not be read on.
type ReadError struct{ Err error }

// Error implements error.
func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap answers the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// NoStream reads what came in the place of a stream, as ReadRefusal does; nil: it is one.
func NoStream(response *http.Response) error {
	if response.StatusCode == http.StatusOK && hasFrames(response.Header) {
		return nil
	}
	return ReadRefusal(response)
}

func hasFrames(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && media == FrameType
}

// Broken is the failure of a stream that has begun and could not be read to its end frame.
func Broken(table upstream.Table, err error) *upstream.Failure {
	sign, message := upstream.SignGarbled, "the upstream's answer is unreadable"
	var read *ReadError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		sign, message = upstream.SignCut, "the upstream's answer ended early"
	case errors.As(err, &read):
		sign, message = upstream.SignLost, "the connection to the upstream broke"
	case errors.Is(err, ErrOversized):
		message = fmt.Sprintf("the upstream sent a frame of more than %d MiB", MaxFrame>>20)
	}
	return wire.Signed(table, sign, http.StatusOK, message, err)
}
