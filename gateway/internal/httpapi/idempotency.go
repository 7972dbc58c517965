package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/idempotency"
	"carousel.internal/gateway/internal/sse"
)

const (
	idempotencyHeader = "Idempotency-Key"
	// replayedHeader is on an answer that another request got first.
	replayedHeader = "Idempotent-Replayed"
	// maxIdempotencyKey bounds a key, in bytes.
	maxIdempotencyKey = 255
)

// repeated are the headers that belong to an answer and not to its delivery.
var repeated = []string{"Content-Type", "Content-Length", "Cache-Control", "X-Accel-Buffering", fallbackHeader}

// answerOnce lets answer answer the request, unless its idempotency key has been, or
// is being answered: then it gets that answer. Requests without a key pass. The client of
// a stream gets heartbeats while it waits for what another gateway is at.
func (s *server) answerOnce(c *gin.Context, api dialect.Dialect, body []byte, stream bool, answer func() error) error {
	key := c.GetHeader(idempotencyHeader)
	switch {
	case key == "" || s.Answers == nil:
		return answer()
	case len(key) > maxIdempotencyKey:
		return chat.Errorf(chat.InvalidRequest, "%s: may have %d bytes", idempotencyHeader, maxIdempotencyKey)
	}
	keyHash, request := hashesOf(c.Request, exchangeOf(c).sender, key, body)
	for {
		waited := func() {}
		if stream {
			waiting := sse.Start(c.Writer, s.Options.Stream)
			waited = func() { _ = waiting.Close() } // its error is that of the next write, too
		}
		claim, first, err := s.Answers.Begin(c.Request.Context(), keyHash, request, exchangeOf(c).line.RequestID)
		waited()
		switch {
		case err != nil && c.Writer.Written():
			return s.breakOff(c, api, err)
		case err != nil:
			return err
		case claim != nil:
			return s.record(c, api, claim, answer)
		}
		if err := s.replay(c, api, first); !idempotency.Abandoned(err) {
			return err
		}
	}
}

// hashesOf names the key, which is its sender's own, and the request.
func hashesOf(r *http.Request, sender auth.Sender, key string, body []byte) (keyHash, request idempotency.Hash) {
	who := ownerOf(r, sender)
	keyHash = sha256.Sum256(append(who[:], r.URL.Path+"\x00"+key...))
	beside := r.Header.Get(auth.AliasHeader)
	if token := r.Header.Get(auth.TokenHeader); token != "" {
		beside += "\x00token " + token
	}
	if query := r.URL.RawQuery; query != "" {
		beside += "\x00" + query
	}
	head := sha256.Sum256([]byte(beside))
	return keyHash, sha256.Sum256(append(head[:], body...))
}

// ownerOf is whose an idempotency key is: a client key's, whatever its secret is now, else that of
// what was sent as the key. Gateways of before there were client keys name it alike.
func ownerOf(r *http.Request, sender auth.Sender) [sha256.Size]byte {
	if sender.Kind == caller.Client {
		return sender.Owner
	}
	return sha256.Sum256([]byte(cmp.Or(r.Header.Get("Authorization"), r.Header.Get("Cookie"))))
}

// record answers the request and keeps the answer. A client that hangs up does not end
// it: with a key, it means to come back.
func (s *server) record(c *gin.Context, api dialect.Dialect, claim *idempotency.Claim, answer func() error) (err error) {
	writer, request := c.Writer, c.Request
	c.Writer = &recorder{ResponseWriter: writer, claim: claim, client: request.Context(), idHeader: api.IDHeader()}
	ctx, end := outliving(request.Context())
	defer end()
	c.Request = request.WithContext(ctx)
	returned := false
	defer func() {
		c.Writer, c.Request = writer, request
		if !returned { // a panic: nobody has told the client
			claim.Break(ctx)
		}
	}()
	err = answer()
	returned = true
	claim.Finish(ctx, err)
	return err
}

