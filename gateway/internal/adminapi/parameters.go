package adminapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// rawMembers are the members of an object, still to be read.
type rawMembers map[string]json.RawMessage

// defaulted is how a parameter is written that holds only where the request has none.
type defaulted struct {
	Default json.RawMessage `json:"default"`
}

// writtenParameters is the object of the parameters.
func writtenParameters(parameters []*tokenstorev1.RouteParameter) map[string]any {
	written := make(map[string]any, len(parameters))
	for _, each := range parameters {
		value := json.RawMessage(each.GetValue())
		if each.GetOnlyDefault() {
			written[each.GetName()] = defaulted{value}
		} else {
			written[each.GetName()] = value
		}
	}
	return written
}

// readParameters reads such an object. Errors name the parameter.
func readParameters(object rawMembers) ([]*tokenstorev1.RouteParameter, error) {
	for name := range object {
		if !slices.Contains(routing.Parameters, chat.ParameterName(name)) {
			return nil, jsonapi.Invalid("parameters."+name, "there is no such parameter; there is %s", parameterNames())
		}
	}
	var parameters []*tokenstorev1.RouteParameter
	for _, name := range routing.Parameters {
		raw, there := object[string(name)]
		if !there {
			continue
		}
		parameter, err := readParameter(name, raw)
		if err != nil {
			return nil, err
		}
		parameters = append(parameters, parameter)
	}
	return parameters, nil
}

func readParameter(name chat.ParameterName, raw json.RawMessage) (*tokenstorev1.RouteParameter, error) {
	parameter := &tokenstorev1.RouteParameter{Name: string(name)}
	if raw[0] == '{' {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		var body defaulted
		if err := decoder.Decode(&body); err != nil || body.Default == nil {
			return nil, jsonapi.Invalid("parameters."+string(name), `a value wanted, or {"default": value} and nothing else in it`)
		}
		raw, parameter.OnlyDefault = body.Default, true
	}
	if err := wellTyped(name, raw); err != nil {
		return nil, err
	}
	parameter.Value = string(raw)
	return parameter, nil
}

func wellTyped(name chat.ParameterName, raw json.RawMessage) error {
	var text string
	var number json.Number
	switch {
	case routing.IsText(name):
		if raw[0] != '"' || json.Unmarshal(raw, &text) != nil || text == "" {
			return jsonapi.Invalid("parameters."+string(name), `a text wanted, such as "low", not %s`, raw)
		}
	case raw[0] == '"' || raw[0] == 'n' || json.Unmarshal(raw, &number) != nil:
		return jsonapi.Invalid("parameters."+string(name), "a number wanted, not %s", raw)
	}
	return nil
}

func parameterNames() string {
	names := make([]string, 0, len(routing.Parameters))
	for _, name := range routing.Parameters {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}
