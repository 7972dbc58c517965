package cursor

import (
	"context"
	"errors"
	"io"
	"net/http"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

// Errors of what is no stream. The errors themselves would repeat the URL.
var (
	errNotInTime = errors.New("no answer in time")
	errNotThere  = errors.New("the upstream can't be reached")
	errCut       = errors.New("the answer was cut short")
)

// question sends one request and answers the body of a success.
func (d *driver) question(ctx context.Context, method, target string, header http.Header, call *upstream.Call) ([]byte, error) {
	request, err := http.NewRequestWithContext(egress.Through(ctx, call.Credential.Proxy), method, target, http.NoBody)
	if err != nil {
		return nil, errUnreadable // the URL is the config's and was parsed
	}
	request.Header = header
	answer, err := d.send(request)
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, answer.Failure(fault.Table, call.Credential.Secret)
	}
	return answer.Body, nil
}

// send sends a request and reads the answer, whatever its status. The request's context
// has its proxy. Errors are fit for an admin.
func (d *driver) send(request *http.Request) (*fault.Refusal, error) {
	request.Header.Set("User-Agent", identity.UserAgent)
	response, err := d.plain.Do(request)
	switch {
	case request.Context().Err() != nil:
		return nil, errNotInTime
	case err != nil:
		if proxy, ok := errors.AsType[*egress.Error](err); ok {
			return nil, proxy
		}
		return nil, errNotThere
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAccountBody))
	if err != nil {
		return nil, errCut
	}
	return &fault.Refusal{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// words is what an answer other than a success says, fit for an admin.
func words(answer *fault.Refusal, hidden secret.Value) string {
	return answer.Failure(fault.Table, hidden).Message
}
