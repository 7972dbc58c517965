package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var newKeyPage = view{"keynew", "keys", (*Site).loadNewKey}

// keySecretPage is shown once: it has no address of its own.
var keySecretPage = view{name: "keysecret", section: "keys"}

// editedFields are those of the form.
var editedFields = []string{"name", "tags", "expires_at", "models", "networks", "limits", "scopes"}

type newKeyData struct{ Edit keyFields }

// keySecretData is a key and its secret, which is shown this once.
type keySecretData struct {
	Key     keyRow
	Secret  string
	Rotated bool
	Connect connectPanel
}

// GET /admin/keys/new
func (s *Site) loadNewKey(context.Context, *gin.Context) (any, error) {
	return newKeyData{newKeyFields()}, nil
}

// POST /admin/keys/new: the form, and `csrf`; with `more` it comes back with lines for more
// budgets. The answer has the secret: a redirect would have to carry it.
func (s *Site) createKey(c *gin.Context) {
	session, ok := s.permitted(c)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	fields := keyFieldsFrom(c)
	key, err := s.filledIn(c, &fields)
	if key == nil {
		s.showKeyForm(c, session, newKeyPage, newKeyData{fields.widened()}, err)
		return
	}
	created, err := s.Keys.CreateKey(ctx, &tokenstorev1.CreateKeyRequest{Key: key})
	if err != nil {
		s.showKeyForm(c, session, newKeyPage, newKeyData{fields.widened()}, err)
		return
	}
	s.noteKey(c, "key created", nil, created.GetKey())
	s.showSecret(c, session, created.GetKey(), created.GetSecret(), false)
}

// POST /admin/keys/{id}: the form, and `csrf`; with `more` as above.
func (s *Site) saveKey(c *gin.Context) {
	session, ok := s.permitted(c)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	fields := keyFieldsFrom(c)
	key, err := s.filledIn(c, &fields)
	if key != nil {
		if err = s.updateKey(ctx, c, "key changed", key, fields.Version, editedFields...); err == nil {
			seeOther(c, keyAddress(key.GetId())+"?done=saved")
			return
		}
	}
	data, failed := s.keyData(ctx, c, fields.ID)
	if data == nil {
		s.fail(c, failed)
		return
	}
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) { // sent again, it replaces what others have made of it
		fields.Version = data.Key.GetVersion()
		err = chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.key_changed"])
	}
	data.Edit, data.Editing = fields.widened(), true
	s.showKeyForm(c, session, keyPage, *data, err)
}

// filledIn is what the form says: nil where something is wrong with it, or more lines are wanted.
func (s *Site) filledIn(c *gin.Context, fields *keyFields) (*tokenstorev1.ClientKey, error) {
	if _, more := c.GetPostForm("more"); more {
		return nil, nil //nolint:nilnil // the form is to be shown again
	}
	texts := s.texts(c.Request)
	key := fields.key(texts, time.Now())
	if !fields.Valid() {
		return nil, chat.Errorf(chat.InvalidRequest, "%s", texts["problem.key_fields"])
	}
	return key, nil
}

// POST /admin/keys/{id}/rotate: `keep`, `version` and `csrf`. As with a new key the answer has the
// secret. Sent again it changes nothing: the version is another one by then.
func (s *Site) rotateKey(c *gin.Context) {
	session, ok := s.permitted(c)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	version, _ := strconv.ParseUint(c.PostForm("version"), 10, 64) // ours
	request := &tokenstorev1.RotateKeyRequest{Id: c.Param("id"), ExpectedVersion: version}
	keep := keptSecrets[c.PostForm("keep")]
	if keep > 0 {
		request.KeepOldFor = durationpb.New(keep)
	}
	rotated, err := s.Keys.RotateKey(ctx, request)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.Note(c, "key rotated", "key_id", rotated.GetKey().GetId(), "name", rotated.GetKey().GetName(), "keep_old_for", keep)
	s.showSecret(c, session, rotated.GetKey(), rotated.GetSecret(), true)
}

