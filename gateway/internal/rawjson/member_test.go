package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/rawjson"
)

func TestSetMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		object string
		set    map[string]string // of a, b and c
		want   string
	}{
		{`{}`, map[string]string{"a": "1"}, `{"a":1}`},
		{` { } `, map[string]string{"a": "1", "b": `"x"`}, ` { "a":1,"b":"x"} `},
		{`{"z":0}`, map[string]string{"a": "1"}, `{"z":0,"a":1}`},
		{`{"a" : [1, 2] , "z":0}`, map[string]string{"a": "1"}, `{"a" : 1 , "z":0}`},
		{`{"a":1,"z":0}`, map[string]string{"a": ""}, `{"z":0}`},
		{`{"z":0, "a":1}`, map[string]string{"a": ""}, `{"z":0}`},
		{`{"a":1}`, map[string]string{"a": "", "b": "2"}, `{"b":2}`},
		{`{"a":1,"a":2,"z":0,"a":3}`, map[string]string{"a": "9"}, `{"a":9,"z":0}`},
		{`{"\u0061":1,"z":{"a":5}}`, map[string]string{"a": "9"}, `{"\u0061":9,"z":{"a":5}}`},
		{`{"a":null,"b":null}`, map[string]string{"b": "", "a": "9", "c": ""}, `{"a":9}`},
		{`{"a":1,"z":0,"a":2}`, nil, `{"a":1,"z":0,"a":2}`},
	} {
		members := rawjson.MembersOf([]byte(c.object), "a", "b", "c")
		for name, value := range c.set {
			members.Set(name, value)
			if got := members.Get(name); got != value {
				t.Errorf("%s: %s is %s, and was set to %s", c.object, name, got, value)
			}
		}
		if members.Set("z", "7"); members.Get("z") != "" { // it is none of them
			t.Errorf("%s: z is %s", c.object, members.Get("z"))
		}
		if got := string(members.Object()); got != c.want {
			t.Errorf("%s with %v: %s, want %s", c.object, c.set, got, c.want)
		}
	}
}

func TestGetMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ object, want string }{
		{`{"a": {"b":1} }`, `{"b":1}`},
		{`{"a":1,"a":2}`, `2`},
		{`{"b":1}`, ``},
		{`{"a":null}`, ``},
		{`{"a":1,"a":null}`, ``},
		{`{"\u0061":[]}`, `[]`},
		{`[1]`, ``},
		{``, ``},
		{`"a"`, ``},
	} {
		if got := rawjson.MembersOf([]byte(c.object), "a").Get("a"); got != c.want {
			t.Errorf("%s: %s, want %s", c.object, got, c.want)
		}
	}
}

// Of any object the members are as they were set, and no other is changed.
func FuzzSetMembers(f *testing.F) {
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
		members := rawjson.MembersOf(object, "a", "b", "c")
		members.Set("a", "9")
		members.Set("b", "")
		got := members.Object()
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
