package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// transition is something that happened to a token by itself, or was taken back.
type transition struct {
	At *time.Time `json:"at"`
	// Kind is cooling, parked, undone or released.
	Kind string `json:"kind"`
	// Class is that of the failure, such as rate_limit.
	Class *string `json:"class"`
	// Model is null where it is about the whole token.
	Model *string    `json:"model"`
	Until *time.Time `json:"until"`
	// What led to it: null where it was taken back.
	RequestID *string `json:"request_id"`
	Detail    *string `json:"detail"`
	Replica   *string `json:"replica"`
	// By is who took it back: admin, or guard when tokens failed alike.
	By *string `json:"by"`
}

// GET /admin/api/tokens/{id}/transitions
func (a *API) listTransitions(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	listed, err := a.Tokens.ListTransitions(ctx, &tokenstorev1.ListTransitionsRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	transitions := make([]transition, 0, len(listed.GetTransitions()))
	for _, each := range listed.GetTransitions() {
		transitions = append(transitions, transition{
			At: nullable.Time(each.GetAt()), Kind: each.GetKind(), Class: nullable.Text(each.GetClass()), Model: nullable.Text(each.GetModel()),
			Until: nullable.Time(each.GetUntil()), RequestID: nullable.Text(each.GetRequestId()), Detail: nullable.Text(each.GetDetail()),
			Replica: nullable.Text(each.GetReplica()), By: nullable.Text(each.GetBy()),
		})
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Transitions []transition `json:"transitions"`
	}{transitions})
}

// POST /admin/api/transitions/undo
func (a *API) undoTransitions(c *gin.Context) error {
	var body struct {
		Class    string     `json:"class"`
		From     *time.Time `json:"from"`
		To       *time.Time `json:"to"`
		Upstream string     `json:"upstream"`
		TokenID  string     `json:"token_id"`
		DryRun   bool       `json:"dry_run"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	switch {
	case body.Class == "":
		return jsonapi.Invalid("class", "the class of the failures is missing, such as auth")
	case body.From == nil:
		return jsonapi.Invalid("from", "the time is missing from which on transitions are undone")
	case body.To != nil && body.To.Before(*body.From):
		return jsonapi.Invalid("to", "it is before from")
	case body.TokenID != "" && body.Upstream != "":
		return jsonapi.Invalid("upstream", "not together with token_id")
	}
	from, to := timestamppb.New(*body.From), (*timestamppb.Timestamp)(nil)
	if body.To != nil {
		to = timestamppb.New(*body.To)
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	if body.DryRun {
		return a.previewUndo(ctx, c, &tokenstorev1.PreviewUndoRequest{Class: body.Class, From: from, To: to, Upstream: body.Upstream, TokenId: body.TokenID})
	}
	var undone interface{ GetCount() uint32 }
	var err error
	if body.TokenID != "" {
		undone, err = a.Tokens.UndoTokenTransitions(ctx, &tokenstorev1.UndoTokenTransitionsRequest{Id: body.TokenID, Class: body.Class, From: from, To: to})
	} else {
		undone, err = a.Tokens.UndoTransitions(ctx, &tokenstorev1.UndoTransitionsRequest{Class: body.Class, From: from, To: to, Upstream: body.Upstream})
	}
	if err != nil {
		return storeerr.Translate(err)
	}
	details := []any{"class", body.Class, "from", instant(body.From), "to", instant(body.To), "count", undone.GetCount()}
	if body.TokenID != "" {
		details = append(details, "token_id", body.TokenID)
	} else {
		details = append(details, "upstream", body.Upstream)
	}
	a.Note(c, "transitions undone", details...)
	return jsonapi.Answer(c, http.StatusOK, struct {
		Count uint32 `json:"count"`
	}{undone.GetCount()})
}

// previewedUndo is what would be undone of one token.
type previewedUndo struct {
	TokenID  string     `json:"token_id"`
	Name     string     `json:"name"`
	Upstream string     `json:"upstream"`
	Since    *time.Time `json:"since"`
	// Whole tells whether the token itself comes back, Models for how many models it does.
	Whole       bool   `json:"whole"`
	Models      uint32 `json:"models"`
	Transitions uint32 `json:"transitions"`
}

// previewUndo answers what would be undone.
func (a *API) previewUndo(ctx context.Context, c *gin.Context, request *tokenstorev1.PreviewUndoRequest) error {
	preview, err := a.Tokens.PreviewUndo(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	tokens := make([]previewedUndo, 0, len(preview.GetTokens()))
	for _, t := range preview.GetTokens() {
		tokens = append(tokens, previewedUndo{
			t.GetTokenId(), t.GetTokenName(), t.GetUpstream(), nullable.Time(t.GetSince()), t.GetWhole(), t.GetModels(), t.GetTransitions(),
		})
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Count      uint32 `json:"count"`
		TokenCount uint32 `json:"token_count"`
		// Tokens are the first of them.
		Tokens []previewedUndo `json:"tokens"`
	}{preview.GetCount(), preview.GetTokenCount(), tokens})
}

// instant is empty for no time.
func instant(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339)
}

// POST /admin/api/tokens/{id}/release
func (a *API) releaseToken(c *gin.Context) error {
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	released, err := a.Tokens.ReleaseToken(ctx, &tokenstorev1.ReleaseTokenRequest{Id: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "token released", "token_id", id, "name", tokenform.Name(released.GetToken()))
	return answerVersioned(c, http.StatusOK, tokenform.Of(released.GetToken()), released.GetToken().GetVersion())
}
