package headerlog

import (
	"context"
	"net/http"
	"sync"
)

// Record sees the headers of one request of a client on their way. Nothing is copied: most requests
// succeed, and nothing is kept of those.
type Record struct {
	// Client are what the client has sent.
	Client http.Header

	mu             sync.Mutex
	attempt        int
	begun          bool
	sent, received http.Header
}

type recordKey struct{}

// Following makes a context below which the record sees what is sent.
func Following(ctx context.Context, record *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, record)
}

func recordOf(ctx context.Context) *Record {
	record, _ := ctx.Value(recordKey{}).(*Record)
	return record
}

// Begin says that what is sent from now on belongs to another attempt.
func Begin(ctx context.Context) {
	if r := recordOf(ctx); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.attempt++
		r.begun, r.sent, r.received = false, nil, nil
	}
}

// Exchange is a request that was seen, and waits for its answer. The zero one belongs to nobody.
type Exchange struct {
	record  *Record
	attempt int
}

// Sending shows the record of its context a request that is about to be sent. Of several in an
// attempt the first is the attempt's own.
func Sending(request *http.Request) Exchange {
	r := recordOf(request.Context())
	if r == nil {
		return Exchange{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return Exchange{}
	}
	r.begun, r.sent = true, request.Header
	return Exchange{r, r.attempt}
}

// Answered shows it the answer; nil: none came.
func (e Exchange) Answered(response *http.Response) {
	if e.record == nil || response == nil {
		return
	}
	e.record.mu.Lock()
	defer e.record.mu.Unlock()
	if e.attempt == e.record.attempt {
		e.record.received = response.Header
	}
}

// OfAttempt returns what is kept of the headers of the present attempt, which has ended.
func OfAttempt(ctx context.Context) (sent, received []Header) {
	r := recordOf(ctx)
	if r == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Of(r.sent), Of(r.received)
}

// OfClient returns what is kept of what the client has sent.
func OfClient(ctx context.Context) []Header {
	if r := recordOf(ctx); r != nil {
		return Of(r.Client)
	}
	return nil
}
