package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// TokenFilter chooses tokens; its zero fields choose all.
type TokenFilter struct {
	Upstream string
	State    tokenstorev1.TokenState
	Tag      string
	// Query is found anywhere in id, alias, tags or fingerprint, in any case.
	Query string
	// NewestFirst lists them so; else the oldest are first.
	NewestFirst bool
}

func (f TokenFilter) match(t *tokenstorev1.Token) bool {
	if f.Upstream != "" && t.GetUpstream() != f.Upstream ||
		f.State != tokenstorev1.TokenState_TOKEN_STATE_UNSPECIFIED && t.GetState() != f.State {
		return false
	}
	return f.named(t.GetTags(), t.GetId(), t.GetAlias(), t.GetFingerprint())
}

// named tells whether the filter chooses a token by its tags and its names.
func (f TokenFilter) named(tags []string, names ...string) bool {
	if f.Tag != "" && !slices.Contains(tags, f.Tag) {
		return false
	}
	query := strings.ToLower(f.Query)
	in := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	return query == "" || slices.ContainsFunc(names, in) || slices.ContainsFunc(tags, in)
}

// ListTokens returns up to limit of the tokens that the filter chooses, by their
// creation, from where the cursor of the previous page points; and the next
// cursor, empty when there are no more.
func (s *Store) ListTokens(ctx context.Context, filter TokenFilter, limit int, cursor string) ([]*tokenstorev1.Token, string, error) {
	after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	var chosen []*tokenstorev1.Token
	for more := true; more; {
		var page []*stored
		if page, after, more, err = s.page(ctx, filter.Upstream, after, filter.NewestFirst); err != nil {
			return nil, "", err
		}
		for _, t := range page {
			shown := t.view()
			if !filter.match(shown) {
				continue
			}
			if len(chosen) == limit { // one more than asked for: there is a next page
				return chosen, CreationCursor(chosen[limit-1]), nil
			}
			chosen = append(chosen, shown)
		}
	}
	return chosen, "", nil
}

// TokensOf returns the tokens that have the ids, in that order, without those that are gone.
func (s *Store) TokensOf(ctx context.Context, ids []string) ([]*tokenstorev1.Token, error) {
	read, err := s.readAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	tokens := make([]*tokenstorev1.Token, len(read))
	for i, t := range read {
		tokens[i] = t.view()
	}
	return tokens, nil
}

// CreationCursor points behind a token in a list by creation.
func CreationCursor(last *tokenstorev1.Token) string {
	return strconv.FormatInt(last.GetCreatedAt().AsTime().UnixMicro(), 36)
}

func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(cursor, 36, 64)
	if err != nil || after < 0 {
		return 0, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of ours; begin without")
	}
	return after, nil
}

// page reads the tokens of an upstream, or of all where it is empty, created after a time in µs, up
// to the time last, or, where the newest are first, before it; more tells whether there may be
// others behind them. After 0 it begins.
func (s *Store) page(ctx context.Context, upstream string, after int64, newestFirst bool) (page []*stored, last int64, more bool, err error) {
	from := "(" + strconv.FormatInt(after, 10)
	order := redis.ZRangeArgs{Key: idsKey(upstream), ByScore: true, Start: from, Stop: "+inf", Count: pageSize}
	if newestFirst {
		order.Start, order.Rev = "-inf", true
		if order.Stop = from; after == 0 {
			order.Stop = "+inf"
		}
	}
	listed, err := s.client.ZRangeArgsWithScores(ctx, order).Result()
	if err != nil {
		return nil, after, false, storeError("list tokens", err)
	}
	ids := make([]string, len(listed))
	for i, each := range listed {
		ids[i], _ = each.Member.(string)
		last = int64(each.Score)
	}
	page, err = s.readAll(ctx, ids)
	return page, last, len(listed) == pageSize, err
}

