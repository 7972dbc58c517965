package web

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
)

// loginData is what the login page shows beside its form.
type loginData struct {
	Next string
	// Notice is good news, such as a logout's.
	Notice string
}

// maxForm bounds the forms of this file in bytes.
const maxForm = 8 << 10

// GET /admin/login
func (s *Site) loginPage(c *gin.Context) {
	next := localPath(c.Query("next"))
	if _, ok := s.Gate.Session(c.Request); ok {
		seeOther(c, next)
		return
	}
	data := loginData{Next: next}
	switch c.Query("left") {
	case "yes":
		data.Notice = s.texts(c.Request)["login.left"]
	case "here":
		data.Notice = s.texts(c.Request)["login.left_here"]
	}
	s.showLogin(c, http.StatusOK, data, "")
}

func (s *Site) showLogin(c *gin.Context, status int, data loginData, problem string) {
	p := s.newPage(c, "login")
	p.Path = "/admin/login"
	p.Data, p.Problem = data, problem
	s.show(c, status, p, nil)
}

// POST /admin/login: `token` and `next`.
func (s *Site) login(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	data := loginData{Next: localPath(c.PostForm("next"))}
	texts := s.texts(c.Request)
	if err := auth.SameOrigin(c.Request); err != nil {
		s.showLogin(c, http.StatusForbidden, data, texts["problem.origin"])
		return
	}
	verdict, wait := s.Gate.Login(c.Request, strings.TrimSpace(c.PostForm("token")))
	s.countLogin(verdict == auth.Granted, verdict == auth.Refused, wait)
	if wait > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		c.Header("Retry-After", seconds)
		s.showLogin(c, http.StatusTooManyRequests, data, strings.ReplaceAll(texts["login.slow"], "%s", seconds))
		return
	}
	switch verdict {
	case auth.Granted:
		s.enter(c, data.Next)
	case auth.Unknown:
		s.showLogin(c, http.StatusServiceUnavailable, data, texts["problem.store_away"])
	case auth.Missing:
		s.showLogin(c, http.StatusUnprocessableEntity, data, texts["login.empty"])
	default:
		jsonapi.Audit(c, s.Log, nil, "login refused") // else whoever guesses could push out what others did
		s.showLogin(c, http.StatusUnauthorized, data, texts["login.wrong"])
	}
}

// countLogin tells of an attempt to log in.
func (s *Site) countLogin(granted, refused bool, wait time.Duration) {
	switch {
	case s.LoggedIn == nil:
	case wait > 0:
		s.LoggedIn("slowed")
	case granted:
		s.LoggedIn("granted")
	case refused:
		s.LoggedIn("refused")
	}
}

// enter opens the session of somebody who has shown the admin token.
func (s *Site) enter(c *gin.Context, next string) {
	session, ok := s.Gate.Open(time.Now())
	if !ok {
		s.fail(c, chat.Errorf(chat.StoreUnavailable, "%s", s.texts(c.Request)["problem.store_away"]))
		return
	}
	s.welcome(c, session, "login", next)
}

// welcome gives a session that has just been opened to the browser; action is how, as the audit
// log has it.
func (s *Site) welcome(c *gin.Context, session auth.Session, action, next string) {
	s.Note(c, action, "session", session.Name())
	http.SetCookie(c.Writer, session.Cookie(c.Request))
	seeOther(c, next)
}

// POST /admin/logout: `csrf`.
func (s *Site) logout(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	session, ok := s.Gate.Session(c.Request)
	if !ok {
		seeOther(c, "/admin/login")
		return
	}
	if err := session.Permit(c.Request, c.PostForm("csrf")); err != nil {
		s.fail(c, err)
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	left := "yes"
	if err := s.Logout(ctx, session); err != nil {
		left = "here"
		s.Log.WarnContext(c.Request.Context(), "a logout is not known everywhere yet", "session", session.Name(), "error", err)
	}
	s.Note(c, "logout", "session", session.Name())
	http.SetCookie(c.Writer, auth.NoCookie(c.Request))
	seeOther(c, "/admin/login?left="+left)
}
