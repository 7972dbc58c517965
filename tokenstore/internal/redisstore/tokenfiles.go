package redisstore

import (
	"context"
	"slices"
	"strings"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/token"
)

var rememberFilesScript = newScript("remember_files")

// TokenFiles is what the store remembers of the token files.
type TokenFiles struct {
	// Seen has, by the file's path, the Fingerprint of the content that was applied
	// or written last.
	Seen map[string]string
	// Shown are the ids of the tokens that callers know to be in the list; Written
	// are those of its file as the store wrote it.
	Shown, Written []string
}

// Fingerprint is a keyed hash of a text: it says whether two are the same, and
// nothing of what is in them.
func (s *Store) Fingerprint(text string) string { return s.keys.Fingerprint(secret.New(text)) }

// TokenFiles returns what RememberTokenFiles was told.
func (s *Store) TokenFiles(ctx context.Context) (TokenFiles, error) {
	pipe := s.client.Pipeline()
	seen, listed := pipe.HGetAll(ctx, importedKey()), pipe.HGetAll(ctx, listedKey())
	if _, err := pipe.Exec(ctx); err != nil {
		return TokenFiles{}, storeError("look up the token files", err)
	}
	return TokenFiles{
		Seen: seen.Val(), Shown: strings.Fields(listed.Val()["shown"]), Written: strings.Fields(listed.Val()["written"]),
	}, nil
}

// RememberTokenFiles replaces what is known of the files that are named, and which
// tokens were listed.
func (s *Store) RememberTokenFiles(ctx context.Context, known TokenFiles) error {
	args := []any{strings.Join(known.Shown, " "), strings.Join(known.Written, " ")}
	for path, fingerprint := range known.Seen {
		args = append(args, path, fingerprint)
	}
	if err := rememberFilesScript.run(ctx, s.client, []string{importedKey(), listedKey()}, args...).Err(); err != nil {
		return storeError("remember the token files", err)
	}
	return s.barrier.Sync(ctx)
}

// Edit replaces the fields of a token that was exported.
type Edit struct {
	Exported
	After token.Fields
}

// EditTokens carries the edits out that nobody came in the way of since the
// export. Each stands for itself; the answers, in order, are empty or say why an
// edit was not carried out.
func (s *Store) EditTokens(ctx context.Context, edits []Edit) ([]string, error) {
	problems := make([]string, 0, len(edits))
	for chunk := range slices.Chunk(edits, importChunk) {
		editions := make([]*edition, len(chunk))
		for i, edit := range chunk {
			editions[i] = &edition{
				id: edit.ID, upstream: edit.Upstream, version: edit.Version, fingerprint: edit.Fingerprint,
				self: principal{edit.Secret, edit.Kind}, before: edit.Fields, after: edit.After,
			}
		}
		if err := s.update(ctx, editions); err != nil {
			return nil, err
		}
		for _, e := range editions {
			problem, err := e.problem()
			if err != nil {
				return nil, err
			}
			problems = append(problems, problem)
		}
	}
	return problems, s.barrier.Sync(ctx)
}

// problem says why an edit was not carried out; empty where it was.
func (e *edition) problem() (string, error) {
	if e.lost != nil {
		return problemOf(e.lost)
	}
	switch e.outcome[0] {
	case "updated":
		return "", nil
	case "gone":
		return "the token was deleted meanwhile", nil
	default: // conflict, or too slow
		return "the token was changed by somebody else meanwhile; read the files again", nil
	}
}

// DeleteTokens removes the tokens that nobody has edited since the export, and
// answers how many it removed. They can be restored.
func (s *Store) DeleteTokens(ctx context.Context, tokens []Exported) (int, error) {
	deleted := 0
	for chunk := range slices.Chunk(tokens, importChunk) {
		deletions := deletionsOf(chunk)
		if err := s.delete(ctx, deletions); err != nil {
			return deleted, err
		}
		for _, each := range deletions {
			if each.outcome[0] == "deleted" {
				deleted++
			}
		}
	}
	return deleted, s.barrier.Sync(ctx)
}

// deletionsOf are the deletions of tokens as they were exported.
func deletionsOf(tokens []Exported) []*deletion {
	deletions := make([]*deletion, len(tokens))
	for i, each := range tokens {
		deletions[i] = &deletion{id: each.ID, upstream: each.Upstream, expected: each.Version}
	}
	return deletions
}
