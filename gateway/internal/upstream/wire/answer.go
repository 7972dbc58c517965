package wire

import (
	"bytes"
	"errors"
	"io"
	"time"

	"carousel.internal/gateway/internal/upstream/eventstream"
)

// MaxAnswer bounds an answer that is not streamed, and an event of one that is: with
// pictures in them, they have some MiB.
const MaxAnswer = 32 << 20

const (
	// drainTime and drainBytes bound what is spent, after an answer, on getting
	// its connection ready for the next: usually the end is there already.
	drainTime  = 250 * time.Millisecond
	drainBytes = 64 << 10
)

// errPage is a web page in the place of an answer.
var errPage = errors.New("the upstream answered with a page instead of an answer: is its base_url right?")

// Open waits for the first bytes of an answer, which say what it is. Content types are of no
// help, since many upstreams send one type whatever they say; and some pack their answers
// without a word of it. It returns the first byte, 0 where there is none, and the length of
// the rest, -1 where that is not known. The caller releases the reader. Errors are for
// Interrupted.
func Open(body io.Reader, length int64) (events *eventstream.Reader, first byte, rest int64, err error) {
	for layers := 0; ; layers++ {
		events = eventstream.NewReader(body, MaxAnswer)
		head := Start(events.Peek())
		switch {
		case isGzip(head) && layers < MaxEncodings:
			// This reader has read ahead of what is unpacked: it is not given back.
			if body, err = unpack("gzip", events.Unread()); err != nil {
				return nil, 0, 0, err
			}
			length = -1
		case isZstd(head):
			events.Release()
			return nil, 0, 0, PackedError{Encoding: "zstd"}
		case len(head) == 0:
			return events, 0, length, nil
		case head[0] == '<':
			events.Release()
			return nil, 0, 0, errPage
		default:
			return events, head[0], length, nil
		}
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Start is an answer's beginning without a byte order mark and white space.
func Start(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
}

// Drain reads to the end of a stream that has said its last, so that the
// connection can be used again. Of an upstream that keeps it open, the
// connection is given up.
func Drain(events *eventstream.Reader, watch *Watch) {
	if events.Ended() {
		return
	}
	watch.Wait(drainTime)
	defer watch.Arrived()
	events.Drain(drainBytes)
}
