package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/proto/valid"
)

// Bounds of a route's parameters.
const (
	maxParameterText   = 64 // bytes
	maxOutputTokens    = 1_000_000
	highestTemperature = 2
)

// parameters are what a route may say of its requests, and what is wrong with a value: it
// is JSON's, decoded.
var parameters = map[string]func(value any) error{
	"reasoning_effort":  oneOfEfforts,
	"verbosity":         someText,
	"service_tier":      someText,
	"temperature":       numberUpTo(highestTemperature),
	"top_p":             numberUpTo(1),
	"max_output_tokens": someTokens,
}

var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

func checkParameters(put []*tokenstorev1.RouteParameter) error {
	var problems []error
	known := map[string]bool{}
	for _, parameter := range put {
		at := "parameters." + parameter.GetName()
		check := parameters[parameter.GetName()]
		if check == nil {
			problems = append(problems, fmt.Errorf("parameters: %q is none of %s",
				parameter.GetName(), strings.Join(slices.Sorted(maps.Keys(parameters)), ", ")))
			continue
		}
		if known[parameter.GetName()] {
			problems = append(problems, fmt.Errorf("%s: is there twice", at))
		}
		known[parameter.GetName()] = true
		var value any
		if err := json.Unmarshal([]byte(parameter.GetValue()), &value); err != nil {
			problems = append(problems, fmt.Errorf("%s: JSON wanted: a string or a number", at))
		} else if err := check(value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", at, err))
		}
	}
	return errors.Join(problems...)
}

func oneOfEfforts(value any) error {
	if text, _ := value.(string); slices.Contains(efforts, text) {
		return nil
	}
	return fmt.Errorf("one of %s", strings.Join(efforts, ", "))
}

func someText(value any) error {
	text, is := value.(string)
	if !is || text == "" || valid.Line("value", text) != nil || len(text) > maxParameterText {
		return fmt.Errorf("text of 1 to %d bytes, without control characters", maxParameterText)
	}
	return nil
}

func numberUpTo(most float64) func(any) error {
	return func(value any) error {
		if number, is := value.(float64); !is || number < 0 || number > most {
			return fmt.Errorf("a number from 0 to %g", most)
		}
		return nil
	}
}

func someTokens(value any) error {
	number, is := value.(float64)
	if !is || number != math.Trunc(number) || number < 1 || number > maxOutputTokens {
		return fmt.Errorf("a whole number from 1 to %d", maxOutputTokens)
	}
	return nil
}

// normalParameter writes a value as JSON is written here, so that a whole number is one by
// its text, too. What is no string and no number stays as it is.
func normalParameter(value string) string {
	var read any
	if json.Unmarshal([]byte(value), &read) != nil {
		return value
	}
	switch read.(type) {
	case string, float64:
	default:
		return value
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(read) != nil {
		return value
	}
	return strings.TrimSpace(text.String())
}
