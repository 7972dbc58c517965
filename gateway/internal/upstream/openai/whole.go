package openai

import (
	"context"
	"errors"
	"io"
	"net/http"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// maxWhole bounds an answer that is not streamed. With images in it, it has some
// MiB.
const maxWhole = 32 << 20

var errTooLarge = errors.New("the answer is too large")

// whole yields an answer that is not streamed as one event.
func (a *attempt) whole(ctx context.Context, response *http.Response) *upstream.Failure {
	data, err := readAll(response.Body, response.ContentLength, maxWhole)
	a.watch.arrived()
	switch {
	case errors.Is(err, errTooLarge):
		return cutShort(upstream.SignGarbled, "the answer is larger than 32 MiB")
	case err != nil:
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	p := parsePiece(data)
	switch {
	case p.malformed:
		return cutShort(upstream.SignGarbled, "the answer is not valid JSON")
	case p.failure != nil:
		return a.reported(p.failure)
	case p.choices == 0:
		return cutShort(upstream.SignGarbled, "the answer has no choices")
	}
	event := p.event
	if event.Finish == chat.Unfinished {
		event.Finish = chat.Stop // the answer is whole, so it has ended
	}
	if event.Finish == chat.Stop && !p.said {
		return cutShort(upstream.SignEmpty, "the answer is empty")
	}
	event.Raw = chat.Raw{Dialect: dialect, JSON: data, Whole: true}
	event.More = true // the end is here
	a.send(event)
	return nil
}

// Room for a body: what its announced length is believed, and what one without a
// length begins with.
const (
	trustedLength = 256 << 10
	unknownLength = 4 << 10
)

// readAll reads a body of at most limit bytes. length is the announced one, or
// -1.
func readAll(body io.Reader, length int64, limit int) ([]byte, error) {
	if length < 0 {
		length = unknownLength
	}
	data := make([]byte, 0, min(length, trustedLength)+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := body.Read(data[len(data):min(cap(data), limit+1)])
		data = data[:len(data)+n]
		switch {
		case len(data) > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}
