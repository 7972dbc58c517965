package openai

import (
	"bytes"
	"context"
	"errors"
	"io"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/eventstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const tooLarge = "the answer is larger than 32 MiB"

// whole yields an answer that has come as one object.
func (a *attempt) whole(ctx context.Context, body io.Reader, length int64) *upstream.Failure {
	data, err := wire.ReadAll(body, length, wire.MaxAnswer)
	a.watch.Arrived()
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return cutShort(upstream.SignGarbled, tooLarge)
	case err != nil:
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	return a.sendWhole(bytes.TrimPrefix(data, byteOrderMark))
}

// sendWhole judges a whole answer and yields it in the form that was asked for.
func (a *attempt) sendWhole(data []byte) *upstream.Failure {
	var outer chat.Members
	p := parseWhole(data, "", &outer)
	if p.delta && p.message {
		p = parseWhole(data, "message", &outer)
	}
	switch {
	case p.malformed && isList(data):
		if failure := a.remark(bytes.TrimLeft(data, " \t\r\n")); failure != nil {
			return failure
		}
		return cutShort(upstream.SignGarbled, "the answer is a list, and has no choices")
	case p.malformed:
		return cutShort(upstream.SignGarbled, "the answer is not valid JSON")
	case p.failure != nil:
		return a.reported(p.failure)
	case p.broke != nil:
		return a.brokenOff(p.broke)
	case p.choices == 0:
		return a.reported(data, upstream.SignGarbled)
	}
	whole := mender{whole: true}
	if whole.wants(&p) {
		data = whole.mend(data)
		p = parseWhole(data, "message", &outer)
	}
	if p.event.Finish == chat.Stop && !p.said && !p.spent {
		return cutShort(upstream.SignEmpty, "the answer is empty")
	}
	if a.call.Request.Stream {
		return a.sendSplit(data)
	}
	event := p.event
	event.Raw = chat.Raw{Dialect: dialect, JSON: data, Whole: true, Members: &outer}
	event.More = true // the end is here
	return a.send(&event)
}

// sendSplit yields a whole answer as the chunks of a stream.
func (a *attempt) sendSplit(data []byte) *upstream.Failure {
	for _, chunk := range split(data) {
		event, isChunk, failure := a.read(eventstream.Event{Data: chunk})
		if failure != nil {
			return failure
		}
		event.More = true // the end is here
		if !isChunk {
			continue
		}
		if failure := a.take(&event); failure != nil || a.left {
			return failure
		}
	}
	return a.end()
}

func isList(data []byte) bool {
	s := rawjson.Over(data)
	return s.Kind() == rawjson.Array && s.Skip() != nil && s.End() == nil
}
