package openai

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
)

// Pass implements upstream.Passer.
func (d *Driver) Pass(ctx context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error) {
	p := &pass{attempt: attempt{driver: d, call: &upstream.Call{Credential: call.Credential}, caller: ctx}, raw: call}
	if name, _, _ := strings.Cut(call.Path, "/"); name == responsesDialect {
		p.speaks = responsesDialect
	}
	p.ctx, p.watch = wire.NewWatch(ctx)
	answer, failure := p.run()
	if failure != nil {
		p.watch.Stop()
		return nil, failure
	}
	return answer, nil
}

// pass is one call that is carried as it is. One goroutine has it.
type pass struct {
	attempt
	ctx context.Context //nolint:containedctx // it ends with the call, when its body is closed
	raw *upstream.RawCall
}

func (p *pass) run() (*upstream.RawAnswer, *upstream.Failure) {
	if p.raw.Stream && !p.raw.Slow {
		p.watch.Wait(p.driver.settings.firstByte)
	} else {
		p.watch.Wait(p.driver.settings.answer)
	}
	var sent atomic.Bool
	response, err := p.send(&sent)
	if err != nil {
		failure := p.interrupted(p.ctx, err, upstream.SignUnreachable)
		if !sent.Load() {
			failure.Err = fmt.Errorf("%w: %w", upstream.ErrUnsent, failure.Err)
		}
		return nil, failure
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer func() { _ = response.Body.Close() }()
		return nil, p.refused(p.ctx, response)
	}
	answer, failure := p.begin(response)
	if failure != nil {
		_ = response.Body.Close()
	}
	return answer, failure
}

// largeBody is the size of a body, in bytes, before which the upstream is asked whether it
// wants it: a refusal in the middle of one is often lost with the connection. An upstream
// that does not answer gets it after the transport's ExpectContinueTimeout.
const largeBody = 256 << 10

var continues = []string{"100-continue"}

// send sends the request; sent becomes true when some of it may have reached the
// upstream.
func (p *pass) send(sent *atomic.Bool) (*http.Response, error) {
	header := maps.Clone(p.raw.Header)
	header["User-Agent"] = userAgent
	header["Accept-Encoding"] = identity
	if p.raw.Length > largeBody {
		header["Expect"] = continues
	}
	authorize(header, p.raw.Credential)
	at := p.driver.base.JoinPath(p.raw.Path)
	if p.raw.Query != "" {
		at.RawQuery = strings.TrimPrefix(at.RawQuery+"&"+p.raw.Query, "&")
	}
	ctx := httptrace.WithClientTrace(egress.Through(p.ctx, p.raw.Credential.Proxy), &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request := (&http.Request{
		Method: cmp.Or(p.raw.Method, http.MethodPost), URL: at, Host: at.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if p.raw.Open != nil {
		request.ContentLength, request.Body = p.raw.Length, io.NopCloser(p.raw.Open())
	}
	if p.raw.Once {
		return p.driver.transport.Once(request)
	}
	if p.raw.Open != nil {
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(p.raw.Open()), nil }
	}
	return p.driver.transport.RoundTrip(request)
}

// passedHeaders are the upstream's that are for the client, by the names that they have
// there. What names the account, or tells of the limits of one token, is not among them.
var passedHeaders = map[string]string{
	"Content-Type":         "Content-Type",
	"Content-Disposition":  "Content-Disposition",
	"Openai-Processing-Ms": "Openai-Processing-Ms",
	"Openai-Version":       "Openai-Version",
	"X-Request-Id":         "X-Upstream-Request-Id",
}

// begin waits until it is known that what comes is an answer.
func (p *pass) begin(response *http.Response) (*upstream.RawAnswer, *upstream.Failure) {
	answer := &upstream.RawAnswer{Status: response.StatusCode, Header: http.Header{}, Length: response.ContentLength}
	for theirs, ours := range passedHeaders {
		if values := response.Header[theirs]; len(values) > 0 {
			answer.Header[ours] = values
		}
	}
	if p.speaks == responsesDialect {
		maps.Copy(answer.Header, shownHeaders(response.Header))
	}
	plain, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return nil, p.interrupted(p.ctx, err, upstream.SignLost)
	}
	if plain != response.Body {
		answer.Length = -1
	}
	body := &passBody{pass: p, from: bufio.NewReaderSize(plain, headBytes), close: response.Body.Close}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	body.stream = media == eventStreamType
	head, whole, err := body.head()
	switch {
	case err != nil:
		return nil, p.interrupted(p.ctx, err, upstream.SignLost)
	case len(head) == 0 && response.StatusCode == http.StatusOK:
		return nil, cutShort(upstream.SignEmpty, "the answer is empty")
	}
	if failure := p.judge(head, whole, body.stream, media); failure != nil {
		return nil, failure
	}
	if p.raw.Vectors == upstream.Floats || p.raw.Vectors == upstream.Base64 {
		if failure := p.fitVectors(head, body, answer); failure != nil {
			return nil, failure
		}
	}
	p.watch.Arrived()
	if body.stream {
		body.follow = &streamFollower{}
	} else if isObject(head) {
		body.follow = &objectFollower{}
	}
	answer.Body, answer.End = body, body.end
	return answer, nil
}

const (
	eventStreamType = "text/event-stream"
	// headBytes bounds what is looked at of an answer before any of it goes on.
	headBytes = 64 << 10
)

// judge finds the failure in an answer with a good status: an error object, a page, or a
// stream that begins with an error.
func (p *pass) judge(head []byte, whole, stream bool, media string) *upstream.Failure {
	switch {
	case stream:
		ended, failed := firstEvent(head, whole)
		if failed != nil {
			return p.reported(failed)
		}
		if whole && !ended {
			return cutShort(upstream.SignEmpty, "the answer is empty")
		}
	case media == "text/html":
		return wire.Page(failures)
	case p.speaks == responsesDialect && strings.HasPrefix(objectOf(head), "response"): // one that failed is an answer, too
	case whole && isObject(head) && !hasContent(head) && tellsOfError(head):
		return p.reported(head)
	}
	return nil
}

func isObject(head []byte) bool {
	head = wire.Start(head)
	return len(head) > 0 && head[0] == '{'
}

// fitVectors brings embeddings into the form that was asked for, if they have the other
// one.
func (p *pass) fitVectors(head []byte, body *passBody, answer *upstream.RawAnswer) *upstream.Failure {
	if form := formOf(head); form == "" || form == p.raw.Vectors {
		return nil
	}
	data, err := wire.ReadAll(body.from, answer.Length, maxConverted)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		failure := cutShort(upstream.SignGarbled, fmt.Sprintf(
			"the upstream ignores encoding_format, and the answer is too large to be converted: ask for %s, or for fewer vectors at once", formOf(head)))
		failure.Class = upstream.CallerFault
		return failure
	case err != nil:
		return p.interrupted(p.ctx, err, upstream.SignLost)
	}
	converted, ok := convert(data, p.raw.Vectors)
	if !ok {
		return cutShort(upstream.SignGarbled, "the embeddings are neither numbers nor base64 of float32")
	}
	body.from = bufio.NewReader(bytes.NewReader(converted))
	answer.Length = int64(len(converted))
	return nil
}
