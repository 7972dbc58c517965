package reference

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The static files that pages share, which an admin may replace.
const (
	stylesPath = "/static/shared-styles.css"
	scriptPath = "/static/shared.js"
)

// Content types, as the original spells them.
const (
	plainText  = "text/plain;charset=utf-8"
	htmlText   = "text/html;charset=utf-8"
	styleText  = "text/css;charset=utf-8"
	scriptText = "text/javascript;charset=utf-8"
)

// The built-in contents. about.html is the README and env-example the keys of
// both services' configuration: `make generate` makes both.
var (
	//go:embed static/shared-styles.css
	sharedStyles []byte
	//go:embed static/shared.js
	sharedScript []byte
	//go:embed static/about.html
	aboutPage []byte
	//go:embed static/env-example
	envFile []byte
)

// page serves what an admin has put in place of the page, else the built-in one.
func (r *Reference) page(path string, builtIn jsonapi.Handler) jsonapi.Handler {
	return func(c *gin.Context) error {
		for _, page := range r.Pages() {
			if page.GetPath() == path {
				serve(c, contentType(page), []byte(page.GetContent()))
				return nil
			}
		}
		return builtIn(c)
	}
}

// contentType is that of a replaced page; static files keep theirs.
func contentType(page *tokenstorev1.Page) string {
	switch {
	case page.GetPath() == stylesPath:
		return styleText
	case page.GetPath() == scriptPath:
		return scriptText
	case page.GetKind() == tokenstorev1.PageKind_PAGE_KIND_HTML:
		return htmlText
	default:
		return plainText
	}
}

// serve writes a page, which an admin may replace at any moment.
func serve(c *gin.Context, contentType string, content []byte) {
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	jsonapi.Write(c, http.StatusOK, contentType, content)
}

func (r *Reference) builtIn(path string) jsonapi.Handler {
	return func(c *gin.Context) error {
		r.BuiltIn[path](c)
		return nil
	}
}

// redirect is a 307 without a body.
func redirect(to string) jsonapi.Handler {
	return func(c *gin.Context) error {
		c.Header("Location", to)
		c.Header("Cache-Control", "no-cache")
		c.Status(http.StatusTemporaryRedirect)
		return nil
	}
}

// HEAD /
//
// Clients ask it to find out whether anybody is there, and take no redirect for a yes.
func reached(c *gin.Context) error {
	c.Header("Cache-Control", "no-cache")
	c.Status(http.StatusOK)
	return nil
}

// GET /about
func about(c *gin.Context) error {
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	serve(c, htmlText, aboutPage)
	return nil
}

// GET /static/shared-styles.css
func styles(c *gin.Context) error {
	serve(c, styleText, sharedStyles)
	return nil
}

// GET /static/shared.js
func script(c *gin.Context) error {
	serve(c, scriptText, sharedScript)
	return nil
}

// GET /env-example
func envExample(c *gin.Context) error {
	serve(c, plainText, envFile)
	return nil
}
