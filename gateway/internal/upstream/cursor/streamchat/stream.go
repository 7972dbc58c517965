package streamchat

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/wire"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// drainTimeout bounds the wait for the connection's end after the answer's end.
const drainTimeout = time.Second

// errDrained is why the connection of a whole answer was cut: it is no failure.
var errDrained = errors.New("the upstream kept the connection open after its answer")

// stream makes the call and yields its text. It answers nil after a complete answer,
// and when yield has had enough.
func (c *Client) stream(parent context.Context, call *upstream.Call, yield func(chat.Event, error) bool) *upstream.Failure {
	requestID := c.newID()
	message, failure := c.newMessage(call, requestID)
	if failure != nil {
		return failure
	}
	request := connect.NewRequest(message)
	if failure := setHeaders(request.Header(), call, requestID, c.now()); failure != nil {
		return failure
	}

	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	// The timer runs only while the upstream is to speak, not while the reader of
	// the events takes its time.
	var cause error = fault.NoBeginning
	timer := time.AfterFunc(c.firstByte, func() { cancel(cause) })
	defer timer.Stop()
	x := &exchange{ended: func() {
		if timer.Stop() {
			cause = errDrained
			timer.Reset(drainTimeout)
		}
	}}
	judge := judge{parent: parent, ctx: ctx, exchange: x, secret: call.Credential.Secret}

	answer, err := c.client.CallServerStream(withExchange(ctx, x), request)
	if err != nil {
		return judge.failure(err)
	}
	defer func() {
		cancel(nil) // before Close, so that an unread answer is not waited for
		_ = answer.Close()
	}()
	conn, err := answer.Conn()
	if err != nil {
		return judge.failure(err)
	}

	var frame aiserverv1.StreamChatResponse
	var blocks upstream.Blocks
	spoken := false
	for {
		frame.Reset() // connect leaves it as it was when a frame is empty
		if err := conn.Receive(&frame); err != nil {
			if !isEnd(err) {
				return judge.failure(err)
			}
			break
		}
		// A frame without text shows that the upstream is at work; a model that thinks
		// for minutes sends nothing else. An empty one is a keep-alive and shows nothing.
		if proto.Size(&frame) == 0 {
			continue
		}
		if !timer.Stop() {
			continue // too late: the next Receive says so
		}
		cause = fault.NoProgress
		if frame.GetText() != "" {
			spoken = true
			if !send(&blocks, &upstream.Flat{Text: frame.GetText(), More: x.frames.nextArrived()}, yield) {
				return nil
			}
		}
		timer.Reset(c.idle)
	}
	if !spoken {
		return wire.CutShort(fault.Table, upstream.SignEmpty, "the upstream sent an empty answer")
	}
	send(&blocks, &upstream.Flat{Finish: chat.Stop}, yield)
	return nil
}

// send yields the events of a step, and tells whether the reader wants more.
func send(blocks *upstream.Blocks, step *upstream.Flat, yield func(chat.Event, error) bool) bool {
	events, err := blocks.Events(step)
	if err != nil {
		panic(err) // only calls end in errors, and there are none
	}
	for _, event := range events {
		if !yield(event, nil) {
			return false
		}
	}
	return true
}

// isEnd tells the end frame without an error from every failure.
func isEnd(err error) bool { return errors.Is(err, io.EOF) && !connect.IsWireError(err) }
