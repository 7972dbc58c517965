package anthropic

import (
	"net/http"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
)

// ask sends what is no conversation, and returns the whole answer, of at most so many bytes.
func (a *attempt) ask(request *http.Request, most int) ([]byte, *upstream.Failure) {
	ctx := request.Context()
	response, err := a.driver.transport.RoundTrip(request.WithContext(egress.Through(ctx, a.call.Credential.Proxy)))
	if err != nil {
		return nil, a.interrupted(ctx, err, upstream.SignUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	a.receive(response.Header)
	if response.StatusCode != http.StatusOK {
		return nil, a.refused(ctx, response)
	}
	body, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return nil, a.interrupted(ctx, err, upstream.SignLost)
	}
	data, err := wire.ReadAll(body, response.ContentLength, most)
	if err != nil {
		return nil, a.interrupted(ctx, err, upstream.SignLost)
	}
	return data, nil
}
