package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// What comes again and again by itself is no line in the log, unless it fails.
func TestRoutineRequestsAreNotLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, key, poll string
		logged          bool
	}{
		"a probe":                   {"/health", "", "", false},
		"a list":                    {"/v1/models", key, "", true},
		"a client's word for it":    {"/v1/models", key, "1", true},
		"a poll that finds nothing": {"/admin/none", "", "1", true},
	} {
		e := newEdge(t, says(nil, greeting...), nil)
		r := request(t, http.MethodGet, c.path, c.key, "")
		r.Header.Set("X-Carousel-Poll", c.poll)
		do(t, e, r)
		if logged := strings.Contains(e.log.String(), `"msg":"request done"`); logged != c.logged {
			t.Errorf("%s: logged %v: %s", name, logged, e.log)
		}
	}
}
