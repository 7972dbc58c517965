package web

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var routePage = view{"route", "routes", (*Site).loadRoute}

// maxEditForm bounds a form in bytes: 32 targets with long names, or 100 models and 100 networks.
const maxEditForm = 64 << 10

// GET /admin/routes/edit: `name`, or none for a new one.
func (s *Site) loadRoute(ctx context.Context, c *gin.Context) (any, error) {
	name := c.Query("name")
	if name == "" {
		form := formOf(&tokenstorev1.Route{Match: c.Query("match")})
		form.New = true
		return s.complete(ctx, form)
	}
	route, err := s.route(ctx, name)
	if err != nil {
		return nil, err
	}
	if route == nil {
		return nil, notFound(s.texts(c.Request)["problem.no_route"], name)
	}
	return s.complete(ctx, formOf(route))
}

// POST /admin/routes/edit: the form, and `csrf`; with `more` it comes back with lines for more
// targets.
func (s *Site) saveRoute(c *gin.Context) {
	session, ok := s.permitted(c)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	form := formFrom(c)
	if _, more := c.GetPostForm("more"); more {
		s.showRoute(ctx, c, session, form, nil)
		return
	}
	undo, err := s.putRoute(ctx, c, form)
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
		form, err = s.afterConflict(ctx, c, form)
	}
	if err != nil {
		s.showRoute(ctx, c, session, form, err)
		return
	}
	stored := undo.GetRoutes()[0].GetBecame()
	s.NoteUndoable(c, undo, "route put", "route", stored.GetName(), "match", routing.MatchOf(stored), "targets", routing.Summary(stored))
	seeOther(c, "/admin/routes?saved="+url.QueryEscape(stored.GetName()))
}

// putRoute stores what the form says, and returns how that is undone.
func (s *Site) putRoute(ctx context.Context, c *gin.Context, form routeForm) (*tokenstorev1.AuditUndo, error) {
	route, err := form.route(s.texts(c.Request))
	if err != nil {
		return nil, err
	}
	before, err := s.route(ctx, form.Name)
	if err != nil {
		return nil, err
	}
	if form.New && before != nil {
		return nil, chat.Errorf(chat.Conflict, s.texts(c.Request)["problem.route_taken"], form.Name)
	}
	put, err := s.Config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{Route: route, ExpectedVersion: form.Version})
	return routing.Undo(form.Name, before, put.GetRoute()), err
}

// afterConflict has the form replace what others have made of the route, if it is sent again.
func (s *Site) afterConflict(ctx context.Context, c *gin.Context, form routeForm) (routeForm, error) {
	now, err := s.route(ctx, form.Name)
	if err != nil {
		return form, err
	}
	form.New, form.Version = now == nil, now.GetVersion()
	return form, chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.route_changed"])
}

// POST /admin/routes/delete: `name`, `version` and `csrf`.
func (s *Site) deleteRoute(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	form := formFrom(c)
	ctx, cancel := s.Call(c)
	defer cancel()
	before, err := s.route(ctx, form.Name)
	if err == nil {
		_, err = s.Config.DeleteRoute(ctx, &tokenstorev1.DeleteRouteRequest{Name: form.Name, ExpectedVersion: form.Version})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.NoteUndoable(c, routing.Undo(form.Name, before, nil), "route deleted", "route", form.Name)
	seeOther(c, "/admin/routes?deleted="+url.QueryEscape(form.Name))
}

// permitted lets in a form that is this session's; else it has answered.
func (s *Site) permitted(c *gin.Context) (auth.Session, bool) {
	return s.permittedForm(c, maxEditForm)
}

// permittedForm is permitted for a form of at most so many bytes. A large one may take its time.
func (s *Site) permittedForm(c *gin.Context, most int64) (auth.Session, bool) {
	session, ok := s.Gate.Session(c.Request)
	if !ok {
		seeOther(c, "/admin/login?next="+url.QueryEscape(sectionOf(c.Request.URL.Path)))
		return session, false
	}
	body, err := jsonapi.Body(c, most)
	if err == nil {
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
		err = session.Permit(c.Request, c.PostForm("csrf"))
	}
	if err != nil {
		s.fail(c, err)
		return session, false
	}
	return session, true
}

// sectionOf is the address of the part of the site that a page belongs to.
func sectionOf(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/admin/"), "/")
	return "/admin/" + name
}

// showRoute shows the form again, as it was filled in, with what is wrong.
func (s *Site) showRoute(ctx context.Context, c *gin.Context, session auth.Session, form routeForm, problem error) {
	form, err := s.complete(ctx, form)
	if problem == nil {
		problem = err
	}
	s.showForm(c, routePage, session, form, problem)
}
