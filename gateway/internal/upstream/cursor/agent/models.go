package agent

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const (
	availablePath = "/aiserver.v1.AiService/AvailableModels"
	usablePath    = "/agent.v1.AgentService/GetUsableModels"
	// askTimeout bounds one question, maxList its answer, in bytes.
	askTimeout = 15 * time.Second
	maxList    = 8 << 20
)

// Models asks what the upstream serves to the credential, and keeps it: it is what ids and
// efforts are looked up in from now on. The list that has variants is asked for first, the
// flat one where that fails. Errors are *upstream.Failure.
func (c *Client) Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error) {
	ctx = egress.Through(ctx, credential.Proxy)
	var available agentv1.AiAvailableModelsResponse
	failure := c.ask(ctx, credential, availablePath, models.Request(), &available)
	if failure == nil && len(available.GetModels()) > 0 {
		return c.learn(models.Read(&available, nil)), nil
	}
	var usable agentv1.GetUsableModelsResponse
	if second := c.ask(ctx, credential, usablePath, &agentv1.GetUsableModelsRequest{}, &usable); second != nil {
		if failure != nil {
			return nil, failure
		}
		return nil, second
	}
	return c.learn(models.Read(nil, &usable)), nil
}

// learn keeps a catalog that lists anything.
func (c *Client) learn(catalog *models.Catalog) []chat.Model {
	list := catalog.List()
	if len(list) > 0 {
		c.catalog.Store(catalog)
	}
	return list
}

// ask puts a question that is no run.
func (c *Client) ask(parent context.Context, credential upstream.Credential, path string, question, answer proto.Message) *upstream.Failure {
	ctx, cancel := context.WithTimeoutCause(parent, askTimeout, &fault.Silence{Setting: "the time for a question", Message: "the upstream did not answer in time"})
	defer cancel()
	body, err := proto.Marshal(question)
	if err != nil {
		return &upstream.Failure{Class: upstream.Broken, Message: "the question can't be written", Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.Base+path, bytes.NewReader(body))
	if err != nil {
		return &upstream.Failure{Class: upstream.Broken, Message: "the upstream's URL is unusable"}
	}
	if failure := c.dress(request.Header, credential, c.newID()); failure != nil {
		return failure
	}
	request.Header.Set("Content-Type", protoType)
	response, err := c.config.Transport.RoundTrip(request)
	if err != nil {
		if failure := fault.Ended(failures, parent, ctx); failure != nil {
			return failure
		}
		return fault.Unreached(failures, err)
	}
	if response.StatusCode != http.StatusOK {
		refusal, is := errors.AsType[*fault.Refusal](fault.ReadRefusal(response))
		if !is {
			return fault.Ended(failures, parent, ctx)
		}
		return refusal.Failure(failures, credential.Secret)
	}
	defer func() { _ = response.Body.Close() }()
	told, err := wire.ReadAll(response.Body, response.ContentLength, maxList)
	if err == nil {
		err = proto.Unmarshal(told, answer)
	}
	if err != nil {
		if failure := fault.Ended(failures, parent, ctx); failure != nil {
			return failure
		}
		return wire.Signed(failures, upstream.SignGarbled, http.StatusOK, "the upstream's list of models is unreadable", err)
	}
	return nil
}
