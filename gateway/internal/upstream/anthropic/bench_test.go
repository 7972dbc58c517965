package anthropic

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/eventstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

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

// reading is an attempt in the middle of a stream of nothing but one frame.
func reading(frame []byte) (*attempt, *eventstream.Reader) {
	a := &attempt{yield: func(chat.Event, error) bool { return true }}
	a.answer.take(&frame0)
	return a, eventstream.NewReader(&repeated{stream: string(frame)}, wire.MaxAnswer)
}

var frame0 = frame{kind: blockStart, block: block{kind: "text"}}

func textFrame() []byte {
	return frameOf(blockDelta, `"index":0,"delta":{"type":"text_delta","text":" world"}`)
}

// The one allocation of a piece is its text.
func TestPiecesAllocateTheirTextAlone(t *testing.T) {
	for name, test := range map[string]struct {
		frame []byte
		most  float64
	}{
		"text": {textFrame(), 1},
		"ping": {frameOf("ping", ""), 0},
	} {
		a, events := reading(test.frame)
		next := func() {
			got, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			if failure := a.frame(got, true); failure != nil {
				t.Fatal(failure)
			}
		}
		next()
		if allocations := testing.AllocsPerRun(100, next); allocations > test.most {
			t.Errorf("%s: %v allocations", name, allocations)
		}
		events.Release()
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, kind := range []struct {
		name  string
		frame []byte
	}{{"text", textFrame()}, {"ping", frameOf("ping", "")}} {
		b.Run(kind.name, func(b *testing.B) {
			a, events := reading(kind.frame)
			b.SetBytes(int64(len(kind.frame)))
			b.ReportAllocs()
			for b.Loop() {
				got, err := events.Next()
				if err != nil {
					b.Fatal(err)
				}
				if failure := a.frame(got, true); failure != nil {
					b.Fatal(failure)
				}
			}
		})
	}
}
