package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A shape says what a JSON answer must look like, key by key:
//
//	"string", "number", "bool", "any"   a value of that type
//	"string?"                           the same, or null
//	object{…}                           exactly these keys
//	list{shape}                         every element has the shape
//	mapOf{shape}                        an object of any keys
//	text("x")                           exactly this string
type (
	object map[string]any
	list   []any
	mapOf  []any
	text   string
)

// mustHave fails the test with each place where the JSON is not of the shape.
func mustHave(t *testing.T, body []byte, shape any) {
	t.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%v in %s", err, excerpt(body))
	}
	if problems := compare("$", value, shape); len(problems) > 0 {
		t.Errorf("%s\nin %s", strings.Join(problems, "\n"), excerpt(body))
	}
}

func excerpt(body []byte) string {
	if len(body) > 2000 {
		return string(body[:2000]) + "…"
	}
	return string(body)
}

func compare(at string, value, shape any) []string {
	switch shape := shape.(type) {
	case object:
		return compareObject(at, value, shape)
	case mapOf:
		members, isObject := value.(map[string]any)
		if !isObject {
			return wrong(at, "an object", value)
		}
		var problems []string
		for key, member := range members {
			problems = append(problems, compare(at+"."+key, member, shape[0])...)
		}
		return problems
	case list:
		items, isList := value.([]any)
		if !isList {
			return wrong(at, "a list", value)
		}
		var problems []string
		for i, item := range items {
			problems = append(problems, compare(fmt.Sprintf("%s[%d]", at, i), item, shape[0])...)
		}
		return problems
	case text:
		if value != string(shape) {
			return wrong(at, fmt.Sprintf("%q", shape), value)
		}
		return nil
	case string:
		return compareScalar(at, value, shape)
	default:
		panic(fmt.Sprintf("%s: %T is no shape", at, shape))
	}
}

func compareObject(at string, value any, shape object) []string {
	members, isObject := value.(map[string]any)
	if !isObject {
		return wrong(at, "an object", value)
	}
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if _, wanted := shape[key]; !wanted {
			problems = append(problems, at+"."+key+" is not documented")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(shape)) {
		member, there := members[key]
		if !there {
			problems = append(problems, at+"."+key+" is missing")
			continue
		}
		problems = append(problems, compare(at+"."+key, member, shape[key])...)
	}
	return problems
}

func compareScalar(at string, value any, shape string) []string {
	kind, nullable := strings.CutSuffix(shape, "?")
	if value == nil && nullable || kind == "any" {
		return nil
	}
	var matches bool
	switch kind {
	case "string":
		_, matches = value.(string)
	case "number":
		_, matches = value.(float64)
	case "bool":
		_, matches = value.(bool)
	default:
		panic(at + ": " + shape + " is no shape")
	}
	if !matches {
		return wrong(at, shape, value)
	}
	return nil
}

func wrong(at, wanted string, value any) []string {
	return []string{fmt.Sprintf("%s is %#v, want %s", at, value, wanted)}
}

// The checker itself must be able to fail.
func TestShape(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct {
		shape    any
		problems int
	}{
		`{"a":"x","b":1}`:           {object{"a": "string", "b": "number"}, 0},
		`{"a":"x","c":1}`:           {object{"a": "string", "b": "number"}, 2},
		`{"a":null}`:                {object{"a": "string?"}, 0},
		`{"a": null}`:               {object{"a": "string"}, 1},
		`[{"a":true},{"a":1},2]`:    {list{object{"a": "bool"}}, 2},
		`{"x":{"a":1},"y":{"b":1}}`: {mapOf{object{"a": "number"}}, 2},
		`"x"`:                       {text("y"), 1},
		`{"deep":{"down":[[1]]}}`:   {object{"deep": object{"down": list{list{"string"}}}}, 1},
	} {
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		if problems := compare("$", value, c.shape); len(problems) != c.problems {
			t.Errorf("%s: %d problems, want %d: %v", body, len(problems), c.problems, problems)
		}
	}
}
