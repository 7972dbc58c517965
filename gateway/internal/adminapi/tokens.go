package adminapi

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var formats = map[string]tokenstorev1.TokenFileFormat{
	"token":      tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN,
	"token-list": tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST,
	"json":       tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON,
}

// orders are those of a list of tokens; whether the newest are first.
var orders = map[string]bool{"oldest": false, "newest": true}

var switches = map[string]bool{"true": true, "false": false}

// GET /admin/api/tokens
func (a *API) listTokens(c *gin.Context) error {
	q := queryOf(c, "upstream", "state", "tag", "q", "order", "sort", "count", "limit", "cursor")
	request := &tokenstorev1.ListTokensRequest{
		Upstream: q.text("upstream"), State: choice(q, "state", tokenform.States), Tag: q.text("tag"), Query: q.text("q"),
		Limit: q.limit(), Cursor: q.text("cursor"), NewestFirst: choice(q, "order", orders), Counted: choice(q, "count", switches),
	}
	if sort := q.text("sort"); sort != "" {
		var known bool
		if request.Order, request.Descending, known = tokenform.Sort(sort); !known {
			q.fail(jsonapi.Invalid("sort", "%s wanted, with a minus before it the other way round; not %q", strings.Join(tokenform.SortNames(), ", "), sort))
		}
	}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Tokens.ListTokens(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	tokens := make([]tokenform.Token, 0, len(page.GetTokens()))
	for _, t := range page.GetTokens() {
		tokens = append(tokens, tokenform.Of(t))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Tokens []tokenform.Token `json:"tokens"`
		Next   string            `json:"next"`
		// Total is how many there are on all pages; null where they were not counted.
		Total *uint32 `json:"total"`
	}{tokens, page.GetNextCursor(), page.Total})
}

