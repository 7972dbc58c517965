package grpcapi

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// TokenServer implements TokenService.
type TokenServer struct {
	tokenstorev1.UnsafeTokenServiceServer
	store *redisstore.Store
	// changed is told when a call has changed the pool.
	changed func()
	log     *slog.Logger
}

// NewTokenServer makes the server. changed is called whenever a call has changed the
// pool; it must not block.
func NewTokenServer(store *redisstore.Store, changed func(), log *slog.Logger) *TokenServer {
	return &TokenServer{store: store, changed: changed, log: log}
}

// CreateToken implements TokenService.
func (s *TokenServer) CreateToken(ctx context.Context, request *tokenstorev1.CreateTokenRequest) (*tokenstorev1.CreateTokenResponse, error) {
	draft, err := draftFrom(request)
	if err != nil {
		return nil, invalid(err)
	}
	if draft.Upstream, err = s.store.PoolName(ctx, request.GetUpstream()); err != nil {
		return nil, err
	}
	created, err := s.store.CreateToken(ctx, draft)
	if err != nil {
		return nil, err
	}
	s.changed()
	return &tokenstorev1.CreateTokenResponse{Token: created}, nil
}

func draftFrom(request *tokenstorev1.CreateTokenRequest) (token.Draft, error) {
	pasted, err := token.ParsePasted(request.GetSecret())
	if err != nil {
		return token.Draft{}, err
	}
	draft := token.NewDraft(pasted.Secret)
	draft.Alias, draft.Checksum = pasted.Alias, pasted.Checksum
	if alias := strings.TrimSpace(request.GetAlias()); alias != "" {
		draft.Alias = alias
	}
	if request.GetChecksum() != "" {
		if draft.Checksum, err = checksum.Parse(request.GetChecksum()); err != nil {
			return token.Draft{}, err
		}
	}
	draft.Tags, draft.Cap = request.GetTags(), request.GetCap()
	draft.Refresh, draft.Proxy = secret.New(strings.TrimSpace(request.GetRefreshToken())), secret.New(strings.TrimSpace(request.GetProxy()))
	if request.GetWeight() != 0 {
		draft.Weight = request.GetWeight()
	}
	if request.Enabled != nil {
		draft.Enabled = request.GetEnabled()
	}
	return draft, nil
}

// ImportTokens implements TokenService.
func (s *TokenServer) ImportTokens(ctx context.Context, request *tokenstorev1.ImportTokensRequest) (*tokenstorev1.ImportTokensResponse, error) {
	entries, rejected, err := files.Parse(request.GetFormat(), request.GetContent())
	if err != nil {
		return nil, invalid(err)
	}
	entries, upstreams, refused, err := s.defineUpstreams(ctx, entries)
	if err != nil {
		return nil, err
	}
	drafts, err := s.draftsOf(ctx, entries, request.GetUpstream())
	if err != nil {
		return nil, err
	}
	results, err := s.store.ImportTokens(ctx, drafts)
	if err != nil {
		return nil, err
	}
	s.changed()
	report := importReport(entries, results, append(rejected, refused...))
	report.Upstreams = upstreams
	return report, nil
}

// draftsOf are the tokens of a file; those that name no upstream are for the given one.
func (s *TokenServer) draftsOf(ctx context.Context, entries []files.Entry, upstream string) (drafts []token.Draft, err error) {
	drafts = make([]token.Draft, len(entries))
	for i, entry := range entries {
		drafts[i] = entry.Draft
		if entry.Upstream != "" {
			continue
		}
		if upstream, err = s.store.PoolName(ctx, upstream); err != nil {
			return nil, err
		}
		drafts[i].Upstream = upstream
	}
	return drafts, nil
}

