package app

import (
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/dialect/responses"
)

// dialects are the APIs that clients may speak; the first is of whoever does not say.
var dialects = []dialect.Dialect{openai.API{Input: responses.API{BesideChat: true}}, anthropic.API{}, responses.API{}}

// dialectNamed finds a dialect by its name.
func dialectNamed(name string) (dialect.Dialect, bool) {
	for _, api := range dialects {
		if api.Name() == name {
			return api, true
		}
	}
	return nil, false
}

func dialectNames() []string {
	names := make([]string, len(dialects))
	for i, api := range dialects {
		names[i] = api.Name()
	}
	return names
}
