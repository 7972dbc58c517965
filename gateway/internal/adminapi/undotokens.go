package adminapi

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokenform"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// askedAlone is how many tokens are asked for one by one; more are looked up in the list.
const askedAlone = 20

// tokenNames are what people call tokens, by id, as far as that is known: without a name an id is
// shown.
func (a *API) tokenNames(ctx context.Context, ids []string) map[string]string {
	return usage.Names(a.knownTokens(ctx, ids), tokenform.Name)
}

// knownTokens are tokens by id, as far as they are known.
func (a *API) knownTokens(ctx context.Context, ids []string) map[string]*tokenstorev1.Token {
	if len(ids) > askedAlone {
		found, _ := usage.FindTokens(ctx, a.Tokens, ids)
		return found
	}
	known := make(map[string]*tokenstorev1.Token, len(ids))
	for _, id := range ids {
		if found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id}); err == nil {
			known[id] = found.GetToken()
		}
	}
	return known
}

// withEnds adds to what undoes a change of tokens until when those were to be disabled that it
// enabled. nil stays nil.
func withEnds(undo *tokenstorev1.AuditUndo, before map[string]*tokenstorev1.Token) *tokenstorev1.AuditUndo {
	for _, id := range undo.GetEnabled() {
		end := before[id].GetDisabledUntil()
		if end == nil {
			continue
		}
		if undo.DisabledUntil == nil {
			undo.DisabledUntil = map[string]*timestamppb.Timestamp{}
		}
		undo.DisabledUntil[id] = end
	}
	return undo
}

// namesSaid is how many tokens of many an audit entry names.
const namesSaid = 5

// firstNames are what people call the first of many tokens.
func firstNames(ids []string, names map[string]string) string {
	var said []string
	for _, id := range ids[:min(len(ids), namesSaid)] {
		said = append(said, cmp.Or(names[id], id))
	}
	if len(ids) > namesSaid {
		said = append(said, "…")
	}
	return strings.Join(said, ", ")
}

// named adds to what undoes a change of tokens what they are called. nil stays nil.
func named(undo *tokenstorev1.AuditUndo, ids []string, names map[string]string) *tokenstorev1.AuditUndo {
	if undo == nil {
		return nil
	}
	undo.Names = make(map[string]string, len(ids))
	for _, id := range ids {
		if name := names[id]; name != "" {
			undo.Names[id] = name
		}
	}
	return undo
}

// editable are the fields of a token whose former values are kept.
var editable = []string{"alias", "tags", "cap", "weight"}

// undoOfEdit says how a change of a token is undone; nil where nothing can be. Of a checksum and
// a proxy, which may hold a password, nothing is kept.
func undoOfEdit(before, after *tokenstorev1.Token, names []string) *tokenstorev1.AuditUndo {
	id := after.GetId()
	undo := &tokenstorev1.AuditUndo{}
	if before.GetEnabled() != after.GetEnabled() && slices.Contains(names, "enabled") {
		if after.GetEnabled() {
			undo.Enabled = []string{id}
			withEnds(undo, map[string]*tokenstorev1.Token{id: before})
		} else {
			undo.Disabled = []string{id}
		}
	}
	former := &tokenstorev1.FormerToken{Id: id, Edit: &tokenstorev1.TokenEdit{}, Became: &tokenstorev1.TokenEdit{}}
	for _, name := range editable {
		was, now := editOf(before, name), editOf(after, name)
		if slices.Contains(names, name) && !proto.Equal(was, now) {
			former.Fields = append(former.Fields, name)
			proto.Merge(former.GetEdit(), was)
			proto.Merge(former.GetBecame(), now)
		}
	}
	if len(former.GetFields()) > 0 {
		undo.Tokens = []*tokenstorev1.FormerToken{former}
	}
	if proto.Size(undo) == 0 {
		return nil
	}
	return named(undo, []string{id}, map[string]string{id: tokenform.Name(after)})
}

// editOf is one field of a token.
func editOf(token *tokenstorev1.Token, name string) *tokenstorev1.TokenEdit {
	switch name {
	case "alias":
		return &tokenstorev1.TokenEdit{Alias: token.GetAlias()}
	case "tags":
		return &tokenstorev1.TokenEdit{Tags: token.GetTags()}
	case "cap":
		return &tokenstorev1.TokenEdit{Cap: token.GetCap()}
	default:
		return &tokenstorev1.TokenEdit{Weight: token.GetWeight()}
	}
}

// undoEdits takes edits of tokens back that nobody has changed since.
func (a *API) undoEdits(ctx context.Context, said *report, edits []*tokenstorev1.FormerToken) {
	ids, byID := make([]string, 0, len(edits)), make(map[string]*tokenstorev1.FormerToken, len(edits))
	for _, former := range edits {
		ids = append(ids, former.GetId())
		byID[former.GetId()] = former
	}
	a.undoTokens(ctx, said, ids, func(ctx context.Context, id string) (bool, error) {
		err := a.undoEdit(ctx, byID[id])
		return err == nil, err
	})
}

func (a *API) undoEdit(ctx context.Context, former *tokenstorev1.FormerToken) error {
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: former.GetId()})
	if err != nil {
		return err
	}
	now := &tokenstorev1.TokenEdit{}
	for _, name := range former.GetFields() {
		proto.Merge(now, editOf(found.GetToken(), name))
	}
	if !proto.Equal(now, former.GetBecame()) {
		return chat.Errorf(chat.Conflict, "it has been changed since")
	}
	edit := former.GetEdit()
	_, err = a.Tokens.UpdateToken(ctx, &tokenstorev1.UpdateTokenRequest{
		Id: former.GetId(), Alias: edit.GetAlias(), Tags: edit.GetTags(), Cap: edit.GetCap(), Weight: edit.GetWeight(),
		UpdateMask: &fieldmaskpb.FieldMask{Paths: former.GetFields()}, ExpectedVersion: found.GetToken().GetVersion(),
	})
	return err
}
