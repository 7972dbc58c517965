package reqbody

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"carousel.internal/gateway/internal/chat"
)

// packers pack a text in one coding. "raw" is deflate as some clients send it.
var packers = map[string]func(text []byte) []byte{
	"gzip":   gzipped,
	"x-gzip": gzipped,
	"deflate": func(text []byte) []byte {
		return written(text, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
	},
	"raw": func(text []byte) []byte {
		return written(text, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	},
	"zstd": func(text []byte) []byte { return zstandard(text, smallWindow) },
}

func written(text []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	var out bytes.Buffer
	writer, err := open(&out)
	if err != nil {
		panic(err)
	}
	_, _ = writer.Write(text)
	_ = writer.Close()
	return out.Bytes()
}

// zstandard packs as a stream of unknown length, so that the frame announces the window.
func zstandard(text []byte, window int) []byte {
	return written(text, func(w io.Writer) (io.WriteCloser, error) {
		encoder, err := zstd.NewWriter(w, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err == nil {
			_, err = encoder.Write(nil)
		}
		return flushed{encoder}, err
	})
}

// flushed writes a block early: what is closed at once has no window.
type flushed struct{ *zstd.Encoder }

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.Encoder.Write(p)
	return n, errors.Join(err, f.Flush())
}

// pack packs a text in the codings of a header, in their order.
func pack(header string, text []byte) []byte {
	for name := range strings.SplitSeq(header, ", ") {
		if packer := packers[strings.ToLower(name)]; packer != nil {
			text = packer(text)
		}
	}
	return text
}

// readPacked reads a body with that Content-Encoding.
func readPacked(t *testing.T, header string, body []byte, limit int64, budget *Budget) (got []byte, told http.Header, err error) {
	t.Helper()
	w, r, release := arriving(t, body, true, budget)
	defer release()
	r.Header.Set("Content-Encoding", strings.ReplaceAll(header, "raw", "deflate"))
	got, err = ReadAll(w, r, limit)
	return got, w.Header(), err
}

func kindOf(err error) chat.Kind {
	if failure, is := errors.AsType[*chat.Error](err); is {
		return failure.Kind
	}
	return ""
}

func TestPackedBodies(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("a line of text, and another one\n"), 3000)
	for _, header := range []string{
		"gzip", "x-gzip", "GZip", "deflate", "raw", "zstd", "ZSTD", "identity", "Identity, identity", "gzip, identity", "identity, zstd",
		"deflate, gzip", "gzip, gzip", "zstd, gzip, zstd", "raw, zstd, deflate",
	} {
		for _, size := range []int{0, 1, 1000, len(text)} {
			budget := NewBudget(1 << 30)
			got, _, err := readPacked(t, header, pack(header, text[:size]), mebibyte, budget)
			if err != nil || !bytes.Equal(got, text[:size]) {
				t.Errorf("%s, %d bytes: %d, %v", header, size, len(got), err)
			}
			if used := budget.used.Load(); used != 0 {
				t.Errorf("%s, %d bytes: %d are never given back", header, size, used)
			}
		}
	}
}

// Packed data may come in several parts, one after the other.
func TestPackedInParts(t *testing.T) {
	t.Parallel()
	one, two := []byte("one "), []byte("two")
	skipped := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00any")
	for name, c := range map[string]struct {
		coding string
		body   []byte
	}{
		"gzip":                          {"gzip", slices.Concat(gzipped(one), gzipped(two))},
		"zstd":                          {"zstd", slices.Concat(pack("zstd", one), pack("zstd", two))},
		"zstd, something to skip":       {"zstd", slices.Concat(skipped, pack("zstd", one), skipped, pack("zstd", two), skipped)},
		"zstd, of which one is nothing": {"zstd", slices.Concat(pack("zstd", nil), pack("zstd", []byte("one two")))},
	} {
		if got, _, err := readPacked(t, c.coding, c.body, mebibyte, NewBudget(1<<30)); err != nil || string(got) != "one two" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestUnknownCodings(t *testing.T) {
	t.Parallel()
	for header, says := range map[string]string{
		"br": `"br" is not understood`, "gzip, br": "not understood", "compress": "not understood", "utf-8": "not understood",
		"gzip, gzip, zstd, gzip": "packed too often",
		strings.Repeat("x", 500): "xxx…",
	} {
		_, told, err := readPacked(t, header, []byte("{}"), mebibyte, NewBudget(1<<30))
		if kindOf(err) != chat.UnsupportedCoding || !strings.Contains(err.Error(), says) || len(err.Error()) > 300 {
			t.Errorf("%q: %v", header, err)
		}
		if got := told.Get("Accept-Encoding"); got != "zstd, gzip, deflate, identity" {
			t.Errorf("%q: Accept-Encoding: %q", header, got)
		}
	}
	for name := range decoders {
		if !strings.Contains(understood, strings.TrimPrefix(name, "x-")) {
			t.Errorf("nobody is told that %s is understood", name)
		}
	}
}

// Data that were cut off, wherever, or that go on, are refused, and so is what is no such
// data at all.
func TestPackedDataAreWhole(t *testing.T) {
	t.Parallel()
	text := []byte(`{"model":"m","messages":[{"role":"user","content":"Wait, wait, wait."}]}`)
	refused := func(coding string, body []byte, why, says string) {
		t.Helper()
		got, _, err := readPacked(t, coding, body, mebibyte, NewBudget(1<<30))
		if kindOf(err) != chat.InvalidRequest || !strings.Contains(err.Error(), "data that Content-Encoding announces: "+says) {
			t.Errorf("%s, %s: %q, %v", coding, why, got, err)
		}
	}
	for coding := range packers {
		whole := pack(coding, text)
		for length := range whole {
			refused(coding, whole[:length], "cut off", "they end early")
		}
		refused(coding, append(whole[:len(whole):len(whole)], 'x'), "one byte too many", "")
		refused(coding, append(whole[:len(whole):len(whole)], text...), "something behind", "")
		if coding != "raw" {
			refused(coding, text, "as it is", "")
		}
	}
	refused("gzip, zstd", pack("zstd", []byte("no gzip data at all")), "the inner one", "gzip: invalid header")
	refused("gzip, zstd", pack("zstd", pack("gzip", text)[:20]), "the inner one cut off", "they end early")
	parts := slices.Concat(pack("zstd", text), pack("zstd", text)[:1])
	refused("zstd", parts, "cut off behind a whole part", "they end early")
}

// What has a checksum is as it was packed, or refused.
func TestSpoiltDataAreRefused(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("Wait, wait, wait. ", 20))
	for _, coding := range []string{"gzip", "deflate", "zstd"} {
		for i, whole := 0, pack(coding, text); i < len(whole)*8; i++ {
			spoilt := slices.Clone(whole)
			spoilt[i/8] ^= 1 << (i % 8)
			got, _, err := readPacked(t, coding, spoilt, mebibyte, NewBudget(1<<30))
			if err == nil && !bytes.Equal(got, text) {
				t.Errorf("%s, bit %d: %q", coding, i, got)
			}
			if kind := kindOf(err); err != nil && kind != chat.InvalidRequest && kind != chat.PayloadTooLarge {
				t.Errorf("%s, bit %d: %v", coding, i, err)
			}
		}
	}
}

// A connection that breaks is told from data that are cut off, also between two parts,
// where a decoder would take it for the end.
func TestAPackedBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	for coding := range packers {
		whole := pack(coding, []byte("one two"))
		for length := range len(whole) + 1 {
			for _, broke := range []error{io.ErrUnexpectedEOF, errors.New("the line broke")} {
				r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(whole[:length]), failed{broke}))
				r.ContentLength = int64(len(whole)) + 100
				r.Header.Set("Content-Encoding", strings.ReplaceAll(coding, "raw", "deflate"))
				w, release := Watch(httptest.NewRecorder(), r, time.Minute, NewBudget(1<<30))
				got, err := ReadAll(w, r, mebibyte)
				release()
				if kindOf(err) != chat.InvalidRequest || !strings.Contains(err.Error(), "ends early or is not readable") {
					t.Errorf("%s, after %d of %d bytes: %q, %v", coding, length, len(whole), got, err)
				}
			}
		}
	}
}

