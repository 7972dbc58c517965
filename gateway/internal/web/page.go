package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// page is what a template is given.
type page struct {
	// Name is that of the template.
	Name string
	// Section is the entry in the navigation that it belongs to.
	Section string
	// Path is this page's own address, with its query.
	Path string
	// Theme is light, dark, or empty: as the system has it.
	Theme string
	// NoShortcuts: keys of a single character do nothing.
	NoShortcuts bool
	// Compact: rows of tables are as low as they can be.
	Compact bool
	Version string
	// Session is nil on the pages that are there without a login.
	Session *auth.Session
	Now     time.Time
	// Problem says, as a sentence, what the page could not show.
	Problem string
	// Fleet is what all gateways said last; nil while it is not known.
	Fleet *tokenstorev1.BeatResponse
	// Alarms counts those that nobody has acknowledged.
	Alarms int
	// Degraded is nil while the tokenstore is there.
	Degraded *outage
	Data     any
}

// outage is the time for which requests are served without the tokenstore.
type outage struct{ Since, Until *timestamppb.Timestamp }

func (s *Site) outage() *outage {
	since, until, degraded := s.Degraded()
	if !degraded {
		return nil
	}
	return &outage{timestamppb.New(since), timestamppb.New(until)}
}

// view is a page of the site: its template, and what it shows.
type view struct {
	name, section string
	// load answers the data. Data with an error is shown beneath it; the kind of
	// the error is the page's status.
	load func(s *Site, ctx context.Context, c *gin.Context) (any, error)
}

// headers are those of every page: no source but this site, no script or style
// within the page, no frame around it, no copy in a cache.
func (s *Site) headers(c *gin.Context) { pageHeaders(c) }

// transportPolicy has browsers use HTTPS alone, where they have reached the site by it.
const transportPolicy = "max-age=31536000"

// permissions are what no page of ours needs of a browser.
const permissions = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func pageHeaders(c *gin.Context) {
	header := c.Writer.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", permissions)
	if forwarded.Encrypted(c.Request) {
		header.Set("Strict-Transport-Security", transportPolicy)
	}
	header.Set("Cache-Control", "no-store")
}

// page answers a view to whoever is logged in, and sends others to the login.
func (s *Site) page(v view) gin.HandlerFunc {
	return func(c *gin.Context) {
		pageHeaders(c)
		session, ok := s.Gate.Session(c.Request)
		if !ok {
			seeOther(c, "/admin/login?next="+url.QueryEscape(c.Request.URL.RequestURI()))
			return
		}
		ctx, cancel := s.Call(c)
		defer cancel()
		data, err := v.load(s, ctx, c)
		p := s.newPage(c, v.name)
		p.Section = v.section
		p.Session, p.Data, p.Fleet, p.Degraded = &session, data, s.Fleet(), s.outage()
		p.Alarms = s.alarms.count(ctx, s.Tokens)
		status := http.StatusOK
		if err != nil {
			p.Problem = s.sentence(c.Request, err)
			status = statusOf(err)
		}
		if data == nil {
			p.Name = "problem"
		} else if other, ok := data.(interface{ view() string }); ok {
			p.Name = other.view()
		}
		s.show(c, status, p, err)
	}
}

func (s *Site) newPage(c *gin.Context, name string) *page {
	return &page{
		Name: name, Path: c.Request.URL.RequestURI(), Theme: themeOf(c.Request), NoShortcuts: hasNoShortcuts(c.Request), Compact: isCompact(c.Request), Version: s.Version, Now: time.Now(),
	}
}

// show writes the page. The error, if there is one, is for the log: the page has
// its sentence.
func (s *Site) show(c *gin.Context, status int, p *page, err error) {
	body, failed := s.views.render(languageOf(c.Request), p.Name, "layout", p)
	if failed != nil { // ours: a test renders every page
		_ = c.Error(failed)
		return
	}
	writeHTML(c, status, body)
	if err != nil {
		_ = c.Error(storeerr.Translate(err))
	}
}

// fail answers with a page that has nothing but a problem.
func (s *Site) fail(c *gin.Context, err error) {
	p := s.newPage(c, "problem")
	p.Path = "/admin/"
	p.Problem = s.sentence(c.Request, err)
	if session, ok := s.Gate.Session(c.Request); ok {
		p.Session = &session
	}
	s.show(c, statusOf(err), p, err)
}

// texts are those of the reader's language.
func (s *Site) texts(r *http.Request) texts { return s.views[languageOf(r)].Get().texts }

