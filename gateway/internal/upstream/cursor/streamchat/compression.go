package streamchat

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
)

// bounded is a gzip reader that ends soon after the largest frame. connect would
// unpack the rest of a bomb only to count it.
type bounded struct {
	gzip.Reader
	left int64
}

func newDecompressor() connect.Decompressor { return &bounded{} }

func newCompressor() connect.Compressor { return gzip.NewWriter(io.Discard) }

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fault.ErrOversized
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Reset implements connect.Decompressor.
func (b *bounded) Reset(source io.Reader) error {
	b.left = fault.MaxFrame + 1 // connect takes the last byte as the sign of an oversized frame
	return b.Reader.Reset(source)
}
