package upstreamsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// rejection is how the API answers a request that it does not take.
type rejection struct {
	apiError
	status int    // 0 is 400
	body   string // the whole body as JSON, where it is not an error in OpenAI's form
	// unforeseen: no driver can know that the request is refused, so that it is not noted.
	unforeseen bool
}

// notFound gives the rejection status 404.
func (r *rejection) notFound() *rejection {
	r.status = http.StatusNotFound
	return r
}

// unnoted marks the rejection as unforeseen.
func (r *rejection) unnoted() *rejection {
	r.unforeseen = true
	return r
}

func (r *rejection) httpStatus() int {
	if r.status == 0 {
		return http.StatusBadRequest
	}
	return r.status
}

// firstOf runs checks until one fails.
func firstOf(checks ...func() *rejection) *rejection {
	for _, check := range checks {
		if problem := check(); problem != nil {
			return problem
		}
	}
	return nil
}

// rejected is a rejection with a code, or without one where that is empty.
func rejected(param, code, format string, args ...any) *rejection {
	problem := &rejection{apiError: apiError{Message: fmt.Sprintf(format, args...), Type: "invalid_request_error"}}
	if param != "" {
		problem.Param = &param
	}
	if code != "" {
		problem.Code = &code
	}
	return problem
}

// misused is a parameter that does not go with another one.
func misused(param, format string, args ...any) *rejection {
	return rejected(param, "", format, args...)
}

func missing(param string) *rejection {
	return rejected(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

func wrongType(param, expected, got string) *rejection {
	return rejected(param, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", param, expected, got)
}

// wrongValue tells the values that there are.
func wrongValue(param, value string, supported ...string) *rejection {
	last := len(supported) - 1
	list := "'" + strings.Join(supported[:last], "', '") + "'"
	if last > 1 {
		list += ","
	}
	return rejected(param, "invalid_value", "Invalid value: '%s'. Supported values are: %s and '%s'.", value, list, supported[last])
}

func emptyArray(param string) *rejection {
	return rejected(param, "empty_array", "Invalid '%s': empty array. Expected an array with minimum length 1, but got an empty array instead.", param)
}

func longArray(param string, most, length int) *rejection {
	return rejected(param, "array_above_max_length",
		"Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", param, most, length)
}

func longString(param string, most, length int) *rejection {
	return rejected(param, "string_above_max_length",
		"Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", param, most, length)
}

func wrongPattern(param, pattern string) *rejection {
	return rejected(param, "invalid_value",
		"Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", param, pattern)
}

func unsupportedParameter(param, hint string) *rejection {
	return rejected(param, "unsupported_parameter", "Unsupported parameter: '%s' is not supported with this model.%s", param, hint)
}

func badSchema(param, code, owner, problem string) *rejection {
	return rejected(param, code, "Invalid schema for %s: %s", owner, problem)
}

// integerWithin checks the bounds of a number that may be absent.
func integerWithin(param string, value *int, least, most int) *rejection {
	switch {
	case value == nil:
		return nil
	case *value < least:
		return rejected(param, "integer_below_min_value",
			"Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", param, least, *value)
	case *value > most:
		return rejected(param, "integer_above_max_value",
			"Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", param, most, *value)
	default:
		return nil
	}
}

func decimalWithin(param string, value *float64, least, most float64) *rejection {
	switch {
	case value == nil:
		return nil
	case *value < least:
		return rejected(param, "decimal_below_min_value",
			"Invalid '%s': decimal below minimum value. Expected a value >= %g, but got %g instead.", param, least, *value)
	case *value > most:
		return rejected(param, "decimal_above_max_value",
			"Invalid '%s': decimal above maximum value. Expected a value <= %g, but got %g instead.", param, most, *value)
	default:
		return nil
	}
}

// wrongJSON is a body, or a value at a place of one, that json.Unmarshal has refused.
func wrongJSON(raw []byte, at string, err error) *rejection {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return misused("", "We could not parse the JSON body of your request: %v.", err)
	}
	path := pathAt(raw, mismatch.Offset)
	if at != "" && path != "" && path[0] != '[' {
		at += "."
	}
	return wrongType(at+path, kindOf(mismatch.Type), withArticle(mismatch.Value))
}

func kindOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float32, reflect.Float64:
		return "a decimal"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "an integer"
	}
}

// withArticle names a JSON value by what json.Unmarshal says of it, "number 1.5".
func withArticle(value string) string {
	switch kind, _, _ := strings.Cut(value, " "); kind {
	case "array", "object":
		return "an " + kind
	case "bool":
		return "a boolean"
	default:
		return "a " + kind
	}
}

// pathAt is the place of the value that is read when offset bytes of raw have been.
func pathAt(raw []byte, offset int64) string {
	type level struct {
		object, named bool
		key           string
		index         int
	}
	var levels []level
	path := func() string {
		var at strings.Builder
		for _, l := range levels {
			switch {
			case !l.object:
				at.WriteString("[" + strconv.Itoa(l.index) + "]")
			case at.Len() > 0:
				at.WriteString("." + l.key)
			default:
				at.WriteString(l.key)
			}
		}
		return at.String()
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for {
		token, err := decoder.Token()
		if err != nil {
			return path()
		}
		top := len(levels) - 1
		delim, isDelim := token.(json.Delim)
		if isDelim && (delim == '}' || delim == ']') {
			levels = levels[:top]
			top--
		} else {
			if top >= 0 && levels[top].object && !levels[top].named {
				levels[top].key, _ = token.(string)
				levels[top].named = true
				continue
			}
			if decoder.InputOffset() >= offset {
				return path()
			}
			if isDelim {
				levels = append(levels, level{object: delim == '{'})
				continue
			}
		}
		if top >= 0 { // a value has ended
			levels[top].named = false
			levels[top].index++
		}
	}
}
