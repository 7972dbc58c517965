package app

import (
	"context"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/tokencount"
)

// estimates count tokens without asking an upstream.
type estimates struct{}

// CountTokens implements httpapi.TokenCounter.
func (estimates) CountTokens(_ context.Context, request *chat.Request, _ lease.Choice) (int, error) {
	return tokencount.Prompt(request), nil
}
