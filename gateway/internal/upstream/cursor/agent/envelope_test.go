package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
)

// framed is a frame with flags.
func framed(flags byte, payload []byte) []byte {
	frame := envelope(payload)
	frame[0] = flags
	return frame
}

func packed(text []byte) []byte {
	var all bytes.Buffer
	packer := gzip.NewWriter(&all)
	if _, err := packer.Write(text); err != nil {
		panic(err)
	}
	if err := packer.Close(); err != nil {
		panic(err)
	}
	return all.Bytes()
}

// cut is a stream that comes in two pieces.
func cut(stream []byte, at int) io.Reader {
	return io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:]))
}

func TestFramesAreReadHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	for _, each := range vectors {
		if each.way == "bare" {
			continue
		}
		stream := append(bytes.Clone(each.bytes), framed(flagPacked|flagEnd, packed([]byte("{}")))...)
		for at := range stream {
			frames := newDecoder(cut(stream, at))
			first, err := frames.next()
			if err != nil || first.end != (each.bytes[0]&flagEnd != 0) || !bytes.Equal(first.payload, each.bytes[headLen:]) {
				t.Fatalf("%s, cut at %d: %+v, %v", each.name, at, first, err)
			}
			if last, err := frames.next(); err != nil || !last.end || string(last.payload) != "{}" {
				t.Fatalf("%s, cut at %d: the end is %+v, %v", each.name, at, last, err)
			}
			if _, err := frames.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("%s, cut at %d: %v after the end", each.name, at, err)
			}
		}
	}
}

func TestFramesOfOneChunk(t *testing.T) {
	t.Parallel()
	var chunk []byte
	names := []string{"context-question", "text-Hi", "turn-ended", "end"}
	for _, name := range names {
		chunk = append(chunk, vectorOf(t, name)...)
	}
	frames := newDecoder(bytes.NewReader(chunk))
	for i, name := range names {
		next, err := frames.next()
		if err != nil || !bytes.Equal(next.payload, vectorOf(t, name)[headLen:]) {
			t.Errorf("%s: %v", name, err)
		}
		if frames.ready() != (i < len(names)-1) {
			t.Errorf("after %s, ready is %t", name, frames.ready())
		}
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	t.Parallel()
	// Members of a gzip stream follow each other: the largest one, and a byte more.
	bomb := append(packed(make([]byte, 1<<20)), packed(nil)...)
	for len(bomb) < 20<<10 {
		bomb = append(bomb, bomb...)
	}
	huge := binary.BigEndian.AppendUint32([]byte{0}, fault.MaxFrame+1)
	for name, test := range map[string]struct {
		stream io.Reader
		want   error
	}{
		"nothing":          {strings.NewReader(""), io.EOF},
		"half a head":      {bytes.NewReader([]byte{0, 0}), io.ErrUnexpectedEOF},
		"a head alone":     {bytes.NewReader([]byte{0, 0, 0, 0, 3}), io.ErrUnexpectedEOF},
		"half a payload":   {bytes.NewReader(envelope([]byte("abc"))[:headLen+1]), io.ErrUnexpectedEOF},
		"half a large one": {bytes.NewReader(append(binary.BigEndian.AppendUint32([]byte{0}, fault.MaxFrame), "abc"...)), io.ErrUnexpectedEOF},
		"an unknown flag":  {bytes.NewReader(framed(4, []byte("abc"))), fault.ErrUnknownFlags},
		"an unknown bit":   {bytes.NewReader(framed(0x81, nil)), fault.ErrUnknownFlags},
		"too large":        {bytes.NewReader(huge), fault.ErrOversized},
		"large unpacked":   {bytes.NewReader(framed(flagPacked, bomb)), fault.ErrOversized},
		"no gzip":          {bytes.NewReader(framed(flagPacked, []byte("abc"))), errPacked},
		"half gzip":        {bytes.NewReader(framed(flagPacked, packed([]byte("abc"))[:12])), errPacked},
		"a broken stream":  {iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
	} {
		frame, err := newDecoder(test.stream).next()
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v", name, frame, err)
		}
	}
}

func TestTheLargestFrame(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("x"), fault.MaxFrame)
	members := bytes.Repeat(packed(payload[:fault.MaxFrame/16]), 16)
	for name, stream := range map[string][]byte{"plain": envelope(payload), "packed": framed(flagPacked, members)} {
		if next, err := newDecoder(bytes.NewReader(stream)).next(); err != nil || len(next.payload) != fault.MaxFrame {
			t.Errorf("%s: %d bytes, %v", name, len(next.payload), err)
		}
	}
}

// However a stream is cut, its frames are the same, and nothing makes the decoder panic.
func FuzzDecoder(f *testing.F) {
	for _, each := range vectors {
		f.Add(each.bytes, uint16(1))
	}
	f.Add(framed(flagPacked, packed([]byte("abc"))), uint16(7))
	f.Fuzz(func(t *testing.T, stream []byte, at uint16) {
		whole, pieces := newDecoder(bytes.NewReader(stream)), newDecoder(cut(stream, int(at)%(len(stream)+1)))
		for {
			a, errA := whole.next()
			b, errB := pieces.next()
			if (errA == nil) != (errB == nil) || !bytes.Equal(a.payload, b.payload) || a.end != b.end {
				t.Fatalf("%+v, %v; in pieces %+v, %v", a, errA, b, errB)
			}
			if errA != nil {
				return
			}
			if len(a.payload) > fault.MaxFrame {
				t.Fatalf("a frame of %d bytes", len(a.payload))
			}
		}
	})
}
