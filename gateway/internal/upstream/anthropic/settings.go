package anthropic

import (
	"fmt"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// settings are an upstream's own; the keys are those of upstream.Config.
type settings struct {
	// firstByte bounds the time from the request to a stream's first event, idle that
	// between two events, answer that to the last byte of an answer that is not streamed.
	firstByte, idle, answer time.Duration
	// maxTokens bounds answers whose request does not say a limit, in tokens; 0: the
	// model's own maximum.
	maxTokens int
	// sampling tells whether temperature, top_p and top_k are sent where the client's
	// dialect is another, as usual: newer models refuse them.
	sampling bool
	// midSystem tells whether the model takes instructions in the middle of a conversation.
	midSystem bool
	// cache has the upstream keep the conversation so far where the client's dialect can't ask
	// for it.
	cache bool
	// limitHeaders shows clients what the upstream says of its rate limits. They are those of
	// one key among several.
	limitHeaders bool
	// proxy is the way of tokens that have none of their own; empty: as the environment says.
	proxy secret.Value
}

var defaults = settings{
	firstByte: time.Minute,
	idle:      2 * time.Minute,
	answer:    10 * time.Minute,
	sampling:  true,
	cache:     true,
}

// settingParsers has one entry for each key.
var settingParsers = wire.Parsers[settings]{
	"first_byte_timeout": func(s *settings, text string) error { return wire.ParseTimeout(&s.firstByte, text) },
	"idle_timeout":       func(s *settings, text string) error { return wire.ParseTimeout(&s.idle, text) },
	"answer_timeout":     func(s *settings, text string) error { return wire.ParseTimeout(&s.answer, text) },
	"default_max_tokens": func(s *settings, text string) error { return parseTokens(&s.maxTokens, text) },
	"sampling":           func(s *settings, text string) error { return parseChoice(&s.sampling, text, "usual", "never") },
	"mid_system":         func(s *settings, text string) error { return parseChoice(&s.midSystem, text, "keep", "user") },
	"proxy":              func(s *settings, text string) error { return wire.ParseProxy(&s.proxy, text) },
	"automatic_cache":    func(s *settings, text string) error { return wire.ParseTruth(&s.cache, text) },
	"rate_limit_headers": func(s *settings, text string) error { return wire.ParseTruth(&s.limitHeaders, text) },
}

func parseTokens(tokens *int, text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > 1<<24 {
		return fmt.Errorf("%q is not a number of tokens such as 32000", text)
	}
	*tokens = value
	return nil
}

// parseChoice reads one of two words: what is on, and what is off.
func parseChoice(on *bool, text, yes, no string) error {
	if text != yes && text != no {
		return fmt.Errorf("%q is not one of %s, %s", text, yes, no)
	}
	*on = text == yes
	return nil
}

// parseSettings names every key that is unknown or wrong.
func parseSettings(texts map[string]string) (settings, error) {
	s := defaults
	err := settingParsers.Parse(&s, texts)
	return s, err
}
