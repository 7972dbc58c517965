package http1

import "bytes"

const (
	// maxChunkLine bounds the line before a chunk, maxTrailer what is behind the last, in bytes.
	maxChunkLine = 4 << 10
	maxTrailer   = 4 << 10
	// maxDigits bounds the digits of a chunk's size, so that it can't overflow.
	maxDigits = 15
	// freeOverhead is how many bytes of a chunk's line and its end nobody minds. What is more
	// than that and twice the data adds up, at most to maxOverhead: else extensions of chunks
	// would be work without an end.
	freeOverhead = 16
	maxOverhead  = 16 << 10
)

// chunkState is what comes next.
type chunkState int

const (
	sizeDigits chunkState = iota
	sizeBlanks            // behind the digits
	sizeExtension
	sizeEnd // the line feed
	chunkData
	chunkEnd // the carriage return
	chunkEndFeed
	trailerLine // the lines behind the last chunk, up to an empty one
	chunksOver
)

var (
	errChunkSize    = malformed("the size of a chunk is none")
	errChunkEnd     = malformed("a chunk has another length than it says")
	errChunkLine    = malformed("the line before a chunk is too long")
	errOverhead     = malformed("its chunks have too much beside the data")
	errTrailerLines = malformed("its trailer is too long, or is none")
)

// chunked takes a body in chunks apart, however it is cut.
type chunked struct {
	state   chunkState
	left    int64 // data of the chunk; while its size is read, what is known of that
	digits  int
	line    int // bytes of the line before the chunk so far
	excess  int64
	trailer []byte
}

// decode moves the data of what has come to its front. It returns how many bytes of data there
// are, and how many bytes behind the body's end.
func (c *chunked) decode(p []byte) (n, surplus int, err error) {
	for at := 0; at < len(p); {
		if c.state == chunkData {
			part := int(min(c.left, int64(len(p)-at)))
			copy(p[n:], p[at:at+part])
			n, at = n+part, at+part
			if c.left -= int64(part); c.left == 0 {
				c.state = chunkEnd
			}
			continue
		}
		if c.state == chunksOver {
			return n, len(p) - at, nil
		}
		if err := c.take(p[at]); err != nil {
			return n, 0, err
		}
		at++
	}
	return n, 0, nil
}

// take takes a byte that is no data.
func (c *chunked) take(b byte) error {
	switch c.state { //nolint:exhaustive // data, and what follows the body, is decode's
	case chunkEnd, chunkEndFeed:
		if b != "\r\n"[c.state-chunkEnd] {
			return errChunkEnd
		}
		c.state++
		if c.state > chunkEndFeed {
			*c = chunked{excess: c.excess, trailer: c.trailer}
		}
		return nil
	case trailerLine:
		return c.takeTrailer(b)
	}
	if c.line++; c.line > maxChunkLine {
		return errChunkLine
	}
	return c.takeSize(b)
}

// takeSize takes a byte of the line before a chunk.
func (c *chunked) takeSize(b byte) error {
	switch {
	case c.state == sizeEnd:
		if b != '\n' {
			return errChunkSize
		}
		return c.begin()
	case b == '\r' && c.digits > 0:
		c.state = sizeEnd
	case b == '\r' || b == '\n':
		return errChunkSize
	case c.state == sizeExtension:
	case b == ';' && c.state == sizeDigits && c.digits > 0:
		c.state = sizeExtension
	case isBlank(b) && c.digits > 0:
		c.state = sizeBlanks
	case c.state == sizeDigits && c.digits < maxDigits:
		digit := hexDigit(b)
		if digit < 0 {
			return errChunkSize
		}
		c.left = c.left<<4 | digit
		c.digits++
	default:
		return errChunkSize
	}
	return nil
}

// begin begins a chunk whose line has ended.
func (c *chunked) begin() error {
	c.excess = max(c.excess+int64(c.line+2)-freeOverhead-2*c.left, 0)
	switch {
	case c.excess > maxOverhead:
		return errOverhead
	case c.left == 0:
		c.state = trailerLine
	default:
		c.state = chunkData
	}
	return nil
}

// takeTrailer takes a byte behind the last chunk. Lines end with both characters.
func (c *chunked) takeTrailer(b byte) error {
	if len(c.trailer) == maxTrailer {
		return errTrailerLines
	}
	before := byte('\n')
	if len(c.trailer) > 0 {
		before = c.trailer[len(c.trailer)-1]
	}
	if (before == '\r') != (b == '\n') {
		return errTrailerLines
	}
	c.trailer = append(c.trailer, b)
	if string(c.trailer) == "\r\n" || bytes.HasSuffix(c.trailer, []byte("\r\n\r\n")) {
		c.state = chunksOver
	}
	return nil
}

func hexDigit(b byte) int64 {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0')
	case 'a' <= b && b <= 'f':
		return int64(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int64(b-'A') + 10
	}
	return -1
}
