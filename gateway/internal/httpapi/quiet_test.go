package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/httpapi"
)

// front is a front page.
type front struct{}

func (front) Routes(router gin.IRouter) {
	router.Match([]string{http.MethodGet, http.MethodHead}, "/", func(c *gin.Context) { c.Status(http.StatusOK) })
}

// What comes again and again by itself is no line in the log, unless it fails.
func TestRoutineRequestsAreNotLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, key, poll string
		logged                  bool
	}{
		"a probe":                   {"GET", "/health", "", "", false},
		"a client's probe":          {"HEAD", "/api/hello", "", "", false},
		"a client's older probe":    {"HEAD", "/", "", "", false},
		"the same below a prefix":   {"HEAD", "/prefix/api/hello", "", "", false},
		"a list":                    {"GET", "/prefix/v1/models", key, "", true},
		"a client's word for it":    {"GET", "/prefix/v1/models", key, "1", true},
		"a poll that finds nothing": {"GET", "/admin/none", "", "1", true},
	} {
		e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Mounts, d.Options.RoutePrefix = []httpapi.Mount{front{}}, "/prefix" })
		r := request(t, c.method, c.path, c.key, "")
		r.Header.Set("X-Carousel-Poll", c.poll)
		if w := do(t, e, r); c.method == http.MethodHead && w.Code >= 300 { // a probe that is sent elsewhere finds nobody
			t.Errorf("%s: status %d", name, w.Code)
		}
		if logged := strings.Contains(e.log.String(), `"msg":"request done"`); logged != c.logged {
			t.Errorf("%s: logged %v: %s", name, logged, e.log)
		}
	}
}
