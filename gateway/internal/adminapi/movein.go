package adminapi

import (
	"cmp"
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/movein"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MoveIns move in what other gateways keep.
type MoveIns interface {
	Plan(ctx context.Context, wanted movein.Wanted) (movein.Report, error)
	Apply(ctx context.Context, wanted movein.Wanted) (movein.Report, *tokenstorev1.AuditUndo, error)
}

// POST /admin/api/move-in: a form with files, or a body that is one. With `dry_run` it only tells what
// would become of each thing in them.
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
