package upstreamsim

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checker keeps the first thing that is wrong with a request, in the vendor's words.
type checker struct {
	problem string
	blocks  map[string]blockShape
	betas   []string
	version string
}

// fail notes a problem at a path of the body, unless there is one already.
func (c *checker) fail(path, format string, args ...any) {
	if c.problem != "" {
		return
	}
	c.problem = fmt.Sprintf(format, args...)
	if path != "" {
		c.problem = path + ": " + c.problem
	}
}

// brought tells whether a beta header brings a field that the API does not have of
// itself: its name begins as the field's does, or as one of the other names.
func (c *checker) brought(field string) bool {
	names := append([]string{strings.ReplaceAll(field, "_", "-")}, betaNames[field]...)
	return slices.ContainsFunc(c.betas, func(beta string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(beta, name+"-") })
	})
}

// betaNames are betas that are not named after their field.
var betaNames = map[string][]string{
	"context_management":    {"compact"},
	"mcp_servers":           {"mcp-client"},
	"mcp_toolset":           {"mcp-client"},
	"thread":                {"message-threads"},
	"fallbacks":             {"server-side-fallback"},
	"fallback_credit_token": {"fallback-credit"},
	"output_format":         {"structured-outputs"},
	"file_id":               {"files-api"},
}

// constraint checks one value, which is not null.
type constraint func(c *checker, path string, n *node)

// fields are the members that an object may have.
type fields map[string]field

type field struct {
	required bool
	value    constraint
}

func need(value constraint) field { return field{true, value} }
func may(value constraint) field  { return field{false, value} }

// object checks an object's members: no unknown ones, all that are required.
func (c *checker) object(path string, n *node, known fields) {
	if n.kind != objectKind {
		c.fail(path, "Input should be an object")
		return
	}
	missing := ""
	for name, field := range known {
		if field.required && n.get(name) == nil && (missing == "" || name < missing) {
			missing = name
		}
	}
	if missing != "" {
		c.fail(join(path, missing), "Field required")
		return
	}
	for _, member := range n.members {
		field, isKnown := known[member.name]
		switch {
		case !isKnown && !c.brought(member.name):
			c.fail(join(path, member.name), "Extra inputs are not permitted")
		case isKnown && member.value.kind != nullKind:
			field.value(c, join(path, member.name), member.value)
		}
	}
}

// holding is an object with such members.
func holding(known fields) constraint {
	return func(c *checker, path string, n *node) { c.object(path, n, known) }
}

// join is a path's next step.
func join(path string, step any) string {
	name, isName := step.(string)
	if !isName {
		name = strconv.Itoa(step.(int))
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func anyValue(*checker, string, *node) {}

func isString(c *checker, path string, n *node) {
	if n.kind != stringKind {
		c.fail(path, "Input should be a valid string")
	}
}

func isBool(c *checker, path string, n *node) {
	if n.kind != boolKind {
		c.fail(path, "Input should be a valid boolean")
	}
}

func anObject(c *checker, path string, n *node) {
	if n.kind != objectKind {
		c.fail(path, "Input should be an object")
	}
}

func isList(c *checker, path string, n *node) {
	if n.kind != listKind {
		c.fail(path, "Input should be a valid list")
	}
}

// atLeast is a whole number with a lower bound.
func atLeast(least int64) constraint {
	return func(c *checker, path string, n *node) {
		value, err := strconv.ParseInt(n.text, 10, 64)
		switch {
		case n.kind != numberKind || err != nil:
			c.fail(path, "Input should be a valid integer")
		case value < least:
			c.fail(path, "Input should be greater than or equal to %d", least)
		}
	}
}

// fraction is a number from 0 to 1.
func fraction(c *checker, path string, n *node) {
	switch {
	case n.kind != numberKind:
		c.fail(path, "Input should be a valid number")
	case n.float() < 0 || n.float() > 1:
		c.fail(path, "range: 0..1")
	}
}

// oneOf is a string out of a few.
func oneOf(values ...string) constraint {
	return func(c *checker, path string, n *node) {
		if !slices.Contains(values, n.string()) || n.kind != stringKind {
			c.fail(path, "Input should be %s", alternatives(values))
		}
	}
}

// alternatives are 'a', 'b' or 'c'.
func alternatives(values []string) string {
	last := len(values) - 1
	if last == 0 {
		return "'" + values[0] + "'"
	}
	return "'" + strings.Join(values[:last], "', '") + "' or '" + values[last] + "'"
}

func matching(pattern string) constraint {
	compiled := regexp.MustCompile(pattern)
	return func(c *checker, path string, n *node) {
		if isString(c, path, n); n.kind == stringKind && !compiled.MatchString(n.text) {
			c.fail(path, "String should match pattern '%s'", pattern)
		}
	}
}

// variants are the objects that say in their type which members they have.
type variants map[string]fields

func (v variants) check(c *checker, path string, n *node) {
	if n.kind != objectKind {
		c.fail(path, "Input should be an object")
		return
	}
	kind := n.get("type")
	if kind == nil {
		c.fail(join(path, "type"), "Field required")
		return
	}
	known, isKnown := v[kind.string()]
	if !isKnown {
		c.unknownTag(path, kind.string(), slices.Sorted(maps.Keys(v)))
		return
	}
	c.object(join(path, kind.string()), n, known)
}

func (c *checker) unknownTag(path, tag string, names []string) {
	c.fail(path, "Input tag '%s' found using 'type' does not match any of the expected tags: '%s'", tag, strings.Join(names, "', '"))
}
