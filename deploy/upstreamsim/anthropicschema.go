package upstreamsim

import (
	"slices"
	"strings"
)

// Keywords of JSON Schema that outputs and strict tools may not use, by the type
// that the vendor names.
var refusedKeywords = map[string][]string{
	"number":  {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"},
	"integer": {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"},
	"string":  {"maxLength", "minLength"},
	"array":   {"contains", "maxItems", "uniqueItems"},
	"object":  {"maxProperties", "minProperties", "patternProperties"},
	"":        {"oneOf", "not", "if", "then", "else"},
}

// stringFormats are those that outputs may ask for, with an example of each.
var stringFormats = map[string]string{
	"date-time": "2026-01-01T00:00:00Z", "time": "00:00:00Z", "date": "2026-01-01", "duration": "P1D",
	"email": "sim@example.com", "hostname": "example.com", "uri": "https://example.com/", "ipv4": "192.0.2.1",
	"ipv6": "2001:db8::1", "uuid": "00000000-0000-4000-8000-000000000000",
}

// supportedSchema refuses what the vendor can't hold an output to.
func (c *checker) supportedSchema(path string, root *node) { c.subschema(path, root, root, nil) }

func (c *checker) subschema(path string, root, n *node, within []*node) {
	if slices.Contains(within, n) {
		c.fail(path, "Recursive schemas are not supported")
		return
	}
	within = append(slices.Clone(within), n)
	kind := schemaType(n)
	for _, of := range []string{kind, ""} {
		var used []string
		for _, keyword := range refusedKeywords[of] {
			if n.get(keyword) != nil {
				used = append(used, keyword)
			}
		}
		switch {
		case len(used) > 0 && of == "":
			c.fail(path, "Schema keyword '%s' is not supported", used[0])
		case len(used) > 0:
			c.fail(path, "For '%s' type, properties %s are not supported", of, strings.Join(used, ", "))
		}
	}
	switch kind {
	case "object":
		if more := n.get("additionalProperties"); more == nil || more.kind != boolKind || more.isTrue() {
			c.fail(path, "For 'object' type, 'additionalProperties' must be explicitly set to false")
		}
	case "array":
		if least := n.get("minItems"); least != nil && least.integer() > 1 {
			c.fail(path, "For 'array' type, 'minItems' values other than 0 or 1 are not supported")
		}
	case "string":
		if format := n.get("format").string(); format != "" && stringFormats[format] == "" {
			c.fail(path, "For 'string' type, format '%s' is not supported", format)
		}
	}
	if reference := n.get("$ref"); reference != nil {
		target := resolve(root, reference.string())
		if target == nil {
			c.fail(path, "Reference '%s' can't be resolved", reference.string())
			return
		}
		c.subschema(path, root, target, within)
	}
	for _, inner := range subschemas(n) {
		c.subschema(path, root, inner, within)
	}
}

// schemaType is the type that a schema says, or the first that is not null.
func schemaType(n *node) string {
	kind := n.get("type")
	for _, one := range kind.list() {
		if one.string() != "null" {
			return one.string()
		}
	}
	return kind.string()
}

// subschemas are the schemas inside one, without those that are only referred to.
func subschemas(n *node) []*node {
	var inner []*node
	if properties := n.get("properties"); properties != nil {
		for _, property := range properties.members {
			inner = append(inner, property.value)
		}
	}
	if items := n.get("items"); items != nil && items.kind == objectKind {
		inner = append(inner, items)
	}
	for _, list := range []string{"anyOf", "allOf", "prefixItems"} {
		inner = append(inner, n.get(list).list()...)
	}
	return inner
}

// resolve is what a reference inside a schema points at, or nil.
func resolve(root *node, reference string) *node {
	pointer, found := strings.CutPrefix(reference, "#")
	if !found {
		return nil
	}
	n := root
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if step != "" {
			n = n.get(step)
		}
	}
	return n
}

// maxFit bounds how deep a fitting value nests, since the schemas of tools that are
// not strict may be recursive.
const maxFit = 20

// fitting is a JSON value that a schema allows, with a text where it wants any.
func fitting(schema *node, text string) string {
	return string(fit(nil, schema, schema, text, maxFit))
}

func fit(to []byte, root, n *node, text string, depth int) []byte {
	if depth == 0 {
		return append(to, "null"...)
	}
	inner := func(n *node) { to = fit(to, root, n, text, depth-1) }
	if only := n.get("const"); only != nil {
		return appendValue(to, only)
	}
	if choices := n.get("enum").list(); len(choices) > 0 {
		return appendValue(to, choices[0])
	}
	if reference := n.get("$ref"); reference != nil {
		inner(resolve(root, reference.string()))
		return to
	}
	for _, list := range []string{"anyOf", "oneOf", "allOf"} {
		if choices := n.get(list).list(); len(choices) > 0 {
			inner(choices[0])
			return to
		}
	}
	switch schemaType(n) {
	case "object":
		to = append(to, '{')
		if properties := n.get("properties"); properties != nil {
			for at, property := range properties.members {
				if at > 0 {
					to = append(to, ',')
				}
				to = append(appendQuoted(to, property.name), ':')
				inner(property.value)
			}
		}
		return append(to, '}')
	case "array":
		to = append(to, '[')
		if items := n.get("items"); items != nil && items.kind == objectKind {
			inner(items)
		}
		return append(to, ']')
	case "number", "integer":
		return append(to, '1')
	case "boolean":
		return append(to, "true"...)
	case "null":
		return append(to, "null"...)
	default:
		if example := stringFormats[n.get("format").string()]; example != "" {
			text = example
		}
		return appendQuoted(to, text)
	}
}

// appendValue appends a value of the request.
func appendValue(to []byte, n *node) []byte {
	if n.kind == stringKind {
		return appendQuoted(to, n.text)
	}
	return append(to, n.raw...)
}
