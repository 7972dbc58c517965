package eventstream

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

// testLimit bounds the events of tests.
const testLimit = 8 << 20

type gotEvent struct{ name, data string }

func readEvents(t *testing.T, source io.Reader) ([]gotEvent, error) {
	t.Helper()
	r := NewReader(source, testLimit)
	defer r.Release()
	var events []gotEvent
	for {
		upcoming, ready := r.Upcoming()
		promised := string(upcoming)
		event, err := r.Next()
		if err != nil {
			if ready {
				t.Fatalf("%q had arrived, but %v came", promised, err)
			}
			return events, err
		}
		if ready && promised != string(event.Data) {
			t.Fatalf("%q had arrived, but %q came", promised, event.Data)
		}
		events = append(events, gotEvent{string(event.Name), string(event.Data)})
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
		"no empty line":       {"data: a\n\ndata: b\n", data("a", "b")},
		"no line end":         {"data: a\n\ndata: b", data("a", "b")},
		"half a line end":     {"data: a\r\n\r\ndata: b\r", data("a", "b")},
		"an end in a field":   {"data: a\n\nevent: x\ndata: b\nid", []gotEvent{{"", "a"}, {"x", "b"}}},
		"an end in a name":    {"data: a\n\nevent: error", data("a")},
		"an end in a comment": {"data: a\n: so", data("a")},
		"only the end":        {"data", data("")},
		"several at the end":  {"data: a\ndata: b", data("a\nb")},
		"a mark at the end":   {"\xef\xbb\xbfdata: a", data("a")},
		"fields in capitals":  {"Data: a\n\nDATA: b\n\n data: c\n\ndata : d\n\ndata: e\n\n", data("e")},
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

func TestStrayLines(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"data: a\n\n: b\nid: c\nretry: d\nevent\n\n":            "",
		"data: a\n\n{\"error\":\r\n\"b\"}\r\n":                  "{\"error\":\n\"b\"}\n",
		"no healthy upstream":                                   "no healthy upstream\n",
		"identity: unknown\ndatabase is down\n\ndata: a\n\nend": "identity: unknown\ndatabase is down\nend\n",
	} {
		r := NewReader(iotest.OneByteReader(strings.NewReader(stream)), testLimit)
		for err := error(nil); err == nil; _, err = r.Next() {
		}
		if got := string(r.Stray()); got != want {
			t.Errorf("%q: got %q, want %q", stream, got, want)
		}
		r.Release()
	}
	r := NewReader(strings.NewReader(strings.Repeat("x: "+strings.Repeat("y", 100)+"\n", 1000)), testLimit)
	defer r.Release()
	if _, err := r.Next(); !errors.Is(err, io.EOF) || len(r.Stray()) > maxStray+1000 {
		t.Errorf("%v, %d bytes are kept", err, len(r.Stray()))
	}
}

func TestReaderBounds(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", testLimit/2)
	got, err := readEvents(t, strings.NewReader("data: a\n\ndata: "+large+"\n\ndata: b\n\n"))
	if !errors.Is(err, io.EOF) || len(got) != 3 || got[1].data != large || got[2].data != "b" {
		t.Errorf("a large event: %d events, %v", len(got), err)
	}
	endless := io.MultiReader(strings.NewReader("data: a\n\ndata: "), endlessReader('x'))
	if got, err := readEvents(t, endless); !errors.Is(err, ErrTooLarge) || len(got) != 1 {
		t.Errorf("an endless event: %d events, %v", len(got), err)
	}
	// Comments without end need no room, even with no blank line between them.
	murmur := io.MultiReader(strings.NewReader(strings.Repeat(": still here\n", 1<<20)), strings.NewReader("data: a\n\n"))
	r := NewReader(murmur, testLimit)
	if event, err := r.Next(); err != nil || string(event.Data) != "a" || len(r.buf) != freshBuffer {
		t.Errorf("comments: %q, %v, a buffer of %d", event.Data, err, len(r.buf))
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

// plainEvents is the standard's algorithm in its plainest form, step by step, but that
// the end of the stream ends the line and the event before it.
func plainEvents(stream string) (events []gotEvent) {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	var eventType, data string
	dispatch := func() {
		if data != "" {
			events = append(events, gotEvent{eventType, strings.TrimSuffix(data, "\n")})
		}
		eventType, data = "", ""
	}
	for line := range strings.SplitSeq(stream, "\n") {
		field, value, colon := strings.Cut(line, ":")
		switch {
		case line == "":
			dispatch()
			continue
		case colon && field == "":
			continue // a comment
		}
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			eventType = value
		case "data":
			data += value + "\n"
		}
	}
	dispatch()
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
	r := NewReader(&repeated{stream: benchChunk}, testLimit)
	b.SetBytes(int64(len(benchChunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
