package app

import (
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
)

// dialects are the APIs that clients may speak; the first is of whoever does not say.
var dialects = []dialect.Dialect{openai.API{}, anthropic.API{}}
