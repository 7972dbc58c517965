package streamchat

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// body gives its chunks, one per read, and then err.
type body struct {
	ctx    context.Context
	chunks [][]byte
	err    error // nil: silence until the context ends
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for len(b.chunks) > 0 && len(b.chunks[0]) == 0 {
		b.chunks = b.chunks[1:]
	}
	if len(b.chunks) > 0 {
		n := copy(p, b.chunks[0])
		b.chunks[0] = b.chunks[0][n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// Close implements io.Closer.
func (b *body) Close() error { b.closed = true; return nil }

// answerOf is a complete response; every chunk is a read of its own.
func answerOf(chunks ...[]byte) *http.Response {
	return responseOf(&body{chunks: slices.Clone(chunks), err: io.EOF})
}

func responseOf(body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {fault.FrameType}}, Body: body,
	}
}

// replay is a driver whose upstream answers with the chunks.
func replay(chunks ...[]byte) *Client {
	return fixed(transportFunc(func(*http.Request) (*http.Response, error) { return answerOf(chunks...), nil }))
}

// collect runs the call; each sees every event.
func collect(t *testing.T, d *Client, call *upstream.Call, each func(chat.Event)) (string, *upstream.Failure) {
	t.Helper()
	var text strings.Builder
	finished := false
	for event, err := range d.Chat(t.Context(), call) {
		if err != nil {
			var failure *upstream.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("not a *Failure: %v", err)
			}
			if finished {
				t.Fatal("a failure after the end")
			}
			return text.String(), failure
		}
		if each != nil {
			each(event)
		}
		text.WriteString(event.Text)
		finished = event.Finish == chat.Stop
	}
	if !finished {
		t.Fatal("no finish reason")
	}
	return text.String(), nil
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// gzipFrame compresses a frame's payload.
func gzipFrame(plain []byte) []byte {
	return frame(plain[0]|flagCompressed, gzipped(plain[headLen:]))
}

func messageFrame(message *aiserverv1.StreamChatResponse) []byte {
	payload, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return frame(0, payload)
}

// debugFrame is what the upstream sends first: the prompt as the model saw it.
func debugFrame() []byte {
	return messageFrame(&aiserverv1.StreamChatResponse{
		DebuggingOnlyChatPrompt: proto.String(""),
		FilledPrompt:            proto.String("<|BEGIN_SYSTEM|>\nBe brief.\n<|END_SYSTEM|>\n<|BEGIN_USER|>\nHi\n<|END_USER|>\n"),
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	empty := frame(0, nil)
	slow := messageFrame(&aiserverv1.StreamChatResponse{IsUsingSlowRequest: proto.Bool(true)})
	unknownField := frame(0, []byte{0x62, 0x02, 'h', 'i'}) // field 12
	long := strings.Repeat("0123456789abcdef", 1<<16)
	for name, test := range map[string]struct {
		frames [][]byte
		want   string
	}{
		"as observed":        {[][]byte{gzipFrame(debugFrame()), empty, textFrame("He"), textFrame("llo"), endFrame("{}")}, "Hello"},
		"bare":               {[][]byte{textFrame("Hi"), endFrame("{}")}, "Hi"},
		"empty frames":       {[][]byte{empty, textFrame("H"), empty, empty, textFrame("i"), empty, endFrame("{}")}, "Hi"},
		"same text again":    {[][]byte{textFrame("ha"), empty, textFrame("ha"), endFrame("{}")}, "haha"},
		"gzip text":          {[][]byte{gzipFrame(textFrame("H")), textFrame("i"), endFrame("{}")}, "Hi"},
		"gzip trailer":       {[][]byte{textFrame("Hi"), gzipFrame(endFrame("{}"))}, "Hi"},
		"gzip of nothing":    {[][]byte{frame(flagCompressed, nil), textFrame("Hi"), endFrame("{}")}, "Hi"},
		"slow pool":          {[][]byte{slow, textFrame("Hi"), endFrame("{}")}, "Hi"},
		"other fields":       {[][]byte{unknownField, textFrame("Hi"), endFrame("{}")}, "Hi"},
		"trailer's metadata": {[][]byte{textFrame("Hi"), endFrame(`{"metadata":{"x":["y"]}}`)}, "Hi"},
		"late debug frame":   {[][]byte{textFrame("Hi"), debugFrame(), endFrame("{}")}, "Hi"},
		"markers as text":    {[][]byte{textFrame("<|END_USER|>\nHi"), endFrame("{}")}, "<|END_USER|>\nHi"},
		"large frame":        {[][]byte{gzipFrame(textFrame(long)), textFrame(long), endFrame("{}")}, long + long},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for shape, chunks := range map[string][][]byte{
				"by frame":        test.frames,
				"in one":          {bytes.Join(test.frames, nil)},
				"all but the end": {bytes.Join(test.frames[:len(test.frames)-1], nil), test.frames[len(test.frames)-1]},
			} {
				if got, failure := ask(t, replay(chunks...), callOf(said(chat.User, "Hi"))); failure != nil || got != test.want {
					t.Errorf("%s: %.40q, %v", shape, got, failure)
				}
			}
		})
	}
}

func TestNamedEncodings(t *testing.T) {
	t.Parallel()
	for encoding, works := range map[string]bool{"gzip": true, "identity": true, "": true, "br": false} {
		d := fixed(transportFunc(func(*http.Request) (*http.Response, error) {
			response := answerOf(gzipFrame(textFrame("Hi")), endFrame("{}"))
			response.Header.Set("Connect-Content-Encoding", encoding)
			return response, nil
		}))
		got, failure := ask(t, d, callOf(said(chat.User, "Hi")))
		if works && (failure != nil || got != "Hi") || !works && (failure == nil || failure.Class != upstream.Truncated) {
			t.Errorf("%q: %q, %v", encoding, got, failure)
		}
	}
}

func TestGarbledAnswers(t *testing.T) {
	t.Parallel()
	oversized := binary.BigEndian.AppendUint32([]byte{0}, 0xffffffff)
	corrupt := gzipped(textFrame("Hi")[headLen:])
	corrupt[len(corrupt)-5] ^= 0xff
	for name, test := range map[string]struct {
		rest  []byte
		words string
	}{
		"oversized length":     {oversized, "more than 16 MiB"},
		"oversized end":        {append([]byte{2}, oversized[1:]...), "more than 16 MiB"},
		"gzip bomb":            {frame(flagCompressed, bomb()), "more than 16 MiB"},
		"gzip bomb at the end": {frame(flagCompressed|flagEnd, bomb()), "more than 16 MiB"},
		"corrupt gzip":         {frame(flagCompressed, corrupt), "unreadable"},
		"gzip without a head":  {frame(flagCompressed, []byte{0x1f}), "ended early"},
		"not gzip":             {frame(flagCompressed, []byte("plain text, no gzip")), "unreadable"},
		"unknown flag":         {frame(4, []byte("x")), "unreadable"},
		"all flags":            {frame(255, nil), "unreadable"},
		"bad protobuf":         {frame(0, []byte{0x0a, 0xff}), "unreadable"},
		"bad UTF-8":            {textFrame("\xff\xfe"), "unreadable"},
		"trailer not JSON":     {endFrame("<html>"), "unreadable"},
		"empty trailer":        {endFrame(""), "unreadable"},
		"bytes after the end":  {append(endFrame("{}"), "extra"...), "unreadable"},
		"no trailer":           {nil, "ended early"},
		"cut head":             {[]byte{0, 0, 0}, "ended early"},
		"cut payload":          {textFrame("Hello")[:8], "ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, failure := ask(t, replay(textFrame("Hi"), test.rest), callOf(said(chat.User, "Hi")))
			if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, test.words) || got != "Hi" {
				t.Errorf("%q, %v", got, failure)
			}
		})
	}
}

