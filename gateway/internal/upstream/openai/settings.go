package openai

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are an upstream's own; the keys are those of upstream.Config.
type settings struct {
	// firstByte bounds the time from the request to a stream's first event.
	firstByte time.Duration
	// idle bounds the time between two events. Comments don't count.
	idle time.Duration
	// answer bounds the time from the request to the last byte of an answer that
	// is not streamed. White space that keeps the connection alive does not
	// prolong it.
	answer time.Duration
	// includeUsage has token counts asked for in every stream, whether the client
	// wants them or not. Off is for upstreams that refuse stream_options.
	includeUsage bool
}

var defaults = settings{
	firstByte:    time.Minute,
	idle:         2 * time.Minute,
	answer:       10 * time.Minute,
	includeUsage: true,
}

// settingParsers has one entry for each key.
var settingParsers = map[string]func(*settings, string) error{
	"first_byte_timeout": func(s *settings, text string) error { return parseTimeout(&s.firstByte, text) },
	"idle_timeout":       func(s *settings, text string) error { return parseTimeout(&s.idle, text) },
	"answer_timeout":     func(s *settings, text string) error { return parseTimeout(&s.answer, text) },
	"include_usage": func(s *settings, text string) (err error) {
		if s.includeUsage, err = strconv.ParseBool(text); err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		return nil
	},
}

func parseTimeout(timeout *time.Duration, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is not a positive duration such as 90s or 2m", text)
	}
	*timeout = value
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

// parseBase reads a base URL such as https://api.openai.com/v1, to which
// /chat/completions and /models are added.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSpace(text))
	switch {
	case text == "":
		return nil, errors.New("base_url: missing; it looks like https://api.openai.com/v1")
	case err != nil:
		return nil, errors.New("base_url: not a URL") // the parser's words would repeat it, with what it may hide
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("base_url: must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("base_url: has no host")
	case base.User != nil:
		return nil, errors.New("base_url: must not hold a password; the key is the token")
	case base.Fragment != "":
		return nil, errors.New("base_url: must not have a fragment")
	case strings.HasSuffix(strings.TrimRight(base.Path, "/"), "/chat/completions"):
		return nil, errors.New("base_url: must end before /chat/completions, which is added")
	}
	if base.Path == "" {
		base.Path = "/" // JoinPath would make a relative path
	}
	return base, nil
}