// POST /admin/keys/{id}/switch: `disabled` is true or false, and `csrf`.
func (s *Site) switchKey(c *gin.Context) {
	s.changeKey(c, func(ctx context.Context, id string) (string, error) {
		key := &tokenstorev1.ClientKey{Id: id, Disabled: c.PostForm("disabled") == "true"}
		done := "enabled"
		if key.GetDisabled() {
			done = "disabled"
		}
		return keyAddress(id) + "?done=" + done, s.updateKey(ctx, c, "key "+done, key, 0, "disabled")
	})
}

// POST /admin/keys/{id}/delete: `version` and `csrf`.
func (s *Site) deleteKey(c *gin.Context) {
	s.changeKey(c, func(ctx context.Context, id string) (string, error) {
		version, _ := strconv.ParseUint(c.PostForm("version"), 10, 64) // ours; without one nothing is checked
		before, err := s.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
		if err != nil {
			return "", err
		}
		_, err = s.Keys.DeleteKey(ctx, &tokenstorev1.DeleteKeyRequest{Id: id, ExpectedVersion: version})
		if err == nil {
			s.noteKey(c, "key deleted", before.GetKey(), nil)
		}
		return "/admin/keys?deleted=" + url.QueryEscape(id), err
	})
}

// POST /admin/keys/{id}/restore: `csrf`.
func (s *Site) restoreKey(c *gin.Context) {
	s.changeKey(c, func(ctx context.Context, id string) (string, error) {
		answer, err := s.Keys.RestoreKey(ctx, &tokenstorev1.RestoreKeyRequest{Id: id})
		if err == nil {
			s.Note(c, "key restored", "key_id", id, "name", answer.GetKey().GetName())
		}
		return keyAddress(id) + "?done=restored", err
	})
}

// changeKey does what the form of a button asks for, and goes on to the address that it answers.
func (s *Site) changeKey(c *gin.Context, do func(ctx context.Context, id string) (string, error)) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	next, err := do(ctx, c.Param("id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	seeOther(c, next)
}

func keyAddress(id string) string { return "/admin/keys/" + url.PathEscape(id) }

// updateKey changes the fields of a key that has the version, and notes it; 0: the one that it has.
func (s *Site) updateKey(
	ctx context.Context, c *gin.Context, action string, key *tokenstorev1.ClientKey, version uint64, fields ...string,
) error {
	found, err := s.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: key.GetId()})
	if err != nil {
		return err
	}
	before := found.GetKey()
	updated, err := s.Keys.UpdateKey(ctx, &tokenstorev1.UpdateKeyRequest{
		Key: key, UpdateMask: &fieldmaskpb.FieldMask{Paths: fields}, ExpectedVersion: cmp.Or(version, before.GetVersion()),
	})
	if err == nil {
		s.noteKey(c, action, before, updated.GetKey())
	}
	return err
}

// noteKey notes what can be undone; before and became are nil where there is no key.
func (s *Site) noteKey(c *gin.Context, action string, before, became *tokenstorev1.ClientKey) {
	key := cmp.Or(became, before)
	s.NoteUndoable(c, keyform.Undo(key.GetId(), before, became), action, "key_id", key.GetId(), "name", key.GetName())
}

// showSecret shows a new secret, this once. The page's script gives it the key's own address, so
// that whoever loads it again sees the key, and makes no other one.
func (s *Site) showSecret(c *gin.Context, session auth.Session, key *tokenstorev1.ClientKey, secret string, rotated bool) {
	s.showKeyForm(c, session, keySecretPage, keySecretData{
		Key: keyRowOf(&tokenstorev1.ListedKey{Key: key}, time.Now()), Secret: secret, Rotated: rotated,
		Connect: s.connectPanel(c, key, secret),
	}, nil)
}

// showKeyForm answers a form with a page.
func (s *Site) showKeyForm(c *gin.Context, session auth.Session, v view, data any, problem error) {
	p := s.newPage(c, v.name)
	p.Path = "/admin/keys"
	if id := c.Param("id"); id != "" {
		p.Path = keyAddress(id)
	}
	p.Section, p.Session, p.Data, p.Fleet, p.Degraded = v.section, &session, data, s.Fleet(), s.outage()
	status := http.StatusOK
	if problem != nil {
		p.Problem, status = s.sentence(c.Request, problem), statusOf(problem)
	}
	s.show(c, status, p, problem)
}
