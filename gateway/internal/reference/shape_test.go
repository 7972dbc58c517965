package reference_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// shapeOf describes the keys and types of a JSON text: {"a":1,"b":[true]} has the
// shape `{a:number b:[bool]}`. A list has the shape of each kind of its elements.
func shapeOf(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return shape(value)
}

func shape(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		var shapes []string
		for _, each := range v {
			shapes = append(shapes, shape(each))
		}
		slices.Sort(shapes)
		return "[" + strings.Join(slices.Compact(shapes), " ") + "]"
	case map[string]any:
		var members []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, name+":"+shape(v[name]))
		}
		return "{" + strings.Join(members, " ") + "}"
	default:
		return fmt.Sprintf("%T", v)
	}
}
