package prompt

import "maps"

// maxSchemaDepth bounds how deep a schema is nested. What is deeper is left open.
const maxSchemaDepth = 64

// ofObject is a schema that the upstream takes: an object's, in which no schema is one of
// several. It refuses others without a word.
func ofObject(schema map[string]any) map[string]any {
	plain := plainSchema(schema, maxSchemaDepth)
	plain["type"] = "object"
	if _, has := plain["properties"].(map[string]any); !has {
		plain["properties"] = map[string]any{}
	}
	return plain
}

// plainSchema answers a schema without choices between several.
func plainSchema(schema map[string]any, depth int) map[string]any {
	plain := map[string]any{}
	if depth == 0 {
		return plain
	}
	chosen := maps.Clone(schema)
	for range depth { // a branch may itself be a choice
		if !settle(chosen) {
			break
		}
	}
	for name, value := range chosen {
		switch name {
		case "oneOf", "anyOf", "allOf":
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
			plain[name] = plainSchemas(value, depth-1)
		case "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "prefixItems",
			"unevaluatedItems", "unevaluatedProperties", "additionalItems":
			plain[name] = plainAny(value, depth-1)
		default:
			if shallow(value, maxDepth) {
				plain[name] = value
			}
		}
	}
	return plain
}

// settle puts the branches that count in place of a choice: the first one that is not null,
// and all where all must hold. What the schema says itself goes before. False: there was no
// choice.
func settle(schema map[string]any) bool {
	settled := false
	for _, choice := range []string{"oneOf", "anyOf", "allOf"} {
		value, has := schema[choice]
		if !has {
			continue
		}
		settled = true
		delete(schema, choice)
		branches, _ := value.([]any)
		for _, each := range branches {
			branch, is := each.(map[string]any)
			if !is || branch["type"] == "null" {
				continue
			}
			join(schema, branch)
			if choice != "allOf" {
				break
			}
		}
	}
	return settled
}

// join adds what a branch says to a schema that does not say it. Properties are joined one by
// one.
func join(schema, branch map[string]any) {
	for name, value := range branch {
		own, has := schema[name]
		if !has {
			schema[name] = value
			continue
		}
		if name == "required" {
			schema[name] = joinLists(own, value)
			continue
		}
		into, isObject := own.(map[string]any)
		more, areObjects := value.(map[string]any)
		if name == "properties" && isObject && areObjects {
			joined := maps.Clone(more)
			maps.Copy(joined, into)
			schema[name] = joined
		}
	}
}

func joinLists(a, b any) any {
	first, _ := a.([]any)
	second, _ := b.([]any)
	return append(append([]any(nil), first...), second...)
}

// plainSchemas makes each schema of an object plain.
func plainSchemas(value any, depth int) any {
	schemas, is := value.(map[string]any)
	if !is {
		return map[string]any{}
	}
	plain := make(map[string]any, len(schemas))
	for name, each := range schemas {
		plain[name] = plainAny(each, depth)
	}
	return plain
}

// plainAny makes a schema plain, or each of a list.
func plainAny(value any, depth int) any {
	switch value := value.(type) {
	case map[string]any:
		return plainSchema(value, depth)
	case []any:
		plain := make([]any, len(value))
		for i, each := range value {
			plain[i] = plainAny(each, max(depth-1, 0))
		}
		return plain
	}
	return value
}
