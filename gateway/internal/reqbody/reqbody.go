// Package reqbody reads the bodies of requests: whole, unpacked, bounded in size, in
// time and in memory, and leaves the connection of one that it does not read in order.
package reqbody

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"carousel.internal/gateway/internal/chat"
)

const (
	// firstRoom is how much room is made for a body at once; beyond that it has to
	// arrive first. It then grows to growth times its size, and to what was announced once
	// trustedRoom has arrived.
	firstRoom   = 64 << 10
	trustedRoom = 1 << 20
	growth      = 4
	// drainBytes and drainTime bound what is read and thrown away of a body that is too
	// large, or finds no room, so that its client hears the answer and its connection can
	// serve the next request. It is twice the limit where that is more.
	drainBytes = 32 << 20
	drainTime  = 10 * time.Second
)

// ReadAll reads the whole body of a request, unpacked: at most limit bytes, before and
// after. It may be empty. The buffer belongs to the request: an upstream's transport
// may read it after the handler has ended, so it is never reused. Errors are
// *chat.Error, or the context's where the client has gone.
func ReadAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	return read(w, r, limit, func(body io.Reader, announced int64, guard *Guard) ([]byte, error) {
		return collect(body, announced, limit, guard)
	})
}

// read has take the whole body of a request, unpacked, of at most limit bytes before and
// after. announced is the body's length where the client told it, else -1.
func read[T any](w http.ResponseWriter, r *http.Request, limit int64, take func(body io.Reader, announced int64, guard *Guard) (T, error)) (taken T, err error) {
	names, err := codings(w, r)
	if err != nil {
		return taken, err
	}
	guard := guardOf(r)
	if r.ContentLength > limit {
		return taken, tooLarge(guard, limit)
	}
	guard.welcome()
	announced := r.ContentLength
	if len(names) > 0 {
		announced = -1
	}
	plain, release := unpack(r.Body, names, limit, guard)
	defer release()
	taken, err = take(plain, announced, guard)
	switch {
	case err == nil:
		return taken, nil
	case errors.Is(err, errTooLarge):
		return taken, tooLarge(guard, limit)
	case isRefusal(err):
		guard.drain(max(drainBytes, 2*limit), drainTime) // many clients hear nothing before they have sent all
		return taken, err
	default:
		return taken, unreadable(r, guard, err)
	}
}

// isRefusal tells whether there was no room for the body.
func isRefusal(err error) bool {
	kind := chat.AsError(err).Kind
	return kind == chat.Overloaded || kind == chat.PayloadTooLarge
}

var errTooLarge = errors.New("body too large")

// bounded returns errTooLarge where its reader has more than is left.
type bounded struct {
	reader io.Reader
	left   int64
	// err is why there will be no more; nil at the end, too.
	err error
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err = errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// collect reads all of r, or returns errTooLarge after limit bytes. announced is the
// length that the client told; -1 where it told none. What is held counts against the
// budget.
func collect(r io.Reader, announced, limit int64, guard *Guard) ([]byte, error) {
	room := int64(firstRoom)
	if announced >= 0 { // one byte more shows the end
		room = min(announced+1, firstRoom)
	}
	if !guard.hold(room) {
		return nil, guard.budget.noRoom(copies * room)
	}
	buffer := make([]byte, 0, room)
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case int64(len(buffer)) > limit:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return buffer, nil
		case err != nil:
			return nil, err
		case len(buffer) < cap(buffer):
			continue
		}
		room = min(int64(cap(buffer))*growth, limit+1)
		switch {
		case announced >= trustedRoom && len(buffer) >= trustedRoom:
			room = announced + 1
		case announced >= int64(len(buffer)):
			room = min(room, announced+1)
		}
		if !guard.hold(room - int64(cap(buffer))) {
			return nil, guard.budget.noRoom(copies * room)
		}
		grown := make([]byte, len(buffer), room)
		copy(grown, buffer)
		buffer = grown
	}
}

// tooLarge reads the rest of the body away if that is not too much.
func tooLarge(guard *Guard, limit int64) *chat.Error {
	guard.drain(max(drainBytes, 2*limit), drainTime)
	size, unit := limit>>20, "MiB"
	if size == 0 {
		size, unit = limit>>10, "KiB"
	}
	return chat.Errorf(chat.PayloadTooLarge, "the request body is larger than %d %s", size, unit)
}

func unreadable(r *http.Request, guard *Guard, err error) error {
	if own, is := errors.AsType[*chat.Error](err); is {
		return own
	}
	// First: net/http cancels the context for a missed deadline, too.
	if errors.Is(err, os.ErrDeadlineExceeded) || guard.overdue() {
		return chat.Errorf(chat.InvalidRequest, "the request body took too long to arrive")
	}
	if gone := r.Context().Err(); gone != nil {
		return gone
	}
	return &chat.Error{Kind: chat.InvalidRequest, Message: "the request body ends early or is not readable", Err: err}
}