// defineUpstreams makes the upstreams that a file defines, and returns the tokens, how many
// upstreams are new or changed, and which lines were refused.
func (s *TokenServer) defineUpstreams(ctx context.Context, entries []files.Entry) (tokens []files.Entry, changed uint32, refused []files.Rejected, err error) {
	for _, entry := range entries {
		if entry.Defines == nil {
			tokens = append(tokens, entry)
			continue
		}
		done, problem, err := s.store.ImportUpstream(ctx, entry.Defines)
		switch {
		case err != nil:
			return nil, 0, nil, err
		case problem != "":
			refused = append(refused, files.Rejected{Line: entry.Line, Reason: problem})
		case done:
			changed++
		}
	}
	return tokens, changed, refused, nil
}

func importReport(entries []files.Entry, results []redisstore.Imported, rejected []files.Rejected) *tokenstorev1.ImportTokensResponse {
	report := &tokenstorev1.ImportTokensResponse{}
	for i, result := range results {
		switch {
		case result.Problem != "":
			rejected = append(rejected, files.Rejected{Line: entries[i].Line, Reason: result.Problem})
		case result.Updated:
			report.Updated++
		default:
			report.Accepted++
		}
	}
	slices.SortStableFunc(rejected, func(a, b files.Rejected) int { return a.Line - b.Line })
	report.Rejected = rejectedLines(rejected)
	return report
}

// ListTokens implements TokenService.
func (s *TokenServer) ListTokens(ctx context.Context, request *tokenstorev1.ListTokensRequest) (*tokenstorev1.ListTokensResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	if ids := request.GetIds(); len(ids) > 0 {
		return s.listNamed(ctx, ids)
	}
	filter := redisstore.TokenFilter{
		Upstream: request.GetUpstream(), State: request.GetState(), Tag: request.GetTag(), Query: request.GetQuery(), NewestFirst: request.GetNewestFirst(),
	}
	if isTable(request) {
		return s.listTable(ctx, request, filter, limit)
	}
	tokens, next, err := s.store.ListTokens(ctx, filter, limit, request.GetCursor())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListTokensResponse{Tokens: tokens, NextCursor: next}, nil
}

// listNamed answers a list of tokens by their ids.
func (s *TokenServer) listNamed(ctx context.Context, ids []string) (*tokenstorev1.ListTokensResponse, error) {
	if err := checkNamed(ids); err != nil {
		return nil, err
	}
	tokens, err := s.store.TokensOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListTokensResponse{Tokens: tokens}, nil
}

