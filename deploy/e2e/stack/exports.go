package stack

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// Exports are what the admin API tells of all that admins have made, without versions, times of
// changes, and what has been used.
func Exports(t testing.TB, gateway *Gateway) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, path := range []string{"upstreams", "tokens/export?format=json", "keys", "routes", "settings", "pages", "prices"} {
		var answer any
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/"+path, nil).JSON(t, &answer)
		all[path] = unversioned(answer)
	}
	var told struct{ Destinations any }
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/notifications", nil).JSON(t, &told)
	all["destinations"] = unversioned(told.Destinations)
	return all
}

func unversioned(value any) any {
	switch value := value.(type) {
	case map[string]any:
		maps.DeleteFunc(value, func(name string, _ any) bool { return name == "version" || name == "updated_at" || name == "left" })
		for name := range value {
			value[name] = unversioned(value[name])
		}
	case []any:
		for i := range value {
			value[i] = unversioned(value[i])
		}
	}
	return value
}

// Difference names what is not alike in two Exports.
func Difference(want, got map[string]any) string {
	var parts []string
	for name := range want {
		a, _ := json.Marshal(want[name])
		b, _ := json.Marshal(got[name])
		if !bytes.Equal(a, b) {
			parts = append(parts, name+":\n"+string(a)+"\n"+string(b))
		}
	}
	return strings.Join(parts, "\n")
}