// readAll reads tokens, in order; those that are gone are left out.
func (s *Store) readAll(ctx context.Context, ids []string) ([]*stored, error) {
	pools, err := s.byPool(ctx, ids)
	if err != nil {
		return nil, err
	}
	round, calls := s.batch(), make([]*call, len(pools))
	for n, pool := range pools {
		args := make([]any, 0, 2+len(pool.places))
		args = append(args, tokenKeyPrefix(pool.upstream), inflightKeyPrefix(pool.upstream))
		for _, i := range pool.places {
			args = append(args, ids[i])
		}
		calls[n] = round.add(tokensScript, []string{clockKey(pool.upstream)}, args...)
	}
	if err := round.exec(ctx); err != nil {
		return nil, storeError("list tokens", err)
	}
	tokens := make([]*stored, len(ids))
	for n, pool := range pools {
		values, err := calls[n].reply.Slice()
		if err != nil {
			return nil, storeError("list tokens", err)
		}
		reply := &row{values: values}
		now := reply.number(0)
		for at, i := range pool.places {
			tokens[i], err = readStored(ids[i], now, reply.number(1+2*at), reply.at(2+2*at))
			if err := errors.Join(err, reply.err); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(tokens, func(t *stored) bool { return t == nil }), nil
}

// each calls visit with every token, in order of creation, until it errs.
func (s *Store) each(ctx context.Context, visit func(*stored) error) error {
	var after int64
	for more := true; more; {
		var page []*stored
		var err error
		if page, after, more, err = s.page(ctx, "", after, false); err != nil {
			return err
		}
		for _, t := range page {
			if err := visit(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// Exported is a token with its secrets, as it was at a version. The secret of one that is
// renewed is the one that it came with: it says which token that is for as long as it is
// there.
type Exported struct {
	ID          string
	Version     uint64
	Fingerprint string
	Kind        tokenstorev1.CredentialKind
	// Access is the access token that a login has now, and Refresh of the draft goes with it.
	Access secret.Value
	// NeedsLogin: the upstream takes its refresh token no more.
	NeedsLogin bool
	token.Draft
}

// ExportTokens returns the tokens of an upstream, or of all, with their secrets, in order
// of creation. Those whose secrets can't be opened are left out, and logged.
func (s *Store) ExportTokens(ctx context.Context, upstream string) ([]Exported, error) {
	exported, unreadable, err := s.ExportReadable(ctx, upstream)
	for _, id := range unreadable {
		s.log.LogAttrs(ctx, slog.LevelError, "a token is damaged: its secret can't be opened", slog.String("token_id", id))
	}
	return exported, err
}

// ExportReadable is ExportTokens and returns the ids of those that are left out.
func (s *Store) ExportReadable(ctx context.Context, upstream string) (exported []Exported, unreadable []string, err error) {
	err = s.each(ctx, func(t *stored) error {
		if upstream != "" && t.upstream != upstream {
			return nil
		}
		one, err := s.export(t)
		if err != nil {
			unreadable = append(unreadable, t.id)
			return nil //nolint:nilerr // it is returned by its id
		}
		exported = append(exported, one)
		return nil
	})
	return exported, unreadable, err
}

func (s *Store) export(t *stored) (Exported, error) {
	content, err := t.record.open(s.keys, t.id)
	if err != nil {
		return Exported{}, err
	}
	draft := token.NewDraft(content.Secret)
	draft.Upstream, draft.Fields = t.upstream, t.fields(content)
	one := Exported{ID: t.id, Version: t.version, Fingerprint: t.fingerprint, Kind: content.Kind, NeedsLogin: t.renewal.needsLogin, Draft: draft}
	if t.renewal.refresh == "" {
		return one, nil
	}
	if one.Access, err = s.openGiven(t.renewal.access, accessBinding(t.id)); err != nil {
		return Exported{}, err
	}
	one.Refresh, err = s.openGiven(t.renewal.refresh, refreshBinding(t.id))
	return one, err
}
