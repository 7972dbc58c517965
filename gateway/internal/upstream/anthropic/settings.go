package anthropic

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
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
	// dialect is another: newer models refuse them.
	sampling bool
	// midSystem tells whether the model takes instructions in the middle of a conversation.
	midSystem bool
	// cache has the upstream keep the conversation so far where the client's dialect can't ask
	// for it.
	cache bool
	// limitHeaders shows clients what the upstream says of its rate limits. They are those of
	// one key among several.
	limitHeaders bool
}

var defaults = settings{
	firstByte: time.Minute,
	idle:      2 * time.Minute,
	answer:    10 * time.Minute,
	sampling:  true,
	cache:     true,
}

// settingParsers has one entry for each key.
var settingParsers = map[string]func(*settings, string) error{
	"first_byte_timeout": func(s *settings, text string) error { return parseTimeout(&s.firstByte, text) },
	"idle_timeout":       func(s *settings, text string) error { return parseTimeout(&s.idle, text) },
	"answer_timeout":     func(s *settings, text string) error { return parseTimeout(&s.answer, text) },
	"default_max_tokens": func(s *settings, text string) error { return parseTokens(&s.maxTokens, text) },
	"sampling":           func(s *settings, text string) error { return parseSwitch(&s.sampling, text) },
	"mid_system":         func(s *settings, text string) error { return parseSwitch(&s.midSystem, text) },
	"automatic_cache":    func(s *settings, text string) error { return parseSwitch(&s.cache, text) },
	"rate_limit_headers": func(s *settings, text string) error { return parseSwitch(&s.limitHeaders, text) },
}

func parseTimeout(timeout *time.Duration, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is not a positive duration such as 90s or 2m", text)
	}
	*timeout = value
	return nil
}

func parseTokens(tokens *int, text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > 1<<24 {
		return fmt.Errorf("%q is not a number of tokens such as 32000", text)
	}
	*tokens = value
	return nil
}

func parseSwitch(on *bool, text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*on = value
	return nil
}

// parseSettings names every key that is unknown or wrong.
func parseSettings(texts map[string]string) (settings, error) {
	s := defaults
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		parse, known := settingParsers[key]
		if !known {
			problems = append(problems, fmt.Errorf("settings.%s: unknown; there are %s",
				key, strings.Join(slices.Sorted(maps.Keys(settingParsers)), ", ")))
			continue
		}
		if err := parse(&s, texts[key]); err != nil {
			problems = append(problems, fmt.Errorf("settings.%s: %w", key, err))
		}
	}
	return s, errors.Join(problems...)
}
