package http1

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// uploadGrace is how long a body may still be on its way when its answer has come to its end.
const uploadGrace = time.Second

var errBodyClosed = errors.New("the body of the answer is closed")

// exchange is a request on its connection, and then the body of its response. It ends, and gives
// the connection back, at the end of the body or when that is closed; until then the end of the
// context ends the connection.
type exchange struct {
	response http.Response
	ctx      context.Context //nolint:containedctx // the request's
	conn     *conn
	keep     bool // the connection may go to the pool
	// stop ends the watch over the context; false: it has ended the connection.
	stop func() bool
	// over: the exchange has ended.
	over atomic.Bool

	// ahead has what has come and not been read; nil: nothing.
	ahead  *buffer
	framed framing
	left   int64 // of a body with a length
	chunks chunked
	end    error // how the body has ended

	// upload is what goes on while the answer is read; nil: the request was sent whole.
	upload *upload
}

// run sends the request and reads the head of the response.
func (x *exchange) run(request *http.Request, m *message) error {
	if trace := httptrace.ContextClientTrace(x.ctx); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	_, unsent := x.conn.Write(m.data)
	if unsent == nil && m.rest != nil {
		x.upload = startUpload(x.conn, m)
	} else {
		m.drop()
	}
	// Where the request could not be written there may still be an answer that says why.
	if err := x.receive(request); err != nil {
		lost, is := errors.AsType[*LostError](err)
		switch failed := x.upload.failure(); {
		case failed != nil && !is, failed != nil && isBodyError(failed):
			return failed
		case is && unsent != nil:
			lost.Err = unsent
		}
		return err
	}
	x.response.Request = request
	return nil
}

func isBodyError(err error) bool {
	_, is := errors.AsType[*bodyError](err)
	return is
}

// receive reads heads up to that of the final response.
func (x *exchange) receive(request *http.Request) error {
	x.ahead = newBuffer()
	for room := maxHead; ; {
		head, err := x.ahead.head(x.conn, room)
		switch {
		case err != nil && x.ahead.to == 0:
			return &LostError{Err: err}
		case err == io.EOF: //nolint:errorlint // as connections return it
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		room -= len(head)
		x.response = http.Response{}
		if err := parseHead(head, &x.response); err != nil {
			return err
		}
		if x.response.StatusCode/100 == 1 && x.response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		x.framed, err = frame(&x.response, request.Method)
		if err != nil {
			return err
		}
		x.begin()
		return nil
	}
}

// begin makes the response's body.
func (x *exchange) begin() {
	x.left = x.response.ContentLength
	x.response.Body = x
	if x.ahead.from == x.ahead.to {
		x.release()
	}
	if x.framed == noBody {
		x.response.Body = http.NoBody
		x.complete(x.release())
	}
}

// release gives the buffer back, and tells how many bytes were in it.
func (x *exchange) release() (unread int) {
	if x.ahead != nil {
		unread = x.ahead.to - x.ahead.from
		x.ahead.release()
		x.ahead = nil
	}
	return unread
}

// complete ends the exchange after a whole response. What came behind it nobody has asked for.
func (x *exchange) complete(surplus int) {
	x.end = io.EOF
	x.finish(surplus == 0 && !x.response.Close && x.response.StatusCode != http.StatusSwitchingProtocols)
}

// finish ends the exchange. The connection goes to the pool if it is clean.
func (x *exchange) finish(clean bool) {
	if !x.over.CompareAndSwap(false, true) {
		return
	}
	clean = x.stop() && clean && x.keep
	switch {
	case !clean:
		x.conn.cut()
	case x.upload == nil:
		x.conn.pool.put(x.conn)
	default:
		x.upload.handOver()
	}
}

// Read implements io.Reader.
func (x *exchange) Read(p []byte) (int, error) {
	switch {
	case x.end != nil:
		return 0, x.end
	case x.over.Load():
		return 0, errBodyClosed
	case len(p) == 0:
		return 0, nil
	}
	for {
		n, err := x.next(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next reads once. It may return nothing but a part of what stands between chunks.
func (x *exchange) next(p []byte) (int, error) {
	if x.framed == ofLength {
		p = p[:min(int64(len(p)), x.left)]
	}
	n, err := x.read(p)
	surplus, over := 0, false
	switch x.framed {
	case ofLength:
		x.left -= int64(n)
		over = x.left == 0
	case inChunks:
		var bad error
		n, surplus, bad = x.chunks.decode(p[:n])
		if over = x.chunks.state == chunksOver; over {
			bad = x.takeTrailer()
		}
		if bad != nil {
			return n, x.fail(bad)
		}
	case noBody: // nothing of one is read
	case untilClose:
		over = err == io.EOF && !x.conn.hungUp.Load() //nolint:errorlint // as connections return it
	}
	switch {
	case over:
		x.complete(surplus + x.release())
		return n, io.EOF
	case err == io.EOF: //nolint:errorlint // as above
		return n, x.fail(io.ErrUnexpectedEOF)
	case err != nil:
		return n, x.fail(err)
	}
	return n, nil
}

// read reads what has come ahead, and then from the connection.
func (x *exchange) read(p []byte) (int, error) {
	if x.ahead == nil {
		return x.conn.Read(p)
	}
	n := copy(p, x.ahead.data[x.ahead.from:x.ahead.to])
	if x.ahead.from += n; x.ahead.from == x.ahead.to {
		x.release()
	}
	return n, nil
}

// takeTrailer reads the fields behind the last chunk.
func (x *exchange) takeTrailer() error {
	if len(x.chunks.trailer) <= len("\r\n") {
		return nil
	}
	trailer, err := parseFields(x.chunks.trailer)
	if err != nil {
		return err
	}
	if x.response.Trailer == nil {
		x.response.Trailer = trailer
	} else {
		maps.Copy(x.response.Trailer, trailer)
	}
	return nil
}

// fail ends the exchange in the middle of a body.
func (x *exchange) fail(err error) error {
	if x.ctx.Err() != nil {
		err = context.Cause(x.ctx)
	}
	x.end = err
	x.release()
	x.finish(false)
	return err
}

// Close implements io.Closer. A connection with an answer on it that was not read to its end is
// of no use.
func (x *exchange) Close() error {
	x.finish(false)
	return nil
}