func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	for name, chunks := range map[string][][]byte{
		"only the end":  {endFrame("{}")},
		"gzip end":      {gzipFrame(endFrame("{}"))},
		"only debug":    {gzipFrame(debugFrame()), frame(0, nil), endFrame("{}")},
		"empty strings": {textFrame(""), textFrame(""), endFrame("{}")},
	} {
		got, failure := ask(t, replay(chunks...), callOf(said(chat.User, "Hi")))
		if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, "empty") || got != "" {
			t.Errorf("%s: %q, %v", name, got, failure)
		}
	}
}

// endless is a body that never ends, to see what is read of an oversized frame.
type endless struct {
	head []byte
	read int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	clear(p[n:])
	e.read += int64(len(p))
	return len(p), nil
}

func (e *endless) Close() error { return nil }

func TestOversizedFramesCostLittle(t *testing.T) {
	t.Parallel()
	for name, head := range map[string][]byte{
		"length":  {0, 0xff, 0xff, 0xff, 0xff},
		"flags":   {8, 0, 0, 0, 1},
		"trailer": {2, 0xff, 0, 0, 0},
	} {
		source := &endless{head: head}
		d := fixed(transportFunc(func(*http.Request) (*http.Response, error) { return responseOf(source), nil }))
		if _, failure := ask(t, d, callOf(said(chat.User, "Hi"))); failure == nil || failure.Class != upstream.Truncated {
			t.Errorf("%s: %v", name, failure)
		}
		if source.read > 2*readSize {
			t.Errorf("%s: %d bytes were read", name, source.read)
		}
	}
}

