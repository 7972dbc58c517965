package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/rawjson"
)

func TestWithMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		object  string
		members []rawjson.Member
		want    string
	}{
		{`{}`, []rawjson.Member{{"a", "1"}}, `{"a":1}`},
		{` { } `, []rawjson.Member{{"a", "1"}, {"b", `"x"`}}, ` { "a":1,"b":"x"} `},
		{`{"z":0}`, []rawjson.Member{{"a", "1"}}, `{"z":0,"a":1}`},
		{`{"a" : [1, 2] , "z":0}`, []rawjson.Member{{"a", "1"}}, `{"a" : 1 , "z":0}`},
		{`{"a":1,"z":0}`, []rawjson.Member{{"a", ""}}, `{"z":0}`},
		{`{"z":0, "a":1}`, []rawjson.Member{{"a", ""}}, `{"z":0}`},
		{`{"a":1}`, []rawjson.Member{{"a", ""}, {"b", "2"}}, `{"b":2}`},
		{`{"a":1,"a":2,"z":0,"a":3}`, []rawjson.Member{{"a", "9"}}, `{"a":9,"z":0}`},
		{`{"\u0061":1,"z":{"a":5}}`, []rawjson.Member{{"a", "9"}}, `{"\u0061":9,"z":{"a":5}}`},
		{`{"a":null,"b":null}`, []rawjson.Member{{"b", ""}, {"a", "9"}, {"c", ""}}, `{"a":9}`},
		{`{"z":0}`, nil, `{"z":0}`},
	} {
		before := c.object
		if got := string(rawjson.WithMembers([]byte(c.object), c.members...)); got != c.want || c.object != before {
			t.Errorf("%s with %v: %s, want %s", c.object, c.members, got, c.want)
		}
	}
}

func TestMemberOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ object, want string }{
		{`{"a": {"b":1} }`, `{"b":1}`}, {`{"a":1,"a":2}`, `2`}, {`{"b":1}`, ``}, {`{"a":null}`, ``}, {`[1]`, ``}, {``, ``}, {`"a"`, ``}, {`{"a":1`, ``},
	} {
		if got := string(rawjson.MemberOf([]byte(c.object), "a")); got != c.want {
			t.Errorf("%s: %s, want %s", c.object, got, c.want)
		}
	}
}

// Of any object the members are as they are given, and no other is changed.
func FuzzWithMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[{}],"c":"\"a\":"}`, `{"a":1,"a":2,"b":null}`, `{"\u0061":{"b":1},"z":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		s := rawjson.Over(object)
		if s.Kind() != rawjson.Object {
			return
		}
		if s.Skip(); s.End() != nil {
			return
		}
		before, after := map[string]any{}, map[string]any{}
		if json.Unmarshal(object, &before) != nil {
			return
		}
		got := rawjson.WithMembers(object, rawjson.Member{Name: "a", Value: "9"}, rawjson.Member{Name: "b"})
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if after["a"] != 9.0 {
			t.Fatalf("%s", got)
		}
		delete(before, "a")
		delete(before, "b")
		delete(after, "a") // b is not there
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%s: %s", got, diff)
		}
	})
}
