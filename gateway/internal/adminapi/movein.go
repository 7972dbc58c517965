package adminapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/movein"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MoveIns move in what other gateways keep.
type MoveIns interface {
	Plan(ctx context.Context, wanted movein.Wanted) (movein.Report, error)
	Apply(ctx context.Context, wanted movein.Wanted) (movein.Report, *tokenstorev1.AuditUndo, error)
	Write(ctx context.Context, format string) (movein.Written, error)
}

// POST /admin/api/move-in: a form with files, or a body that is one. With `dry_run` it only tells
// what would become of each thing in them.
func (a *API) moveIn(c *gin.Context) error {
	q := queryOf(c, "dry_run", "format", "name")
	dryRun, format, name := choice(q, "dry_run", switches), q.text("format"), cmp.Or(q.text("name"), "file")
	if q.err != nil {
		return q.err
	}
	files, err := movein.Files(c.Writer, c.Request, name)
	if err != nil {
		return err
	}
	wanted := movein.Wanted{Files: files, Format: format}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	if dryRun {
		report, err := a.MoveIns.Plan(ctx, wanted)
		if err != nil {
			return err
		}
		return jsonapi.Answer(c, http.StatusOK, report)
	}
	report, undo, err := a.MoveIns.Apply(ctx, wanted)
	if err != nil {
		if len(report.Items) > 0 {
			a.NoteUndoable(c, undo, "moved in in part", report.Summary()...)
		}
		return err
	}
	a.NoteUndoable(c, undo, "moved in", report.Summary()...)
	return jsonapi.Answer(c, http.StatusOK, report)
}

// GET /admin/api/move-out?format=: the pool in the form of another gateway, secrets included.
func (a *API) moveOut(c *gin.Context) error {
	q := queryOf(c, "format")
	if q.err != nil {
		return q.err
	}
	format := q.text("format")
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	written, err := a.MoveIns.Write(ctx, format)
	if err != nil {
		return err
	}
	// Before the secrets leave, not after.
	a.Note(c, "tokens exported", "format", format, "count", written.Count)
	name, kind := "config.yaml", "application/yaml"
	if json.Valid(written.File) {
		name, kind = format+".json", "application/json"
	}
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	c.Header("X-Carousel-Left-Tokens", strconv.Itoa(written.Left))
	jsonapi.Write(c, http.StatusOK, kind, written.File)
	return nil
}
