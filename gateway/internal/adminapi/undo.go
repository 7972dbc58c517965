package adminapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// report says what an undo did.
type report struct {
	// Undone counts tokens, keys, settings, pages and routes that are as they were, and the prices
	// as one.
	Undone int `json:"undone"`
	// Failed counts those that are not; Failures names the first of them.
	Failed   int         `json:"failed"`
	Failures []notUndone `json:"failures"`
}

// notUndone is something that could not be undone, and why.
type notUndone struct {
	// What is `token t…`, `key …`, `setting name`, `page /path`, `route name` or `prices`.
	What   string `json:"what"`
	Reason string `json:"reason"`
}

func (r *report) fail(what, reason string) {
	if r.Failed++; len(r.Failures) < maxFailuresShown {
		r.Failures = append(r.Failures, notUndone{what, reason})
	}
}

// POST /admin/api/audit/{id}/undo: undoes what the request with this id did, or, with dry_run=true,
// tells what of it could be undone.
func (a *API) undoChange(c *gin.Context) error {
	q := queryOf(c, "dry_run")
	dryRun := q.flag("dry_run")
	if q.err != nil {
		return q.err
	}
	id := c.Param("id")
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	kept, err := a.Audit.GetUndo(ctx, &tokenstorev1.GetUndoRequest{RequestId: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	if len(kept.GetUndo()) == 0 {
		return notKept(id)
	}
	does := a
	if dryRun != nil && *dryRun {
		does = a.rehearsed(kept.GetAt().AsTime())
	}
	said, err := does.undo(ctx, jsonapi.Actor(c), kept)
	if err != nil {
		said.Failed++ // what was undone before stays undone, and is noted
	}
	if does == a {
		a.Note(c, "change undone", "change", id, "count", said.Undone, "failed", said.Failed)
	}
	if err != nil {
		return err
	}
	return jsonapi.Answer(c, http.StatusOK, said)
}

// undo undoes what is kept of a request.
func (a *API) undo(ctx context.Context, actor string, kept *tokenstorev1.GetUndoResponse) (report, error) {
	said := report{Failures: []notUndone{}}
	undo, ends := &tokenstorev1.AuditUndo{}, map[string]*timestamppb.Timestamp{}
	for _, each := range kept.GetUndo() {
		undo.Deleted = append(undo.Deleted, each.GetDeleted()...)
		undo.Enabled = append(undo.Enabled, each.GetEnabled()...)
		undo.Disabled = append(undo.Disabled, each.GetDisabled()...)
		undo.Settings = append(undo.Settings, each.GetSettings()...)
		undo.Pages = append(undo.Pages, each.GetPages()...)
		undo.Routes = append(undo.Routes, each.GetRoutes()...)
		undo.Prices = cmp.Or(undo.GetPrices(), each.GetPrices())
		undo.Keys = append(undo.Keys, each.GetKeys()...)
		undo.Tokens = append(undo.Tokens, each.GetTokens()...)
		maps.Copy(ends, each.GetDisabledUntil())
	}
	a.undoTokens(ctx, &said, undo.GetDeleted(), a.undelete)
	switched := map[string]bool{}
	for _, id := range kept.GetSwitchedSince() {
		switched[id] = true
	}
	switchBack := func(enabled bool) func(context.Context, string) (bool, error) {
		return func(ctx context.Context, id string) (bool, error) {
			if switched[id] {
				return false, chat.Errorf(chat.Conflict, "a later change has enabled or disabled it")
			}
			return a.switchBack(ctx, id, enabled, ends[id])
		}
	}
	a.undoTokens(ctx, &said, undo.GetEnabled(), switchBack(false))
	a.undoTokens(ctx, &said, undo.GetDisabled(), switchBack(true))
	a.undoEdits(ctx, &said, undo.GetTokens())
	a.undoRoutes(ctx, &said, undo.GetRoutes())
	if err := a.undoPrices(ctx, &said, undo.GetPrices()); err != nil {
		return said, err
	}
	a.undoKeys(ctx, &said, undo.GetKeys())
	err := a.undoSettings(ctx, actor, &said, undo)
	return said, err
}

func (a *API) undoTokens(ctx context.Context, said *report, ids []string, undo func(context.Context, string) (bool, error)) {
	if len(ids) == 0 {
		return
	}
	done, failed, _ := a.eachToken(ctx, ids, undo)
	said.Undone += len(done)
	for _, each := range failed.Named {
		said.fail("token "+each.TokenID, each.Reason)
	}
	said.Failed += failed.Count - len(failed.Named)
}

// undelete brings a token back. The reason why it can't tells the reader more than that
// there is no such deleted token.
func (a *API) undelete(ctx context.Context, id string) (bool, error) {
	_, err := a.Tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id})
	if err == nil {
		return true, nil
	}
	if _, there := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id}); there == nil {
		return false, chat.Errorf(chat.InvalidRequest, "it has been restored already")
	}
	return false, err
}

