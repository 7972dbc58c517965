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
		if format := n.get("format").string(); format != "" && formats[format] == "" {
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