// However little is sent, no more than the limit is unpacked, in any layer.
func TestBombs(t *testing.T) {
	t.Parallel()
	const limit = 128 << 10
	zeros := make([]byte, 8*limit)
	nothing := bytes.Repeat(gzipped(nil), 2*limit/len(gzipped(nil)))
	blocks := bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 2*limit/5) // of deflate, empty and not the last
	for name, c := range map[string]struct {
		header string
		body   []byte
	}{
		"gzip":                    {"gzip", pack("gzip", zeros)},
		"deflate":                 {"deflate", pack("deflate", zeros)},
		"raw deflate":             {"deflate", pack("raw", zeros)},
		"zstd":                    {"zstd", pack("zstd", zeros)},
		"gzip in gzip":            {"gzip, gzip", pack("gzip, gzip", zeros)},
		"zstd three times":        {"zstd, zstd, zstd", pack("zstd, zstd, zstd", zeros)},
		"many members":            {"gzip", bytes.Repeat(gzipped(make([]byte, 1000)), 200)},
		"a layer that is nothing": {"gzip, zstd", pack("zstd", nothing)},
		"nothing but blocks":      {"deflate, gzip", pack("gzip", blocks)},
	} {
		if len(c.body) > limit {
			t.Fatalf("%s is no bomb: %d bytes", name, len(c.body))
		}
		budget := NewBudget(64 * mebibyte)
		got, _, err := readPacked(t, c.header, c.body, limit, budget)
		if kindOf(err) != chat.PayloadTooLarge || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if used := budget.used.Load(); used != 0 {
			t.Errorf("%s: %d bytes are never given back", name, used)
		}
	}
}

