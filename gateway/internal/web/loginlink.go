package web

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/jsonapi"
)

// LoginLinkPath is where a login link leads. Its secret stands behind a `#`, which browsers send
// to nobody: the page's script posts it, so that no log and no preview of a link has or uses it.
const LoginLinkPath = "/admin/enter"

// loginLinkData is what the page of a login link shows beside its problem.
type loginLinkData struct {
	// Over: the link can't be followed any more, so there is no form to paste it into.
	Over bool
}

// locally lets in who comes from this machine alone.
func (s *Site) locally(c *gin.Context) {
	if !forwarded.Local(c.Request) {
		s.fail(c, chat.Errorf(chat.Forbidden, "%s", s.texts(c.Request)["login.link_far"]))
		c.Abort()
	}
}

// GET /admin/enter
func (s *Site) loginLinkPage(c *gin.Context) { s.showLoginLink(c, http.StatusOK, "") }

func (s *Site) showLoginLink(c *gin.Context, status int, problem string) {
	p := s.newPage(c, "enter")
	p.Path = LoginLinkPath
	p.Data, p.Problem = loginLinkData{Over: status == http.StatusGone}, problem
	s.show(c, status, p, nil)
}

// POST /admin/enter: `link`, as a whole or what stands behind its `#`.
func (s *Site) followLoginLink(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	texts := s.texts(c.Request)
	if err := auth.SameOrigin(c.Request); err != nil {
		s.showLoginLink(c, http.StatusForbidden, texts["problem.origin"])
		return
	}
	link := strings.TrimSpace(c.PostForm("link"))
	session, verdict, wait := s.Gate.FollowLink(c.Request, link[strings.LastIndexByte(link, '#')+1:])
	s.countLogin(verdict == auth.LinkOpens, verdict == auth.LinkWrong, wait)
	if wait > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		c.Header("Retry-After", seconds)
		s.showLoginLink(c, http.StatusTooManyRequests, strings.ReplaceAll(texts["login.slow"], "%s", seconds))
		return
	}
	switch verdict {
	case auth.LinkOpens:
		s.welcome(c, session, "login by link", "/admin/")
	case auth.LinkUsed:
		s.showLoginLink(c, http.StatusGone, texts["login.link_used"])
	case auth.LinkExpired:
		s.showLoginLink(c, http.StatusGone, texts["login.link_expired"])
	case auth.LinkWaits:
		s.showLoginLink(c, http.StatusServiceUnavailable, texts["problem.store_away"])
	case auth.LinkWrong:
		jsonapi.Audit(c, s.Log, nil, "login refused") // as at the login
		s.showLoginLink(c, http.StatusUnauthorized, texts["login.link_wrong"])
	}
}
