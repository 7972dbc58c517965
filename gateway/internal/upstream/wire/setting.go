package wire

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

// Parsers has a parser for each key of a driver's settings.
type Parsers[S any] map[string]func(settings *S, text string) error

// Parse reads texts into settings, which have their defaults. It names every key that is
// unknown or wrong.
func (p Parsers[S]) Parse(settings *S, texts map[string]string) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		parse, known := p[key]
		if !known {
			problems = append(problems, fmt.Errorf("settings.%s: unknown; there are %s",
				key, strings.Join(slices.Sorted(maps.Keys(p)), ", ")))
			continue
		}
		if err := parse(settings, texts[key]); err != nil {
			problems = append(problems, fmt.Errorf("settings.%s: %w", key, err))
		}
	}
	return errors.Join(problems...)
}

// ParseTimeout reads the value of a setting.
func ParseTimeout(timeout *time.Duration, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is not a positive duration such as 90s or 2m", text)
	}
	*timeout = value
	return nil
}

// ParseTruth reads the value of a setting that is on or off.
func ParseTruth(to *bool, text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*to = value
	return nil
}

// ParseProxy reads the value of a setting that is a proxy's URL; an empty one is none. The
// error does not repeat it: it may hold a password.
func ParseProxy(to *secret.Value, text string) error {
	*to = secret.New(text)
	if text == "" {
		return nil
	}
	return egress.Parse(text)
}

// ParseBase reads a base URL, which looks like the example. Its path, query and fragment are
// the driver's to judge.
func ParseBase(text, example string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSpace(text))
	switch {
	case text == "":
		return nil, errors.New("base_url: missing; it looks like " + example)
	case err != nil:
		return nil, errors.New("base_url: not a URL") // the parser's words would repeat it, with what it may hide
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("base_url: must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("base_url: has no host")
	case base.User != nil:
		return nil, errors.New("base_url: must not hold a password; the key is the token")
	}
	return base, nil
}
