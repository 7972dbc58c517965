package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

const (
	// freshBuffer is what a buffer begins with, in bytes; one that grew is not used again. A burst of
	// events fits, so that it is seen as one.
	freshBuffer = 16 << 10
	// maxHead bounds the heads of an answer, the interim ones too, in bytes.
	maxHead = 256 << 10
)

var errHeadTooLarge = fmt.Errorf("the head of the answer is larger than %d KiB", maxHead>>10)

// malformed is an answer that is not HTTP/1.1 as it should be. The words are our own: what an
// upstream sends may repeat secrets.
func malformed(what string) error { return errors.New("the answer is malformed: " + what) }

// buffer is what has come of an answer and has not been taken: data[from:to].
type buffer struct {
	data     []byte
	from, to int
}

var buffers = sync.Pool{New: func() any { return &buffer{data: make([]byte, freshBuffer)} }}

func newBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if len(b.data) == freshBuffer {
		b.from, b.to = 0, 0
		buffers.Put(b)
	}
}

// head reads until there is a whole head, of at most so many bytes, and returns it, with the
// empty line at its end. It is valid until the buffer is used again.
func (b *buffer) head(source io.Reader, most int) ([]byte, error) {
	line, scan := b.from, b.from // where the current line begins; up to here it has no end
	for {
		for {
			length := bytes.IndexByte(b.data[scan:b.to], '\n')
			if length < 0 {
				scan = b.to
				break
			}
			end := scan + length
			if content := b.data[line:end]; len(content) == 0 || len(content) == 1 && content[0] == '\r' {
				head := b.data[b.from : end+1]
				b.from = end + 1
				return head, nil
			}
			line, scan = end+1, end+1
		}
		if b.to-b.from >= most {
			return nil, errHeadTooLarge
		}
		if b.to == len(b.data) {
			b.data = append(b.data, make([]byte, len(b.data))...)
		}
		n, err := source.Read(b.data[b.to:])
		b.to += n
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// parseHead takes a head apart. It writes names in their canonical form into it.
func parseHead(head []byte, response *http.Response) error {
	line, fields := cutLine(head)
	if err := parseStatus(line, response); err != nil {
		return err
	}
	header, err := parseFields(fields)
	response.Header = header
	return err
}

// cutLine cuts off the first line, whose end it drops.
func cutLine(data []byte) (line, rest []byte) {
	end := bytes.IndexByte(data, '\n')
	line, rest = data[:end], data[end+1:]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	return line, rest
}

var errStatus = malformed("its first line is no status line of HTTP/1.1")

// parseStatus reads a status line.
func parseStatus(line []byte, response *http.Response) error {
	const begin = "HTTP/1.x "
	if len(line) < len(begin)+3 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return errStatus
	}
	response.Proto, response.ProtoMajor, response.ProtoMinor = "HTTP/1.1", 1, 1
	if line[7] == '0' {
		response.Proto, response.ProtoMinor = "HTTP/1.0", 0
	}
	status := line[len(begin):]
	for _, digit := range status[:3] {
		if digit < '0' || digit > '9' {
			return errStatus
		}
		response.StatusCode = response.StatusCode*10 + int(digit-'0')
	}
	if response.StatusCode < 100 || len(status) > 3 && status[3] != ' ' {
		return errStatus
	}
	for _, c := range status {
		if !isValueByte(c) {
			return errStatus
		}
	}
	response.Status = statusText(response.StatusCode, status)
	return nil
}

// statusText is a status and its reason; that of the usual one needs no room.
func statusText(code int, text []byte) string {
	if usual := "200 OK"; code == http.StatusOK && string(text) == usual {
		return usual
	}
	return string(text)
}

// field is where a name and its value stand.
type field struct{ name, nameEnd, value, valueEnd int }

// parseFields reads the lines before an empty one, or before the end. Names and values share one
// string, and slices of one value share one array.
func parseFields(data []byte) (http.Header, error) {
	var room [24]field
	fields := room[:0]
	for at := 0; at < len(data); {
		line, rest := cutLine(data[at:])
		if len(line) == 0 {
			break
		}
		f, err := parseField(line)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{at + f.name, at + f.nameEnd, at + f.value, at + f.valueEnd})
		at = len(data) - len(rest)
	}
	if len(fields) == 0 {
		return http.Header{}, nil
	}
	text := string(data[:fields[len(fields)-1].valueEnd])
	header, values := make(http.Header, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		name := text[f.name:f.nameEnd]
		if before, again := header[name]; again {
			header[name] = append(before, text[f.value:f.valueEnd])
			continue
		}
		values[i] = text[f.value:f.valueEnd]
		header[name] = values[i : i+1 : i+1]
	}
	return header, nil
}

var (
	errFolded    = malformed("a header field goes on in another line")
	errFieldName = malformed("a header field has no name, or a bad one")
	errValue     = malformed("the value of a header field has control characters in it")
)

// parseField finds name and value of a line, and makes the name canonical.
func parseField(line []byte) (f field, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, errFolded
	}
	f.nameEnd = bytes.IndexByte(line, ':')
	if f.nameEnd <= 0 || !canonical(line[:f.nameEnd]) {
		return f, errFieldName
	}
	f.value, f.valueEnd = f.nameEnd+1, len(line)
	for f.value < f.valueEnd && isBlank(line[f.value]) {
		f.value++
	}
	for f.valueEnd > f.value && isBlank(line[f.valueEnd-1]) {
		f.valueEnd--
	}
	for _, c := range line[f.value:f.valueEnd] {
		if !isValueByte(c) {
			return f, errValue
		}
	}
	return f, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isValueByte tells whether a value may have the byte: no control character but the tab.
func isValueByte(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// canonical brings a name into its canonical form; false: it is none.
func canonical(name []byte) bool {
	upper := true
	for i, c := range name {
		if !httpguts.IsTokenRune(rune(c)) {
			return false
		}
		switch {
		case upper && 'a' <= c && c <= 'z':
			name[i] = c - ('a' - 'A')
		case !upper && 'A' <= c && c <= 'Z':
			name[i] = c + ('a' - 'A')
		}
		upper = c == '-'
	}
	return true
}

// hasToken tells whether one of the elements of a list in a header is the token.
func hasToken(values []string, token string) bool {
	return len(values) > 0 && httpguts.HeaderValuesContainsToken(values, token)
}

// isChunked tells whether the only transfer encoding is the one that is known.
func isChunked(values []string) bool {
	return len(values) == 1 && strings.EqualFold(values[0], "chunked")
}
