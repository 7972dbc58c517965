package adminapi

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/keyform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// readKey reads what a body says of a key into it, and returns the fields that are said, as the
// store names them. What can be taken away is so by null. Of limits those that are not said stay.
func readKey(fields map[string]json.RawMessage, key *tokenstorev1.ClientKey) ([]string, error) {
	limits, budgets := keyform.LimitsOf(key.GetLimits())
	var names []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw, stored := fields[name], name
		var err error
		switch name {
		case "name":
			err = jsonapi.Member(name, raw, &key.Name)
		case "tags":
			err = optional(name, raw, &key.Tags)
		case "models":
			err = optional(name, raw, &key.Models)
		case "networks":
			err = optional(name, raw, &key.Networks)
		case "scopes":
			err = optional(name, raw, &key.Scopes)
		case "disabled":
			err = jsonapi.Member(name, raw, &key.Disabled)
		case "expires_at":
			key.ExpiresAt, err = readTime(name, raw)
		case "limits":
			err = readLimits(raw, &limits)
		case "budgets":
			stored = "limits"
			budgets, err = readBudgets(raw)
		default:
			err = jsonapi.Invalid(name, "there is no such field here; name, tags, disabled, expires_at, models, networks, scopes, limits and budgets can be said")
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, stored) {
			names = append(names, stored)
		}
	}
	if !slices.Contains(names, "limits") {
		return names, nil
	}
	var err error
	if key.Limits, err = keyform.ToStore(limits, budgets); err != nil {
		if problem, named := errors.AsType[*keyform.FieldError](err); named {
			return nil, jsonapi.Invalid(problem.Field, "%s", problem.Problem)
		}
		return nil, err
	}
	return names, nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// optional is jsonapi.Member for a list that null empties.
func optional(name string, raw json.RawMessage, into *[]string) error {
	*into = nil
	if isNull(raw) {
		return nil
	}
	return jsonapi.Member(name, raw, into)
}

func readTime(name string, raw json.RawMessage) (*timestamppb.Timestamp, error) {
	if isNull(raw) {
		return nil, nil //nolint:nilnil // never
	}
	var text string
	if err := jsonapi.Member(name, raw, &text); err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, jsonapi.Invalid(name, "a time such as 2026-01-31T12:00:00Z wanted, or null for never, not %q", text)
	}
	return timestamppb.New(at), nil
}

// readLimits changes the limits that are said; null takes one away, or all.
func readLimits(raw json.RawMessage, limits *keyform.Limits) error {
	if isNull(raw) {
		*limits = keyform.Limits{}
		return nil
	}
	var said map[string]json.RawMessage
	if err := jsonapi.Member("limits", raw, &said); err != nil {
		return err
	}
	into := map[string]**uint64{
		keyform.RequestsPerMinute: &limits.RequestsPerMinute, keyform.TokensPerMinute: &limits.TokensPerMinute, keyform.Parallel: &limits.Parallel,
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		limit, known := into[name]
		if !known {
			return jsonapi.Invalid("limits."+name, "there is no such limit; there is %s", oneOf(into))
		}
		*limit = nil
		if isNull(said[name]) {
			continue
		}
		amount := new(uint64)
		if err := jsonapi.Member("limits."+name, said[name], amount); err != nil {
			return err
		}
		*limit = amount
	}
	return nil
}

// readBudgets reads all budgets of a key.
func readBudgets(raw json.RawMessage) ([]keyform.Budget, error) {
	if isNull(raw) {
		return nil, nil
	}
	var said struct {
		Budgets []keyform.Budget `json:"budgets"`
	}
	err := jsonapi.Unmarshal(slices.Concat([]byte(`{"budgets":`), raw, []byte("}")), &said)
	return said.Budgets, err
}
