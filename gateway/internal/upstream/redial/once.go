package redial

import "net/http"

// Once sends a request over a connection of its own, one time whatever happens: an
// upstream that has got it may have begun what must not be begun twice.
func (t *Transport) Once(request *http.Request) (*http.Response, error) {
	if !t.isPlain(request) {
		return guarded(t.fresh.RoundTrip(request))
	}
	response, err := t.http1.Once(request)
	if err != nil {
		t.reconsider(request, err)
	}
	return response, err
}