func writeHTML(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Add("Vary", "Accept-Language, Cookie, Accept-Encoding")
	setWriteDeadline(c)
	if status == http.StatusOK {
		etag := etagOf(body)
		header.Set("ETag", etag)
		if unchanged(c.Request, etag) {
			bare(header)
			c.Status(http.StatusNotModified)
			return
		}
	}
	if len(body) >= leastCompressed && fromThisSite(c.Request) && takesGzip(c.Request) {
		header.Set("Content-Encoding", "gzip")
		body = compressed(body)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.Status(status)
	_, _ = c.Writer.Write(body) // a client that has gone does not mind
}

// bodiless are the headers that an answer without a body has: pages ask often whether there is
// anything new, and the others tell how to treat a body.
var bodiless = []string{"Cache-Control", "Etag", "Strict-Transport-Security"}

// bare takes away the headers of pages that an answer without a body does without.
func bare(header http.Header) {
	for name := range header {
		if !slices.Contains(bodiless, name) {
			header.Del(name)
		}
	}
}

// writeTimeout is how long a client may refuse to read its page.
const writeTimeout = 30 * time.Second

func setWriteDeadline(c *gin.Context) {
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(writeTimeout))
}

func seeOther(c *gin.Context, location string) {
	c.Header("Location", location)
	c.Status(http.StatusSeeOther)
	c.Writer.WriteHeaderNow()
}

const (
	themeCookie     = "carousel_theme"
	languageCookie  = "carousel_language"
	shortcutsCookie = "carousel_shortcuts"
	densityCookie   = "carousel_density"
)

// noShortcuts is what whoever wants none has chosen; all others have the empty choice.
const noShortcuts = "off"

func hasNoShortcuts(r *http.Request) bool { return preferred(r, shortcutsCookie) == noShortcuts }

// compactRows is what whoever wants low rows has chosen; all others have the empty choice.
const compactRows = "compact"

func isCompact(r *http.Request) bool { return preferred(r, densityCookie) == compactRows }

// themes are those that a reader can choose; the empty one is the system's.
var themes = map[string]bool{"": true, "light": true, "dark": true}

func themeOf(r *http.Request) string {
	if theme := preferred(r, themeCookie); themes[theme] {
		return theme
	}
	return ""
}

// preferred is what the reader's browser keeps of a choice; empty: nothing.
func preferred(r *http.Request, cookie string) string {
	kept, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	return kept.Value
}

// POST /admin/preferences: `theme`, `language`, `shortcuts` or `density`, and `next`.
func (s *Site) preferences(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	if err := auth.SameOrigin(c.Request); err != nil {
		s.fail(c, err)
		return
	}
	if theme, chosen := c.GetPostForm("theme"); chosen && themes[theme] {
		setPreference(c, themeCookie, theme)
	}
	if lang := c.PostForm("language"); slices.Contains(languages, language(lang)) {
		setPreference(c, languageCookie, lang)
	}
	if shortcuts, chosen := c.GetPostForm("shortcuts"); chosen && (shortcuts == "" || shortcuts == noShortcuts) {
		setPreference(c, shortcutsCookie, shortcuts)
	}
	if density, chosen := c.GetPostForm("density"); chosen && (density == "" || density == compactRows) {
		setPreference(c, densityCookie, density)
	}
	seeOther(c, localPath(c.PostForm("next")))
}

func setPreference(c *gin.Context, name, value string) {
	const year = 365 * 24 * time.Hour
	maxAge := int(year.Seconds())
	if value == "" {
		maxAge = -1
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // secure wherever the browser would keep it
		Name: name, Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: forwarded.Encrypted(c.Request),
	})
}

// localPath is where to go next: one of the site's own pages, whatever it was
// asked for.
func localPath(next string) string {
	const home = "/admin/"
	at, err := url.Parse(next)
	if err != nil || at.Scheme != "" || at.Host != "" || at.User != nil || strings.Contains(next, "\\") {
		return home
	}
	inside := strings.HasPrefix(at.Path, home) && !strings.Contains(at.Path, "..") && at.Path != "/admin/login"
	if !inside && !slices.Contains([]string{"/tokeninfo", "/config", "/logs", holderPath}, at.Path) {
		return home
	}
	return (&url.URL{Path: at.Path, RawQuery: at.RawQuery}).String()
}

func notFound(message string, args ...any) error {
	return chat.Errorf(chat.NotFound, message, args...)
}
