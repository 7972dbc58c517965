// Package jsonapi is what the admin's JSON routes have in common: a body that is
// one object, errors that name the field at fault, answers with a version, and
// the tokenstore's errors in the client's words. It knows no route.
package jsonapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
)

// Handler answers a request or says why not. The error is rendered by the port
// that the route is mounted on.
type Handler func(c *gin.Context) error

// Adapt makes gin's kind of handler.
func Adapt(handle Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			_ = c.Error(err)
		}
	}
}

// Get adds a route for GET and HEAD.
func Get(router gin.IRouter, path string, handle Handler) {
	router.Match([]string{http.MethodGet, http.MethodHead}, path, Adapt(handle))
}

// Invalid is an error about one field, parameter or header of the request.
func Invalid(param, format string, args ...any) error {
	err := chat.Errorf(chat.InvalidRequest, param+": "+format, args...)
	err.Param = param
	return err
}

// Answer writes value as JSON.
func Answer(c *gin.Context, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	Write(c, status, "application/json", body)
	return nil
}

const (
	// writeTimeout is how long a client may refuse to read its answer.
	writeTimeout = 30 * time.Second
	// leastRate is how many bytes of a file earn it another second.
	leastRate = 32 << 10
)

// Attach writes a file to be kept under a name. A large one may take its time.
func Attach(c *gin.Context, name string, file []byte) {
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	write(c, http.StatusOK, "application/octet-stream", file, timeFor(file))
}

// Begin begins a file to be kept under a name, which is sent as it is written. Where it can't be
// ended the handler returns Unfinished.
func Begin(c *gin.Context, name, contentType string) io.Writer {
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	return Stream(c, contentType)
}

// Stream begins an answer that is sent as it is written.
func Stream(c *gin.Context, contentType string) io.Writer {
	header := c.Writer.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	c.Status(http.StatusOK)
	return pieces{c.Writer}
}

// Unfinished is the error of an answer that has begun and can't go on: its connection is cut, so that
// the client does not take what it got for the whole.
func Unfinished(err error) error { return errors.Join(err, http.ErrAbortHandler) }

// pieces writes an answer piece by piece, each of which may take its time.
type pieces struct{ to http.ResponseWriter }

func (p pieces) Write(piece []byte) (int, error) {
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(p.to).SetWriteDeadline(time.Now().Add(timeFor(piece)))
	return p.to.Write(piece)
}

func timeFor(piece []byte) time.Duration {
	return writeTimeout + time.Duration(len(piece)/leastRate)*time.Second
}

// Write writes a whole body.
func Write(c *gin.Context, status int, contentType string, body []byte) {
	write(c, status, contentType, body, writeTimeout)
}

func write(c *gin.Context, status int, contentType string, body []byte, timeout time.Duration) {
	header := c.Writer.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(timeout))
	c.Status(status)
	_, _ = c.Writer.Write(body) // a client that has gone does not mind
}

// SetVersion tells which version of one object the answer shows.
func SetVersion(c *gin.Context, version uint64) { SetRevision(c, strconv.FormatUint(version, 10)) }

// SetRevision is SetVersion where versions are texts.
func SetRevision(c *gin.Context, revision string) { c.Header("ETag", `"`+revision+`"`) }

// ExpectedRevision reads If-Match: one revision, quoted as in an ETag or not. It
// is empty, which means no check, without the header and for `*`.
func ExpectedRevision(c *gin.Context) string {
	header := strings.TrimSpace(c.GetHeader("If-Match"))
	if header == "*" {
		return ""
	}
	return strings.Trim(header, `"`)
}

// ExpectedVersion is ExpectedRevision for versions that are numbers; 0 means no
// check.
func ExpectedVersion(c *gin.Context) (uint64, error) {
	revision := ExpectedRevision(c)
	if revision == "" {
		return 0, nil
	}
	version, err := strconv.ParseUint(revision, 10, 64)
	if err != nil || version == 0 {
		return 0, Invalid("If-Match", "the object's version wanted, such as \"3\", not %s", c.GetHeader("If-Match"))
	}
	return version, nil
}

type actorKey struct{}

// WithActor returns a context whose requests are made for who is named, such as `mcp key CI`: who
// that is has been judged elsewhere than at the admin's routes.
func WithActor(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// Actor names whoever asks, for the record of a change: the admin pages or a program,
// and the client's address.
func Actor(c *gin.Context) string {
	if who, named := c.Request.Context().Value(actorKey{}).(string); named {
		return who + " " + clientOf(c)
	}
	who := "api "
	if c.GetHeader("Authorization") == "" { // let in by the session of a page
		who = "pages "
	}
	return who + clientOf(c)
}

// clientOf is the client's address as a text; empty where it has none.
func clientOf(c *gin.Context) string {
	client := forwarded.Client(c.Request)
	if !client.IsValid() {
		return ""
	}
	return client.String()
}
