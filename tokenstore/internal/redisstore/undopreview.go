package redisstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

var undoPreviewScript = newScript("undo_preview")

const (
	// mostPreviewed bounds the tokens that a preview names.
	mostPreviewed = 200
	// previewWidth is how many values the script returns of each token.
	previewWidth = 5
)

// PreviewUndo tells what UndoTransitions, or where an id is given UndoTokenTransitions, would undo
// now.
func (s *Store) PreviewUndo(ctx context.Context, undo leasing.Undo, id string) (*tokenstorev1.PreviewUndoResponse, error) {
	if err := checkUndo(undo); err != nil {
		return nil, err
	}
	byUpstream, err := s.undoTargets(ctx, undo.Upstream, id)
	if err != nil {
		return nil, err
	}
	preview := &tokenstorev1.PreviewUndoResponse{}
	for upstream, tokens := range byUpstream {
		for ids := range slices.Chunk(tokens, maxUndone) {
			if err := s.previewIn(ctx, preview, upstream, undo, ids); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(preview.Tokens, func(a, b *tokenstorev1.PreviewedUndo) int {
		return cmp.Or(a.GetSince().AsTime().Compare(b.GetSince().AsTime()), cmp.Compare(a.GetTokenId(), b.GetTokenId()))
	})
	preview.TokenCount = uint32(len(preview.Tokens)) //nolint:gosec // at most the tokens
	preview.Tokens = preview.Tokens[:min(len(preview.Tokens), mostPreviewed)]
	return preview, s.nameUndone(ctx, preview.Tokens)
}

// undoTargets are the ids of the tokens that an undo is about, by upstream.
func (s *Store) undoTargets(ctx context.Context, upstream, id string) (map[string][]string, error) {
	if id != "" {
		home, err := s.homeOf(ctx, id)
		return map[string][]string{home: {id}}, err
	}
	byUpstream := map[string][]string{}
	err := s.each(ctx, func(t *stored) error {
		if upstream == "" || t.upstream == upstream {
			byUpstream[t.upstream] = append(byUpstream[t.upstream], t.id)
		}
		return nil
	})
	return byUpstream, err
}

// previewIn adds what would be undone of these tokens of one upstream.
func (s *Store) previewIn(ctx context.Context, preview *tokenstorev1.PreviewUndoResponse, upstream string, undo leasing.Undo, ids []string) error {
	args := []any{undo.Class, undo.From.UnixMilli(), undo.To.UnixMilli()}
	for _, id := range ids {
		args = append(args, id)
	}
	found, err := undoPreviewScript.run(ctx, s.client, []string{clockKey(upstream)}, args...).StringSlice()
	if err != nil {
		return storeError("preview an undo", err)
	}
	for values := range slices.Chunk(found, previewWidth) {
		if len(values) < previewWidth {
			break
		}
		one := &tokenstorev1.PreviewedUndo{
			TokenId: values[0], Upstream: upstream, Since: timestamppb.New(time.UnixMilli(wholeOf(values[2]))), Whole: values[3] == "1",
			Transitions: uint32(wholeOf(values[1])), Models: uint32(wholeOf(values[4])), //nolint:gosec // at most a history
		}
		preview.Tokens = append(preview.Tokens, one)
		preview.Count += one.GetTransitions()
	}
	return nil
}

// nameUndone says what people call the tokens of a preview.
func (s *Store) nameUndone(ctx context.Context, tokens []*tokenstorev1.PreviewedUndo) error {
	ids := make([]string, len(tokens))
	for i, each := range tokens {
		ids[i] = each.GetTokenId()
	}
	names, err := s.namesOf(ctx, ids)
	for _, each := range tokens {
		each.TokenName = names[each.GetTokenId()]
	}
	return err
}
