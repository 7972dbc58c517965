package anthropic

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const (
	modelsTimeout  = 15 * time.Second
	maxModelsBytes = 4 << 20
	// maxPages bounds the pages of the list; one has up to 1000 models.
	maxPages = 10
)

// Models implements upstream.Driver: it asks the upstream. Its error is a
// *upstream.Failure.
func (d *Driver) Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error) {
	a := attempt{driver: d, call: &upstream.Call{Request: &chat.Request{}, Credential: credential}, caller: ctx}
	ctx, cancel := context.WithTimeoutCause(ctx, modelsTimeout, wire.TooSlowError{Limit: modelsTimeout})
	defer cancel()
	ctx, a.watch = wire.NewWatch(ctx)
	defer a.watch.Stop()
	var models []chat.Model
	after := ""
	for range maxPages {
		page, failure := a.page(ctx, after)
		if failure != nil {
			return nil, failure
		}
		models = append(models, page.models()...)
		if !page.HasMore || page.LastID == "" || page.LastID == after {
			break
		}
		after = page.LastID
	}
	return models, nil
}

// page is a page of the list of models.
type page struct {
	Data []struct {
		ID        string    `json:"id"`
		CreatedAt time.Time `json:"created_at"`
	} `json:"data"`
	HasMore bool   `json:"has_more"`
	LastID  string `json:"last_id"`
}

func (p *page) models() []chat.Model {
	var models []chat.Model
	for _, entry := range p.Data {
		if id := strings.TrimSpace(entry.ID); id != "" {
			models = append(models, chat.Model{ID: id, OwnedBy: dialect, Created: max(entry.CreatedAt.Unix(), 0)})
		}
	}
	return models
}

// page asks for the models behind one of them.
func (a *attempt) page(ctx context.Context, after string) (*page, *upstream.Failure) {
	address := *a.driver.modelsURL
	query := url.Values{"limit": {"1000"}}
	if after != "" {
		query.Set("after_id", after)
	}
	address.RawQuery = query.Encode()
	request := &http.Request{
		Method: http.MethodGet, URL: &address, Host: address.Host, Header: headerOf(a.call, false),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	data, failure := a.ask(request.WithContext(ctx), maxModelsBytes)
	if failure != nil {
		return nil, failure
	}
	list := &page{}
	if err := json.Unmarshal(data, list); err != nil {
		failure := cutShort(upstream.SignGarbled, "the list of models is not what the Messages API says")
		failure.Err = err
		return nil, failure
	}
	return list, nil
}
