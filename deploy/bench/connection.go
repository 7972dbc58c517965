package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// readBuffer is more than any head, or any event, of an answer.
	readBuffer  = 32 << 10
	dialTimeout = 5 * time.Second
)

// connection is one keep-alive connection of the load generator. It parses as
// little of an answer as shows where it ends and whether it is whole.
type connection struct {
	net.Conn
	buffer     []byte
	start, end int // of what was read and not consumed
	// known: an answer that came on it was looked at whole.
	known bool
}

// answer is what came back for one request.
type answer struct {
	body tally
	// firstByte of the body, and all of it, after the request began.
	firstByte, total time.Duration
}

// tally counts a body, and remembers how it ends.
type tally struct {
	length int
	tail   [len(streamEnd)]byte
	// copy takes the whole body where it isn't nil.
	copy *bytes.Buffer
}

func (t *tally) add(piece []byte) {
	t.length += len(piece)
	if t.copy != nil {
		t.copy.Write(piece)
	}
	if len(piece) >= len(t.tail) {
		copy(t.tail[:], piece[len(piece)-len(t.tail):])
		return
	}
	copy(t.tail[:], t.tail[len(piece):])
	copy(t.tail[len(t.tail)-len(piece):], piece)
}

func dial(ctx context.Context, addr string) (*connection, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, buffer: make([]byte, readBuffer)}, nil
}

func (c *connection) send(request []byte) error {
	_, err := c.Write(request)
	return err
}

// receive reads the answer to a request, whose times count from when that began. The
// body goes to whole as well, where that isn't nil.
func (c *connection) receive(began time.Time, whole *bytes.Buffer) (answer, error) {
	got := answer{body: tally{copy: whole}}
	length, err := c.head()
	if err != nil {
		return got, err
	}
	if c.start == c.end && length != 0 {
		if err := c.fill(); err != nil {
			return got, err
		}
	}
	got.firstByte = time.Since(began)
	if length >= 0 {
		err = c.take(length, &got.body)
	} else {
		err = c.chunks(&got.body)
	}
	if err == nil && c.start != c.end {
		err = fmt.Errorf("%d bytes too many after the answer", c.end-c.start)
	}
	got.total = time.Since(began)
	return got, err
}

// fill reads more, and makes room for it first.
func (c *connection) fill() error {
	if c.start == c.end {
		c.start, c.end = 0, 0
	} else if c.end == len(c.buffer) {
		if c.start == 0 {
			return errors.New("the buffer is too small for the answer's head")
		}
		c.end = copy(c.buffer, c.buffer[c.start:c.end])
		c.start = 0
	}
	n, err := c.Read(c.buffer[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line answers the next line without its end.
func (c *connection) line() ([]byte, error) {
	for seen := 0; ; {
		if at := bytes.IndexByte(c.buffer[c.start+seen:c.end], '\n'); at >= 0 {
			line := c.buffer[c.start : c.start+seen+at]
			c.start += seen + at + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		seen = c.end - c.start
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// head reads status and headers, and answers the body's length, -1 for chunks.
func (c *connection) head() (length int, err error) {
	status, err := c.line()
	if err != nil {
		return 0, err
	}
	if bytes.HasPrefix(status, []byte("HTTP/1.1 503")) {
		return 0, fmt.Errorf("status line %q: %w", status, errTooSlow)
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return 0, fmt.Errorf("status line %q", status)
	}
	length = -2
	for {
		line, err := c.line()
		switch {
		case err != nil:
			return 0, err
		case len(line) == 0 && length == -2:
			return 0, errors.New("the answer has neither a length nor chunks")
		case len(line) == 0:
			return length, nil
		}
		if value, ok := header(line, "content-length"); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		} else if _, ok := header(line, "transfer-encoding"); ok {
			length = -1
		}
	}
}

// header answers the value of a line if it has that name, given in lower case.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || line[0]|0x20 != name[0] {
		return nil, false
	}
	if !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

// take consumes n bytes of a body.
func (c *connection) take(n int, body *tally) error {
	for n > 0 {
		if c.start == c.end {
			if err := c.fill(); err != nil {
				return err
			}
		}
		piece := c.buffer[c.start:min(c.end, c.start+n)]
		body.add(piece)
		c.start += len(piece)
		n -= len(piece)
	}
	return nil
}

// chunks consumes a body in chunks.
func (c *connection) chunks(body *tally) error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if err := c.take(size, body); err != nil {
			return err
		}
		end, err := c.line() // after the last chunk, too: nobody here sends trailers
		if err != nil {
			return err
		}
		if len(end) > 0 {
			return fmt.Errorf("%q where a chunk should end", end)
		}
		if size == 0 {
			return nil
		}
	}
}

func chunkSize(line []byte) (int, error) {
	const most = 1 << 30
	size := 0
	for i, digit := range line {
		switch {
		case '0' <= digit && digit <= '9':
			size = size<<4 | int(digit-'0')
		case 'a' <= digit|0x20 && digit|0x20 <= 'f':
			size = size<<4 | int(digit|0x20-'a'+10)
		case digit == ';' && i > 0:
			return size, nil
		default:
			return 0, fmt.Errorf("%q where a chunk's size should be", line)
		}
		if size > most {
			return 0, fmt.Errorf("a chunk of %q bytes", line)
		}
	}
	if len(line) == 0 {
		return 0, errors.New("an empty line where a chunk's size should be")
	}
	return size, nil
}
