package streamchat

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
)

const (
	// headLen is the length of what precedes a frame's payload: flags (1) and
	// length (4, big endian).
	headLen = 5
	// readSize is how much is read ahead, so that a burst of small frames is one
	// read of the network.
	readSize = 4 << 10

	flagCompressed = 1
	flagEnd        = 2
	// textTag is the first byte of a message that begins with text (field 1).
	textTag = 0x0a
)

// frames is an answer's body on its way to connect. It decodes nothing, but it
// refuses a frame by its head, where connect would first read it to its end; it
// sees whether the next frame has arrived; and once the end frame is through,
// nothing that happens to the connection is an error any more.
type frames struct {
	body   io.ReadCloser
	reader *bufio.Reader
	// ended is called once, when the end frame has been read.
	ended func()

	head  [headLen]byte
	have  int   // bytes of head that have been read
	left  int64 // bytes of the payload that have not
	last  bool  // the frame is the end frame
	over  bool  // the end frame has been read
	error error // why nothing more is read
}

func newFrames(body io.ReadCloser, ended func()) *frames {
	return &frames{body: body, reader: bufio.NewReaderSize(body, readSize), ended: ended}
}

// Read implements io.Reader. It never goes past the end of a head or a payload.
func (f *frames) Read(p []byte) (int, error) {
	switch {
	case f.error != nil:
		return 0, f.error
	case f.over:
		return f.drain(p)
	case f.left > 0:
		return f.readPayload(p)
	default:
		return f.readHead(p)
	}
}

func (f *frames) readHead(p []byte) (int, error) {
	n, err := f.reader.Read(p[:min(len(p), headLen-f.have)])
	copy(f.head[f.have:], p[:n])
	f.have += n
	if f.have == headLen {
		f.have = 0
		if err := f.open(); err != nil {
			f.error = err
			return 0, err
		}
	}
	return n, marked(err)
}

// open looks at a complete head.
func (f *frames) open() error {
	flags := f.head[0]
	if flags&^(flagCompressed|flagEnd) != 0 {
		return fault.ErrUnknownFlags
	}
	f.left = int64(binary.BigEndian.Uint32(f.head[1:]))
	if f.left > fault.MaxFrame {
		return fault.ErrOversized
	}
	f.last = flags&flagEnd != 0
	f.close()
	return nil
}

func (f *frames) readPayload(p []byte) (int, error) {
	n, err := f.reader.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	f.close()
	return n, marked(err)
}

// close notes the end of the end frame.
func (f *frames) close() {
	if f.left == 0 && f.last && !f.over {
		f.over = true
		f.ended()
	}
}

// drain reads what follows the end frame: nothing, but a connection that is read to
// its end can be used again.
func (f *frames) drain(p []byte) (int, error) {
	n, err := f.reader.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// Close implements io.Closer.
func (f *frames) Close() error { return f.body.Close() }

// nextArrived tells whether the next frame is here whole and will be an event: a
// piece of text or the end.
func (f *frames) nextArrived() bool {
	buffered := f.reader.Buffered()
	if f.left > 0 || f.have > 0 || buffered < headLen {
		return false
	}
	head, err := f.reader.Peek(headLen)
	if err != nil {
		return false
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	switch {
	case size > int64(buffered-headLen):
		return false
	case head[0]&flagEnd != 0:
		return true
	case head[0] != 0 || size < 3:
		return false
	}
	start, err := f.reader.Peek(headLen + 2)
	return err == nil && start[headLen] == textTag && start[headLen+1] != 0
}

func marked(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &fault.ReadError{Err: err}
}
