package tokentest

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

// What does not chat, and what costs little, by their names.
var (
	isOther = ondemand.Regexp(`(?i)embed|whisper|tts|audio|realtime|transcri|dall-e|image|video|moderat|rerank|babbage|davinci`)
	isSmall = ondemand.Regexp(`(?i)mini|nano|flash|lite|haiku|small|[^0-9][1-9]b\b`)
)

// small is a model that chats, one that costs little where there is one; empty: there is none.
func small(models []string) string {
	first := ""
	for _, model := range models {
		switch {
		case isOther.MatchString(model):
		case isSmall.MatchString(model):
			return model
		case first == "":
			first = model
		}
	}
	return first
}

// modelsFor are the models that are asked, by upstream. Those of a new upstream get known a moment
// after it: they are waited for.
func (d *Desk) modelsFor(ctx context.Context, tokens []Token, model string) map[string]string {
	models := map[string]string{}
	for _, token := range tokens {
		if _, known := models[token.Upstream]; !known {
			models[token.Upstream] = model
			if model == "" {
				models[token.Upstream] = d.await(ctx, token.Upstream)
			}
		}
	}
	return models
}

func (d *Desk) await(ctx context.Context, upstreamName string) string {
	for range looks {
		if model := small(d.Models(upstreamName)); model != "" {
			return model
		}
		select {
		case <-time.After(d.LookPause):
		case <-ctx.Done():
			return ""
		}
	}
	return ""
}