type servingKey struct{}

// Serving makes the context below which requests are served. Its end cuts off all of them,
// those that outlive their client as well; its cause is what their clients are told.
func Serving(ctx context.Context) context.Context {
	return context.WithValue(ctx, servingKey{}, ctx)
}

// outliving is a request's context without the end of its client, but with that of the
// gateway.
func outliving(ctx context.Context) (context.Context, func()) {
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	serving, ok := ctx.Value(servingKey{}).(context.Context)
	if !ok {
		return detached, func() { cancel(nil) }
	}
	stop := context.AfterFunc(serving, func() { cancel(context.Cause(serving)) })
	return detached, func() {
		stop()
		cancel(nil)
	}
}

// replay answers with what another request gets, as far as that has come, and then as
// it comes.
func (s *server) replay(c *gin.Context, api dialect.Dialect, first *idempotency.Recording) error {
	controller := http.NewResponseController(c.Writer)
	sent := 0
	for {
		header, piece, done, err := first.Next(c.Request.Context(), sent)
		switch told := sent > 0 && idempotency.Recorded(err); {
		case err != nil && c.Writer.Written() && !told && !idempotency.Abandoned(err):
			return s.breakOff(c, api, err)
		case err != nil:
			return err
		}
		if sent == 0 {
			for name, value := range header {
				c.Header(name, value)
			}
			c.Header(replayedHeader, "true")
			c.Status(http.StatusOK)
		}
		// A writer without deadlines (a recorder) is no reason to fail.
		_ = controller.SetWriteDeadline(time.Now().Add(s.Options.Stream.WriteTimeout))
		if _, err := c.Writer.Write(piece); err != nil {
			return clientGone(err)
		}
		c.Writer.Flush()
		if sent += len(piece); done {
			return nil
		}
	}
}

// breakOff ends an answer that has begun and can't go on, so that its client does not take
// what it got for the whole.
func (s *server) breakOff(c *gin.Context, api dialect.Dialect, err error) error {
	if c.Writer.Header().Get("Content-Type") != sse.ContentType {
		exchangeOf(c).cut = true
		return err
	}
	out := sse.Start(c.Writer, s.Options.Stream)
	broken := api.Error(err, exchangeOf(c).line.RequestID)
	_ = out.Event(broken.Event, broken.JSON, false) // a client that has gone needs no error
	_ = out.Close()
	return err
}

// recorder is a writer that keeps what is written, and goes on when its client has
// gone.
type recorder struct {
	gin.ResponseWriter
	claim  *idempotency.Claim
	client context.Context //nolint:containedctx // a recorder lives as long as its request
	gone   bool
	// idHeader is the dialect's for a request's id; empty: it has none.
	idHeader string
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Write implements io.Writer. It never fails.
func (r *recorder) Write(piece []byte) (int, error) {
	r.claim.Write(r.answerHeader, piece)
	if !r.left() {
		_, err := r.ResponseWriter.Write(piece)
		r.gone = err != nil
	}
	return len(piece), nil
}

// WriteString implements io.StringWriter.
func (r *recorder) WriteString(text string) (int, error) { return r.Write([]byte(text)) }

// Flush implements http.Flusher.
func (r *recorder) Flush() {
	if !r.left() {
		r.ResponseWriter.Flush()
	}
}

// left tells whether the client has gone. When it is the gateway that goes, the client
// is still there to be told.
func (r *recorder) left() bool {
	return r.gone || r.client.Err() != nil && chat.AsError(context.Cause(r.client)).Kind == chat.Canceled
}

func (r *recorder) answerHeader() map[string]string {
	header := map[string]string{}
	for _, name := range repeated {
		if value := r.Header().Get(name); value != "" {
			header[name] = value
		}
	}
	if id := r.Header().Get(r.idHeader); id != r.Header().Get(requestIDHeader) && id != "" {
		header[r.idHeader] = id // the upstream's name for the answer
	}
	return header
}
