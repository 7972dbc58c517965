package upstreamsim

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// Flags of an envelope.
const (
	flagGzip = 1
	flagEnd  = 2
	// prefixLength is the flags and the length, in bytes.
	prefixLength = 5
)

// emptyFrame means that the content begins, or that the upstream is still there.
var emptyFrame = []byte{0, 0, 0, 0, 0}

// appendFrame appends an envelope.
func appendFrame(to []byte, flags byte, payload []byte) []byte {
	to = append(to, flags)
	to = binary.BigEndian.AppendUint32(to, uint32(len(payload))) //nolint:gosec // never near 4 GiB
	return append(to, payload...)
}

// frame is appendFrame, compressed where the flags say so.
func frame(flags byte, payload []byte) []byte {
	if flags&flagGzip != 0 {
		payload = compress(payload)
	}
	return appendFrame(make([]byte, 0, prefixLength+len(payload)), flags, payload)
}

// unframe reads the one envelope that is a request.
func unframe(body []byte) ([]byte, error) {
	if len(body) < prefixLength {
		return nil, fmt.Errorf("the body of %d bytes has no envelope", len(body))
	}
	if body[0] != 0 {
		return nil, fmt.Errorf("the envelope has flags %d instead of 0", body[0])
	}
	size := binary.BigEndian.Uint32(body[1:])
	if payload := body[prefixLength:]; uint64(size) == uint64(len(payload)) {
		return payload, nil
	}
	return nil, fmt.Errorf("the envelope claims %d bytes and has %d", size, len(body)-prefixLength)
}

var compressors = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func compress(plain []byte) []byte {
	var packed bytes.Buffer
	writer := compressors.Get().(*gzip.Writer)
	defer compressors.Put(writer)
	writer.Reset(&packed)
	_, _ = writer.Write(plain) // a buffer takes everything
	_ = writer.Close()
	return packed.Bytes()
}

// appendText appends the frame of a piece of text.
func appendText(to []byte, piece string) ([]byte, error) {
	to = append(to, emptyFrame...)
	at := len(to)
	to, err := proto.MarshalOptions{}.MarshalAppend(to, &aiserverv1.StreamChatResponse{Text: piece})
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(to[at-4:], uint32(len(to)-at)) //nolint:gosec // never near 4 GiB
	return to, nil
}

// packedText is a compressed frame of text.
func packedText(piece string) ([]byte, error) {
	payload, err := proto.Marshal(&aiserverv1.StreamChatResponse{Text: piece})
	if err != nil {
		return nil, err
	}
	return frame(flagGzip, payload), nil
}

// debugFrame is the compressed frame that comes first: an empty field 4, which the
// generated messages don't have, and the prompt as the model saw it.
func debugFrame(request *aiserverv1.GetChatRequest) ([]byte, error) {
	prompt := new(bytes.Buffer)
	section := func(name, text string) {
		fmt.Fprintf(prompt, "<|BEGIN_%s|>\n%s\n<|END_%s|>\n", name, text, name)
	}
	section("SYSTEM", request.GetExplicitContext().GetContext())
	for _, message := range request.GetConversation() {
		if message.GetType() == aiserverv1.ConversationMessage_MESSAGE_TYPE_AI {
			section("ASSISTANT", message.GetText())
		} else {
			section("USER", message.GetText())
		}
	}
	documentCitation := []byte{4<<3 | 2, 0}
	payload, err := proto.MarshalOptions{}.MarshalAppend(documentCitation,
		&aiserverv1.StreamChatResponse{FilledPrompt: proto.String(prompt.String())})
	if err != nil {
		return nil, err
	}
	return frame(flagGzip, payload), nil
}

// bombText is the size of gzipBomb's text, in bytes.
const bombText = 64 << 20

// gzipBomb is one valid compressed frame of text, some 80 KiB for 64 MiB.
var gzipBomb = sync.OnceValues(func() ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = writer.Write(binary.AppendUvarint([]byte{1<<3 | 2}, bombText))
	block := bytes.Repeat([]byte("A"), 64<<10)
	for range bombText / len(block) {
		_, writeErr := writer.Write(block)
		err = errors.Join(err, writeErr)
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		return nil, err
	}
	return appendFrame(nil, flagGzip, packed.Bytes()), nil
})