// switchBack makes a token enabled or not as it was: disabled until its former end, where that
// lies ahead.
func (a *API) switchBack(ctx context.Context, id string, enabled bool, end *timestamppb.Timestamp) (bool, error) {
	back := a.switchOne
	if !enabled && end != nil && end.AsTime().After(time.Now()) {
		back = func(ctx context.Context, id string, _ bool) (bool, error) { return a.disableOne(ctx, id, end) }
	}
	changed, err := back(ctx, id, enabled)
	if err == nil && !changed {
		err = chat.Errorf(chat.InvalidRequest, "it has been changed since: it is as it was before already")
	}
	return changed, err
}

// valuesOf are the settings with these names, as JSON.
func valuesOf(settings *tokenstorev1.Settings, names []string) map[string][]byte {
	values := map[string][]byte{}
	for _, name := range names {
		if field := settingFields.ByName(protoreflect.Name(name)); field != nil {
			values[name], _ = json.Marshal(settings.ProtoReflect().Get(field).Interface()) // text, numbers and switches
		}
	}
	return values
}

func digest(value []byte) []byte {
	sum := sha256.Sum256(value)
	return sum[:]
}

// setBy tells whether an admin has set a setting or a page.
func setBy(changes []*tokenstorev1.SettingChange, name string) *tokenstorev1.SettingChange {
	at := slices.IndexFunc(changes, func(change *tokenstorev1.SettingChange) bool { return change.GetName() == name })
	if at < 0 {
		return nil
	}
	return changes[at]
}

// undoOfSettings says how a change of settings is undone.
func undoOfSettings(before *tokenstorev1.GetSettingsResponse, after *tokenstorev1.Settings, names []string) *tokenstorev1.AuditUndo {
	undo := &tokenstorev1.AuditUndo{}
	was, became := valuesOf(before.GetSettings(), names), valuesOf(after, names)
	for _, name := range names {
		undo.Settings = append(undo.Settings, &tokenstorev1.FormerSetting{
			Name: name, Value: string(was[name]), Changed: setBy(before.GetChanges(), name) != nil, Became: digest(became[name]),
			BecameValue: string(became[name]),
		})
	}
	return undo
}

// undoOfPage says how a change of a page is undone; became is nil where it was reset.
func undoOfPage(before *tokenstorev1.GetSettingsResponse, path string, became *tokenstorev1.Page) *tokenstorev1.AuditUndo {
	return &tokenstorev1.AuditUndo{Pages: []*tokenstorev1.FormerPage{{Page: pageIn(before.GetPages(), path), Became: digest(contentOf(became))}}}
}

// pageIn is the page with this path: the built-in one where none is stored.
func pageIn(pages []*tokenstorev1.Page, path string) *tokenstorev1.Page {
	for _, page := range pages {
		if page.GetPath() == path {
			return page
		}
	}
	return &tokenstorev1.Page{Path: path, Kind: tokenstorev1.PageKind_PAGE_KIND_DEFAULT}
}

