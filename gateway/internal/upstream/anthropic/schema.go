package anthropic

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/rawjson"
)

// appendObjectSchema writes a tool's schema as it is, but for its type, which the API wants.
func appendObjectSchema(dst, schema []byte) []byte {
	s := rawjson.Over(schema)
	members := 0
	for ok := s.Object(); ok; ok = s.Member() {
		members++
		if string(s.Key()) == "type" {
			return append(dst, schema...)
		}
		s.Skip()
	}
	if s.End() != nil || members == 0 {
		return append(dst, noArguments...)
	}
	at := slices.Index(schema, '{') + 1
	dst = append(dst, schema[:at]...)
	dst = append(dst, `"type":"object",`...)
	return append(dst, schema[at:]...)
}

// appendPlainSchema writes a schema that the answer must fit without what the API refuses in
// such schemas: bounds of numbers, lengths, formats that it does not know. They become part of
// the description, where the model reads them. Keys keep their order.
func appendPlainSchema(dst, schema []byte) []byte {
	s := rawjson.Over(schema)
	return appendSchema(dst, &s)
}

// refusedKeywords are those that the API takes in no schema.
var refusedKeywords = []string{
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
	"maxItems", "uniqueItems", "minProperties", "maxProperties", "contains", "minContains", "maxContains", "propertyNames",
}

// knownFormats are those that the API takes.
var knownFormats = []string{
	`"date-time"`, `"time"`, `"date"`, `"duration"`, `"email"`, `"hostname"`, `"uri"`, `"ipv4"`, `"ipv6"`, `"uuid"`,
}

// appendSchema consumes a schema and writes it.
func appendSchema(dst []byte, s *rawjson.Scanner) []byte {
	if s.Kind() != rawjson.Object {
		return append(dst, s.Skip()...)
	}
	var notes []string
	description, isObject, closed := "", false, false
	dst = append(dst, '{')
	begin := len(dst)
	member := func(key string) {
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, key)
		dst = append(dst, ':')
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); key {
		case "description":
			description = text(s)
		case "properties", "$defs", "definitions":
			isObject = isObject || key == "properties"
			member(key)
			dst = appendSchemas(dst, s)
		case "items", "not":
			member(key)
			dst = appendSchema(dst, s)
		case "anyOf", "allOf", "oneOf":
			if key == "oneOf" { // the API has no other word for it
				key = "anyOf"
			}
			member(key)
			dst = appendSchemaList(dst, s)
		case "additionalProperties":
			closed = true
			if value := string(s.Skip()); value != "true" && value != "false" {
				notes = append(notes, key+": "+value)
			}
			member(key)
			dst = append(dst, "false"...)
		default:
			value := string(s.Skip())
			if refuses(key, value) {
				notes = append(notes, key+": "+value)
				continue
			}
			isObject = isObject || key == "type" && value == `"object"`
			member(key)
			dst = append(dst, value...)
		}
	}
	if isObject && !closed {
		member("additionalProperties")
		dst = append(dst, "false"...)
	}
	if len(notes) > 0 {
		description = strings.TrimSpace(description + "\n\n{" + strings.Join(notes, ", ") + "}")
	}
	if description != "" {
		member("description")
		dst = rawjson.AppendString(dst, description)
	}
	return append(dst, '}')
}

// refuses tells whether the API refuses a keyword.
func refuses(key, value string) bool {
	switch key {
	case "minItems":
		return value != "0" && value != "1"
	case "format":
		return !slices.Contains(knownFormats, value)
	}
	return slices.Contains(refusedKeywords, key)
}

// appendSchemas consumes an object of schemas by names that the client chose.
func appendSchemas(dst []byte, s *rawjson.Scanner) []byte {
	if s.Kind() != rawjson.Object {
		return append(dst, s.Skip()...)
	}
	dst = append(dst, '{')
	first := true
	for ok := s.Object(); ok; ok = s.Member() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = rawjson.AppendString(dst, string(s.Key()))
		dst = append(dst, ':')
		dst = appendSchema(dst, s)
	}
	return append(dst, '}')
}

func appendSchemaList(dst []byte, s *rawjson.Scanner) []byte {
	if s.Kind() != rawjson.Array {
		return append(dst, s.Skip()...)
	}
	dst = append(dst, '[')
	first := true
	for ok := s.Array(); ok; ok = s.Element() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendSchema(dst, s)
	}
	return append(dst, ']')
}
