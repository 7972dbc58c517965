package openai

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// splitReader gives its text in pieces of random sizes.
type splitReader struct {
	text   string
	random *rand.Rand
	end    error
}

func (r *splitReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, r.end
	}
	n := min(1+r.random.IntN(9), len(r.text), len(p))
	copy(p, r.text[:n])
	r.text = r.text[n:]
	if r.text == "" && r.random.IntN(2) == 0 {
		return n, r.end // both ways to end are legal
	}
	return n, nil
}

type gotEvent struct{ name, data string }

func readEvents(t *testing.T, source io.Reader) ([]gotEvent, error) {
	t.Helper()
	r := newEventReader(source)
	defer r.release()
	var events []gotEvent
	for {
		upcoming, ready := r.upcoming()
		promised := string(upcoming)
		event, err := r.next()
		if err != nil {
			if ready {
				t.Fatalf("%q had arrived, but %v came", promised, err)
			}
			return events, err
		}
		if ready && promised != string(event.data) {
			t.Fatalf("%q had arrived, but %q came", promised, event.data)
		}
		events = append(events, gotEvent{string(event.name), string(event.data)})
	}
}

func TestReaderForms(t *testing.T) {
	t.Parallel()
	data := func(texts ...string) (events []gotEvent) {
		for _, text := range texts {
			events = append(events, gotEvent{data: text})
		}
		return events
	}
	tests := map[string]struct {
		stream string
		want   []gotEvent
	}{
		"line feeds":          {"data: a\n\ndata: b\n\n", data("a", "b")},
		"both":                {"data: a\r\n\r\ndata: b\r\n\r\n", data("a", "b")},
		"carriage returns":    {"data: a\r\rdata: b\r\r", data("a", "b")},
		"a mixture":           {"data: a\r\n\ndata: b\n\r\ndata: c\r\ndata: d\r\r", data("a", "b", "c\nd")},
		"no space":            {"data:a\n\ndata:  b \n\n", data("a", " b ")},
		"several lines":       {"data: {\ndata:  \"a\": 1\ndata: }\n\n", data("{\n \"a\": 1\n}")},
		"empty data":          {"data\n\ndata:\n\ndata:\ndata\n\n", data("", "", "\n")},
		"names":               {"event: error\ndata: a\n\ndata: b\n\nevent: lost\n\ndata: c\n\n", []gotEvent{{"error", "a"}, {"", "b"}, {"", "c"}}},
		"a name after data":   {"data: a\nevent: x\n\n", []gotEvent{{"x", "a"}}},
		"comments, unknowns":  {": hi\n\n:\nid: 1\nretry: 2\ndata: a\n: between\ndata: b\nwhat\n\n", data("a\nb")},
		"byte order mark":     {"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", data("a")},
		"only the mark":       {"\xef\xbb\xbf\n\ndata: a\n\n", data("a")},
		"cut off":             {"data: a\n\ndata: b\n", data("a")},
		"cut off in a line":   {"data: a\n\ndata: b", data("a")},
		"nothing":             {"", nil},
		"blank lines":         {"\n\r\n\r\r\ndata: a\n\n\n\n", data("a")},
		"a colon in the data": {"data: a: b\n\n", data("a: b")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, source := range map[string]io.Reader{
				"at once":      strings.NewReader(test.stream),
				"byte by byte": iotest.OneByteReader(strings.NewReader(test.stream)),
				"end with it":  iotest.DataErrReader(strings.NewReader(test.stream)),
			} {
				got, err := readEvents(t, source)
				if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, test.want) {
					t.Errorf("%s: got %q, %v; want %q", way, got, err, test.want)
				}
			}
		})
	}
}

func TestReaderBounds(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", maxEvent/2)
	got, err := readEvents(t, strings.NewReader("data: a\n\ndata: "+large+"\n\ndata: b\n\n"))
	if !errors.Is(err, io.EOF) || len(got) != 3 || got[1].data != large || got[2].data != "b" {
		t.Errorf("a large event: %d events, %v", len(got), err)
	}
	endless := io.MultiReader(strings.NewReader("data: a\n\ndata: "), endlessReader('x'))
	if got, err := readEvents(t, endless); !errors.Is(err, errEventTooLarge) || len(got) != 1 {
		t.Errorf("an endless event: %d events, %v", len(got), err)
	}
	// Comments without end need no room, even with no blank line between them.
	murmur := io.MultiReader(strings.NewReader(strings.Repeat(": still here\n", 1<<20)), strings.NewReader("data: a\n\n"))
	r := newEventReader(murmur)
	if event, err := r.next(); err != nil || string(event.data) != "a" || len(r.buf) != freshBuffer {
		t.Errorf("comments: %q, %v, a buffer of %d", event.data, err, len(r.buf))
	}
	if _, err := readEvents(t, iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	if _, err := readEvents(t, endlessNothing{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

type endlessReader byte

func (c endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

type endlessNothing struct{}

func (endlessNothing) Read([]byte) (int, error) { return 0, nil }

// The events do not depend on how the network cuts the stream, and are those of
// a reader that does one thing after the other.
func FuzzReader(f *testing.F) {
	f.Add("data: a\r\n\r\nevent: x\ndata: b\ndata: c\n\n: note\n\ndata: [DONE]\n\n", uint64(1))
	f.Add("\xef\xbb\xbfdata\rdata:\r\r\n\n", uint64(2))
	f.Add("data: "+strings.Repeat("long ", 5000)+"\n\ndata: x\n\n", uint64(3))
	f.Fuzz(func(t *testing.T, stream string, seed uint64) {
		want := plainEvents(stream)
		random := rand.New(rand.NewPCG(seed, seed))
		for name, source := range map[string]io.Reader{
			"at once": strings.NewReader(stream),
			"split":   &splitReader{text: stream, random: random, end: io.EOF},
		} {
			got, err := readEvents(t, source)
			if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %q became %q, %v; want %q", name, stream, got, err, want)
			}
		}
	})
}

// plainEvents is the standard's algorithm in its plainest form.
func plainEvents(stream string) (events []gotEvent) {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	var name string
	var data []string
	for _, line := range lines[:len(lines)-1] { // the last one has no end
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				events = append(events, gotEvent{name, strings.Join(data, "\n")})
			}
			name, data = "", nil
		case field == "data":
			data = append(data, value)
		case field == "event":
			name = value
		}
	}
	return events
}

// repeated gives the same stream for ever.
type repeated struct {
	stream string
	at     int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.stream[r.at:])
	r.at = (r.at + n) % len(r.stream)
	return n, nil
}

const benchChunk = `data: {"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"gpt-4o-2024-08-06",` +
	`"service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[{"index":0,"delta":{"content":" world"},` +
	`"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

func BenchmarkReader(b *testing.B) {
	r := newEventReader(&repeated{stream: benchChunk})
	b.SetBytes(int64(len(benchChunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.next(); err != nil {
			b.Fatal(err)
		}
	}
}

// The one allocation is the text.
func BenchmarkChunk(b *testing.B) {
	r := newEventReader(&repeated{stream: benchChunk})
	var a attempt
	b.SetBytes(int64(len(benchChunk)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := r.next()
		if err != nil {
			b.Fatal(err)
		}
		if _, failure := a.read(got); failure != nil {
			b.Fatal(failure)
		}
	}
}