// POST /admin/api/tokens
func (a *API) createToken(c *gin.Context) error {
	var body struct {
		Token    string   `json:"token"`
		Upstream string   `json:"upstream"`
		Alias    string   `json:"alias"`
		Tags     []string `json:"tags"`
		Cap      uint32   `json:"cap"`
		Weight   uint32   `json:"weight"`
		Enabled  *bool    `json:"enabled"`
		Checksum string   `json:"checksum"`
		// RefreshToken makes it a login, of which Token is the access token.
		RefreshToken string `json:"refresh_token"`
		Proxy        string `json:"proxy"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	if body.Token == "" {
		return jsonapi.Invalid("token", "the token itself is missing")
	}
	if err := a.tryProxyFor(c, body.Upstream, body.Proxy); err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	driver := a.driverOf(ctx, body.Upstream)
	created, err := a.Tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{
		Secret: body.Token, Upstream: body.Upstream, Alias: body.Alias, Tags: body.Tags,
		Cap: body.Cap, Weight: body.Weight, Enabled: body.Enabled, Checksum: body.Checksum,
		RefreshToken: body.RefreshToken, Proxy: body.Proxy,
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	t := created.GetToken()
	a.Note(c, "token created", "token_id", t.GetId(), "name", tokenform.Name(t), "upstream", t.GetUpstream())
	c.Header("Location", "/admin/api/tokens/"+url.PathEscape(t.GetId()))
	return answerVersioned(c, http.StatusCreated, struct {
		tokenform.Token
		// Warning says why it does not look like a token; null where it does.
		Warning *string `json:"warning"`
	}{tokenform.Of(t), nullable.Text(suspicion(driver, secretOf(body.Token), time.Now()))}, t.GetVersion())
}

// GET /admin/api/tokens/{id}
func (a *API) getToken(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	return answerVersioned(c, http.StatusOK, tokenform.Of(found.GetToken()), found.GetToken().GetVersion())
}

// PATCH /admin/api/tokens/{id}
func (a *API) updateToken(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	request := &tokenstorev1.UpdateTokenRequest{
		Id: c.Param("id"), UpdateMask: &fieldmaskpb.FieldMask{}, ExpectedVersion: version,
	}
	if err := a.readTokenChange(c, request); err != nil {
		return err
	}
	if err := a.tryProxyOfToken(c, request.GetId(), request.GetProxy()); err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: request.GetId()})
	if err != nil {
		return storeerr.Translate(err)
	}
	updated, err := a.Tokens.UpdateToken(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	undo := undoOfEdit(before.GetToken(), updated.GetToken(), request.GetUpdateMask().GetPaths())
	said := []any{"token_id", request.GetId(), "name", tokenform.Name(updated.GetToken()), "fields", request.GetUpdateMask().GetPaths()}
	a.NoteUndoable(c, undo, "token changed", append(said, untilSaid(request.GetDisabledUntil())...)...)
	return answerVersioned(c, http.StatusOK, tokenform.Of(updated.GetToken()), updated.GetToken().GetVersion())
}

func (a *API) readTokenChange(c *gin.Context, request *tokenstorev1.UpdateTokenRequest) error {
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw := fields[name]
		switch name {
		case "alias":
			err = jsonapi.Member(name, raw, &request.Alias)
		case "tags":
			err = jsonapi.Member(name, raw, &request.Tags)
		case "cap":
			err = jsonapi.Member(name, raw, &request.Cap)
		case "weight":
			err = jsonapi.Member(name, raw, &request.Weight)
		case "enabled":
			err = jsonapi.Member(name, raw, &request.Enabled)
		case "checksum":
			err = jsonapi.Member(name, raw, &request.Checksum)
		case "proxy":
			err = jsonapi.Member(name, raw, &request.Proxy)
		case "disabled_until":
			request.DisabledUntil, err = readUntil(name, raw)
		default:
			err = jsonapi.Invalid(name, "there is no such field here; alias, tags, cap, weight, enabled, disabled_until, checksum and proxy can be changed")
		}
		if err != nil {
			return err
		}
		request.UpdateMask.Paths = append(request.UpdateMask.Paths, name)
	}
	if request.GetDisabledUntil() == nil {
		return nil
	}
	switch paths := request.GetUpdateMask().GetPaths(); {
	case !slices.Contains(paths, "enabled"): // who is disabled until a time is disabled
		request.UpdateMask.Paths = append(paths, "enabled")
	case request.GetEnabled():
		return jsonapi.Invalid("disabled_until", "an enabled token has none")
	}
	return nil
}

func readUntil(name string, raw json.RawMessage) (*timestamppb.Timestamp, error) {
	var text string
	if err := jsonapi.Member(name, raw, &text); err != nil {
		return nil, err
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, jsonapi.Invalid(name, "a time such as 2026-01-31T12:00:00Z wanted, not %q", text)
	}
	return untilOf(name, &until)
}

// untilOf is a time until which tokens are to be disabled; nil where there is none.
func untilOf(param string, until *time.Time) (*timestamppb.Timestamp, error) {
	switch {
	case until == nil:
		return nil, nil //nolint:nilnil // none is an answer
	case until.Before(time.Now()):
		return nil, jsonapi.Invalid(param, "it is in the past")
	default:
		return timestamppb.New(*until), nil
	}
}

// untilSaid tells the audit log until when tokens are disabled; nothing where there is no end.
func untilSaid(until *timestamppb.Timestamp) []any {
	if until == nil {
		return nil
	}
	return []any{"until", until.AsTime().Format(time.RFC3339)}
}

// DELETE /admin/api/tokens/{id}
func (a *API) deleteToken(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	names := a.tokenNames(ctx, []string{id})
	if _, err := a.Tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id, ExpectedVersion: version}); err != nil {
		return storeerr.Translate(err)
	}
	undo := named(&tokenstorev1.AuditUndo{Deleted: []string{id}}, []string{id}, names)
	a.NoteUndoable(c, undo, "token deleted", "token_id", id, "name", names[id])
	c.Status(http.StatusNoContent)
	return nil
}

// POST /admin/api/tokens/{id}/restore
func (a *API) restoreToken(c *gin.Context) error {
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	restored, err := a.Tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "token restored", "token_id", id, "name", tokenform.Name(restored.GetToken()))
	return answerVersioned(c, http.StatusOK, tokenform.Of(restored.GetToken()), restored.GetToken().GetVersion())
}

// importLimit bounds the body of an import, in bytes. An export of 100,000 tokens fits
// into it: what comes out can go in.
const importLimit = 96 << 20

// POST /admin/api/tokens/import
func (a *API) importTokens(c *gin.Context) error {
	var body struct {
		Content  string `json:"content"`
		Format   string `json:"format"`
		Upstream string `json:"upstream"`
		// DryRun only tells what would become of each line.
		DryRun bool `json:"dry_run"`
	}
	if err := jsonapi.Decode(c, max(a.BodyLimit, importLimit), &body); err != nil {
		return err
	}
	format, known := formats[body.Format]
	if !known {
		return jsonapi.Invalid("format", "%s wanted, not %q", oneOf(formats), body.Format)
	}
	if body.Content == "" {
		return jsonapi.Invalid("content", "the content of the file is missing")
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	driver := a.driverOf(ctx, body.Upstream)
	request := &tokenstorev1.ImportTokensRequest{Content: body.Content, Format: format, Upstream: body.Upstream}
	if body.DryRun {
		preview, err := a.Tokens.PreviewTokens(ctx, &tokenstorev1.PreviewTokensRequest{Import: request})
		if err != nil {
			return storeerr.Translate(err)
		}
		said := tokenImportOf(driver, body.Format, body.Content, preview.GetReport())
		return jsonapi.Answer(c, http.StatusOK, tokenImportPreview{said, previewedOf(preview)})
	}
	report, err := a.Tokens.ImportTokens(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	said := tokenImportOf(driver, body.Format, body.Content, report)
	a.Note(c, "tokens imported", "format", body.Format, "upstream", body.Upstream,
		"accepted", said.Accepted, "updated", said.Updated, "rejected", len(said.Rejected), "upstreams", said.Upstreams)
	return jsonapi.Answer(c, http.StatusOK, said)
}

// maxUnreadableShown bounds the header that names tokens which an export leaves out.
const maxUnreadableShown = 100

// GET /admin/api/tokens/export
func (a *API) exportTokens(c *gin.Context) error {
	q := queryOf(c, "format", "upstream")
	name := cmp.Or(q.text("format"), "token")
	choice(q, "format", formats) // refuses what is not there
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	file, err := a.Tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: formats[name], Upstream: q.text("upstream")})
	if err != nil {
		return storeerr.Translate(err)
	}
	// Before the secrets leave, not after.
	a.Note(c, "tokens exported", "format", name, "upstream", q.text("upstream"), "count", file.GetCount())
	content, fileName := "text/plain; charset=utf-8", "."+name
	if name == "json" {
		content, fileName = "application/json", "tokens.json"
	}
	c.Header("Content-Disposition", `attachment; filename="`+fileName+`"`)
	if left := file.GetUnreadable(); len(left) > 0 { // damaged in the store
		c.Header("X-Carousel-Unreadable-Tokens", strings.Join(left[:min(len(left), maxUnreadableShown)], ","))
	}
	jsonapi.Write(c, http.StatusOK, content, []byte(file.GetContent()))
	return nil
}
