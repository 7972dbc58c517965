package carried

import (
	"net/http"

	"carousel.internal/gateway/internal/chat"
)

// Piece is some of an answer, as it comes: its head first, then its bytes, and at last what
// the upstream has counted.
type Piece struct {
	// Head is set on the first piece alone.
	Head *Head
	// Bytes are valid until the next piece is asked for.
	Bytes []byte
	// Usage is set on the last piece alone, where the upstream has counted.
	Usage *chat.Usage
}

// Head is what stands before an answer.
type Head struct {
	Status int
	// Header is the upstream's, as far as it is for the client. Nobody changes it.
	Header http.Header
	// Length is that of the body, in bytes; -1 where it is not known.
	Length int64
	// FallbackModel is the model that answers, where it is not the one that was asked.
	FallbackModel string
}
