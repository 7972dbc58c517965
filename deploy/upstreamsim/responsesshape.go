package upstreamsim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// shape tells what the Responses API finds wrong with a value at a place; nil is nothing.
type shape func(at string, n *node) *rejection

// property is what an object may have. Where it need not, null is as good as nothing.
type property struct {
	shape    shape
	required bool
}

type properties map[string]property

func must(s shape) property { return property{s, true} }

func can(s shape) property { return property{shape: s} }

// and are the properties of both.
func (p properties) and(more properties) properties {
	both := maps.Clone(p)
	maps.Copy(both, more)
	return both
}

// check is the shape of an object without other properties.
func (p properties) check(at string, n *node) *rejection {
	if n.kind != objectKind {
		return wrongType(at, "an object", kindName(n))
	}
	for _, m := range n.members {
		known, found := p[m.name]
		switch {
		case !found:
			return unknownParameter(memberOf(at, m.name))
		case m.value.kind == nullKind && !known.required:
			continue
		}
		if problem := known.shape(memberOf(at, m.name), m.value); problem != nil {
			return problem
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].required && !n.has(name) {
			return missing(memberOf(at, name))
		}
	}
	return nil
}

// has tells whether an object has the member, be it null.
func (n *node) has(name string) bool {
	return slices.ContainsFunc(n.members, func(m member) bool { return m.name == name })
}

func memberOf(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func itemOf(at string, index int) string { return fmt.Sprintf("%s[%d]", at, index) }

// kindName names a value with its article.
func kindName(n *node) string {
	switch n.kind {
	case stringKind:
		return "a string"
	default:
		return jsonKind(n.raw)
	}
}

func anything(string, *node) *rejection { return nil }

func aText(at string, n *node) *rejection {
	if n.kind != stringKind {
		return wrongType(at, "a string", kindName(n))
	}
	return nil
}

// textUpTo is a text of at most so many characters.
func textUpTo(most int) shape {
	return func(at string, n *node) *rejection {
		if problem := aText(at, n); problem != nil {
			return problem
		}
		if length := utf8.RuneCountInString(n.text); length > most {
			return longString(at, most, length)
		}
		return nil
	}
}

func aName(at string, n *node) *rejection {
	if problem := aText(at, n); problem != nil {
		return problem
	}
	return checkName(at, &n.text)
}

func aTruth(at string, n *node) *rejection {
	if n.kind != boolKind {
		return wrongType(at, "a boolean", kindName(n))
	}
	return nil
}

func anObjectOfAny(at string, n *node) *rejection {
	if n.kind != objectKind {
		return wrongType(at, "an object", kindName(n))
	}
	return nil
}

func wholeFrom(least int) shape {
	return func(at string, n *node) *rejection {
		if n.kind != numberKind || kindName(n) != "an integer" {
			return wrongType(at, "an integer", kindName(n))
		}
		value := n.integer()
		return integerWithin(at, &value, least, math.MaxInt32)
	}
}

func wholeWithin(least, most int) shape {
	return func(at string, n *node) *rejection {
		if problem := wholeFrom(least)(at, n); problem != nil {
			return problem
		}
		value := n.integer()
		return integerWithin(at, &value, least, most)
	}
}

func decimalOf(least, most float64) shape {
	return func(at string, n *node) *rejection {
		if n.kind != numberKind {
			return wrongType(at, "a decimal", kindName(n))
		}
		value := n.float()
		return decimalWithin(at, &value, least, most)
	}
}

func amongTexts(values ...string) shape {
	return func(at string, n *node) *rejection {
		if problem := aText(at, n); problem != nil {
			return problem
		}
		if !slices.Contains(values, n.text) {
			return wrongValue(at, n.text, values...)
		}
		return nil
	}
}

func listOf(each shape) shape {
	return func(at string, n *node) *rejection {
		if n.kind != listKind {
			return wrongType(at, "an array", kindName(n))
		}
		for i, item := range n.items {
			if problem := each(itemOf(at, i), item); problem != nil {
				return problem
			}
		}
		return nil
	}
}

// textOr is a text that keeps to a shape, or else something of another.
func textOr(text, other shape, expected string) shape {
	return func(at string, n *node) *rejection {
		switch n.kind {
		case stringKind:
			return text(at, n)
		case listKind, objectKind:
			return other(at, n)
		default:
			return wrongType(at, expected, kindName(n))
		}
	}
}

// textMap are pairs of texts, with the most of them and the longest key and value.
func textMap(most, key, value int) shape {
	return func(at string, n *node) *rejection {
		if problem := anObjectOfAny(at, n); problem != nil {
			return problem
		}
		if len(n.members) > most {
			return rejected(at, "object_above_max_properties",
				"Invalid '%s': too many properties. Expected an object with at most %d properties, but got an object with %d properties instead.", at, most, len(n.members))
		}
		for _, m := range n.members {
			if len(m.name) > key {
				return longString(memberOf(at, m.name), key, len(m.name))
			}
			if problem := textUpTo(value)(memberOf(at, m.name), m.value); problem != nil {
				return problem
			}
		}
		return nil
	}
}

// byType is one of several objects that their type tells apart; into those without properties
// nobody looks. An unknown type is told at what tagged answers: the API names the object itself in
// some places and its type in others.
func byType(kinds map[string]properties, tagged func(at string) string) shape {
	return func(at string, n *node) *rejection {
		if problem := anObjectOfAny(at, n); problem != nil {
			return problem
		}
		kind := n.get("type")
		if kind == nil {
			return missing(memberOf(at, "type"))
		}
		if problem := aText(memberOf(at, "type"), kind); problem != nil {
			return problem
		}
		known, found := kinds[kind.text]
		if !found {
			return wrongValue(tagged(at), kind.text, slices.Sorted(maps.Keys(kinds))...)
		}
		if known == nil {
			return nil
		}
		return known.and(properties{"type": must(aText)}).check(at, n)
	}
}

func atObject(at string) string { return at }

func atType(at string) string { return memberOf(at, "type") }
