package adminapi_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/adminapi"
)

var (
	inCode    = regexp.MustCompile("`([^`]+)`")
	parameter = regexp.MustCompile(`\{\w+\}|:\w+`)
)

// documented are the routes in the first column of the manual's table, as "GET /tokens/*". A
// path without a method has those of the one before it.
func documented(t *testing.T) []string {
	t.Helper()
	manual, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n## Admin API\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var routes []string
	for line := range strings.Lines(section) {
		cell, row := strings.CutPrefix(line, "| ")
		if !row {
			continue
		}
		cell, _, _ = strings.Cut(cell, " |")
		var methods []string
		for _, code := range inCode.FindAllStringSubmatch(cell, -1) {
			at := strings.Index(code[1], "/")
			if at > 0 {
				methods = strings.Split(strings.TrimSpace(code[1][:at]), ", ")
			}
			path, _, _ := strings.Cut(code[1][at:], "?")
			for _, method := range methods {
				routes = append(routes, method+" "+parameter.ReplaceAllString(path, "*"))
			}
		}
	}
	return routes
}

// The manual has every route, and none that isn't there.
func TestTheManualHasEveryRoute(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.TestMode)
	router := gin.New()
	adminapi.New(adminapi.Deps{}).Routes(router)
	var served []string
	for _, route := range router.Routes() {
		path, admin := strings.CutPrefix(route.Path, "/admin/api")
		if admin && route.Method != http.MethodHead {
			served = append(served, route.Method+" "+parameter.ReplaceAllString(path, "*"))
		}
	}
	written := documented(t)
	for _, route := range served {
		if !slices.Contains(written, route) {
			t.Errorf("docs/api.md does not have %s", route)
		}
	}
	for _, route := range written {
		if !slices.Contains(served, route) {
			t.Errorf("docs/api.md has %s, which is no route", route)
		}
	}
}
