package adminapi

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Keys are the tokenstore's calls about client keys.
type Keys interface {
	CreateKey(context.Context, *tokenstorev1.CreateKeyRequest, ...grpc.CallOption) (*tokenstorev1.CreateKeyResponse, error)
	GetKey(context.Context, *tokenstorev1.GetKeyRequest, ...grpc.CallOption) (*tokenstorev1.GetKeyResponse, error)
	ListKeys(context.Context, *tokenstorev1.ListKeysRequest, ...grpc.CallOption) (*tokenstorev1.ListKeysResponse, error)
	UpdateKey(context.Context, *tokenstorev1.UpdateKeyRequest, ...grpc.CallOption) (*tokenstorev1.UpdateKeyResponse, error)
	RotateKey(context.Context, *tokenstorev1.RotateKeyRequest, ...grpc.CallOption) (*tokenstorev1.RotateKeyResponse, error)
	DeleteKey(context.Context, *tokenstorev1.DeleteKeyRequest, ...grpc.CallOption) (*tokenstorev1.DeleteKeyResponse, error)
	RestoreKey(context.Context, *tokenstorev1.RestoreKeyRequest, ...grpc.CallOption) (*tokenstorev1.RestoreKeyResponse, error)
}

// keyWithSecret answers what makes a secret. Nobody sees it again.
type keyWithSecret struct {
	Key    keyform.Key `json:"key"`
	Secret string      `json:"secret"`
}

// GET /admin/api/keys
func (a *API) listKeys(c *gin.Context) error {
	q := queryOf(c, "q", "tag", "state", "limit", "cursor")
	request := &tokenstorev1.ListKeysRequest{
		Query: q.text("q"), Tag: q.text("tag"), State: choice(q, "state", keyform.States), Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Keys.ListKeys(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	keys, now := make([]keyform.Key, 0, len(page.GetKeys())), time.Now()
	for _, each := range page.GetKeys() {
		keys = append(keys, keyform.OfListed(each, now))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Keys []keyform.Key `json:"keys"`
		Next string        `json:"next"`
		// Total is how many there are on all pages.
		Total uint32 `json:"total"`
	}{keys, page.GetNextCursor(), page.GetTotal()})
}

// POST /admin/api/keys
func (a *API) createKey(c *gin.Context) error {
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	said := &tokenstorev1.ClientKey{}
	if _, err := readKey(fields, said); err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	created, err := a.Keys.CreateKey(ctx, &tokenstorev1.CreateKeyRequest{Key: said})
	if err != nil {
		return storeerr.Translate(err)
	}
	key := created.GetKey()
	a.NoteUndoable(c, keyform.Undo(key.GetId(), nil, key), "key created", "key_id", key.GetId(), "name", key.GetName())
	c.Header("Location", "/admin/api/keys/"+url.PathEscape(key.GetId()))
	return answerVersioned(c, http.StatusCreated, keyWithSecret{a.shownKey(ctx, key), created.GetSecret()}, key.GetVersion())
}

// GET /admin/api/keys/{id}
func (a *API) getKey(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	found, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	key := keyform.Of(found.GetKey(), found.GetStanding(), time.Now())
	return answerVersioned(c, http.StatusOK, key, key.Version)
}

// shownKey is the form of a key that was changed, with what is left of its limits, as far as that
// can be had: the change is done.
func (a *API) shownKey(ctx context.Context, key *tokenstorev1.ClientKey) keyform.Key {
	var standing []*tokenstorev1.KeyStanding
	if len(key.GetLimits()) > 0 {
		found, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: key.GetId()})
		if err == nil && found.GetKey().GetVersion() == key.GetVersion() {
			standing = found.GetStanding()
		}
	}
	return keyform.Of(key, standing, time.Now())
}

