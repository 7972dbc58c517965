package web

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Backups make backups of all that admins have made, and restore them.
type Backups interface {
	Make(ctx context.Context, passphrase secret.Value) (*backup.Made, error)
	Restore(ctx context.Context, wanted backup.Restoration) (backupform.Plan, error)
}

var backupPage = view{"backup", "backup", (*Site).loadBackup}

// backupData is the plan of a restore, or what one has done.
type backupData struct {
	// Plan is nil before a file was sent.
	Plan *backupform.Plan
	// Sealed is the file in base64, which the form that carries out the plan sends again; empty: it
	// is too large for that, and is to be chosen again.
	Sealed string
}

// Actions are all that a plan may have, in the order in which they are shown.
func (backupData) Actions() []string {
	return []string{backupform.Add, backupform.Change, backupform.Remove, backupform.Refuse, backupform.Keep, backupform.Same}
}

// Items are those of an action, and More counts those that are not listed.
func (d backupData) Items(action string) []backupform.Item {
	var items []backupform.Item
	for _, each := range d.Plan.Items {
		if each.Action == action {
			items = append(items, each)
		}
	}
	return items
}

// More counts the things of an action that are not listed.
func (d backupData) More(action string) int {
	if action == backupform.Same {
		return 0
	}
	return int(d.Plan.Total(action)) - len(d.Items(action))
}

// MadeAt is when the backup was made.
func (d backupData) MadeAt() *timestamppb.Timestamp { return timestamppb.New(d.Plan.MadeAt) }

// Unreadable are what the backup lacks.
func (d backupData) Unreadable() []string {
	return slices.Concat(d.Plan.Unreadable.Upstreams, d.Plan.Unreadable.Tokens, d.Plan.Unreadable.Destinations)
}

// Least is how many characters a passphrase has.
func (backupData) Least() int { return backupform.LeastPassphrase }

func (s *Site) loadBackup(context.Context, *gin.Context) (any, error) { return backupData{}, nil }

// POST /admin/backup/make: `passphrase`, `again` and `csrf`. It answers the file.
func (s *Site) makeBackup(c *gin.Context) {
	session, ok := s.permittedForm(c, maxForm)
	if !ok {
		return
	}
	passphrase := c.PostForm("passphrase")
	err := backupform.CheckPassphrase(passphrase)
	switch {
	case err != nil:
		err = s.refused(c, "backup_weak")
	case passphrase != c.PostForm("again"):
		err = s.refused(c, "backup_again")
	}
	var made *backup.Made
	if err == nil {
		made, err = s.Backups.Make(c.Request.Context(), secret.New(passphrase))
	}
	if err != nil {
		s.showForm(c, backupPage, session, backupData{}, err)
		return
	}
	s.Note(c, "backup made", "records", strconv.FormatUint(made.Records, 10)) // before it leaves, not after
	s.upkeep.forget()
	jsonapi.Attach(c, backupform.FileName(time.Now()), made.File)
}

// refused is an error with a text of its own.
func (s *Site) refused(c *gin.Context, text string) error {
	return chat.Errorf(chat.InvalidRequest, "%s", s.texts(c.Request)["problem."+text])
}

// POST /admin/backup/plan: `file`, `passphrase`, `remove_others` and `csrf`. It shows what would
// change.
func (s *Site) planRestore(c *gin.Context) {
	s.restore(c, func(*backup.Upload) string { return "" })
}

// POST /admin/backup/apply: the same, with `sealed` in place of `file` where that is small, and
// `digest`.
func (s *Site) applyRestore(c *gin.Context) {
	s.restore(c, func(form *backup.Upload) string { return form.Value("digest") })
}

// restore plans a restore, or carries out the plan with the digest that is not empty.
func (s *Site) restore(c *gin.Context, digest func(*backup.Upload) string) {
	session, form, ok := s.permittedUpload(c)
	if !ok {
		return
	}
	defer func() { _ = form.Close() }() // it was only read
	wanted := backup.Restoration{
		Passphrase: secret.New(form.Value("passphrase")), RemoveOthers: form.Value("remove_others") != "", Apply: digest(form), Actor: jsonapi.Actor(c),
	}
	data := backupData{}
	var err error
	if wanted.File, err = form.File(); err != nil {
		err = s.refused(c, "backup_file")
	} else {
		var plan backupform.Plan
		if plan, err = s.Backups.Restore(c.Request.Context(), wanted); err == nil {
			data.Plan = &plan
		}
		if wanted.Apply != "" {
			s.noteRestore(c, plan, err)
		}
	}
	if data.Plan != nil && !data.Plan.Applied {
		data.Sealed = form.Sealed()
	}
	s.showForm(c, backupPage, session, data, s.restoreProblem(c, err))
}

// noteRestore notes what a restore has changed, and that one may have been carried out in part.
func (s *Site) noteRestore(c *gin.Context, plan backupform.Plan, err error) {
	if err == nil {
		s.Note(c, "backup restored", plan.Summary()...)
		return
	}
	if kind := chat.AsError(err).Kind; kind != chat.InvalidRequest && kind != chat.Conflict {
		s.Note(c, "backup restored in part")
	}
}

// restoreProblem is an error in the reader's language, where it is one that people meet.
func (s *Site) restoreProblem(c *gin.Context, err error) error {
	switch {
	case errors.Is(err, backup.ErrPassphrase):
		return s.refused(c, "backup_passphrase")
	case errors.Is(err, backup.ErrForeign):
		return s.refused(c, "backup_foreign")
	case errors.Is(err, backup.ErrDamaged):
		return s.refused(c, "backup_damaged")
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT):
		return chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.backup_changed"])
	default:
		return err
	}
}

// permittedUpload is permittedForm for a form with the file of a backup. Who has it closes it.
func (s *Site) permittedUpload(c *gin.Context) (auth.Session, *backup.Upload, bool) {
	session, ok := s.Gate.Session(c.Request)
	if !ok {
		seeOther(c, "/admin/login?next="+url.QueryEscape("/admin/backup"))
		return session, nil, false
	}
	form, err := s.Uploads.Read(c.Writer, c.Request)
	if err != nil {
		s.fail(c, err)
		return session, nil, false
	}
	if err := session.Permit(c.Request, form.Value("csrf")); err != nil {
		s.fail(c, errors.Join(err, form.Close()))
		return session, nil, false
	}
	return session, form, true
}
