package adminapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var pageTypes = map[string]tokenstorev1.PageKind{
	"default": tokenstorev1.PageKind_PAGE_KIND_DEFAULT,
	"text":    tokenstorev1.PageKind_PAGE_KIND_TEXT,
	"html":    tokenstorev1.PageKind_PAGE_KIND_HTML,
}

// page is what is served in place of a built-in page.
type page struct {
	Path string `json:"path"`
	// Type is text or html; default takes the built-in page back.
	Type    string `json:"type"`
	Content string `json:"content"`
}

func pageOf(p *tokenstorev1.Page) page {
	shown := page{Path: p.GetPath(), Content: p.GetContent()}
	for name, kind := range pageTypes {
		if kind == p.GetKind() {
			shown.Type = name
		}
	}
	return shown
}

// GET /admin/api/pages: those that differ from the built-in ones. Their version is
// the settings'.
func (a *API) listPages(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	now, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	pages := make([]page, 0, len(now.GetPages()))
	for _, each := range now.GetPages() {
		pages = append(pages, pageOf(each))
	}
	version := now.GetSettings().GetVersion()
	return answerVersioned(c, http.StatusOK, struct {
		Pages   []page `json:"pages"`
		Version uint64 `json:"version"`
	}{pages, version}, version)
}

// PUT /admin/api/pages
func (a *API) putPage(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	var wanted page
	if err := a.decode(c, &wanted); err != nil {
		return err
	}
	kind, known := pageTypes[wanted.Type]
	if !known {
		return jsonapi.Invalid("type", "%s wanted, not %q", oneOf(pageTypes), wanted.Type)
	}
	changed := &tokenstorev1.Page{Path: wanted.Path, Kind: kind, Content: wanted.Content}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	now, err := a.Config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{
		Pages: []*tokenstorev1.Page{changed}, ExpectedVersion: version, Actor: jsonapi.Actor(c),
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, undoOfPage(before, wanted.Path, changed), "page changed", "page", wanted.Path)
	return answerVersioned(c, http.StatusOK, wanted, now.GetSettings().GetVersion())
}

// DELETE /admin/api/pages
func (a *API) deletePage(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	q := queryOf(c, "path")
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	if _, err := a.Config.ResetSettings(ctx, &tokenstorev1.ResetSettingsRequest{
		PagePaths: []string{q.text("path")}, ExpectedVersion: version, Actor: jsonapi.Actor(c),
	}); err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, undoOfPage(before, q.text("path"), nil), "page reset", "page", q.text("path"))
	c.Status(http.StatusNoContent)
	return nil
}
