package agent

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
)

// protoType is the content type of one message.
const protoType = "application/proto"

// requestIDs are the ids of a run's request.
type requestIDs struct {
	// own is new for each run, original that of the first, of which this one is the repeat.
	own, original string
}

// Dress writes the headers of a request that is no stream.
func (c *Client) Dress(header http.Header, call *upstream.Call) *upstream.Failure {
	return c.dress(header, call.Credential, c.newID())
}

// dress writes what every request has.
func (c *Client) dress(header http.Header, credential upstream.Credential, id string) *upstream.Failure {
	bearer, failure := identity.Bearer(credential)
	if failure != nil {
		return failure
	}
	header.Set("Authorization", bearer)
	header.Set("Connect-Protocol-Version", "1")
	header.Set("User-Agent", identity.UserAgent)
	header.Set("X-Cursor-Client-Type", "cli")
	header.Set("X-Cursor-Client-Version", c.config.Version)
	header.Set("X-Ghost-Mode", "true")
	header.Set("X-Request-Id", id)
	return nil
}

// dressRun writes the headers of a run, which are those of the upstream's command line. Left
// out are the encoding of what is sent, which is none, and a key for the blobs: the upstream
// works without, and nobody knows what it would do to blobs that come from here.
func (c *Client) dressRun(header http.Header, credential upstream.Credential, ids requestIDs) *upstream.Failure {
	if failure := c.dress(header, credential, ids.own); failure != nil {
		return failure
	}
	header.Set("Content-Type", fault.FrameType)
	header.Set("Connect-Accept-Encoding", "gzip")
	header.Set("X-Original-Request-Id", ids.original)
	trace := newTrace()
	header.Set("Traceparent", trace)
	header.Set("Backend-Traceparent", trace)
	return nil
}

// newTrace makes the name of a trace, in the form of the W3C.
func newTrace() string {
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	return "00-" + hex.EncodeToString(random[:16]) + "-" + hex.EncodeToString(random[16:]) + "-01"
}