// GetToken implements TokenService.
func (s *TokenServer) GetToken(ctx context.Context, request *tokenstorev1.GetTokenRequest) (*tokenstorev1.GetTokenResponse, error) {
	found, err := s.store.Token(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetTokenResponse{Token: found}, nil
}

// editable are the names that an update mask may have.
var editable = []string{token.Alias, token.Tags, token.Cap, token.Weight, token.Enabled, token.Checksum, token.Proxy, token.DisabledUntil}

// UpdateToken implements TokenService.
func (s *TokenServer) UpdateToken(ctx context.Context, request *tokenstorev1.UpdateTokenRequest) (*tokenstorev1.UpdateTokenResponse, error) {
	names := request.GetUpdateMask().GetPaths()
	if len(names) == 0 {
		return nil, invalid(errors.New("update_mask: no field is named"))
	}
	for _, name := range names {
		if !slices.Contains(editable, name) {
			return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT,
				"update_mask: %q can't be changed; %s can", name, strings.Join(editable, ", "))
		}
	}
	edit := token.Fields{
		Alias: strings.TrimSpace(request.GetAlias()), Tags: request.GetTags(), Cap: request.GetCap(),
		Weight: request.GetWeight(), Enabled: request.GetEnabled(), Proxy: secret.New(strings.TrimSpace(request.GetProxy())),
	}
	var err error
	if slices.Contains(names, token.Checksum) && request.GetChecksum() != "" {
		if edit.Checksum, err = checksum.Parse(request.GetChecksum()); err != nil {
			return nil, invalid(err)
		}
	}
	if edit.DisabledUntil, err = untilFrom(request, names); err != nil {
		return nil, err
	}
	updated, err := s.store.UpdateToken(ctx, request.GetId(), edit, names, request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	s.changed()
	return &tokenstorev1.UpdateTokenResponse{Token: updated}, nil
}

// maxDisabled is how far ahead the time may be until which a token is disabled.
const maxDisabled = 366 * 24 * time.Hour

// untilFrom is the time until which a token is to be disabled; zero where none is given.
func untilFrom(request *tokenstorev1.UpdateTokenRequest, names []string) (time.Time, error) {
	if !slices.Contains(names, token.DisabledUntil) || request.GetDisabledUntil() == nil {
		return time.Time{}, nil
	}
	until := request.GetDisabledUntil().AsTime().Truncate(time.Millisecond)
	switch {
	case slices.Contains(names, token.Enabled) && request.GetEnabled():
		return until, invalid(errors.New("disabled_until: an enabled token has none"))
	case time.Until(until) > maxDisabled:
		return until, invalid(errors.New("disabled_until: at most a year ahead; leave it out to disable the token until you enable it"))
	case time.Now().After(until):
		return until, invalid(errors.New("disabled_until: it is in the past"))
	}
	return until, nil
}

// DeleteToken implements TokenService.
func (s *TokenServer) DeleteToken(ctx context.Context, request *tokenstorev1.DeleteTokenRequest) (*tokenstorev1.DeleteTokenResponse, error) {
	if err := s.store.DeleteToken(ctx, request.GetId(), request.GetExpectedVersion()); err != nil {
		return nil, err
	}
	s.changed()
	return &tokenstorev1.DeleteTokenResponse{}, nil
}

// RestoreToken implements TokenService.
func (s *TokenServer) RestoreToken(ctx context.Context, request *tokenstorev1.RestoreTokenRequest) (*tokenstorev1.RestoreTokenResponse, error) {
	restored, err := s.store.RestoreToken(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	s.changed()
	return &tokenstorev1.RestoreTokenResponse{Token: restored}, nil
}

// ExportTokens implements TokenService.
func (s *TokenServer) ExportTokens(ctx context.Context, request *tokenstorev1.ExportTokensRequest) (*tokenstorev1.ExportTokensResponse, error) {
	tokens, unreadable, err := s.store.ExportReadable(ctx, request.GetUpstream())
	if err != nil {
		return nil, err
	}
	var entries []files.Entry
	if request.GetFormat() == tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON { // the other formats have no room for them
		upstreams, err := s.store.Upstreams(ctx)
		if err != nil {
			return nil, err
		}
		for _, upstream := range upstreams {
			upstream.Version = 0
			if request.GetUpstream() == "" || upstream.GetName() == request.GetUpstream() {
				entries = append(entries, files.Entry{Defines: upstream})
			}
		}
	}
	for _, each := range tokens {
		if !each.Access.Empty() { // the one of a login that is good now
			each.Secret = each.Access
		}
		entries = append(entries, files.Entry{Draft: each.Draft})
	}
	content, err := files.Render(request.GetFormat(), entries, time.Now())
	if err != nil {
		return nil, invalid(err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "tokens exported", slog.Int("tokens", len(tokens)), slog.String("upstream", request.GetUpstream()),
		slog.Any("unreadable", unreadable))
	return &tokenstorev1.ExportTokensResponse{Content: content, Count: count32(len(tokens)), Unreadable: unreadable}, nil
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// limitOf reads the limit of a list.
func limitOf(limit uint32) (int, error) {
	switch {
	case limit == 0:
		return defaultLimit, nil
	case limit > maxLimit:
		return 0, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "limit: 1 to %d", maxLimit)
	}
	return int(limit), nil
}

// checkNamed refuses a list by more ids than a page has.
func checkNamed(ids []string) error {
	if len(ids) > maxLimit {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "ids: at most %d", maxLimit)
	}
	return nil
}

func invalid(err error) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
}