// The window of zstd data is memory, too: it counts while they are read, and has a bound.
func TestTheWindowOfZstdDataCounts(t *testing.T) {
	t.Parallel()
	body := zstandard([]byte("{}"), maxWindow)
	var frame zstd.Header
	if err := frame.Decode(body); err != nil || frame.WindowSize != maxWindow {
		t.Fatalf("%+v, %v", frame, err)
	}
	if got, _, err := readPacked(t, "zstd", body, mebibyte, NewBudget(RoomFor(mebibyte))); err != nil || string(got) != "{}" {
		t.Errorf("the largest window: %q, %v", got, err)
	}
	busy := NewBudget(RoomFor(mebibyte))
	busy.take(busy.limit - maxWindow) // the least of it
	if _, _, err := readPacked(t, "zstd", body, mebibyte, busy); kindOf(err) != chat.Overloaded {
		t.Errorf("no room for the window: %v", err)
	}
	if got, _, err := readPacked(t, "zstd", pack("zstd", []byte("{}")), mebibyte, busy); err != nil || string(got) != "{}" {
		t.Errorf("there is room for a small one: %q, %v", got, err)
	}
	if used := busy.used.Load(); used != busy.limit-maxWindow {
		t.Errorf("%d bytes are counted", used)
	}
	for name, c := range map[string]struct {
		body []byte
		says string
	}{
		"a larger window":        {zstandard([]byte("{}"), 2*maxWindow), "window has 16777216 bytes, and may have 8388608"},
		"a larger one later":     {slices.Concat(pack("zstd", []byte("{}")), body), ""},
		"a large single segment": {[]byte("\x28\xb5\x2f\xfd\xa0\x01\x00\x80\x00\x01\x00\x00"), "window has 8388609 bytes"},
	} {
		if got, _, err := readPacked(t, "zstd", c.body, mebibyte, NewBudget(1<<30)); kindOf(err) != chat.InvalidRequest || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	headers := []string{"gzip", "deflate", "raw", "zstd", "gzip, zstd", "zstd, deflate"}
	for i, header := range headers {
		f.Add(uint8(i), pack(header, []byte("Wait, wait, wait.")))
		f.Add(uint8(i), []byte("Wait, wait, wait."))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		const limit = 1 << 16
		header, budget := headers[int(which)%len(headers)], NewBudget(1<<30)
		got, _, err := readPacked(t, header, data, limit, budget)
		if kind := kindOf(err); err != nil && kind != chat.InvalidRequest && kind != chat.PayloadTooLarge {
			t.Errorf("%s: %v", header, err)
		}
		if len(got) > limit || budget.used.Load() != 0 {
			t.Errorf("%s: %d bytes, %d never given back", header, len(got), budget.used.Load())
		}
		if len(data) > limit/2 {
			return
		}
		if got, _, err := readPacked(t, header, pack(header, data), limit, budget); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %q became %q, %v", header, data, got, err)
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	text := bytes.Repeat([]byte("a line of text, and another one\n"), 1000)
	for _, header := range []string{"identity", "gzip", "zstd"} {
		packed := pack(header, text)
		b.Run(header, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(packed))
				r.Header.Set("Content-Encoding", header)
				w, release := Watch(httptest.NewRecorder(), r, 0, NewBudget(1<<30))
				if _, err := ReadAll(w, r, mebibyte); err != nil {
					b.Fatal(err)
				}
				release()
			}
		})
	}
}
