package redisstore

import (
	"context"
	"slices"

	"carousel.internal/tokenstore/internal/token"
)

// PreviewTokens returns what ImportTokens would answer now, and changes nothing. defined are
// upstreams that would be made before.
func (s *Store) PreviewTokens(ctx context.Context, drafts []token.Draft, defined []string) ([]Imported, error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]Imported, 0, len(drafts))
	for chunk := range slices.Chunk(drafts, importChunk) {
		some, err := s.previewChunk(ctx, chunk, drivers)
		if err != nil {
			return nil, err
		}
		for i, draft := range chunk {
			if drivers[draft.Upstream] == "" && !slices.Contains(defined, draft.Upstream) {
				some[i] = Imported{Problem: noUpstream(draft.Upstream).Message}
			}
		}
		results = append(results, some...)
	}
	return results, nil
}

func (s *Store) previewChunk(ctx context.Context, drafts []token.Draft, drivers map[string]string) ([]Imported, error) {
	logins, err := s.loginsOf(ctx, drafts, drivers)
	if err != nil {
		return nil, err
	}
	fingerprints, aliases := make([]string, len(drafts)), make([]string, len(drafts))
	for i, draft := range drafts {
		fingerprints[i] = draft.Upstream + " " + s.keys.Fingerprint(principalOf(draft, drivers).identity())
		aliases[i] = draft.Alias
	}
	pipe := s.client.Pipeline()
	known, holders := pipe.HMGet(ctx, fingerprintKey(), fingerprints...), pipe.HMGet(ctx, aliasKey(), aliases...)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("preview tokens", err)
	}
	results := make([]Imported, len(drafts))
	for i, draft := range drafts {
		id := logins[i]
		if id == "" {
			id, _ = known.Val()[i].(string)
		}
		holder, _ := holders.Val()[i].(string)
		switch {
		case draft.Alias != "" && holder != "" && holder != id:
			results[i].Problem = aliasTaken(draft.Alias, holder).Message
		default:
			results[i].Updated = id != ""
		}
	}
	return results, nil
}
