package anthropic

import (
	"context"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

// maxCountBytes bounds the answer to a question for tokens.
const maxCountBytes = 64 << 10

// CountTokens implements upstream.TokenCounter. It changes nothing of the client's body but
// the model's name: the API refuses fields that it does not ask for here.
func (d *Driver) CountTokens(ctx context.Context, call *upstream.Call) (int, error) {
	a := attempt{driver: d, call: call, caller: ctx}
	tokens, failure := a.count(ctx)
	if failure != nil {
		return 0, failure
	}
	return tokens, nil
}

func (a *attempt) count(ctx context.Context) (int, *upstream.Failure) {
	ctx, a.watch = wire.NewWatch(ctx)
	defer a.watch.Stop()
	a.watch.Wait(a.driver.settings.firstByte)
	source := a.call.Request.Source
	body, edited := edit(source.JSON, a.call.Model, a.call.WithoutSeals)
	if !edited {
		body = source.JSON
	}
	address := *a.driver.countURL
	address.RawQuery = source.Query
	data, failure := a.ask(post(ctx, &address, headerOf(a.call, true), body), maxCountBytes)
	if failure != nil {
		return 0, failure
	}
	var tokens *int
	s := rawjson.Over(data)
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == "input_tokens" {
			count(&s, &tokens)
		} else {
			s.Skip()
		}
	}
	if s.End() != nil || tokens == nil {
		return 0, a.reported(data, upstream.SignGarbled)
	}
	return *tokens, nil
}
