package adminapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/proto/service/secret"
)

// Backups make backups of all that admins have made, and restore them.
type Backups interface {
	Make(ctx context.Context, passphrase secret.Value) (*backup.Made, error)
	Restore(ctx context.Context, wanted backup.Restoration) (backupform.Plan, error)
}

// POST /admin/api/backup
func (a *API) makeBackup(c *gin.Context) error {
	var body struct {
		Passphrase string `json:"passphrase"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	made, err := a.Backups.Make(c.Request.Context(), secret.New(body.Passphrase))
	if err != nil {
		return err
	}
	// Before it leaves, not after.
	a.Note(c, "backup made", "records", strconv.FormatUint(made.Records, 10))
	for header, names := range map[string][]string{
		"X-Carousel-Unreadable-Tokens": made.UnreadableTokens, "X-Carousel-Unreadable-Upstreams": made.UnreadableUpstreams,
		"X-Carousel-Unreadable-Destinations": made.UnreadableDestinations,
	} {
		if len(names) > 0 { // damaged in the store
			c.Header(header, strings.Join(names[:min(len(names), maxUnreadableShown)], ","))
		}
	}
	jsonapi.Attach(c, backupform.FileName(time.Now()), made.File)
	return nil
}

// The modes of a restore.
const (
	modePlan  = "plan"
	modeApply = "apply"
)

// POST /admin/api/restore
func (a *API) restoreBackup(c *gin.Context) error {
	form, err := a.Uploads.Read(c.Writer, c.Request)
	if err != nil {
		return err
	}
	defer func() { _ = form.Close() }() // it was only read
	wanted, err := restorationOf(form)
	if err != nil {
		return err
	}
	wanted.Actor = jsonapi.Actor(c)
	plan, err := a.Backups.Restore(c.Request.Context(), wanted)
	if wanted.Apply != "" {
		a.noteRestore(c, plan, err)
	}
	if err != nil {
		return err
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Plan backupform.Plan `json:"plan"`
	}{plan})
}

// restorationOf reads the fields of a restore.
func restorationOf(form *backup.Upload) (backup.Restoration, error) {
	wanted := backup.Restoration{Passphrase: secret.New(form.Value("passphrase"))}
	switch mode := form.Value("mode"); {
	case mode == modeApply && form.Value("digest") == "":
		return wanted, jsonapi.Invalid("digest", "that of the plan that is to be carried out wanted")
	case mode == modeApply:
		wanted.Apply = form.Value("digest")
	case mode != modePlan && mode != "":
		return wanted, jsonapi.Invalid("mode", "plan or apply wanted, not %q", mode)
	}
	if text := form.Value("remove_others"); text != "" {
		var err error
		if wanted.RemoveOthers, err = strconv.ParseBool(text); err != nil {
			return wanted, jsonapi.Invalid("remove_others", "true or false wanted, not %q", text)
		}
	}
	var err error
	wanted.File, err = form.File()
	return wanted, err
}

// noteRestore notes what a restore has changed, and that one may have been carried out in part.
func (a *API) noteRestore(c *gin.Context, plan backupform.Plan, err error) {
	if err == nil {
		a.Note(c, "backup restored", plan.Summary()...)
		return
	}
	if kind := chat.AsError(err).Kind; kind != chat.InvalidRequest && kind != chat.Conflict {
		a.Note(c, "backup restored in part")
	}
}
