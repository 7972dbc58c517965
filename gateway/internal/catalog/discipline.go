package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/upstream"
)

// The settings that every upstream has, whatever its driver.
const (
	rulesSetting     = "failure_rules"
	fallbacksSetting = "fallbacks"
	retrySetting     = "retry_percent"
	unnamedSetting   = "takes_unnamed"
)

const (
	// defaultRetryPercent is how many retries there may be for 100 requests. One bad
	// token of a small pool, or one whose turn falls to the same gateway again and
	// again, can need one for each request; what fails at all tokens is for the
	// guard to stop.
	defaultRetryPercent = 100
	// anyModel is the key of the fallbacks of models that have none of their own.
	anyModel = "*"
	// maxFallbacks and maxFallbackModels bound a list and the number of lists.
	maxFallbacks      = 5
	maxFallbackModels = 200
	maxModelID        = 200
)

// Discipline is what an admin has said of an upstream's failures.
type Discipline struct {
	// Rules rank before the driver's table.
	Rules upstream.Table
	// RetryPercent is how many retries there may be for 100 requests.
	RetryPercent int
	// FallbackLists are model ids as clients name them, by the upstream's own id.
	FallbackLists map[string][]string
	// TakesUnnamed sends requests here that name no model.
	TakesUnnamed bool
}

// Fallbacks are what to ask instead of a model of the upstream, in order.
func (d *Discipline) Fallbacks(model string) []string {
	if list, own := d.FallbackLists[model]; own {
		return list
	}
	return d.FallbackLists[anyModel]
}

// discipline takes the settings that are not the driver's out of the config.
func discipline(config *upstream.Config) (*Discipline, error) {
	d := &Discipline{RetryPercent: defaultRetryPercent}
	settings := maps.Clone(config.Settings)
	var problems []error
	for name, parse := range map[string]func(string) error{
		rulesSetting:     func(text string) (err error) { d.Rules, err = upstream.ParseRules(text); return err },
		fallbacksSetting: func(text string) (err error) { d.FallbackLists, err = parseFallbacks(text); return err },
		retrySetting:     func(text string) (err error) { d.RetryPercent, err = parsePercent(text); return err },
		unnamedSetting:   func(text string) (err error) { d.TakesUnnamed, err = parseTruth(text); return err },
	} {
		text, set := settings[name]
		if !set {
			continue
		}
		if err := parse(text); err != nil {
			problems = append(problems, fmt.Errorf("settings.%s: %w", name, err))
		}
		delete(settings, name)
	}
	config.Settings = settings
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return d, errors.Join(problems...)
}

func parseTruth(text string) (bool, error) {
	truth, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	return truth, nil
}

func parsePercent(text string) (int, error) {
	percent, err := strconv.Atoi(text)
	if err != nil || percent < 0 || percent > 100 {
		return 0, fmt.Errorf("%q is not a number from 0 to 100", text)
	}
	return percent, nil
}

func parseFallbacks(text string) (map[string][]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var lists map[string][]string
	if err := json.Unmarshal([]byte(text), &lists); err != nil {
		return nil, errors.New(`must be a JSON object of lists such as {"gpt-4o":["gpt-4o-mini","other/gpt-4o"],"*":["gpt-4o-mini"]}`)
	}
	if len(lists) > maxFallbackModels {
		return nil, fmt.Errorf("%d models; there may be %d", len(lists), maxFallbackModels)
	}
	var problems []error
	for _, model := range slices.Sorted(maps.Keys(lists)) {
		list := lists[model]
		if len(list) > maxFallbacks {
			problems = append(problems, fmt.Errorf("[%q]: %d fallbacks; there may be %d", model, len(list), maxFallbacks))
		}
		for i, each := range list {
			if each == "" || len(each) > maxModelID || each == model || slices.Contains(list[:i], each) {
				problems = append(problems, fmt.Errorf("[%q][%d]: must be the id of another model, and of each one once", model, i))
			}
		}
	}
	return lists, errors.Join(problems...)
}
