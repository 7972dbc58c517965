package adminapi

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// bulkEdit is what many tokens are to have alike. What is absent stays as it is.
type bulkEdit struct {
	// Tags are all that they have; AddTags and RemoveTags leave each its others.
	Tags       *[]string `json:"tags"`
	AddTags    []string  `json:"add_tags"`
	RemoveTags []string  `json:"remove_tags"`
	Cap        *uint32   `json:"cap"`
	Weight     *uint32   `json:"weight"`
}

// check returns what is wrong with it. What tags, caps and weights may be says the tokenstore.
func (e *bulkEdit) check() error {
	switch changes := len(e.AddTags) + len(e.RemoveTags); {
	case e.Tags != nil && changes > 0:
		return jsonapi.Invalid("edit.tags", "tags, or those to add and to remove wanted, not both")
	case e.Tags == nil && changes == 0 && e.Cap == nil && e.Weight == nil:
		return jsonapi.Invalid("edit", "tags, add_tags, remove_tags, cap or weight wanted")
	}
	for _, tag := range e.AddTags {
		if slices.Contains(e.RemoveTags, tag) {
			return jsonapi.Invalid("edit.remove_tags", "%q is to be added, too", tag)
		}
	}
	return nil
}

// of is the change that makes a token such, with the fields that become different in its mask.
// It is for this version of the token alone: else what another admin does meanwhile could be lost,
// and an undo would bring back what was not there.
func (e *bulkEdit) of(token *tokenstorev1.Token) *tokenstorev1.UpdateTokenRequest {
	change := &tokenstorev1.UpdateTokenRequest{Id: token.GetId(), ExpectedVersion: token.GetVersion(), UpdateMask: &fieldmaskpb.FieldMask{}}
	differs := func(field string) { change.UpdateMask.Paths = append(change.UpdateMask.Paths, field) }
	if tags := e.tags(token.GetTags()); !slices.Equal(tags, token.GetTags()) {
		change.Tags = tags
		differs("tags")
	}
	if e.Cap != nil && *e.Cap != token.GetCap() {
		change.Cap = *e.Cap
		differs("cap")
	}
	if e.Weight != nil && *e.Weight != token.GetWeight() {
		change.Weight = *e.Weight
		differs("weight")
	}
	return change
}

// tags are those of a token that had others.
func (e *bulkEdit) tags(had []string) []string {
	if e.Tags != nil {
		return *e.Tags
	}
	tags := slices.DeleteFunc(slices.Clone(had), func(tag string) bool { return slices.Contains(e.RemoveTags, tag) })
	for _, tag := range e.AddTags {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// fields are those that the edit names.
func (e *bulkEdit) fields() []string {
	var names []string
	if e.Tags != nil || len(e.AddTags)+len(e.RemoveTags) > 0 {
		names = append(names, "tags")
	}
	if e.Cap != nil {
		names = append(names, "cap")
	}
	if e.Weight != nil {
		names = append(names, "weight")
	}
	return names
}

// editing is the action that gives many tokens what a request says.
func editing(body *bulkBody) (bulkAction, error) {
	if body.Edit == nil {
		return bulkAction{}, jsonapi.Invalid("edit", "what the tokens are to have is missing")
	}
	if err := body.Edit.check(); err != nil {
		return bulkAction{}, err
	}
	former := formerTokens{byID: map[string]*tokenstorev1.FormerToken{}}
	return bulkAction{
		audited: "tokens changed",
		change: func(a *API, ctx context.Context, id string) (bool, error) {
			undo, err := a.editOne(ctx, id, body.Edit)
			return former.add(undo), err
		},
		undo:    former.undo,
		details: []any{"fields", body.Edit.fields()},
	}, nil
}

// editOne edits a token, and returns how that is undone; nil where it was such before.
func (a *API) editOne(ctx context.Context, id string, edit *bulkEdit) (*tokenstorev1.AuditUndo, error) {
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
	if err != nil {
		return nil, err
	}
	change := edit.of(found.GetToken())
	if len(change.GetUpdateMask().GetPaths()) == 0 {
		return nil, nil //nolint:nilnil // nothing to undo is an answer
	}
	updated, err := a.Tokens.UpdateToken(ctx, change)
	if err != nil {
		return nil, err
	}
	became := updated.GetToken()
	if became == nil { // in a dry run
		became = edited(found.GetToken(), change)
	}
	return undoOfEdit(found.GetToken(), became, change.GetUpdateMask().GetPaths()), nil
}

// edited is the token with the change made to it.
func edited(token *tokenstorev1.Token, change *tokenstorev1.UpdateTokenRequest) *tokenstorev1.Token {
	became := proto.CloneOf(token)
	for _, field := range change.GetUpdateMask().GetPaths() {
		switch field {
		case "tags":
			became.Tags = change.GetTags()
		case "cap":
			became.Cap = change.GetCap()
		case "weight":
			became.Weight = change.GetWeight()
		}
	}
	return became
}

// formerTokens collects what tokens were that several goroutines edit.
type formerTokens struct {
	mu   sync.Mutex
	byID map[string]*tokenstorev1.FormerToken
}

// add takes what undoes the edit of one token, and tells whether there is anything to undo.
func (f *formerTokens) add(undo *tokenstorev1.AuditUndo) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, each := range undo.GetTokens() {
		f.byID[each.GetId()] = each
	}
	return len(undo.GetTokens()) > 0
}

// undo says how the edits of these tokens are undone.
func (f *formerTokens) undo(ids []string) *tokenstorev1.AuditUndo {
	f.mu.Lock()
	defer f.mu.Unlock()
	undo := &tokenstorev1.AuditUndo{}
	for _, id := range ids {
		undo.Tokens = append(undo.Tokens, f.byID[id])
	}
	return undo
}
