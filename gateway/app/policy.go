package app

import (
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// policyOf is the hot settings as the relay reads them.
func policyOf(settings *tokenstorev1.Settings, cfg Config) relay.Policy {
	return relay.Policy{
		Options:     optionsOf(settings),
		AnyClaude:   settings.GetEnableAllClaude(),
		HoldBack:    settings.GetEnableStreamCheck(),
		MaxAttempts: max(int(settings.GetMaxAttempts()), 1),
		QueueWait:   time.Duration(settings.GetQueueWaitMs()) * time.Millisecond,
		Affinity:    relay.Affinity(settings.GetAffinity()),
		Sticky:      settings.GetRotationStrategy() == "sticky",
		Total:       cfg.RequestTimeout,
		LogPrompts:  settings.GetLogPrompts(),
	}
}

// optionsOf is the hot settings as drivers read them.
func optionsOf(settings *tokenstorev1.Settings) upstream.Options {
	return upstream.Options{
		SlowPool:            settings.GetEnableSlowPool(),
		DefaultInstructions: settings.GetDefaultInstructions(),
		Vision:              settings.GetVisionAbility(),
		ClientVersion:       settings.GetCursorClientVersion(),
		Timezone:            settings.GetCursorTimezone(),
	}
}

// statusOf is the HTTP status that clients of a dialect see for an error.
func statusOf(name string, err *chat.Error) int {
	api, known := dialectNamed(name)
	if !known {
		api = dialects[0]
	}
	return api.Error(err, "").Status
}

// hasAccounts tells whether an upstream tells of the accounts behind its tokens.
func (g *Gateway) hasAccounts(upstreamName string) bool {
	driver, _ := g.catalog.Driver(upstreamName)
	_, tells := driver.(upstream.Accounts)
	return tells
}

// hasLogins tells whether people can log in to an upstream in the browser.
func (g *Gateway) hasLogins(upstreamName string) bool {
	driver, _ := g.catalog.Driver(upstreamName)
	_, able := driver.(upstream.Logins)
	return able
}

// models lists what can be served now, or all where the settings say so.
func (g *Gateway) models() []chat.Model {
	if g.config.Settings().GetListAllModels() {
		return g.catalog.Models()
	}
	return g.catalog.Servable()
}
