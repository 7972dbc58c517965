// Package valid says what admins may give a token: the tokenstore refuses all else, and a gateway
// tells before what would be refused.
package valid

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTag    = 50 // characters
	maxTags   = 32
	maxCap    = 100_000
	maxWeight = 1000
)

// Tags returns everything that is wrong with a token's tags.
func Tags(tags []string) error {
	var problems []error
	if len(tags) > maxTags {
		problems = append(problems, fmt.Errorf("there are more than %d tags", maxTags))
	}
	for _, tag := range tags {
		if tag == "" || utf8.RuneCountInString(tag) > maxTag {
			problems = append(problems, fmt.Errorf("a tag has 1 to %d characters", maxTag))
		} else if err := Line("tag", tag); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// Cap refuses what is no cap of a token.
func Cap(limit uint32) error {
	if limit > maxCap {
		return fmt.Errorf("cap is at most %d; 0 is unlimited", maxCap)
	}
	return nil
}

// Weight refuses what is no weight of a token.
func Weight(weight uint32) error {
	if weight < 1 || weight > maxWeight {
		return fmt.Errorf("weight is 1 to %d", maxWeight)
	}
	return nil
}

// Line refuses a text that can't be shown on one line.
func Line(what, text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the %s is not valid UTF-8", what)
	}
	if text != strings.TrimSpace(text) {
		return fmt.Errorf("the %s has spaces at its ends", what)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the %s has a character that can't be shown", what)
		}
	}
	return nil
}