// contentOf tells pages apart.
func contentOf(page *tokenstorev1.Page) []byte {
	if page == nil || page.GetKind() == tokenstorev1.PageKind_PAGE_KIND_DEFAULT || page.GetKind() == tokenstorev1.PageKind_PAGE_KIND_UNSPECIFIED {
		return nil
	}
	return fmt.Appendf(nil, "%d\n%s", page.GetKind(), page.GetContent())
}

// undoSettings takes settings and pages back that nobody has changed since.
func (a *API) undoSettings(ctx context.Context, actor string, said *report, undo *tokenstorev1.AuditUndo) error {
	if len(undo.GetSettings())+len(undo.GetPages()) == 0 {
		return nil
	}
	now, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	update := &tokenstorev1.UpdateSettingsRequest{
		Settings: &tokenstorev1.Settings{}, UpdateMask: &fieldmaskpb.FieldMask{}, ExpectedVersion: now.GetSettings().GetVersion(), Actor: actor,
	}
	reset := &tokenstorev1.ResetSettingsRequest{ResetMask: &fieldmaskpb.FieldMask{}, Actor: actor}
	for _, former := range undo.GetSettings() {
		name := former.GetName()
		current := valuesOf(now.GetSettings(), []string{name})[name]
		if !slices.Equal(digest(current), former.GetBecame()) || (string(current) == former.GetValue() && former.GetChanged() == (setBy(now.GetChanges(), name) != nil)) {
			said.fail("setting "+name, changedSince(now, name))
			continue
		}
		if !former.GetChanged() {
			reset.ResetMask.Paths = append(reset.ResetMask.Paths, name)
			continue
		}
		if _, err := readSettings(map[string]json.RawMessage{name: json.RawMessage(former.GetValue())}, update.GetSettings()); err != nil {
			said.fail("setting "+name, err.Error())
			continue
		}
		update.UpdateMask.Paths = append(update.UpdateMask.Paths, name)
	}
	for _, former := range undo.GetPages() {
		path := former.GetPage().GetPath()
		current := contentOf(pageIn(now.GetPages(), path))
		switch {
		case !slices.Equal(digest(current), former.GetBecame()) || slices.Equal(current, contentOf(former.GetPage())):
			said.fail("page "+path, changedSince(now, path))
		case contentOf(former.GetPage()) == nil:
			reset.PagePaths = append(reset.PagePaths, path)
		default:
			update.Pages = append(update.Pages, former.GetPage())
		}
	}
	return a.putBack(ctx, said, update, reset)
}

// putBack carries out what undoSettings has found.
func (a *API) putBack(ctx context.Context, said *report, update *tokenstorev1.UpdateSettingsRequest, reset *tokenstorev1.ResetSettingsRequest) error {
	version := update.GetExpectedVersion()
	if n := len(update.GetUpdateMask().GetPaths()) + len(update.GetPages()); n > 0 {
		done, err := a.Config.UpdateSettings(ctx, update)
		if err != nil {
			return storeerr.Translate(err)
		}
		version = done.GetSettings().GetVersion()
		said.Undone += n
	}
	if n := len(reset.GetResetMask().GetPaths()) + len(reset.GetPagePaths()); n > 0 {
		reset.ExpectedVersion = version
		if _, err := a.Config.ResetSettings(ctx, reset); err != nil {
			return storeerr.Translate(err)
		}
		said.Undone += n
	}
	return nil
}

func changedSince(now *tokenstorev1.GetSettingsResponse, name string) string {
	change := setBy(now.GetChanges(), name)
	if change == nil {
		return "it has been reset since"
	}
	return fmt.Sprintf("it has been changed since, by %s at %s", change.GetActor(), change.GetAt().AsTime().Format("2006-01-02 15:04:05 UTC"))
}
