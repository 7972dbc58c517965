package openai

import (
	"bufio"
	"io"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

// follower looks at an answer that goes by.
type follower interface {
	see(data []byte)
	// usage is what the upstream has counted; nil: nothing.
	usage() *chat.Usage
}

// passBody is the body of an answer that is carried as it is.
type passBody struct {
	*pass
	from  *bufio.Reader
	close func() error
	// stream tells that it has server-sent events.
	stream bool
	// follow is nil where nothing is to be seen.
	follow follower
	// told is what the upstream has told the client inside of the answer.
	told *upstream.Failure
	// ended is how reading has ended.
	ended error
}

// head waits for the beginning of the answer: of a stream its first event, of an object
// all that fits, of anything else whatever comes first. It stays to be read. whole tells
// that it is all.
func (b *passBody) head() (head []byte, whole bool, err error) {
	for n := 1; ; n = b.from.Buffered() + 1 {
		_, err := b.from.Peek(n)
		head, _ = b.from.Peek(b.from.Buffered())
		switch {
		case err == io.EOF:
			return head, true, nil
		case err == bufio.ErrBufferFull: //nolint:errorlint // bufio does not wrap it
			return head, false, nil
		case err != nil:
			return nil, false, err
		case b.begun(head):
			return head, false, nil
		}
	}
}

// begun tells whether as much has come as there is to wait for.
func (b *passBody) begun(head []byte) bool {
	if b.stream {
		ended, _ := firstEvent(head, false)
		return ended
	}
	return !isObject(head) && !allBlank(head)
}

func allBlank(head []byte) bool {
	return len(wire.Start(head)) == 0
}

// Read implements io.Reader.
func (b *passBody) Read(data []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	b.watch.Wait(b.driver.settings.idle)
	n, err := b.from.Read(data)
	b.watch.Arrived()
	if b.follow != nil {
		b.follow.see(data[:n])
	}
	switch {
	case err == io.EOF:
		b.ended = b.complete()
	case err != nil:
		b.ended = b.interrupted(b.ctx, err, upstream.SignLost)
	}
	return n, b.ended
}

// complete judges an answer that has come to its end.
func (b *passBody) complete() error {
	events, ok := b.follow.(*streamFollower)
	if !ok {
		return io.EOF
	}
	complete := events.complete()
	switch {
	case events.said != nil:
		b.told = b.reported(events.said, upstream.SignCut)
	case !complete:
		return cutShort(upstream.SignCut, "the answer ended early")
	}
	return io.EOF
}

func (b *passBody) end() (*chat.Usage, *upstream.Failure) {
	if b.follow == nil {
		return nil, b.told
	}
	return b.follow.usage(), b.told
}

// Close implements io.Closer. It ends the call.
func (b *passBody) Close() error {
	b.watch.Stop()
	return b.close()
}
