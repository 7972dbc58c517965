package agent

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
)

const (
	// headLen is the length of what precedes a frame's payload: flags (1) and length (4, big
	// endian).
	headLen = 5
	// readSize is how much is read ahead, so that a burst of small frames is one read of the
	// network.
	readSize = 16 << 10
	// smallSize is room for most payloads.
	smallSize = 512

	flagPacked = 1
	flagEnd    = 2
)

// errPacked is a third reason to refuse a frame.
var errPacked = errors.New("a frame that can't be unpacked")

// frame is what the other side sends at once.
type frame struct {
	// end tells that it is the last; its payload is JSON then, else protobuf.
	end     bool
	payload []byte
}

// envelope puts a message into a frame.
func envelope(message []byte) []byte {
	framed := make([]byte, headLen, headLen+len(message))
	binary.BigEndian.PutUint32(framed[1:], uint32(len(message))) //nolint:gosec // bounded by maxQueued
	return append(framed, message...)
}

// decoder reads the frames of a stream. However they are cut into pieces on the way, it
// answers each as soon as its last byte is there.
type decoder struct {
	stream *bufio.Reader
	gunzip *gzip.Reader
	// small is room for a small payload.
	small []byte
}

func newDecoder(stream io.Reader) *decoder {
	return &decoder{stream: bufio.NewReaderSize(stream, readSize)}
}

// next reads a frame, whose payload is valid until the next. io.EOF tells that the stream ended
// between two, io.ErrUnexpectedEOF that it ended within one; what else it ends with is a
// *fault.ReadError.
func (d *decoder) next() (frame, error) {
	var head [headLen]byte
	if _, err := io.ReadFull(d.stream, head[:]); err != nil {
		return frame{}, marked(err)
	}
	flags, size := head[0], binary.BigEndian.Uint32(head[1:])
	switch {
	case flags&^(flagPacked|flagEnd) != 0:
		return frame{}, fault.ErrUnknownFlags
	case size > fault.MaxFrame:
		return frame{}, fault.ErrOversized
	}
	payload, err := d.read(int64(size))
	if err != nil {
		return frame{}, err
	}
	if flags&flagPacked != 0 && len(payload) > 0 {
		if payload, err = d.unpack(payload); err != nil {
			return frame{}, err
		}
	}
	return frame{end: flags&flagEnd != 0, payload: payload}, nil
}

// read reads a payload. What a head promises is not believed: room grows with what comes.
func (d *decoder) read(size int64) ([]byte, error) {
	if size <= readSize {
		if int64(cap(d.small)) < size {
			d.small = make([]byte, max(size, smallSize))
		}
		payload := d.small[:size]
		if _, err := io.ReadFull(d.stream, payload); err != nil {
			return nil, within(err)
		}
		return payload, nil
	}
	var payload bytes.Buffer
	if _, err := io.CopyN(&payload, d.stream, size); err != nil {
		return nil, within(err)
	}
	return payload.Bytes(), nil
}

// unpack unpacks a payload, and no more of a bomb than the bound.
func (d *decoder) unpack(packed []byte) ([]byte, error) {
	var err error
	if d.gunzip == nil {
		d.gunzip, err = gzip.NewReader(bytes.NewReader(packed))
	} else {
		err = d.gunzip.Reset(bytes.NewReader(packed))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	payload, err := io.ReadAll(io.LimitReader(d.gunzip, fault.MaxFrame+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	case len(payload) > fault.MaxFrame:
		return nil, fault.ErrOversized
	}
	return payload, nil
}

// ready tells whether the next frame is here whole.
func (d *decoder) ready() bool {
	buffered := d.stream.Buffered()
	if buffered < headLen {
		return false
	}
	head, err := d.stream.Peek(headLen)
	return err == nil && int64(binary.BigEndian.Uint32(head[1:])) <= int64(buffered-headLen)
}

// within is the error of a stream that ends within a frame.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return marked(err)
}

func marked(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return &fault.ReadError{Err: err}
}
