package openai

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
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
	// proxy is the way of tokens that have none of their own; empty: as the environment says.
	proxy  secret.Value
	quirks quirks
}

var defaults = settings{
	firstByte:    time.Minute,
	idle:         2 * time.Minute,
	answer:       10 * time.Minute,
	includeUsage: true,
	quirks:       usualQuirks,
}

// defaultsFor are the settings of an upstream at a host.
func defaultsFor(host string) settings {
	s := defaults
	s.quirks = quirksOf(host)
	return s
}

// settingParsers has one entry for each key.
var settingParsers = wire.Parsers[settings]{
	"first_byte_timeout": func(s *settings, text string) error { return wire.ParseTimeout(&s.firstByte, text) },
	"idle_timeout":       func(s *settings, text string) error { return wire.ParseTimeout(&s.idle, text) },
	"answer_timeout":     func(s *settings, text string) error { return wire.ParseTimeout(&s.answer, text) },
	"include_usage":      func(s *settings, text string) error { return wire.ParseTruth(&s.includeUsage, text) },
	"proxy":              func(s *settings, text string) error { return wire.ParseProxy(&s.proxy, text) },
	"developer_role": func(s *settings, text string) error {
		return parseWord(&s.quirks.developerRole, text, keep, string(chat.System))
	},
	"mid_system": func(s *settings, text string) error { return parseWord(&s.quirks.midSystem, text, keep, inUser) },
	"output_limit_field": func(s *settings, text string) error {
		return parseWord(&s.quirks.limitField, text, oldLimit, newLimit, never)
	},
	"output_limit_max":  func(s *settings, text string) error { return parseCount(&s.quirks.limitMax, text) },
	"sampling":          func(s *settings, text string) error { return parseWord(&s.quirks.sampling, text, usual, always, never) },
	"reasoning_efforts": func(s *settings, text string) error { return parseEfforts(&s.quirks, text) },
	"reasoning_field": func(s *settings, text string) error {
		return parseWord(&s.quirks.reasoningField, text, "reasoning_content", "reasoning")
	},
	"reasoning_history": func(s *settings, text string) error {
		return parseWord(&s.quirks.reasoningHistory, text, always, inToolLoop, never)
	},
	"tool_result_images": func(s *settings, text string) error {
		return parseWord(&s.quirks.resultMedia, text, inUser, inTool, asNote)
	},
	"documents":  func(s *settings, text string) error { return parseWord(&s.quirks.documents, text, asFile, never) },
	"tool_names": func(s *settings, text string) error { return parseWord(&s.quirks.toolNames, text, shorten, keep) },
	"custom_tools": func(s *settings, text string) error {
		return parseWord(&s.quirks.customTools, text, keep, asFunction)
	},
	"prompt_cache_key": func(s *settings, text string) error { return wire.ParseTruth(&s.quirks.cacheKey, text) },
	"user":             func(s *settings, text string) error { return wire.ParseTruth(&s.quirks.user, text) },
	"lacks":            func(s *settings, text string) error { return parseLacks(&s.quirks, text) },
	"responses":        func(s *settings, text string) error { return parseWord(&s.quirks.responses, text, auto, on, off) },
	"responses_without": func(s *settings, text string) error {
		return parseMembers(&s.quirks.responsesWithout, text)
	},
}

// parseWord takes one of the words.
func parseWord(to *string, text string, words ...string) error {
	if !slices.Contains(words, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(words, ", "))
	}
	*to = text
	return nil
}

func parseCount(to *int, text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		return fmt.Errorf("%q is not a number of tokens from 1 up", text)
	}
	*to = value
	return nil
}

// parseEfforts takes a list of efforts, or a word for all or none of them.
func parseEfforts(q *quirks, text string) error {
	q.effortsByModel, q.efforts = text == byModel, nil
	if text == byModel || text == never {
		return nil
	}
	for word := range strings.SplitSeq(text, ",") {
		effort := chat.Effort(strings.TrimSpace(word))
		if !slices.Contains(efforts, effort) {
			return fmt.Errorf("%q is neither %s nor %s, nor a list of efforts such as low,medium,high", text, byModel, never)
		}
		q.efforts = append(q.efforts, effort)
	}
	return nil
}

// parseLacks takes a list of what an upstream can't do, or nothing.
func parseLacks(q *quirks, text string) error {
	q.lacks = nil
	if text == "" {
		return nil
	}
	for word := range strings.SplitSeq(text, ",") {
		need := chat.Need(strings.TrimSpace(word))
		if !slices.Contains(lackable, need) {
			return fmt.Errorf("%q is not a list of some of %v", text, lackable)
		}
		q.lacks = append(q.lacks, need)
	}
	return nil
}

// parseMembers takes a list of names of members, or nothing. Without some no request is one.
func parseMembers(to *[]string, text string) error {
	*to = nil
	if text == "" {
		return nil
	}
	for word := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(word)
		if !memberForm.MatchString(name) || slices.Contains([]string{"model", "input", "stream"}, name) {
			return fmt.Errorf("%q is not a list of members such as client_metadata,prompt_cache_retention, without model, input and stream", text)
		}
		*to = append(*to, name)
	}
	return nil
}

var memberForm = ondemand.Regexp(`^[a-z_]{1,64}$`)

// parseSettings reads the settings of an upstream at a host. It names every key that is
// unknown or wrong.
func parseSettings(host string, texts map[string]string) (settings, error) {
	s := defaultsFor(host)
	err := settingParsers.Parse(&s, texts)
	return s, err
}

// parseBase reads a base URL such as https://api.openai.com/v1, to which
// /chat/completions and /models are added.
func parseBase(text string) (*url.URL, error) {
	base, err := wire.ParseBase(text, "https://api.openai.com/v1")
	switch {
	case err != nil:
		return nil, err
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
