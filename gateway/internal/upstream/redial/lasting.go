package redial

import (
	"context"
	"io"
	"net/http"
)

// guarded returns an answer of net/http that can't seem whole because we hang up: over TLS the
// server's farewell may be read then, and a body that lasts until the server closes would end with
// it.
func guarded(response *http.Response, err error) (*http.Response, error) {
	if err == nil && response.ProtoMajor == 1 && response.ContentLength < 0 && len(response.TransferEncoding) == 0 {
		response.Body = &lasting{response.Body, response.Request.Context()}
	}
	return response, err
}

// lasting is a body that lasts until the server closes.
type lasting struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // the request's
}

// Read implements io.Reader.
func (l *lasting) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if err == io.EOF && l.ctx.Err() != nil { //nolint:errorlint // as bodies return it
		err = context.Cause(l.ctx)
	}
	return n, err
}
