package redisstore

import (
	"context"
	"slices"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// importChunk is how many tokens an import sends in one round trip.
const importChunk = 200

// Imported is what became of a draft.
type Imported struct {
	// Updated: the token was known. Else it is new, unless Problem says why not.
	Updated bool
	Problem string
}

// ImportTokens adds the tokens that are new and updates those that are known in
// the fields that their drafts give. Each draft stands for itself: a bad one
// spoils no other. Answers are in the drafts' order.
func (s *Store) ImportTokens(ctx context.Context, drafts []token.Draft) ([]Imported, error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]Imported, 0, len(drafts))
	for chunk := range slices.Chunk(drafts, importChunk) {
		imported, err := s.importChunk(ctx, chunk, drivers)
		if err != nil {
			return nil, err
		}
		results = append(results, imported...)
	}
	return results, s.barrier.Sync(ctx)
}

func (s *Store) importChunk(ctx context.Context, drafts []token.Draft, drivers map[string]string) ([]Imported, error) {
	made, err := s.create(ctx, drafts, drivers)
	if err != nil {
		return nil, err
	}
	results := make([]Imported, len(drafts))
	for i, draft := range drafts {
		refused := made[i].refused
		if made[i].known != "" {
			results[i].Updated = true
			if refused = s.edit(ctx, made[i].known, draft.Fields, draft.Said, 0); refused == nil && principalOf(draft, drivers).Kind == tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN {
				refused = s.adoptLogin(ctx, made[i].known, draft)
			}
		}
		if results[i].Problem, err = problemOf(refused); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// adoptLogin gives a known login the refresh token of a draft of the same account, if that is
// the newer one: a file of before must not bring one back that was used since.
func (s *Store) adoptLogin(ctx context.Context, id string, draft token.Draft) error {
	t, err := s.read(ctx, id)
	if err != nil {
		return err
	}
	granted := Granted{Access: draft.Secret, Refresh: draft.Refresh}
	if !t.renewal.needsLogin && granted.ends() <= milliseconds(t.renewal.accessEnds) {
		return nil
	}
	_, err = s.grant(ctx, t, "", granted)
	return err
}

// problemOf words a refusal for the report; what is no refusal stays an error.
func problemOf(err error) (string, error) {
	if err == nil {
		return "", nil
	}
	refused := rpcerr.Parse(err)
	if refused.Err != nil || refused.Reason == 0 { // has a cause: it is a failure of ours
		return "", err
	}
	return refused.Message, nil
}
