// Package imagefetch fetches images by URL for people who may write any URL. It
// connects to public addresses only, judged when the connection is made and so
// after the name was resolved, after each redirect, and whatever the name resolved
// to a moment earlier; it bounds size, time, redirects and how many are fetched at
// once; it sends no credential and uses no proxy; and it takes nothing but images.
package imagefetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"carousel.internal/gateway/internal/imagefile"
)

// Options bound what is fetched. Zero values mean the defaults.
type Options struct {
	// MaxBytes bounds one image, MaxTotal the images of one request.
	MaxBytes, MaxTotal int64
	// MaxImages bounds the images of one request.
	MaxImages int
	// Timeout bounds an image from the wait for its turn to its last byte.
	Timeout time.Duration
	// MaxRedirects bounds the redirects on the way to an image.
	MaxRedirects int
	// Concurrency bounds the images that are fetched at once, of all requests;
	// PerRequest those of one.
	Concurrency, PerRequest int
	// Allow tells which addresses may be connected to; Public where nil.
	Allow func(netip.Addr) bool
}

const (
	defaultTotal       = 32 << 20
	defaultImages      = 16
	defaultTimeout     = 15 * time.Second
	defaultRedirects   = 3
	defaultConcurrency = 16
	defaultPerRequest  = 4
	// maxHeader bounds an answer's header, in bytes.
	maxHeader = 64 << 10
)

// reason is what the client is told.
type reason string

// Error implements error.
func (r reason) Error() string { return string(r) }

// What is wrong with a URL or with what it leads to, for the client.
var (
	ErrURL       error = reason("the image's URL is not valid: an http or https URL without a user name is wanted")
	ErrAddress   error = reason("the image's URL leads to an address that is not on the public Internet; this gateway does not fetch from there")
	ErrRedirects error = reason("the image's URL redirects too often")
	ErrTimeout   error = reason("fetching the image took too long")
	ErrCut       error = reason("the image's host broke off in the middle of the image")
	ErrFetch     error = reason("the image could not be fetched: its host can't be reached")
)

// Error is why an image was not fetched.
type Error struct {
	// Index is that of the URL.
	Index int
	// Reason is for the client. It says nothing of what an address behind a refused
	// one answers.
	Reason error
	// Err is the cause, for the log, without the URL: it may hold a secret.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return e.Reason.Error() }

// Unwrap answers the reason and the cause.
func (e *Error) Unwrap() []error { return []error{e.Reason, e.Err} }

// Fetcher is safe for concurrent use. It keeps no connection open.
type Fetcher struct {
	options Options
	client  *http.Client
	turns   chan struct{}
}

// New makes a fetcher.
func New(options Options) *Fetcher {
	options = options.withDefaults()
	f := &Fetcher{options: options, turns: make(chan struct{}, options.Concurrency)}
	dialer := &net.Dialer{Timeout: options.Timeout, Control: f.control}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    options.Timeout,
			ResponseHeaderTimeout:  options.Timeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives:      true,
			DisableCompression:     true, // what is compressed again is no image
		},
		CheckRedirect: f.redirect,
	}
	return f
}

func (o Options) withDefaults() Options {
	orElse := func(value *int, otherwise int) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	orElse(&o.MaxImages, defaultImages)
	orElse(&o.MaxRedirects, defaultRedirects)
	orElse(&o.Concurrency, defaultConcurrency)
	orElse(&o.PerRequest, defaultPerRequest)
	if o.MaxBytes <= 0 {
		o.MaxBytes = imagefile.MaxSize
	}
	if o.MaxTotal <= 0 {
		o.MaxTotal = defaultTotal
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Allow == nil {
		o.Allow = Public
	}
	return o
}

// control is asked before each connection, with the address that it goes to.
func (f *Fetcher) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !f.options.Allow(to.Addr()) {
		return ErrAddress
	}
	return nil
}

func (f *Fetcher) redirect(request *http.Request, via []*http.Request) error {
	if len(via) > f.options.MaxRedirects {
		return ErrRedirects
	}
	request.Header.Del("Referer") // the URL before may hold a secret
	return check(request.URL)
}

func check(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ErrURL
	}
	return nil
}

// Fetch answers the image files of a request's URLs, in their order, fetched side
// by side. The first that can't be had ends it with an *Error; when ctx ends, so
// does everything.
func (f *Fetcher) Fetch(ctx context.Context, urls []string) ([][]byte, error) {
	if over := f.options.MaxImages; len(urls) > over {
		return nil, &Error{Index: over, Reason: reason(fmt.Sprintf("a request may hold %d images by URL, not %d", over, len(urls)))}
	}
	files := make([][]byte, len(urls))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	mine := make(chan struct{}, f.options.PerRequest)
	var total atomic.Int64
	var fetching sync.WaitGroup
	for i, each := range urls {
		fetching.Go(func() {
			file, err := f.fetch(ctx, each, mine)
			if err == nil && total.Add(int64(len(file))) > f.options.MaxTotal {
				err = reason(fmt.Sprintf("the images by URL are larger than %d MiB together", f.options.MaxTotal>>20))
			}
			if err != nil {
				cancel(failure(i, err)) // ends the others; the first cause stays
			}
			files[i] = file
		})
	}
	fetching.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return files, nil
}

// fetch gets one image, when it is its turn among the request's own and among all.
func (f *Fetcher) fetch(ctx context.Context, text string, mine chan struct{}) ([]byte, error) {
	target, err := url.Parse(text)
	if err != nil || check(target) != nil {
		return nil, ErrURL // the parser's own error repeats the URL
	}
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	for _, turns := range []chan struct{}{mine, f.turns} {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, ErrURL
	}
	request.Header.Set("Accept", "image/png, image/jpeg, image/webp, image/gif")
	request.Header.Set("User-Agent", "carousel")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return f.read(response)
}

// read takes the body in, as long as it may be.
func (f *Fetcher) read(response *http.Response) ([]byte, error) {
	if response.StatusCode != http.StatusOK {
		return nil, reason(fmt.Sprintf("the image could not be fetched: its host answers HTTP %d", response.StatusCode))
	}
	if response.ContentLength > f.options.MaxBytes {
		return nil, f.tooLarge()
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, f.options.MaxBytes+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, ErrCut
	case err != nil:
		return nil, err
	case int64(len(data)) > f.options.MaxBytes:
		return nil, f.tooLarge()
	}
	_, err = imagefile.Check(data)
	return data, err
}

func (f *Fetcher) tooLarge() error {
	return reason(fmt.Sprintf("the image is larger than %d KiB", f.options.MaxBytes>>10))
}

// faults are what can be wrong with a file, told as they are.
var faults = []error{imagefile.ErrEmpty, imagefile.ErrNoImage, imagefile.ErrCutOff, imagefile.ErrAnimated, imagefile.ErrTooLarge}

// failure words why the image at index was not fetched.
func failure(index int, err error) *Error {
	// A url.Error repeats the URL.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	told := &Error{Index: index, Reason: ErrFetch, Err: err}
	timeout, _ := errors.AsType[net.Error](err)
	if said, ok := errors.AsType[reason](err); ok {
		told.Reason = said
	} else if at := slices.IndexFunc(faults, func(fault error) bool { return errors.Is(err, fault) }); at >= 0 {
		told.Reason = faults[at]
	} else if timeout != nil && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		told.Reason = ErrTimeout
	}
	return told
}
