package admincli_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/adminapi"
)

// unreached are the routes of the admin API that none of the requests is for.
func unreached(requests []string) []string {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	adminapi.New(adminapi.Deps{}).Routes(router)
	var missing []string
	for _, route := range router.Routes() {
		below, admins := strings.CutPrefix(route.Path, "/admin/api")
		if !admins || route.Method == http.MethodHead {
			continue
		}
		form := regexp.MustCompile("^" + route.Method + " " + regexp.MustCompile(`:\w+`).ReplaceAllString(below, `[^/? ]+`) + `([? ]|$)`)
		if !slices.ContainsFunc(requests, form.MatchString) {
			missing = append(missing, route.Method+" "+below)
		}
	}
	return missing
}