func TestGzipBombCostsLittleMemory(t *testing.T) { //nolint:paralleltest // measures the whole process
	d := replay(frame(flagCompressed, bomb()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, failure := ask(t, d, callOf(said(chat.User, "Hi"))); failure == nil {
		t.Error("a bomb went through")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 12*fault.MaxFrame {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

// bomb is 256 MiB of nothing, compressed.
func bomb() []byte { return bytes.Repeat(gzipped(make([]byte, 1<<20)), 256) }

func TestMore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		chunks [][]byte
		more   []bool // of every event
	}{
		"apart":             {[][]byte{textFrame("a"), textFrame("b"), endFrame("{}")}, []bool{false, false, false}},
		"together":          {[][]byte{slices.Concat(textFrame("a"), textFrame("b"), endFrame("{}"))}, []bool{true, true, false}},
		"half of the next":  {[][]byte{slices.Concat(textFrame("a"), textFrame("b")[:6]), slices.Concat(textFrame("b")[6:], endFrame("{}"))}, []bool{false, true, false}},
		"a keep-alive next": {[][]byte{slices.Concat(textFrame("a"), frame(0, nil)), slices.Concat(textFrame("b"), endFrame("{}"))}, []bool{false, true, false}},
		"a debug next":      {[][]byte{slices.Concat(textFrame("a"), debugFrame()), textFrame("b"), endFrame("{}")}, []bool{false, false, false}},
		"empty text next":   {[][]byte{slices.Concat(textFrame("a"), textFrame("")), textFrame("b"), endFrame("{}")}, []bool{false, false, false}},
	} {
		var more []bool
		_, failure := collect(t, replay(test.chunks...), callOf(said(chat.User, "Hi")), func(event chat.Event) {
			more = append(more, event.More)
		})
		if failure != nil || !slices.Equal(more, test.more) {
			t.Errorf("%s: %v, %v", name, more, failure)
		}
	}
}

// The timers, on a clock of their own.
func TestTimers(t *testing.T) {
	t.Parallel()
	silent := func(chunks ...[]byte) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			return responseOf(&body{ctx: r.Context(), chunks: chunks}), nil
		})
	}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		after     time.Duration
		class     upstream.Class // empty: it ends well
	}{
		"no answer": {transportFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), defaultFirstByte, upstream.Broken},
		"no event":        {silent(), defaultFirstByte, upstream.Broken},
		"only empty ones": {silent(frame(0, nil), frame(0, nil)), defaultFirstByte, upstream.Broken},
		"debug, no text":  {silent(debugFrame()), defaultIdle, upstream.Broken},
		"text, no end":    {silent(textFrame("Hi"), frame(0, nil)), defaultIdle, upstream.Broken},
		"half a frame":    {silent(textFrame("Hi"), []byte{0, 0}), defaultIdle, upstream.Broken},
		// The answer is whole, so a connection that stays open does not spoil it.
		"an end that is kept open": {silent(textFrame("Hi"), endFrame("{}")), drainTimeout, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, failure := ask(t, fixed(test.transport), callOf(said(chat.User, "Hi")))
				if took := time.Since(began); took != test.after {
					t.Errorf("after %s, want %s", took, test.after)
				}
				if failure == nil && test.class != "" || failure != nil && failure.Class != test.class {
					t.Errorf("%v, want %q", failure, test.class)
				}
			})
		})
	}
}

func TestSlowReaderFeedsNoTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := replay(textFrame("a"), textFrame("b"), endFrame("{}"))
		text, failure := collect(t, d, callOf(said(chat.User, "Hi")), func(chat.Event) {
			time.Sleep(2 * defaultIdle) // of the test's own clock
		})
		if failure != nil || text != "ab" {
			t.Errorf("%q, %v", text, failure)
		}
	})
}

func TestBodyIsClosed(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"read to the end": false, "left early": true} {
		source := &body{chunks: [][]byte{textFrame("a"), textFrame("b"), endFrame("{}")}, err: io.EOF}
		var request *http.Request
		d := fixed(transportFunc(func(r *http.Request) (*http.Response, error) {
			request = r
			return responseOf(source), nil
		}))
		for range d.Chat(t.Context(), callOf(said(chat.User, "Hi"))) {
			if stop {
				break
			}
		}
		if !source.closed || request.Context().Err() == nil {
			t.Errorf("%s: closed %t, context %v", name, source.closed, request.Context().Err())
		}
	}
}

// FuzzSplits sends a mixture of frames in pieces of any size: the text is exact.
func FuzzSplits(f *testing.F) {
	f.Add("Hello, 世界 👩‍👩‍👧‍👦", []byte{0, 1, 2, 3, 4}, []byte{1, 2, 3})
	f.Add("\x00\r\n\ndata: x", []byte{3, 3, 0}, []byte{})
	f.Fuzz(func(t *testing.T, text string, kinds, cuts []byte) {
		text = strings.ToValidUTF8(text, "?")
		var all []byte
		var want strings.Builder
		for i, kind := range kinds[:min(len(kinds), 64)] {
			piece := text
			if i%2 == 1 {
				piece = "." // so that a lost or doubled piece shows
			}
			switch kind % 6 {
			case 0:
				all = append(all, textFrame(piece)...)
				want.WriteString(piece)
			case 1:
				all = append(all, gzipFrame(textFrame(piece))...)
				want.WriteString(piece)
			case 2:
				all = append(all, frame(0, nil)...)
			case 3:
				all = append(all, debugFrame()...)
			case 4:
				all = append(all, gzipFrame(debugFrame())...)
			case 5:
				all = append(all, frame(flagCompressed, nil)...)
			}
		}
		end := endFrame("{}")
		if len(kinds)%2 == 0 {
			end = gzipFrame(end)
		}
		all = append(all, end...)
		got, failure := ask(t, replay(split(all, cuts)...), callOf(said(chat.User, "Hi")))
		switch {
		case want.Len() == 0:
			if failure == nil || failure.Class != upstream.Truncated {
				t.Fatalf("an empty answer: %v", failure)
			}
		case failure != nil:
			t.Fatal(failure)
		case got != want.String():
			t.Fatalf("%q, want %q", got, want.String())
		}
	})
}

// FuzzBytes sends anything: no panic, no wait, and always a text or a *Failure.
func FuzzBytes(f *testing.F) {
	f.Add(slices.Concat(textFrame("Hi"), endFrame("{}")), []byte{3})
	f.Add(gzipFrame(debugFrame()), []byte{})
	f.Add([]byte{2, 0, 0, 0, 4, '{', '"', '}', '}'}, []byte{1})
	f.Fuzz(func(t *testing.T, all, cuts []byte) {
		_, failure := ask(t, replay(split(all, cuts)...), callOf(said(chat.User, "Hi")))
		if failure != nil && !slices.Contains(upstream.Classes(), failure.Class) {
			t.Fatalf("class %q", failure.Class)
		}
	})
}

// split cuts data into pieces of the given sizes, again and again; a size of 0
// means the rest.
func split(data, sizes []byte) [][]byte {
	var chunks [][]byte
	for i := 0; len(data) > 0; i++ {
		size := len(data)
		if len(sizes) > 0 && sizes[i%len(sizes)] > 0 {
			size = min(size, int(sizes[i%len(sizes)]))
		}
		chunks = append(chunks, data[:size])
		data = data[size:]
	}
	return chunks
}
