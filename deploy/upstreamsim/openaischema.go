package upstreamsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxSchemaDepth bounds how deep schemas are followed: they may refer to themselves.
const maxSchemaDepth = 12

// schema is a JSON Schema that is an object.
type schema = map[string]any

func parseSchema(raw json.RawMessage) schema {
	var parsed schema
	_ = json.Unmarshal(raw, &parsed) // part of a body that has been read
	return parsed
}

// schemaProblem is what the API finds wrong with the schema of a function or of an answer;
// "" is nothing. A function without parameters may have an empty schema.
func schemaProblem(raw json.RawMessage, strict bool) string {
	root := parseSchema(raw)
	if len(root) == 0 && !strict {
		return ""
	}
	if kind, _ := root["type"].(string); kind != "object" {
		if kind == "" {
			kind = "None"
		}
		return fmt.Sprintf(`schema must be a JSON Schema of 'type: "object"', got 'type: "%s"'.`, kind)
	}
	return nestedProblem(root, nil, strict, 0)
}

// strictRefuses are the keywords that a strict schema must not have.
var strictRefuses = []string{"allOf", "default", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "then"}

func nestedProblem(s schema, context []string, strict bool, depth int) string {
	if depth > maxSchemaDepth {
		return in(context, "the schema is nested too deeply.")
	}
	properties, hasProperties := s["properties"].(schema)
	switch {
	case isType(s, "object") && !hasProperties && !strict:
		if _, open := s["additionalProperties"]; !open {
			return in(context, "object schema missing properties.")
		}
	case isType(s, "array") && s["items"] == nil:
		return in(context, "array schema missing items.")
	}
	if strict {
		if problem := strictProblem(s, properties, context); problem != "" {
			return problem
		}
	}
	for _, child := range children(s) {
		if problem := nestedProblem(child.schema, append(slices.Clip(context), child.path...), strict, depth+1); problem != "" {
			return problem
		}
	}
	return ""
}

func strictProblem(s, properties schema, context []string) string {
	for _, keyword := range strictRefuses {
		if _, found := s[keyword]; found {
			return in(context, "'"+keyword+"' is not permitted.")
		}
	}
	if !isType(s, "object") {
		return ""
	}
	if s["additionalProperties"] != false {
		return in(context, "'additionalProperties' is required to be supplied and to be false.")
	}
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(required, any(name)) {
			return in(context, "'required' is required to be supplied and to be an array including every key in properties. Missing '"+name+"'.")
		}
	}
	return ""
}

// in names the place of a problem, as a tuple of Python.
func in(context []string, problem string) string {
	tuple := "'" + strings.Join(context, "', '") + "'"
	switch len(context) {
	case 0:
		tuple = ""
	case 1:
		tuple += ","
	}
	return "In context=(" + tuple + "), " + problem
}

func isType(s schema, name string) bool {
	if several, ok := s["type"].([]any); ok {
		return slices.Contains(several, any(name))
	}
	return s["type"] == name
}

// child is a schema in another one.
type child struct {
	path   []string
	schema schema
}

func children(s schema) []child {
	var all []child
	for _, keyword := range []string{"properties", "$defs", "definitions"} {
		named, _ := s[keyword].(schema)
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if nested, ok := named[name].(schema); ok {
				all = append(all, child{[]string{keyword, name}, nested})
			}
		}
	}
	if items, ok := s["items"].(schema); ok {
		all = append(all, child{[]string{"items"}, items})
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		several, _ := s[keyword].([]any)
		for i, one := range several {
			if nested, ok := one.(schema); ok {
				all = append(all, child{[]string{keyword, fmt.Sprint(i)}, nested})
			}
		}
	}
	return all
}

// instanceOf is a value that fits a schema, in which texts are text.
func instanceOf(raw json.RawMessage, text string) json.RawMessage {
	root := parseSchema(raw)
	return jsonOf(instance{root, text}.of(root, 0))
}

// instance makes values that fit the schemas of a root.
type instance struct {
	root schema
	text string
}

func (i instance) of(s schema, depth int) any {
	if depth > maxSchemaDepth {
		return nil
	}
	if value, found := s["const"]; found {
		return value
	}
	if values, _ := s["enum"].([]any); len(values) > 0 {
		return values[0]
	}
	if reference, ok := s["$ref"].(string); ok {
		return i.of(i.resolve(reference), depth+1)
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		if several, _ := s[keyword].([]any); len(several) > 0 {
			first, _ := several[0].(schema)
			return i.of(first, depth+1)
		}
	}
	_, hasProperties := s["properties"]
	switch {
	case isType(s, "object") || hasProperties:
		return i.object(s, depth)
	case isType(s, "array"):
		return i.array(s, depth)
	case isType(s, "integer"), isType(s, "number"):
		return number(s)
	case isType(s, "boolean"):
		return true
	case s["type"] == "null":
		return nil
	default:
		return i.string(s)
	}
}

// resolve follows "#/$defs/name" and "#".
func (i instance) resolve(reference string) schema {
	at := i.root
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(reference, "#"), "/"), "/") {
		if name == "" {
			continue
		}
		at, _ = at[name].(schema)
	}
	return at
}

// object has what is required, or everything where nothing is.
func (i instance) object(s schema, depth int) any {
	properties, _ := s["properties"].(schema)
	required, _ := s["required"].([]any)
	value := map[string]any{}
	for name, property := range properties {
		if len(required) > 0 && !slices.Contains(required, any(name)) {
			continue
		}
		nested, _ := property.(schema)
		if depth >= maxSchemaDepth/2 && isNullable(nested) {
			value[name] = nil
			continue
		}
		value[name] = i.of(nested, depth+1)
	}
	return value
}

func isNullable(s schema) bool {
	several, _ := s["anyOf"].([]any)
	return isType(s, "null") || slices.ContainsFunc(several, func(one any) bool {
		nested, _ := one.(schema)
		return nested["type"] == "null"
	})
}

func (i instance) array(s schema, depth int) any {
	least, _ := s["minItems"].(float64)
	if least == 0 && depth >= maxSchemaDepth/2 {
		return []any{}
	}
	items, _ := s["items"].(schema)
	value := make([]any, max(int(min(least, 100)), 1))
	for k := range value {
		value[k] = i.of(items, depth+1)
	}
	return value
}

func number(s schema) any {
	if least, ok := s["minimum"].(float64); ok {
		return least
	}
	if below, ok := s["exclusiveMinimum"].(float64); ok {
		return below + 1
	}
	if most, ok := s["maximum"].(float64); ok && most < 1 {
		return most
	}
	if step, ok := s["multipleOf"].(float64); ok {
		return step
	}
	return 1
}

// formats are texts of the formats that a schema may ask for.
var formats = map[string]string{
	"date-time": "2026-01-01T00:00:00Z", "date": "2026-01-01", "time": "00:00:00Z", "duration": "P1D", "email": "one@example.com",
	"hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000",
}

func (i instance) string(s schema) string {
	if format, ok := s["format"].(string); ok && formats[format] != "" {
		return formats[format]
	}
	text := []rune(i.text)
	if most, ok := s["maxLength"].(float64); ok && float64(len(text)) > most {
		text = text[:max(int(most), 0)]
	}
	if least, ok := s["minLength"].(float64); ok && float64(len(text)) < least {
		text = append(text, []rune(strings.Repeat(".", min(int(least), 10_000)-len(text)))...)
	}
	return string(text)
}