// PATCH /admin/api/keys/{id}
func (a *API) updateKey(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	change, err := a.changeKey(ctx, c.Param("id"), version, func(key *tokenstorev1.ClientKey) ([]string, error) { return readKey(fields, key) })
	if err != nil {
		return err
	}
	a.NoteUndoable(c, keyform.Undo(change.after.GetId(), change.before, change.after), "key changed",
		"key_id", change.after.GetId(), "name", change.after.GetName(), "fields", change.names)
	return answerVersioned(c, http.StatusOK, a.shownKey(ctx, change.after), change.after.GetVersion())
}

// keyChange is what a change of a key did.
type keyChange struct {
	before, after *tokenstorev1.ClientKey
	// names are the fields that were said.
	names []string
}

// maxKeyChanges bounds the attempts of a change that others get ahead of.
const maxKeyChanges = 5

// changeKey changes a key as it is now: what is said of one of its limits leaves the others. With
// version 0 the last writer wins, who begins again when another one was faster.
func (a *API) changeKey(
	ctx context.Context, id string, version uint64, say func(*tokenstorev1.ClientKey) ([]string, error),
) (keyChange, error) {
	for attempt := 1; ; attempt++ {
		found, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
		if err != nil {
			return keyChange{}, storeerr.Translate(err)
		}
		before := found.GetKey()
		said := proto.CloneOf(before)
		names, err := say(said)
		if err != nil {
			return keyChange{}, err
		}
		request := &tokenstorev1.UpdateKeyRequest{Key: said, UpdateMask: &fieldmaskpb.FieldMask{Paths: names}, ExpectedVersion: version}
		if version == 0 {
			request.ExpectedVersion = before.GetVersion()
		}
		updated, err := a.Keys.UpdateKey(ctx, request)
		if version == 0 && attempt < maxKeyChanges && rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
			continue
		}
		if err != nil {
			return keyChange{}, storeerr.Translate(err)
		}
		return keyChange{before, updated.GetKey(), names}, nil
	}
}

// POST /admin/api/keys/{id}/rotate
func (a *API) rotateKey(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	keep, err := a.readKeepOld(c)
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	rotated, err := a.Keys.RotateKey(ctx, &tokenstorev1.RotateKeyRequest{Id: c.Param("id"), KeepOldFor: keep, ExpectedVersion: version})
	if err != nil {
		return storeerr.Translate(err)
	}
	key := rotated.GetKey()
	a.Note(c, "key rotated", "key_id", key.GetId(), "name", key.GetName(), "keep_old_for", keep.AsDuration())
	return answerVersioned(c, http.StatusOK, keyWithSecret{a.shownKey(ctx, key), rotated.GetSecret()}, key.GetVersion())
}

// readKeepOld reads the body of a rotation, which may be empty: the old secret ends at once.
func (a *API) readKeepOld(c *gin.Context) (*durationpb.Duration, error) {
	text, err := jsonapi.Body(c, a.BodyLimit)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	var body struct {
		KeepOldFor string `json:"keep_old_for"`
	}
	if err := jsonapi.Unmarshal(text, &body); err != nil || body.KeepOldFor == "" {
		return nil, err
	}
	keep, err := time.ParseDuration(body.KeepOldFor)
	if err != nil || keep < 0 {
		return nil, jsonapi.Invalid("keep_old_for", "a length of time such as 30m or 24h wanted, not %q", body.KeepOldFor)
	}
	return durationpb.New(keep), nil
}

// DELETE /admin/api/keys/{id}
func (a *API) deleteKey(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	if _, err := a.Keys.DeleteKey(ctx, &tokenstorev1.DeleteKeyRequest{Id: id, ExpectedVersion: version}); err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, keyform.Undo(id, before.GetKey(), nil), "key deleted", "key_id", id, "name", before.GetKey().GetName())
	c.Status(http.StatusNoContent)
	return nil
}

// POST /admin/api/keys/{id}/restore
func (a *API) restoreKey(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	restored, err := a.Keys.RestoreKey(ctx, &tokenstorev1.RestoreKeyRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	key := restored.GetKey()
	a.Note(c, "key restored", "key_id", key.GetId(), "name", key.GetName())
	return answerVersioned(c, http.StatusOK, a.shownKey(ctx, key), key.GetVersion())
}
