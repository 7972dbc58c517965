package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
)

const (
	modelsTimeout  = 15 * time.Second
	maxModelsBytes = 4 << 20
)

// Models implements upstream.Driver: it asks the upstream, also whether it serves the Responses
// API, as long as that is not known. Its error is a *upstream.Failure.
func (d *Driver) Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error) {
	a := attempt{driver: d, call: &upstream.Call{Credential: credential}, caller: ctx}
	models, failure := a.models(ctx)
	if failure != nil {
		return nil, failure
	}
	d.findResponses(ctx, credential, true)
	return models, nil
}

func (a *attempt) models(ctx context.Context) ([]chat.Model, *upstream.Failure) {
	ctx, cancel := context.WithTimeoutCause(ctx, modelsTimeout, wire.TooSlowError{Limit: modelsTimeout})
	defer cancel()
	ctx, a.watch = wire.NewWatch(ctx)
	defer a.watch.Stop()
	header := http.Header{"Accept": jsonType, "User-Agent": userAgent, "Accept-Encoding": identity}
	authorize(header, a.call.Credential)
	request := &http.Request{
		Method: http.MethodGet, URL: a.driver.modelsURL, Host: a.driver.modelsURL.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	response, err := a.driver.transport.RoundTrip(request.WithContext(egress.Through(ctx, a.call.Credential.Proxy)))
	if err != nil {
		return nil, a.interrupted(ctx, err, upstream.SignUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, a.refused(ctx, response)
	}
	packed, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return nil, a.interrupted(ctx, err, upstream.SignLost)
	}
	body, err := wire.ReadAll(packed, response.ContentLength, maxModelsBytes)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return nil, cutShort(upstream.SignGarbled, "the list of models is larger than 4 MiB")
	case err != nil:
		return nil, a.interrupted(ctx, err, upstream.SignLost)
	}
	return a.parseModels(body)
}

func (a *attempt) parseModels(body []byte) ([]chat.Model, *upstream.Failure) {
	var list struct {
		Data []struct {
			ID      string  `json:"id"`
			OwnedBy string  `json:"owned_by"`
			Created float64 `json:"created"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		failure := cutShort(upstream.SignGarbled, "the list of models is not what the OpenAI API says")
		failure.Err = err
		return nil, failure
	}
	models := make([]chat.Model, 0, len(list.Data))
	for _, entry := range list.Data {
		if id := strings.TrimSpace(entry.ID); id != "" {
			models = append(models, chat.Model{ID: id, OwnedBy: entry.OwnedBy, Created: int64(entry.Created)})
		}
	}
	return models, nil
}
