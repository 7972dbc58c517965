package reqbody

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"

	"carousel.internal/gateway/internal/chat"
)

const (
	// understood is what clients are told of the codings in decoders.
	understood = "zstd, gzip, deflate, identity"
	// maxCodings is how often a body may be packed, one coding around the other.
	maxCodings = 3
	// maxWindow is how far back zstd data may refer, in bytes. RFC 9659 allows no more for
	// a Content-Encoding. smallWindow is what any data may have. besideWindow is what a
	// decoder takes beside its window, about.
	maxWindow    = 8 << 20
	smallWindow  = 128 << 10
	besideWindow = 512 << 10
	// maxQuoted bounds what an error quotes of a header, in bytes.
	maxQuoted = 100
)

// decoders open a reader of the plain data in packed data. What is opened is closed by
// the layer.
var decoders = map[string]func(l *layer) (io.Reader, error){
	"gzip":    func(l *layer) (io.Reader, error) { return gzip.NewReader(l.packed) },
	"x-gzip":  func(l *layer) (io.Reader, error) { return gzip.NewReader(l.packed) },
	"deflate": inflate,
	"zstd":    unzstd,
}

// codings are the codings of a body, the outermost last. Their names have no case. What
// is not understood is told along with what would be.
func codings(w http.ResponseWriter, r *http.Request) ([]string, error) {
	var names []string
	header := strings.Join(r.Header.Values("Content-Encoding"), ",")
	for name := range strings.SplitSeq(header, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" || name == "identity" {
			continue
		}
		if decoders[name] == nil {
			w.Header().Set("Accept-Encoding", understood)
			return nil, chat.Errorf(chat.UnsupportedCoding, "Content-Encoding %q is not understood: zstd, gzip and deflate are, or none", chat.Cut(header, maxQuoted))
		}
		if names = append(names, name); len(names) > maxCodings {
			w.Header().Set("Accept-Encoding", understood)
			return nil, chat.Errorf(chat.UnsupportedCoding, "Content-Encoding %q is packed too often: %d times are allowed", chat.Cut(header, maxQuoted), maxCodings)
		}
	}
	return names, nil
}

// unpack returns a reader of the plain body. Each layer of it has at most limit bytes,
// too: data that only unpack to more packed data are bounded like any. The caller calls
// release when it reads no more.
func unpack(wire io.Reader, names []string, limit int64, guard *Guard) (plain *bounded, release func()) {
	plain = &bounded{reader: wire, left: limit}
	if len(names) == 0 {
		return plain, func() {}
	}
	var layers []*layer
	for i := range names {
		l := &layer{coding: names[len(names)-1-i], source: plain, packed: bufio.NewReader(plain), guard: guard, release: func() {}}
		layers = append(layers, l)
		plain = &bounded{reader: l, left: limit}
	}
	return plain, func() {
		for _, l := range layers {
			l.release()
		}
	}
}

// layer unpacks one coding.
type layer struct {
	coding string
	source *bounded
	packed *bufio.Reader // reads source
	guard  *Guard
	plain  io.Reader // nil before the first Read
	// release lets go of what the decoder holds.
	release func()
}

// Read implements io.Reader. It returns io.EOF only if all that was packed is whole.
func (l *layer) Read(p []byte) (n int, err error) {
	if l.plain == nil {
		if l.plain, err = l.open(); err != nil {
			l.plain = failed{l.judge(err)}
		}
	}
	if n, err = l.plain.Read(p); err != nil {
		err = l.judge(err)
	}
	return n, err
}

func (l *layer) open() (io.Reader, error) {
	if _, err := l.packed.Peek(1); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return decoders[l.coding](l)
}

// judge tells what a decoder's error means. Decoders take some errors of their source
// for its end, so it is asked first, and the end is looked for.
func (l *layer) judge(err error) error {
	ended := errors.Is(err, io.EOF)
	if ended {
		_, err = l.packed.ReadByte()
	}
	own, isOwn := errors.AsType[*chat.Error](err)
	switch {
	case l.source.err != nil:
		return l.source.err
	case ended && err != nil:
		return io.EOF
	case ended:
		return l.invalid("they go on after their end")
	case isOwn:
		return own
	case errors.Is(err, io.ErrUnexpectedEOF):
		return l.invalid("they end early")
	default:
		return l.invalid(err.Error())
	}
}

func (l *layer) invalid(why string) *chat.Error {
	return chat.Errorf(chat.InvalidRequest, "the body is not the %s data that Content-Encoding announces: %s", l.coding, why)
}

// failed returns an error for every Read.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// inflate opens what HTTP calls deflate: it is the format of zlib, and from some clients
// only what is inside of that.
func inflate(l *layer) (io.Reader, error) {
	const method, deflate = 0x0f, 8
	head, _ := l.packed.Peek(2)
	if len(head) == 2 && head[0]&method == deflate && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(l.packed)
	}
	return flate.NewReader(l.packed), nil
}

// unzstd opens zstd data. The window that the first frame announces is made room for,
// and is the most that a later one may have.
func unzstd(l *layer) (io.Reader, error) {
	head, _ := l.packed.Peek(zstd.HeaderMaxSize)
	var frame zstd.Header
	if err := frame.Decode(head); err != nil {
		return nil, err
	}
	window := frame.WindowSize
	switch {
	case frame.Skippable:
		window = maxWindow
	case frame.SingleSegment:
		window = frame.FrameContentSize
	}
	if window = max(window, smallWindow); window > maxWindow {
		return nil, fmt.Errorf("their window has %d bytes, and may have %d", window, maxWindow)
	}
	giveBack, err := l.guard.borrow(int64(window) + besideWindow)
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(l.packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		giveBack()
		return nil, err
	}
	l.release = func() {
		decoder.Close()
		giveBack()
	}
	return decoder, nil
}
