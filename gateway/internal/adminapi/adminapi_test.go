package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/adminapi"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const key = "Bearer right"

// store answers every call with the message of the right type, or with err, and
// remembers the request.
type store struct {
	mu      sync.Mutex
	err     error
	answers []proto.Message
	asked   proto.Message
	// log answers queries of the request log, where it is not nil.
	log func(*tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse
	// changed is the last change of a key; refusals is how many of them get refusal first.
	changed  proto.Message
	refusals int
	refusal  error
	// kept are the audit entries that were stored.
	kept []*tokenstorev1.AuditEntry
	// refreshed tells that a new answer about an account was insisted on.
	refreshed bool
	// models and probed are what an upstream says when it is asked.
	models int
	probed error
	// dead is why proxies can't be used; tried are those that were tried, and for what.
	dead  error
	tried []string
	left  time.Duration // until the call's deadline
	// trial is how long one of a proxy takes.
	trial time.Duration
	// desk makes and restores backups.
	desk desk
	// tests tests tokens, where it is not nil, in the place of testDesk.
	tests *tokentest.Desk
	// moves moves in, where it is not nil, in the place of the real one.
	moves *moveDesk
	// keyPages is how many pages of keys were asked for.
	keyPages int
}

func ask[T proto.Message](ctx context.Context, s *store, request proto.Message) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = request
	if deadline, ok := ctx.Deadline(); ok {
		s.left = time.Until(deadline)
	}
	var none T
	if s.err != nil {
		return none, s.err
	}
	for _, answer := range s.answers {
		if typed, ok := answer.(T); ok {
			return typed, nil
		}
	}
	return none, errors.New("the test has no such answer")
}

func (s *store) CreateToken(ctx context.Context, r *tokenstorev1.CreateTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateTokenResponse, error) {
	return ask[*tokenstorev1.CreateTokenResponse](ctx, s, r)
}

func (s *store) ImportTokens(ctx context.Context, r *tokenstorev1.ImportTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ImportTokensResponse, error) {
	return ask[*tokenstorev1.ImportTokensResponse](ctx, s, r)
}

func (s *store) PreviewTokens(ctx context.Context, r *tokenstorev1.PreviewTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.PreviewTokensResponse, error) {
	return ask[*tokenstorev1.PreviewTokensResponse](ctx, s, r)
}

func (s *store) ListTokens(ctx context.Context, r *tokenstorev1.ListTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error) {
	return ask[*tokenstorev1.ListTokensResponse](ctx, s, r)
}

func (s *store) GetToken(ctx context.Context, r *tokenstorev1.GetTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error) {
	return ask[*tokenstorev1.GetTokenResponse](ctx, s, r)
}

func (s *store) UpdateToken(ctx context.Context, r *tokenstorev1.UpdateTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	return ask[*tokenstorev1.UpdateTokenResponse](ctx, s, r)
}

func (s *store) DeleteToken(ctx context.Context, r *tokenstorev1.DeleteTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteTokenResponse, error) {
	return ask[*tokenstorev1.DeleteTokenResponse](ctx, s, r)
}

func (s *store) ListAudit(ctx context.Context, r *tokenstorev1.ListAuditRequest, _ ...grpc.CallOption) (*tokenstorev1.ListAuditResponse, error) {
	return ask[*tokenstorev1.ListAuditResponse](ctx, s, r)
}

func (s *store) GetUndo(ctx context.Context, r *tokenstorev1.GetUndoRequest, _ ...grpc.CallOption) (*tokenstorev1.GetUndoResponse, error) {
	return ask[*tokenstorev1.GetUndoResponse](ctx, s, r)
}

func (s *store) ListActivity(ctx context.Context, r *tokenstorev1.ListActivityRequest, _ ...grpc.CallOption) (*tokenstorev1.ListActivityResponse, error) {
	return ask[*tokenstorev1.ListActivityResponse](ctx, s, r)
}

func (s *store) ListTransitions(ctx context.Context, r *tokenstorev1.ListTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error) {
	return ask[*tokenstorev1.ListTransitionsResponse](ctx, s, r)
}

func (s *store) UndoTokenTransitions(ctx context.Context, r *tokenstorev1.UndoTokenTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.UndoTokenTransitionsResponse, error) {
	return ask[*tokenstorev1.UndoTokenTransitionsResponse](ctx, s, r)
}

func (s *store) PreviewUndo(ctx context.Context, r *tokenstorev1.PreviewUndoRequest, _ ...grpc.CallOption) (*tokenstorev1.PreviewUndoResponse, error) {
	return ask[*tokenstorev1.PreviewUndoResponse](ctx, s, r)
}

func (s *store) UndoTransitions(ctx context.Context, r *tokenstorev1.UndoTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.UndoTransitionsResponse, error) {
	return ask[*tokenstorev1.UndoTransitionsResponse](ctx, s, r)
}

func (s *store) ReleaseToken(ctx context.Context, r *tokenstorev1.ReleaseTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.ReleaseTokenResponse, error) {
	return ask[*tokenstorev1.ReleaseTokenResponse](ctx, s, r)
}

func (s *store) RestoreToken(ctx context.Context, r *tokenstorev1.RestoreTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.RestoreTokenResponse, error) {
	return ask[*tokenstorev1.RestoreTokenResponse](ctx, s, r)
}

func (s *store) ExportTokens(ctx context.Context, r *tokenstorev1.ExportTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ExportTokensResponse, error) {
	return ask[*tokenstorev1.ExportTokensResponse](ctx, s, r)
}

func (s *store) GetSettings(ctx context.Context, r *tokenstorev1.GetSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error) {
	return ask[*tokenstorev1.GetSettingsResponse](ctx, s, r)
}

func (s *store) UpdateSettings(ctx context.Context, r *tokenstorev1.UpdateSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateSettingsResponse, error) {
	return ask[*tokenstorev1.UpdateSettingsResponse](ctx, s, r)
}

func (s *store) ResetSettings(ctx context.Context, r *tokenstorev1.ResetSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.ResetSettingsResponse, error) {
	return ask[*tokenstorev1.ResetSettingsResponse](ctx, s, r)
}

func (s *store) ListUpstreams(ctx context.Context, r *tokenstorev1.ListUpstreamsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error) {
	return ask[*tokenstorev1.ListUpstreamsResponse](ctx, s, r)
}

func (s *store) PutUpstream(ctx context.Context, r *tokenstorev1.PutUpstreamRequest, _ ...grpc.CallOption) (*tokenstorev1.PutUpstreamResponse, error) {
	return ask[*tokenstorev1.PutUpstreamResponse](ctx, s, r)
}

func (s *store) DeleteUpstream(ctx context.Context, r *tokenstorev1.DeleteUpstreamRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteUpstreamResponse, error) {
	return ask[*tokenstorev1.DeleteUpstreamResponse](ctx, s, r)
}

func (s *store) ListRoutes(ctx context.Context, r *tokenstorev1.ListRoutesRequest, _ ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error) {
	return ask[*tokenstorev1.ListRoutesResponse](ctx, s, r)
}

func (s *store) PutRoute(ctx context.Context, r *tokenstorev1.PutRouteRequest, _ ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error) {
	return ask[*tokenstorev1.PutRouteResponse](ctx, s, r)
}

func (s *store) DeleteRoute(ctx context.Context, r *tokenstorev1.DeleteRouteRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteRouteResponse, error) {
	return ask[*tokenstorev1.DeleteRouteResponse](ctx, s, r)
}

func (s *store) GetPrices(ctx context.Context, r *tokenstorev1.GetPricesRequest, _ ...grpc.CallOption) (*tokenstorev1.GetPricesResponse, error) {
	return ask[*tokenstorev1.GetPricesResponse](ctx, s, r)
}

func (s *store) PutPrices(ctx context.Context, r *tokenstorev1.PutPricesRequest, _ ...grpc.CallOption) (*tokenstorev1.PutPricesResponse, error) {
	return ask[*tokenstorev1.PutPricesResponse](ctx, s, r)
}

func (s *store) Query(ctx context.Context, r *tokenstorev1.QueryRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryResponse, error) {
	if s.log != nil {
		if page := s.log(r); page != nil {
			return page, nil
		}
	}
	return ask[*tokenstorev1.QueryResponse](ctx, s, r)
}

func (s *store) Summarize(ctx context.Context, r *tokenstorev1.SummarizeRequest, _ ...grpc.CallOption) (*tokenstorev1.SummarizeResponse, error) {
	return ask[*tokenstorev1.SummarizeResponse](ctx, s, r)
}

func (s *store) AcknowledgeCause(ctx context.Context, r *tokenstorev1.AcknowledgeCauseRequest, _ ...grpc.CallOption) (*tokenstorev1.AcknowledgeCauseResponse, error) {
	return ask[*tokenstorev1.AcknowledgeCauseResponse](ctx, s, r)
}

func (s *store) SummarizePools(ctx context.Context, r *tokenstorev1.SummarizePoolsRequest, _ ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error) {
	return ask[*tokenstorev1.SummarizePoolsResponse](ctx, s, r)
}

func (s *store) Explain(ctx context.Context, r *tokenstorev1.ExplainRequest, _ ...grpc.CallOption) (*tokenstorev1.ExplainResponse, error) {
	return ask[*tokenstorev1.ExplainResponse](ctx, s, r)
}

func (s *store) ListTokenAccounts(ctx context.Context, r *tokenstorev1.ListTokenAccountsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error) {
	return ask[*tokenstorev1.ListTokenAccountsResponse](ctx, s, r)
}

func (s *store) CreateLogin(ctx context.Context, r *tokenstorev1.CreateLoginRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateLoginResponse, error) {
	return ask[*tokenstorev1.CreateLoginResponse](ctx, s, r)
}

func (s *store) GetLogin(ctx context.Context, r *tokenstorev1.GetLoginRequest, _ ...grpc.CallOption) (*tokenstorev1.GetLoginResponse, error) {
	return ask[*tokenstorev1.GetLoginResponse](ctx, s, r)
}

func (s *store) ListLogins(ctx context.Context, r *tokenstorev1.ListLoginsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListLoginsResponse, error) {
	return ask[*tokenstorev1.ListLoginsResponse](ctx, s, r)
}

func (s *store) CancelLogin(ctx context.Context, r *tokenstorev1.CancelLoginRequest, _ ...grpc.CallOption) (*tokenstorev1.CancelLoginResponse, error) {
	return ask[*tokenstorev1.CancelLoginResponse](ctx, s, r)
}

func (s *store) RenewCredential(ctx context.Context, r *tokenstorev1.RenewCredentialRequest, _ ...grpc.CallOption) (*tokenstorev1.RenewCredentialResponse, error) {
	return ask[*tokenstorev1.RenewCredentialResponse](ctx, s, r)
}

// Account is met by the gateway's own account service.
func (s *store) Account(ctx context.Context, tokenID string, refresh bool) (*tokenstorev1.TokenAccount, error) {
	s.refreshed = refresh
	return ask[*tokenstorev1.TokenAccount](ctx, s, &tokenstorev1.GetTokenAccountRequest{Id: tokenID})
}

// The generated clients are what the API is given.
var (
	_ adminapi.Tokens     = tokenstorev1.TokenServiceClient(nil)
	_ adminapi.Config     = tokenstorev1.ConfigServiceClient(nil)
	_ adminapi.Prices     = tokenstorev1.PriceServiceClient(nil)
	_ adminapi.RequestLog = tokenstorev1.RequestLogServiceClient(nil)
	_ routing.Leases      = tokenstorev1.LeaseServiceClient(nil)
	_ adminapi.Logins     = tokenstorev1.LoginServiceClient(nil)
	_ adminapi.Renewals   = tokenstorev1.ErrandServiceClient(nil)
	_ adminapi.Keys       = tokenstorev1.KeyServiceClient(nil)
)

var (
	moment   = timestamppb.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	rested   = &tokenstorev1.Token{Id: "t1", Upstream: "cursor", Enabled: true, State: tokenstorev1.TokenState_TOKEN_STATE_READY, MaskedSecret: "eyJh…Zx9Q", Fingerprint: "f00d", Weight: 1, CreatedAt: moment, Version: 1}
	cooling  = &tokenstorev1.Token{Id: "t2", Upstream: "cursor", Alias: "work", Tags: []string{"a", "b"}, Enabled: true, State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, MaskedSecret: "eyJh…Zx9R", Fingerprint: "beef", MaskedChecksum: "abcd…ef01", Cap: 2, Weight: 3, InFlight: 1, Requests: 10, Failures: 4, LastUsedAt: moment, LastError: "rate_limit", CoolingUntil: moment, ExpiresAt: moment, CreatedAt: moment, Version: 7}
	settings = &tokenstorev1.Settings{EnableStreamCheck: true, VisionAbility: "base64", MaxAttempts: 3, Version: 4, UpdatedAt: moment}
	someLog  = &tokenstorev1.LogEntry{Id: "chatcmpl-1", Replica: "g1", StartedAt: moment, Total: durationpb.New(1500 * time.Microsecond), Model: "gpt-4o", Stream: true, Status: "success", HttpStatus: 200, EndReason: "done", Attempts: 1, PromptTokens: 3, CompletionTokens: 2, CacheReadTokens: 1, CacheWriteTokens: 2, CacheWriteHourTokens: 1, ReasoningTokens: 2, Dialect: "anthropic", Translated: true, UsageSource: "reported", Caller: "key", KeyId: "k1", KeyName: "ci", ServedModel: "gpt-4o-2024", Cost: 1_250_000, CostQuality: "reported", MaskedSecret: "eyJh…Zx9Q", Prompt: "<|BEGIN_USER|>", PromptCut: true, AttemptLog: []*tokenstorev1.LogAttempt{
		{StartedAt: moment, Total: durationpb.New(time.Millisecond), Upstream: "vendor", Model: "gpt-4o", TokenId: "t2", TokenAlias: "work", TokenFingerprint: "f2", MaskedSecret: "sk-a…wxyz", Class: "rate_limit", Rule: "HTTP 429", Effect: "token_may_cool", Status: 429, Code: "limit", Param: "pace", Message: "slow down", RetryAfter: durationpb.New(time.Second)},
		{StartedAt: moment, Total: durationpb.New(time.Millisecond), Upstream: "vendor", Model: "gpt-4o", MaskedSecret: "eyJh…Zx9Q", Effect: "none"},
	}}
	someStep = &tokenstorev1.LogBucket{Start: moment, Requests: 3, Failures: 1, PromptTokens: 7, CompletionTokens: 5, CacheReadTokens: 4, CacheWriteTokens: 3, CacheWriteHourTokens: 2, ReasoningTokens: 1, TotalP50: durationpb.New(time.Second), TotalP95: durationpb.New(2 * time.Second), FirstByteP50: durationpb.New(1500 * time.Microsecond)}
	beat     = &tokenstorev1.BeatResponse{TotalRequests: 9, ActiveRequests: 2, StartedAt: moment, Replicas: []*tokenstorev1.Replica{
		{Name: "g1", Version: "1", StartedAt: moment, Requests: 5, Active: 2, LogAccepted: 5, LogPending: 2, LogDropped: 1},
		{Name: "g2", Version: "1", StartedAt: moment, Requests: 3, LogAccepted: 3},
	}}
	aboutPage = &tokenstorev1.Page{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_HTML, Content: "<p>"}
	vendor    = &tokenstorev1.Upstream{Name: "vendor", Driver: "openai", BaseUrl: "https://api.example/v1", Version: 2}
)

// newStore has an answer for every call.
func newStore() *store {
	return &store{answers: append([]proto.Message{
		&tokenstorev1.CreateTokenResponse{Token: rested},
		&tokenstorev1.ImportTokensResponse{Accepted: 2, Updated: 1, Rejected: []*tokenstorev1.RejectedLine{{Line: 4, Reason: "not a token"}}},
		&tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{rested, cooling}, NextCursor: "n"},
		&tokenstorev1.GetTokenResponse{Token: cooling},
		&tokenstorev1.UpdateTokenResponse{Token: cooling},
		&tokenstorev1.DeleteTokenResponse{},
		&tokenstorev1.RestoreTokenResponse{Token: cooling},
		&tokenstorev1.ListAuditResponse{NextCursor: "7-0", Entries: []*tokenstorev1.AuditEntry{{
			At: moment, Action: "token deleted", Actor: "api 192.0.2.1", RemoteIp: "192.0.2.1", RequestId: "r1", Replica: "g1",
			Details: map[string]string{"token_id": "t1"},
		}, {At: moment, Action: "tokens exported"}}},
		&tokenstorev1.ListActivityResponse{NextCursor: "7-0.cursor", Activities: []*tokenstorev1.Activity{
			{What: &tokenstorev1.Activity_Event{Event: &tokenstorev1.TokenEvent{
				Transition: &tokenstorev1.Transition{At: moment, Kind: "cooling", Class: "auth", Until: moment, RequestId: "r1"}, Upstream: "cursor", TokenId: "t2", TokenName: "work",
			}}},
			{What: &tokenstorev1.Activity_Entry{Entry: &tokenstorev1.AuditEntry{At: moment, Action: "tokens exported"}}},
		}},
		&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{Disabled: []string{"t2"}}}},
		&tokenstorev1.ReleaseTokenResponse{Token: cooling},
		&tokenstorev1.UndoTransitionsResponse{Count: 3},
		&tokenstorev1.PreviewUndoResponse{Count: 3, TokenCount: 2, Tokens: []*tokenstorev1.PreviewedUndo{{TokenId: "t1", TokenName: "work", Upstream: "cursor", Transitions: 2, Whole: true, Models: 1}}},
		&tokenstorev1.UndoTokenTransitionsResponse{Count: 3},
		&tokenstorev1.AcknowledgeCauseResponse{Acknowledged: true},
		&tokenstorev1.ListTransitionsResponse{Transitions: []*tokenstorev1.Transition{
			{At: moment, Kind: "undone", Class: "auth", By: "guard"},
			{At: moment, Kind: "cooling", Class: "auth", Until: moment, RequestId: "r1", Detail: "auth, HTTP 401", Replica: "g1"},
		}},
		&tokenstorev1.ExportTokensResponse{Content: `[{"token":"eyJh","alias":"work"}]`, Count: 1},
		&tokenstorev1.GetSettingsResponse{Settings: settings, Pages: []*tokenstorev1.Page{aboutPage}, Changes: []*tokenstorev1.SettingChange{{Name: "/about", At: moment, Actor: "me"}}},
		&tokenstorev1.ResetSettingsResponse{Settings: settings},
		&tokenstorev1.UpdateSettingsResponse{Settings: settings},
		&tokenstorev1.ListUpstreamsResponse{Upstreams: []*tokenstorev1.Upstream{vendor}},
		&tokenstorev1.PutUpstreamResponse{Upstream: vendor},
		&tokenstorev1.DeleteUpstreamResponse{},
		&tokenstorev1.ListRoutesResponse{Routes: []*tokenstorev1.Route{fast}},
		&tokenstorev1.PutRouteResponse{Route: fast},
		&tokenstorev1.DeleteRouteResponse{},
		&tokenstorev1.GetPricesResponse{Prices: somePrices},
		&tokenstorev1.PutPricesResponse{Prices: newPrices},
		&tokenstorev1.CreateKeyResponse{Key: ciKey, Secret: ciSecret},
		&tokenstorev1.GetKeyResponse{Key: ciKey, Standing: ciStanding},
		&tokenstorev1.ListKeysResponse{Keys: []*tokenstorev1.ListedKey{{Key: ciKey, Standing: ciStanding, DeletedAt: moment}}, NextCursor: "n", Total: 7},
		&tokenstorev1.UpdateKeyResponse{Key: ciKey},
		&tokenstorev1.RotateKeyResponse{Key: ciKey, Secret: ciSecret},
		&tokenstorev1.DeleteKeyResponse{},
		&tokenstorev1.RestoreKeyResponse{Key: ciKey},
		&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{someLog}, NextCursor: "n", Newest: "7-1"},
		&tokenstorev1.SummarizeResponse{Buckets: []*tokenstorev1.LogBucket{someStep, {Start: moment}}},
		someUsage,
		&tokenstorev1.PreviewTokensResponse{
			Report: &tokenstorev1.ImportTokensResponse{Accepted: 1}, Tokens: []*tokenstorev1.PreviewedToken{{Line: 1, Upstream: "cursor", MaskedSecret: "eyJh…Zx9Q"}},
		},
		&tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{{Upstream: "cursor", Ready: 1, Cooling: 2, Expired: 3, Disabled: 4, InFlight: 5, Expiring: 6, Probing: 7, Parked: 8, NeedsLogin: 8, Quarantined: 9, NextBack: moment, NextBackClass: "rate_limit", NextExpiry: moment, Causes: []*tokenstorev1.SharedCause{{Class: "upstream", Model: "gpt-4o", Since: moment, NextProbe: moment}}}}},
		&tokenstorev1.TokenAccount{UserId: "user_1", Membership: "pro", AsOf: moment, QuotaResetsAt: moment, Quotas: []*tokenstorev1.TokenQuota{
			{Name: "premium", Requests: 12, MaxRequests: proto.Uint64(150), Tokens: 345}, {Name: "standard", Requests: 1},
		}},
		&tokenstorev1.ListTokenAccountsResponse{Accounts: []*tokenstorev1.AccountOfToken{{Token: rested, Account: &tokenstorev1.TokenAccount{
			Email: "a@b.example", Membership: "pro", AsOf: moment, QuotaResetsAt: moment, Error: "no answer",
			Quotas: []*tokenstorev1.TokenQuota{{Name: "premium", Requests: 12, MaxRequests: proto.Uint64(150)}},
		}}, {Token: cooling}}},
		&tokenstorev1.CreateLoginResponse{Login: pending},
		&tokenstorev1.GetLoginResponse{Login: pending},
		&tokenstorev1.ListLoginsResponse{Logins: []*tokenstorev1.Login{pending, failed}},
		&tokenstorev1.CancelLoginResponse{Login: failed},
		&tokenstorev1.RenewCredentialResponse{Secret: "access token", Token: cooling},
		&tokenstorev1.ExplainResponse{ChosenTokenId: "t1", AsOf: moment, Candidates: []*tokenstorev1.Candidate{
			{TokenId: "t1", Score: 1}, {TokenId: "t2", Alias: "work", ExcludedBy: "cooling", Until: moment},
		}},
	}, someNotifications...)}
}

// answered is an answer and what was logged meanwhile.
type answered struct {
	*httptest.ResponseRecorder
	log string
}

// send sends one request to the API on top of s.
func send(t *testing.T, s *store, method, path, authorization, body string, headers ...string) answered {
	t.Helper()
	return sendTo(t, s, s, method, path, authorization, body, headers...)
}

// sendTo is send to an API whose tokens are others than those of s.
func sendTo(t *testing.T, s *store, tokens adminapi.Tokens, method, path, authorization, body string, headers ...string) answered {
	t.Helper()
	w := httptest.NewRecorder()
	return answered{w, sendFrom(t.Context(), t, w, s, tokens, method, path, authorization, body, headers...)}
}

// sendFrom is sendTo of a client that has a context and reads in a way of its own. It returns the
// log.
func sendFrom(
	ctx context.Context, t *testing.T, w http.ResponseWriter, s *store, tokens adminapi.Tokens, method, path, authorization, body string, headers ...string,
) string {
	t.Helper()
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	gate := auth.New(secret.New("right"), nil)
	api := apiOf(s, tokens, gate, logger)
	proxies, err := forwarded.ParseProxies("192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	handler := httpapi.New(httpapi.Deps{
		Dialects: []dialect.Dialect{openai.API{}},
		Gate:     gate, Models: func() []chat.Model { return nil }, Settings: func() *tokenstorev1.Settings { return nil },
		Metrics: metrics.New(prometheus.NewRegistry()), Access: accesslog.New(slog.New(slog.DiscardHandler)), Log: logger,
		Mounts: []httpapi.Mount{api}, Options: httpapi.Options{Proxies: proxies},
	})
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	handler.ServeHTTP(w, r)
	return log.String()
}

func (s *store) tester() *tokentest.Desk {
	if s.tests != nil {
		return s.tests
	}
	return testDesk()
}

// apiOf is the API over a store, with other tokens where they are not its own.
func apiOf(s *store, tokens adminapi.Tokens, gate *auth.Gate, logger *slog.Logger) *adminapi.API {
	return adminapi.New(adminapi.Deps{
		Base: jsonapi.Base{Gate: gate, Log: logger, BodyLimit: 1 << 20, Keep: func(_ context.Context, entry *tokenstorev1.AuditEntry) error {
			s.kept = append(s.kept, entry)
			return nil
		}},
		Tokens: tokens, Config: s, Prices: s, Notifications: s, Logs: s, Usage: s, Keys: s, Leases: s, Accounts: s, Audit: s, Logins: s, Renewals: s, Tests: s.tester(), Backups: &s.desk, Uploads: backup.NewUploads(), MoveIns: s.mover(), Fleet: func() *tokenstorev1.BeatResponse { return beat },
		Listed: func() []chat.Model { return []chat.Model{{ID: "gpt-4o"}} },
		Models: func() []chat.Model { return []chat.Model{{ID: "gpt-4o"}, {ID: "other"}} },
		Prospects: func(model, dialect string) (routing.Chain, error) {
			switch {
			case model == "nope":
				return routing.Chain{}, chat.Errorf(chat.ModelNotSupported, "Model %q is not supported", model)
			case model == "fast":
				return fastChain, nil
			case dialect != "":
				return routing.Chain{Targets: []routing.Target{{Upstream: dialect, Model: model, Weight: 1}}}, nil
			}
			return routing.Chain{Targets: []routing.Target{{Upstream: "vendor", Model: strings.TrimPrefix(model, "vendor/"), Weight: 1}}}, nil
		},
		ProbeUpstream: func(context.Context, upstream.Config) (int, error) { return s.models, s.probed },
		Driver: func(name string) (upstream.Driver, bool) {
			driver, known := map[string]upstream.Driver{"cursor": attempts{}, "vendor": keysOnly{}}[name]
			return driver, known
		},
		CheckProxy: func(_ context.Context, config upstream.Config, proxy secret.Value) error {
			s.tried = append(s.tried, proxy.Reveal()+" to "+config.BaseURL)
			time.Sleep(s.trial)
			if strings.Contains(config.Settings["proxy"], "•") {
				return errors.New("settings.proxy: not a URL")
			}
			return s.dead
		},
		ValidateUpstream: func(config upstream.Config) error {
			if strings.Contains(config.Settings["proxy"], "•") {
				return errors.New("settings.proxy: not a URL")
			}
			if config.Driver != "openai" {
				return errors.New(`driver: cursor or openai wanted, not "` + config.Driver + `"`)
			}
			return nil
		},
	})
}

// routes are all of them, each with a request that is good.
var routes = []struct {
	method, path, body string
	status             int
	keys               []string
	write              bool
}{
	{"GET", "/admin/api/notifications", "", 200, []string{"alert_names", "alerts", "deliveries", "destinations", "silences"}, false},
	{"POST", "/admin/api/notifications/destinations", `{"name":"x","url":"https://x.example/"}`, 201, destinationKeys, true},
	{"PATCH", "/admin/api/notifications/destinations/d1", `{"name":"x"}`, 200, destinationKeys, true},
	{"DELETE", "/admin/api/notifications/destinations/d1", "", 204, nil, true},
	{"POST", "/admin/api/notifications/destinations/d1/test", "", 200, deliveryKeys, true},
	{"POST", "/admin/api/notifications/silences", `{"until":"2026-01-31T12:00:00Z"}`, 201, []string{"alert", "comment", "id", "until", "upstream"}, true},
	{"DELETE", "/admin/api/notifications/silences/s1", "", 204, nil, true},
	{"GET", "/admin/api/tokens", "", 200, []string{"next", "tokens", "total"}, false},
	{"POST", "/admin/api/tokens", `{"token":"eyJh"}`, 201, slices.Sorted(slices.Values(append([]string{"warning"}, tokenKeys...))), true},
	{"GET", "/admin/api/tokens/t2", "", 200, tokenKeys, false},
	{"PATCH", "/admin/api/tokens/t2", `{"alias":"x"}`, 200, tokenKeys, true},
	{"DELETE", "/admin/api/tokens/t2", "", 204, nil, true},
	{"POST", "/admin/api/tokens/t2/restore", "", 200, tokenKeys, true},
	{"POST", "/admin/api/tokens/t2/release", "", 200, tokenKeys, true},
	{"POST", "/admin/api/tokens/t2/refresh", "", 200, tokenKeys, true},
	{"GET", "/admin/api/tokens/t2/transitions", "", 200, []string{"transitions"}, false},
	{"POST", "/admin/api/transitions/undo", `{"class":"auth","from":"2026-11-22T12:00:00Z"}`, 200, []string{"count"}, true},
	{"POST", "/admin/api/tokens/import", `{"content":"a","format":"token","dry_run":true}`, 200, []string{"accepted", "rejected", "tokens", "updated", "upstreams", "warnings"}, false},
	{"POST", "/admin/api/tokens/import", `{"content":"a","format":"token"}`, 200, []string{"accepted", "rejected", "updated", "upstreams", "warnings"}, true},
	{"POST", "/admin/api/move-in?dry_run=true", "model_list: []", 200, []string{"applied", "counts", "files", "items"}, false},
	{"POST", "/admin/api/move-in", "model_list: []", 200, []string{"applied", "counts", "files", "items"}, true},
	{"GET", "/admin/api/move-out?format=litellm", "", 200, nil, true},
	{"GET", "/admin/api/tokens/export?format=json", "", 200, nil, true},
	{"GET", "/admin/api/tokens/t2/account", "", 200, accountKeys, false},
	{"GET", "/admin/api/quotas?upstream=cursor", "", 200, []string{"as_of", "pools"}, false},
	{"GET", "/get-user-info?alias=work", "", 200, []string{"usage"}, false},
	{"GET", "/admin/api/logins", "", 200, []string{"logins"}, false},
	{"POST", "/admin/api/logins", `{"upstream":"cursor","alias":"work"}`, 201, loginKeys, true},
	{"GET", "/admin/api/logins/l1", "", 200, loginKeys, false},
	{"DELETE", "/admin/api/logins/l1", "", 200, loginKeys, true},
	{"GET", "/admin/api/upstreams", "", 200, []string{"next", "upstreams"}, false},
	{"PUT", "/admin/api/upstreams/vendor", `{"driver":"openai","base_url":"https://api.example/v1"}`, 200, slices.Sorted(slices.Values(append([]string{"check"}, upstreamKeys...))), true},
	{"DELETE", "/admin/api/upstreams/vendor", "", 204, nil, true},
	{"GET", "/admin/api/routes", "", 200, []string{"routes"}, false},
	{"GET", "/admin/api/routes/fast", "", 200, routeKeys, false},
	{"PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"vendor"}]}`, 200, slices.Sorted(slices.Values(append([]string{"warnings"}, routeKeys...))), true},
	{"DELETE", "/admin/api/routes/fast", "", 204, nil, true},
	{"GET", "/admin/api/prices", "", 200, []string{"built_in", "prices", "version"}, false},
	{"PUT", "/admin/api/prices", `{"prices":[]}`, 200, []string{"built_in", "prices", "version"}, true},
	{"POST", "/admin/api/prices/import?format=tsv", "model\tinput\n", 200, []string{"added", "changed", "dry_run", "kept", "removed", "rounded", "skipped", "skipped_count", "tiered", "unchanged", "version"}, true},
	{"GET", "/admin/api/keys?q=c&tag=t&state=active&limit=5&cursor=x", "", 200, []string{"keys", "next", "total"}, false},
	{"POST", "/admin/api/keys", `{"name":"CI"}`, 201, []string{"key", "secret"}, true},
	{"GET", "/admin/api/keys/k1", "", 200, clientKeyKeys, false},
	{"PATCH", "/admin/api/keys/k1", `{"disabled":true}`, 200, clientKeyKeys, true},
	{"DELETE", "/admin/api/keys/k1", "", 204, nil, true},
	{"POST", "/admin/api/keys/k1/rotate", "", 200, []string{"key", "secret"}, true},
	{"POST", "/admin/api/keys/k1/restore", "", 200, clientKeyKeys, true},
	{"GET", "/admin/api/settings", "", 200, settingKeys, false},
	{"PATCH", "/admin/api/settings", `{"max_attempts":2}`, 200, settingKeys, true},
	{"POST", "/admin/api/settings/reset", `{"names":["max_attempts"]}`, 200, settingKeys, true},
	{"GET", "/admin/api/settings/changes", "", 200, []string{"changes", "defaults"}, false},
	{"GET", "/admin/api/pages", "", 200, []string{"pages", "version"}, false},
	{"PUT", "/admin/api/pages", `{"path":"/about","type":"html","content":"<p>"}`, 200, []string{"content", "path", "type"}, true},
	{"DELETE", "/admin/api/pages?path=/about", "", 204, nil, true},
	{"GET", "/admin/api/logs", "", 200, []string{"logs", "newest", "next"}, false},
	{"GET", "/admin/api/logs/chatcmpl-1", "", 200, logKeys, false},
	{"GET", "/admin/api/stats", "", 200, []string{"buckets"}, false},
	{"GET", "/admin/api/usage?group=key", "", 200, []string{"from", "rows", "to", "total"}, false},
	{"GET", "/admin/api/fleet", "", 200, []string{"active_requests", "log", "pools", "replicas", "started_at", "total_requests", "warnings"}, false},
	{"GET", "/admin/api/audit?limit=5", "", 200, []string{"entries", "next"}, false},
	{"GET", "/admin/api/audit/r1", "", 200, []string{"at", "changes", "request_id"}, false},
	{"GET", "/admin/api/activity?source=both&actor=api&kind=parked&account=anna&from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z&limit=5", "", 200, []string{"activities", "next"}, false},
	{"POST", "/admin/api/audit/r1/undo", "", 200, []string{"failed", "failures", "undone"}, true},
	{"POST", "/admin/api/tokens/bulk", `{"action":"delete","ids":["t2"]}`, 200, []string{"change", "changes", "count", "failed", "failures"}, true},
	{"GET", "/admin/api/models?q=gpt&unserved=false", "", 200, []string{"complete", "models"}, false},
	{"GET", "/admin/api/explain?model=gpt-4o", "", 200, []string{"as_of", "candidates", "cause", "cause_until", "chosen", "fallbacks", "key", "model", "route", "targets", "upstream"}, false},
}

var (
	tokenKeys = []string{
		"alias", "cap", "checksum", "cooling_until", "created_at", "disabled_until", "enabled", "expires_at", "failures", "fingerprint", "id",
		"in_flight", "kind", "last_error", "last_used_at", "needs_login", "next_refresh_at", "proxy", "refresh_error", "refreshed_at", "requests", "state", "tags", "token",
		"upstream", "version", "weight",
	}
	loginKeys   = []string{"alias", "created_at", "detail", "expires_at", "id", "state", "token_id", "upstream", "url"}
	accountKeys = []string{
		"as_of", "email", "error", "membership", "name", "quota_resets_at", "quota_start", "quotas", "subscription_status", "trial_days_left", "user_id",
	}
	routeKeys    = []string{"match", "name", "parameters", "targets", "version"}
	upstreamKeys = []string{"base_url", "driver", "models", "name", "settings", "version"}
	settingKeys  = []string{
		"affinity", "check_usage_models", "check_usage_models_type", "cursor_client_version", "cursor_timezone", "default_instructions",
		"enable_alias_pinning", "enable_all_claude", "enable_own_tokens", "enable_slow_pool", "enable_stream_check", "include_stop_stream", "list_all_models", "log_prompt_mb", "log_prompts",
		"log_retention_count", "log_retention_hours", "max_attempts", "queue_wait_ms", "rotation_strategy", "updated_at", "version", "vision_ability",
	}
	logKeys = []string{
		"attempt_log", "attempts", "cache_read_tokens", "cache_write_hour_tokens", "cache_write_tokens", "caller", "client_headers", "completion_tokens", "cost_quality", "cost_usd", "dialect", "end_reason", "error", "error_kind", "fallback_model", "first_byte_ms", "http_status", "id", "key_id", "key_name", "model", "pool", "prompt",
		"prompt_cut", "prompt_tokens", "reasoning_tokens", "replica", "retry_after_ms", "served_model", "started_at", "status", "stream", "token", "token_alias", "token_fingerprint", "token_id", "total_ms", "trace_id", "translated", "upstream", "usage_source",
	}
)

func object(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return got
}

func keys(object any) []string { return slices.Sorted(maps.Keys(object.(map[string]any))) }

func errorCode(t *testing.T, body []byte) (code, message string, param any) {
	t.Helper()
	inner, _ := object(t, body)["error"].(map[string]any)
	if !slices.Equal(keys(inner), []string{"code", "message", "param", "type"}) {
		t.Fatalf("not the error object: %s", body)
	}
	return inner["code"].(string), inner["message"].(string), inner["param"]
}

// Every route in every state of the caller's key, with the store there and not.
func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, route := range routes {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			t.Parallel()
			for _, wrong := range []string{"", "Bearer wrong"} {
				s := newStore()
				w := send(t, s, route.method, route.path, wrong, route.body)
				code, _, _ := errorCode(t, w.Body.Bytes())
				if w.Code != 401 || code != "unauthorized" || s.asked != nil {
					t.Errorf("key %q: %d %s, asked %v", wrong, w.Code, w.Body, s.asked)
				}
			}

			s := newStore()
			w := send(t, s, route.method, route.path, key, route.body)
			if w.Code != route.status {
				t.Fatalf("%d, want %d: %s", w.Code, route.status, w.Body)
			}
			if route.keys != nil {
				if got := keys(object(t, w.Body.Bytes())); !slices.Equal(got, route.keys) {
					t.Errorf("keys %v, want %v", got, route.keys)
				}
			}
			if w.Code == 204 && w.Body.Len() > 0 {
				t.Errorf("204 with %q", w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
			if s.left <= 0 || s.left > time.Minute {
				t.Errorf("the call had a deadline of %s", s.left)
			}
			if audited := strings.Contains(w.log, `"msg":"audit"`); audited != route.write || (len(s.kept) == 1) != route.write {
				t.Errorf("audited: %v, kept: %v; %s", audited, s.kept, w.log)
			}

			down := &store{err: status.Error(codes.Unavailable, "connection refused to 10.1.2.3")}
			w = send(t, down, route.method, route.path, key, route.body)
			code, message, _ := errorCode(t, w.Body.Bytes())
			if w.Code != 503 || code != "store_unavailable" || strings.Contains(message, "10.1.2.3") {
				t.Errorf("store away: %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.log, `"msg":"audit"`) || len(down.kept) > 0 {
				t.Error("an audit line for what did not happen")
			}
		})
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"PUT", "/admin/api/tokens", 405},
		{"POST", "/admin/api/logs", 405},
		{"PUT", "/admin/api/settings", 405},
		{"GET", "/admin/api/nowhere", 404},
		{"GET", "/admin/api", 404},
	} {
		if w := send(t, newStore(), c.method, c.path, key, ""); w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.status)
		}
	}
	if w := send(t, newStore(), "HEAD", "/admin/api/tokens", key, ""); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// What each good request asks of the store.
func TestWhatTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	no := false
	cases := []struct {
		name, method, path, body string
		headers                  []string
		want                     proto.Message
	}{
		{
			"filters", "GET", "/admin/api/tokens?upstream=cursor&state=cooling&tag=a&q=work&limit=5&cursor=c", "", nil,
			&tokenstorev1.ListTokensRequest{Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, Tag: "a", Query: "work", Limit: 5, Cursor: "c"},
		},
		{
			"sorted and counted", "GET", "/admin/api/tokens?sort=-last_used_at&count=true", "", nil,
			&tokenstorev1.ListTokensRequest{Order: tokenstorev1.TokenOrder_TOKEN_ORDER_LAST_USED, Descending: true, Counted: true},
		},
		{
			"disable until a time", "PATCH", "/admin/api/tokens/t2", `{"disabled_until":"2126-01-31T12:00:00Z"}`, nil,
			&tokenstorev1.UpdateTokenRequest{
				Id: "t2", DisabledUntil: timestamppb.New(time.Date(2126, 1, 31, 12, 0, 0, 0, time.UTC)), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"disabled_until", "enabled"}},
			},
		},
		{"no filters", "GET", "/admin/api/tokens", "", nil, &tokenstorev1.ListTokensRequest{}},
		{
			"create", "POST", "/admin/api/tokens", `{"token":"eyJh","upstream":"vendor","alias":"w","tags":["a"],"cap":2,"weight":3,"enabled":false,"checksum":"c","refresh_token":"r","proxy":"http://p"}`, nil,
			&tokenstorev1.CreateTokenRequest{Secret: "eyJh", Upstream: "vendor", Alias: "w", Tags: []string{"a"}, Cap: 2, Weight: 3, Enabled: &no, Checksum: "c", RefreshToken: "r", Proxy: "http://p"},
		},
		{"create, the least", "POST", "/admin/api/tokens", `{"token":"eyJh"}`, nil, &tokenstorev1.CreateTokenRequest{Secret: "eyJh"}},
		{"get", "GET", "/admin/api/tokens/t2", "", nil, &tokenstorev1.GetTokenRequest{Id: "t2"}},
		{
			"change one", "PATCH", "/admin/api/tokens/t2", `{"enabled":false}`,
			[]string{"If-Match", `"7"`},
			&tokenstorev1.UpdateTokenRequest{Id: "t2", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"enabled"}}, ExpectedVersion: 7},
		},
		{
			"change to nothing", "PATCH", "/admin/api/tokens/t2", `{"alias":"","tags":[],"cap":0}`,
			[]string{"If-Match", "*"},
			&tokenstorev1.UpdateTokenRequest{Id: "t2", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"alias", "cap", "tags"}}},
		},
		{"delete", "DELETE", "/admin/api/tokens/t2", "", []string{"If-Match", "7"}, &tokenstorev1.DeleteTokenRequest{Id: "t2", ExpectedVersion: 7}},
		{"restore", "POST", "/admin/api/tokens/t2/restore", "", nil, &tokenstorev1.RestoreTokenRequest{Id: "t2"}},
		{"release", "POST", "/admin/api/tokens/t2/release", "", nil, &tokenstorev1.ReleaseTokenRequest{Id: "t2"}},
		{"history", "GET", "/admin/api/tokens/t2/transitions", "", nil, &tokenstorev1.ListTransitionsRequest{Id: "t2"}},
		{
			"undo", "POST", "/admin/api/transitions/undo",
			`{"class":"auth","from":"2026-11-22T12:00:00Z","to":"2026-11-22T13:00:00+01:00","upstream":"cursor"}`, nil,
			&tokenstorev1.UndoTransitionsRequest{
				Class: "auth", Upstream: "cursor", From: timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)),
				To: timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)),
			},
		},
		{
			"what an undo would do", "POST", "/admin/api/transitions/undo",
			`{"class":"auth","from":"2026-11-22T12:00:00Z","token_id":"t2","dry_run":true}`, nil,
			&tokenstorev1.PreviewUndoRequest{Class: "auth", TokenId: "t2", From: timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))},
		},
		{
			"undo of one token", "POST", "/admin/api/transitions/undo",
			`{"class":"auth","from":"2026-11-22T12:00:00.123Z","token_id":"t2"}`, nil,
			&tokenstorev1.UndoTokenTransitionsRequest{Id: "t2", Class: "auth", From: timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 123e6, time.UTC))},
		},
		{
			"import", "POST", "/admin/api/tokens/import", `{"content":"a,b","format":"token-list","upstream":"vendor"}`, nil,
			&tokenstorev1.ImportTokensRequest{Content: "a,b", Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST, Upstream: "vendor"},
		},
		{
			"export", "GET", "/admin/api/tokens/export?format=token-list&upstream=vendor", "", nil,
			&tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST, Upstream: "vendor"},
		},
		{
			"export, no format", "GET", "/admin/api/tokens/export", "", nil,
			&tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN},
		},
		{
			"put", "PUT", "/admin/api/upstreams/vendor", `{"driver":"openai","base_url":"https://a","models":["m"],"settings":{"k":"v"}}`,
			[]string{"If-Match", `"2"`},
			&tokenstorev1.PutUpstreamRequest{Upstream: &tokenstorev1.Upstream{Name: "vendor", Driver: "openai", BaseUrl: "https://a", Models: []string{"m"}, Settings: map[string]string{"k": "v"}}, ExpectedVersion: 2},
		},
		{"delete upstream", "DELETE", "/admin/api/upstreams/vendor", "", nil, &tokenstorev1.DeleteUpstreamRequest{Name: "vendor"}},
		{
			"settings", "PATCH", "/admin/api/settings", `{"vision_ability":"all","enable_slow_pool":false,"queue_wait_ms":5}`,
			[]string{"If-Match", `"4"`},
			&tokenstorev1.UpdateSettingsRequest{Settings: &tokenstorev1.Settings{VisionAbility: "all", QueueWaitMs: 5}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"enable_slow_pool", "queue_wait_ms", "vision_ability"}}, ExpectedVersion: 4, Actor: "api 192.0.2.1"},
		},
		{
			"reset settings", "POST", "/admin/api/settings/reset", `{"names":["vision_ability","max_attempts"]}`,
			[]string{"If-Match", `"4"`},
			&tokenstorev1.ResetSettingsRequest{ResetMask: &fieldmaskpb.FieldMask{Paths: []string{"vision_ability", "max_attempts"}}, ExpectedVersion: 4, Actor: "api 192.0.2.1"},
		},
		{"changes", "GET", "/admin/api/settings/changes", "", nil, &tokenstorev1.GetSettingsRequest{}},
		{
			"put a page", "PUT", "/admin/api/pages", `{"path":"/about","type":"html","content":"<p>"}`,
			[]string{"If-Match", `"4"`},
			&tokenstorev1.UpdateSettingsRequest{Pages: []*tokenstorev1.Page{aboutPage}, ExpectedVersion: 4, Actor: "api 192.0.2.1"},
		},
		{
			"delete a page", "DELETE", "/admin/api/pages?path=/about", "",
			[]string{"If-Match", "4"},
			&tokenstorev1.ResetSettingsRequest{PagePaths: []string{"/about"}, ExpectedVersion: 4, Actor: "api 192.0.2.1"},
		},
		{
			"logs", "GET", "/admin/api/logs?model=m&status=failure&alias=w&stream=false&error=limit&from=2026-01-31T12:00:00Z&to=2026-01-31T13:00:00%2B01:00&limit=9&cursor=c", "", nil,
			&tokenstorev1.QueryRequest{Model: "m", Status: "failure", TokenAlias: "w", Stream: &no, Error: "limit", From: moment, To: moment, Limit: 9, Cursor: "c", OmitPrompts: true},
		},
		{
			"log tail", "GET", "/admin/api/logs?id=r&token_id=t1&upstream=cursor&after=7-1&prompts=true", "", nil,
			&tokenstorev1.QueryRequest{Id: "r", TokenId: "t1", Upstream: "cursor", After: "7-1"},
		},
		{
			"logs by request id", "GET", "/admin/api/logs?request_id=0123456789abcdef0123456789abcdef", "", nil,
			&tokenstorev1.QueryRequest{RequestId: "0123456789abcdef0123456789abcdef", OmitPrompts: true},
		},
		{
			"what was tried again, and slow, for one reason", "GET", "/admin/api/logs?error_kind=rate_limited&retried=true&min_total=1m30s", "", nil,
			&tokenstorev1.QueryRequest{ErrorKind: "rate_limited", Retried: true, MinTotal: durationpb.New(90 * time.Second), OmitPrompts: true},
		},
		{"logs of a client key", "GET", "/admin/api/logs?key_id=k1", "", nil, &tokenstorev1.QueryRequest{KeyId: "k1", OmitPrompts: true}},
		{
			"stats", "GET", "/admin/api/stats?from=2026-01-31T12:00:00Z&to=2026-02-01T12:00:00Z&step=30m", "", nil,
			&tokenstorev1.SummarizeRequest{From: moment, To: timestamppb.New(moment.AsTime().Add(24 * time.Hour)), Step: durationpb.New(30 * time.Minute)},
		},
		{
			"stats, to", "GET", "/admin/api/stats?to=2026-01-31T13:00:00Z", "", nil,
			&tokenstorev1.SummarizeRequest{From: moment, To: timestamppb.New(moment.AsTime().Add(time.Hour)), Step: durationpb.New(time.Minute)},
		},
		{
			"put a route", "PUT", "/admin/api/routes/fast",
			`{"match":"quick","targets":[{"upstream":"vendor","model":"m","priority":2,"weight":3},{"upstream":"cursor"}],` +
				`"parameters":{"top_p":{"default":0.5},"reasoning_effort":"low","max_output_tokens":100,"service_tier":{"default":"flex"}}}`,
			[]string{"If-Match", `"2"`},
			&tokenstorev1.PutRouteRequest{ExpectedVersion: 2, Route: &tokenstorev1.Route{
				Name: "fast", Match: "quick",
				Targets: []*tokenstorev1.RouteTarget{{Upstream: "vendor", Model: "m", Priority: 2, Weight: 3}, {Upstream: "cursor", Weight: 1}},
				Parameters: []*tokenstorev1.RouteParameter{
					{Name: "reasoning_effort", Value: `"low"`},
					{Name: "service_tier", Value: `"flex"`, OnlyDefault: true},
					{Name: "top_p", Value: "0.5", OnlyDefault: true},
					{Name: "max_output_tokens", Value: "100"},
				},
			}},
		},
		{
			"a weight of nothing is the store's to refuse", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"vendor","weight":0}]}`, nil,
			&tokenstorev1.PutRouteRequest{Route: &tokenstorev1.Route{Name: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "vendor"}}}},
		},
		{"delete a route", "DELETE", "/admin/api/routes/fast", "", []string{"If-Match", "3"}, &tokenstorev1.DeleteRouteRequest{Name: "fast", ExpectedVersion: 3}},
		{
			"acknowledge", "POST", "/admin/api/alarms/acknowledge", `{"upstream":"cursor","class":"auth","model":"m"}`, nil,
			&tokenstorev1.AcknowledgeCauseRequest{Upstream: "cursor", Class: "auth", Model: "m"},
		},
		{"explain", "GET", "/admin/api/explain?model=vendor/gpt-4o", "", nil, &tokenstorev1.ExplainRequest{Upstream: "vendor", Model: "gpt-4o"}},
		{"explain, to clients of a dialect", "GET", "/admin/api/explain?model=m&dialect=spoken", "", nil, &tokenstorev1.ExplainRequest{Upstream: "spoken", Model: "m"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			w := send(t, s, c.method, c.path, key, c.body, c.headers...)
			if w.Code >= 300 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if change, ok := s.asked.(*tokenstorev1.UpdateTokenRequest); ok {
				slices.Sort(change.GetUpdateMask().GetPaths())
			}
			if diff := cmp.Diff(c.want, s.asked, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is refused without asking the store, and what the answer says is wrong.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method, path, body string
		headers                  []string
		param, says              string // param "" is null
	}{
		{"unknown field", "POST", "/admin/api/tokens", `{"token":"a","alais":"x"}`, nil, "alais", "no such field"},
		{"no token", "POST", "/admin/api/tokens", `{}`, nil, "token", "missing"},
		{"wrong type", "POST", "/admin/api/tokens", `{"token":5}`, nil, "token", "a string wanted, not a number"},
		{"negative cap", "POST", "/admin/api/tokens", `{"token":"a","cap":-1}`, nil, "cap", "from 0 to 4294967295 wanted, not -1"},
		{"a list", "POST", "/admin/api/tokens", `[]`, nil, "", "must be a JSON object, not an array"},
		{"no JSON", "POST", "/admin/api/tokens", `{"token":`, nil, "", "ends early"},
		{"two objects", "POST", "/admin/api/tokens", `{"token":"a"}{}`, nil, "", "goes on"},
		{"empty body", "POST", "/admin/api/tokens", ` `, nil, "", "empty"},
		{"no change", "PATCH", "/admin/api/tokens/t2", `{}`, nil, "", "no field"},
		{"a fixed field", "PATCH", "/admin/api/tokens/t2", `{"state":"ready"}`, nil, "state", "can be changed"},
		{"null", "PATCH", "/admin/api/tokens/t2", `{"alias":null}`, nil, "alias", "a string wanted, not null"},
		{"wrong type in a change", "PATCH", "/admin/api/tokens/t2", `{"enabled":"yes"}`, nil, "enabled", "true or false wanted, not a string"},
		{"wrong tags", "PATCH", "/admin/api/tokens/t2", `{"tags":"a"}`, nil, "tags", "a list of strings wanted"},
		{"If-Match", "PATCH", "/admin/api/tokens/t2", `{"alias":"x"}`, []string{"If-Match", "new"}, "If-Match", "version wanted"},
		{"undo of what", "POST", "/admin/api/transitions/undo", `{"from":"2026-11-22T12:00:00Z"}`, nil, "class", "is missing"},
		{"undo from when", "POST", "/admin/api/transitions/undo", `{"class":"auth"}`, nil, "from", "is missing"},
		{"undo of a token and a pool", "POST", "/admin/api/transitions/undo", `{"class":"auth","from":"2026-11-22T12:00:00Z","token_id":"t2","upstream":"cursor"}`, nil, "upstream", "not together"},
		{
			"undo until before", "POST", "/admin/api/transitions/undo",
			`{"class":"auth","from":"2026-11-22T12:00:00Z","to":"2026-11-22T11:00:00Z"}`, nil, "to", "before from",
		},
		{"state", "GET", "/admin/api/tokens?state=tired", "", nil, "state", "cooling, disabled, expired, parked, probing, quarantined, ready wanted"},
		{"sort", "GET", "/admin/api/tokens?sort=mood", "", nil, "sort", "created_at, alias, state, expires_at, requests, failures, last_used_at wanted"},
		{"a time that is none", "PATCH", "/admin/api/tokens/t2", `{"disabled_until":"noon"}`, nil, "disabled_until", "a time such as 2026-01-31T12:00:00Z wanted"},
		{"a time of before", "PATCH", "/admin/api/tokens/t2", `{"disabled_until":"2026-01-31T12:00:00Z"}`, nil, "disabled_until", "it is in the past"},
		{"enabled until", "PATCH", "/admin/api/tokens/t2", `{"disabled_until":"2126-01-31T12:00:00Z","enabled":true}`, nil, "disabled_until", "an enabled token has none"},
		{"limit", "GET", "/admin/api/tokens?limit=0", "", nil, "limit", "1 to 1000"},
		{"limit too large", "GET", "/admin/api/tokens?limit=1001", "", nil, "limit", "1 to 1000"},
		{"unknown parameter", "GET", "/admin/api/tokens?stat=ready", "", nil, "stat", "no such parameter"},
		{"format", "POST", "/admin/api/tokens/import", `{"content":"a","format":"csv"}`, nil, "format", "json, token, token-list wanted"},
		{"no format", "POST", "/admin/api/tokens/import", `{"content":"a"}`, nil, "format", "wanted"},
		{"no content", "POST", "/admin/api/tokens/import", `{"format":"token"}`, nil, "content", "missing"},
		{"export format", "GET", "/admin/api/tokens/export?format=csv", "", nil, "format", "wanted"},
		{"driver", "PUT", "/admin/api/upstreams/x", `{"driver":"nope","base_url":"https://a"}`, nil, "", "driver: cursor or openai"},
		{"a name in the body", "PUT", "/admin/api/upstreams/x", `{"name":"x","driver":"openai"}`, nil, "name", "no such field"},
		{"models", "PUT", "/admin/api/upstreams/x", `{"driver":"openai","models":"m"}`, nil, "models", "a list of strings wanted"},
		{"a route without targets", "PUT", "/admin/api/routes/fast", `{"match":"quick"}`, nil, "targets", "at least one"},
		{"a route's name in the body", "PUT", "/admin/api/routes/fast", `{"name":"fast","targets":[{"upstream":"v"}]}`, nil, "name", "no such field"},
		{"a misspelt member of a target", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v","wieght":1}]}`, nil, "wieght", "no such field"},
		{"targets", "PUT", "/admin/api/routes/fast", `{"targets":"vendor/m"}`, nil, "targets", "a list wanted, not a string"},
		{"a target", "PUT", "/admin/api/routes/fast", `{"targets":["vendor/m"]}`, nil, "targets", "an object wanted, not a string"},
		{"a target's weight", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v","weight":0.5}]}`, nil, "targets.weight", "a whole number"},
		{"parameters", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":[]}`, nil, "parameters", "an object wanted"},
		{"unknown parameter of a route", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"top_k":1}}`, nil, "parameters.top_k", "there is reasoning_effort, "},
		{"parameter's type", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"temperature":"0.2"}}`, nil, "parameters.temperature", "a number wanted"},
		{"parameter's text", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"verbosity":3}}`, nil, "parameters.verbosity", "a text wanted"},
		{"parameter's emptiness", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"verbosity":""}}`, nil, "parameters.verbosity", "a text wanted"},
		{"parameter's nothing", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"top_p":null}}`, nil, "parameters.top_p", "a number wanted, not null"},
		{"parameter's default", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"top_p":{"usual":1}}}`, nil, "parameters.top_p", `{"default": value}`},
		{"parameter's empty default", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"top_p":{}}}`, nil, "parameters.top_p", `{"default": value}`},
		{"parameter's wrong default", "PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"v"}],"parameters":{"top_p":{"default":[1]}}}`, nil, "parameters.top_p", "a number wanted, not [1]"},
		{"unknown setting", "PATCH", "/admin/api/settings", `{"visoin":"all"}`, nil, "visoin", "no such setting"},
		{"version", "PATCH", "/admin/api/settings", `{"version":3}`, nil, "version", "If-Match"},
		{"setting's type", "PATCH", "/admin/api/settings", `{"max_attempts":"3"}`, nil, "max_attempts", "a whole number"},
		{"reset nothing", "POST", "/admin/api/settings/reset", `{"names":[]}`, nil, "names", "wanted"},
		{"reset what is none", "POST", "/admin/api/settings/reset", `{"names":["visoin"]}`, nil, "names", "no setting"},
		{"reset the version", "POST", "/admin/api/settings/reset", `{"names":["version"]}`, nil, "names", "no setting"},
		{"page type", "PUT", "/admin/api/pages", `{"path":"/about","type":"markdown","content":"x"}`, nil, "type", "default, html, text wanted"},
		{"page content", "PUT", "/admin/api/pages", `{"path":"/about","type":"text","content":5}`, nil, "content", "a string wanted"},
		{"page parameter", "DELETE", "/admin/api/pages?page=/about", "", nil, "page", "no such parameter"},
		{"log status", "GET", "/admin/api/logs?status=bad", "", nil, "status", "failure, success wanted"},
		{"log time", "GET", "/admin/api/logs?from=yesterday", "", nil, "from", "a time such as"},
		{"log stream", "GET", "/admin/api/logs?stream=perhaps", "", nil, "stream", "true or false"},
		{"log prompts", "GET", "/admin/api/logs?prompts=some", "", nil, "prompts", "true or false"},
		{"log format", "GET", "/admin/api/logs?format=xml", "", nil, "format", "csv, json, jsonl wanted"},
		{"log retried", "GET", "/admin/api/logs?retried=often", "", nil, "retried", "true or false"},
		{"log time taken", "GET", "/admin/api/logs?min_total=long", "", nil, "min_total", "a length of time"},
		{"log time taken, less than none", "GET", "/admin/api/logs?min_total=-1s", "", nil, "min_total", "a length of time"},
		{"log cursor and after", "GET", "/admin/api/logs?cursor=1-1&after=1-1", "", nil, "after", "not together"},
		{"log limit", "GET", "/admin/api/logs?limit=many", "", nil, "limit", "1 to 1000"},
		{"log parameter", "GET", "/admin/api/logs?modell=m", "", nil, "modell", "no such parameter"},
		{"log entry's parameter", "GET", "/admin/api/logs/x?id=y", "", nil, "id", "no such parameter"},
		{"stats from", "GET", "/admin/api/stats?from=noon", "", nil, "from", "a time such as"},
		{"stats to", "GET", "/admin/api/stats?to=5", "", nil, "to", "a time such as"},
		{"stats step", "GET", "/admin/api/stats?step=often", "", nil, "step", "such as 5m"},
		{"stats step of seconds", "GET", "/admin/api/stats?step=90s", "", nil, "step", "whole minutes"},
		{"stats step of nothing", "GET", "/admin/api/stats?step=0s", "", nil, "step", "whole minutes"},
		{"stats backwards", "GET", "/admin/api/stats?from=2026-01-31T12:00:00Z&to=2026-01-31T12:00:00Z", "", nil, "from", "before to"},
		{"too many stats", "GET", "/admin/api/stats?from=2026-01-01T00:00:00Z&to=2026-01-31T00:00:00Z", "", nil, "step", "at most 1500"},
		{"stats parameter", "GET", "/admin/api/stats?stop=1m", "", nil, "stop", "no such parameter"},
		{"fleet parameter", "GET", "/admin/api/fleet?x=1", "", nil, "x", "no such parameter"},
		{"explain what", "GET", "/admin/api/explain", "", nil, "model", "missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			w := send(t, s, c.method, c.path, key, c.body, c.headers...)
			if w.Code != 400 || s.asked != nil {
				t.Fatalf("%d %s; asked %v", w.Code, w.Body, s.asked)
			}
			code, message, param := errorCode(t, w.Body.Bytes())
			if code != "invalid_request" || !strings.Contains(message, c.says) || (param != c.param && (c.param != "" || param != nil)) {
				t.Errorf("param %v, %s", param, w.Body)
			}
		})
	}
}

// Every reason of the store has its answer.
func TestReasons(t *testing.T) {
	t.Parallel()
	want := map[tokenstorev1.Reason]struct {
		status int
		code   string
	}{
		tokenstorev1.Reason_REASON_UNSPECIFIED:            {500, "internal_error"},
		tokenstorev1.Reason_REASON_INVALID_ARGUMENT:       {400, "invalid_request"},
		tokenstorev1.Reason_REASON_UNAUTHENTICATED:        {503, "store_unavailable"},
		tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:        {404, "not_found"},
		tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND:     {404, "not_found"},
		tokenstorev1.Reason_REASON_ALREADY_EXISTS:         {409, "conflict"},
		tokenstorev1.Reason_REASON_ALIAS_TAKEN:            {409, "conflict"},
		tokenstorev1.Reason_REASON_VERSION_CONFLICT:       {412, "conflict"},
		tokenstorev1.Reason_REASON_NO_TOKENS:              {503, "no_tokens"},
		tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:     {429, "no_token_available"},
		tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:      {503, "store_unavailable"},
		tokenstorev1.Reason_REASON_UPSTREAM_IN_USE:        {409, "conflict"},
		tokenstorev1.Reason_REASON_UPSTREAM_FAILING:       {503, "request_failed"},
		tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND:        {404, "not_found"},
		tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND: {404, "not_found"},
		tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND:     {404, "not_found"},
		tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE:     {400, "invalid_request"},
		tokenstorev1.Reason_REASON_KEY_NOT_FOUND:          {404, "not_found"},
		tokenstorev1.Reason_REASON_KEY_LIMITED:            {429, "rate_limit_exceeded"},
		tokenstorev1.Reason_REASON_KEY_SPENT:              {429, "insufficient_quota"},
		tokenstorev1.Reason_REASON_KEY_UNUSABLE:           {401, "unauthorized"},
		tokenstorev1.Reason_REASON_PERMISSION_DENIED:      {503, "store_unavailable"},
	}
	for number := range tokenstorev1.Reason_name {
		reason := tokenstorev1.Reason(number)
		t.Run(reason.String(), func(t *testing.T) {
			t.Parallel()
			s := &store{err: rpcerr.New(reason, "because").GRPCStatus().Err()}
			w := send(t, s, "PATCH", "/admin/api/tokens/t2", key, `{"alias":"x"}`, "If-Match", `"3"`)
			code, message, _ := errorCode(t, w.Body.Bytes())
			if w.Code != want[reason].status || code != want[reason].code {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if hidden := reason == 0 || reason == tokenstorev1.Reason_REASON_UNAUTHENTICATED || reason == tokenstorev1.Reason_REASON_PERMISSION_DENIED; (message == "because") == hidden {
				t.Errorf("message %q", message)
			}
		})
	}
}

func TestTokenObject(t *testing.T) {
	t.Parallel()
	page := object(t, send(t, newStore(), "GET", "/admin/api/tokens", key, "").Body.Bytes())
	if page["next"] != "n" {
		t.Errorf("next %v", page["next"])
	}
	tokens := page["tokens"].([]any)
	for _, token := range tokens {
		if got := keys(token); !slices.Equal(got, tokenKeys) {
			t.Errorf("keys %v", got)
		}
	}
	if diff := cmp.Diff(map[string]any{
		"id": "t1", "upstream": "cursor", "alias": "", "tags": []any{}, "enabled": true, "state": "ready",
		"token": "eyJh…Zx9Q", "fingerprint": "f00d", "checksum": "", "cap": 0.0, "weight": 1.0, "in_flight": 0.0,
		"requests": 0.0, "failures": 0.0, "last_used_at": nil, "last_error": nil, "cooling_until": nil, "expires_at": nil,
		"created_at": "2026-01-31T12:00:00Z", "version": 1.0,
		"kind": "", "needs_login": false, "refresh_error": nil, "refreshed_at": nil, "next_refresh_at": nil, "proxy": "", "disabled_until": nil,
	}, tokens[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{
		"id": "t2", "upstream": "cursor", "alias": "work", "tags": []any{"a", "b"}, "enabled": true, "state": "cooling",
		"token": "eyJh…Zx9R", "fingerprint": "beef", "checksum": "abcd…ef01", "cap": 2.0, "weight": 3.0, "in_flight": 1.0,
		"requests": 10.0, "failures": 4.0, "last_used_at": "2026-01-31T12:00:00Z", "last_error": "rate_limit",
		"cooling_until": "2026-01-31T12:00:00Z", "expires_at": "2026-01-31T12:00:00Z",
		"created_at": "2026-01-31T12:00:00Z", "version": 7.0,
		"kind": "", "needs_login": false, "refresh_error": nil, "refreshed_at": nil, "next_refresh_at": nil, "proxy": "", "disabled_until": nil,
	}, tokens[1]); diff != "" {
		t.Error(diff)
	}
}

func TestVersionsAreETags(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/admin/api/tokens/t2": `"7"`, "/admin/api/settings": `"4"`, "/admin/api/pages": `"4"`} {
		if got := send(t, newStore(), "GET", path, key, "").Header().Get("ETag"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	created := send(t, newStore(), "POST", "/admin/api/tokens", key, `{"token":"eyJh"}`)
	if created.Header().Get("ETag") != `"1"` || created.Header().Get("Location") != "/admin/api/tokens/t1" {
		t.Errorf("%v", created.Header())
	}
}

func TestImportReport(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "POST", "/admin/api/tokens/import", key, `{"content":"a","format":"token"}`)
	if got := w.Body.String(); got != `{"accepted":2,"updated":1,"rejected":[{"line":4,"reason":"not a token"}],"upstreams":0,"warnings":[{"line":1,"reason":"this does not look like a session token: three parts with dots between them are wanted"}]}` {
		t.Error(got)
	}
	s := newStore()
	s.answers = []proto.Message{&tokenstorev1.ImportTokensResponse{Accepted: 1}}
	w = send(t, s, "POST", "/admin/api/tokens/import", key, `{"content":"a","format":"token"}`)
	if got := w.Body.String(); got != `{"accepted":1,"updated":0,"rejected":[],"upstreams":0,"warnings":[{"line":1,"reason":"this does not look like a session token: three parts with dots between them are wanted"}]}` {
		t.Error(got)
	}
}

func TestExportIsAFile(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"token": "text/plain; charset=utf-8", "token-list": "text/plain; charset=utf-8", "json": "application/json",
	} {
		w := send(t, newStore(), "GET", "/admin/api/tokens/export?format="+format, key, "")
		if w.Body.String() != `[{"token":"eyJh","alias":"work"}]` || w.Header().Get("Content-Type") != want ||
			!strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment; filename=") {
			t.Errorf("%s: %q %v", format, w.Body, w.Header())
		}
		if !strings.Contains(w.log, `"msg":"audit"`) || !strings.Contains(w.log, `"count":1`) || strings.Contains(w.log, "eyJh") {
			t.Errorf("log: %s", w.log)
		}
	}
}

func TestPagesAndChanges(t *testing.T) {
	t.Parallel()
	if got, want := send(t, newStore(), "GET", "/admin/api/pages", key, "").Body.String(),
		`{"pages":[{"path":"/about","type":"html","content":"\u003cp\u003e"}],"version":4}`; got != want {
		t.Errorf("pages %s", got)
	}
	if got, want := send(t, newStore(), "GET", "/admin/api/settings/changes", key, "").Body.String(),
		`{"changes":[{"name":"/about","at":"2026-01-31T12:00:00Z","actor":"me","previous":null,"previous_default":false}],"defaults":null}`; got != want {
		t.Errorf("changes %s", got)
	}
}

// The keys of the settings are those of their message, whatever is added to it.
func TestEverySettingCanBeReadAndSet(t *testing.T) {
	t.Parallel()
	fields := settings.ProtoReflect().Descriptor().Fields()
	got := object(t, send(t, newStore(), "GET", "/admin/api/settings", key, "").Body.Bytes())
	if len(got) != fields.Len() {
		t.Errorf("%d keys for %d settings", len(got), fields.Len())
	}
	for name, value := range got {
		if name == "version" || name == "updated_at" {
			continue
		}
		body, err := json.Marshal(map[string]any{name: value})
		if err != nil {
			t.Fatal(err)
		}
		if w := send(t, newStore(), "PATCH", "/admin/api/settings", key, string(body)); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if got["version"] != 4.0 || got["updated_at"] != "2026-01-31T12:00:00Z" || got["vision_ability"] != "base64" {
		t.Errorf("%v", got)
	}
}

func TestLogEntries(t *testing.T) {
	t.Parallel()
	logs := object(t, send(t, newStore(), "GET", "/admin/api/logs", key, "").Body.Bytes())["logs"].([]any)
	entry := logs[0].(map[string]any)
	if got := keys(entry); !slices.Equal(got, logKeys) {
		t.Errorf("keys %v", got)
	}
	const attempts = `[{"started_at":"2026-01-31T12:00:00Z","total_ms":1,"upstream":"vendor","model":"gpt-4o","token_id":"t2","token_alias":"work","token":"sk-a…wxyz",` +
		`"token_fingerprint":"f2","class":"rate_limit","rule":"HTTP 429","effect":"token_may_cool","status":429,"code":"limit","param":"pace","message":"slow down","retry_after_ms":1000,` +
		`"sent_headers":[],"received_headers":[],"consequence":{"kind":"cooling","model":null,"at":"2026-01-31T12:00:00Z","until":"2026-01-31T12:00:00Z","ended":"undone","by":"guard"}},` +
		`{"started_at":"2026-01-31T12:00:00Z","total_ms":1,"upstream":"vendor","model":"gpt-4o","token_id":null,"token_alias":null,"token":"eyJh…Zx9Q",` +
		`"token_fingerprint":null,"class":null,"rule":null,"effect":"none","status":null,"code":null,"param":null,"message":null,"retry_after_ms":null,"sent_headers":[],"received_headers":[],"consequence":null}]`
	blamed := newStore()
	blamed.answers = append([]proto.Message{&tokenstorev1.ListTransitionsResponse{Transitions: []*tokenstorev1.Transition{
		{At: moment, Kind: "undone", Class: "rate_limit", By: "guard"},
		{At: moment, Kind: "cooling", Class: "rate_limit", Until: moment, RequestId: "chatcmpl-1"},
	}}}, blamed.answers...)
	if one := send(t, blamed, "GET", "/admin/api/logs/chatcmpl-1", key, "").Body.String(); !strings.Contains(one, `"attempt_log":`+attempts) {
		t.Errorf("got %s", one)
	}
	for name, want := range map[string]any{
		"dialect": "anthropic", "translated": true, "cache_read_tokens": 1.0, "cache_write_tokens": 2.0, "cache_write_hour_tokens": 1.0, "reasoning_tokens": 2.0,
		"caller": "key", "key_id": "k1", "key_name": "ci", "served_model": "gpt-4o-2024", "cost_usd": "0.00000125", "cost_quality": "reported",
	} {
		if entry[name] != want {
			t.Errorf("%s is %v, want %v", name, entry[name], want)
		}
	}
	if entry["total_ms"] != 1.5 || entry["first_byte_ms"] != nil || entry["error"] != nil || entry["status"] != "success" {
		t.Errorf("%v", entry)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "GET", "/admin/api/explain?model=gpt-4o", key, "")
	const choice = `"chosen":"t1","candidates":[` +
		`{"token_id":"t1","alias":"","excluded_by":null,"until":null,"score":1},` +
		`{"token_id":"t2","alias":"work","excluded_by":"cooling","until":"2026-01-31T12:00:00Z","score":0}],"cause":null,"cause_until":null`
	const want = `{"model":"gpt-4o","key":null,"route":null,"targets":[` +
		`{"upstream":"vendor","model":"gpt-4o","priority":0,"weight":1,"order":1,"share":1,"excluded":null,` + choice + `}],` +
		`"fallbacks":[],"upstream":"vendor",` + choice + `,"as_of":"2026-01-31T12:00:00Z"}`
	if got := w.Body.String(); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	s := newStore()
	if w := send(t, s, "GET", "/admin/api/explain?model=nope", key, ""); w.Code != 404 || s.asked != nil {
		t.Errorf("unknown model: %d %s", w.Code, w.Body)
	}
}

func TestExplainForAKey(t *testing.T) {
	t.Parallel()
	var said struct {
		Key     struct{ ID, State string }
		Chosen  *string
		Targets []struct{ Excluded *string }
	}
	s := newStore()
	s.answers = append([]proto.Message{&tokenstorev1.GetKeyResponse{Key: &tokenstorev1.ClientKey{Id: "k1", Models: []string{"o3"}}}}, s.answers...)
	w := send(t, s, "GET", "/admin/api/explain?model=gpt-4o&key=k1", key, "")
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	if said.Key.ID != "k1" || said.Key.State != "active" || said.Chosen != nil || len(said.Targets) != 1 || *said.Targets[0].Excluded != "the key may not use this model" {
		t.Errorf("%s", w.Body)
	}
	s.err = rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "no client key k2").GRPCStatus().Err()
	if w := send(t, s, "GET", "/admin/api/explain?model=gpt-4o&key=k2", key, ""); w.Code != 404 {
		t.Errorf("unknown key: %d %s", w.Code, w.Body)
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	w := send(t, newStore(), "POST", "/admin/api/tokens", key, `{"token":"`+large+`"}`)
	if code, _, _ := errorCode(t, w.Body.Bytes()); w.Code != 413 || code != "request_too_large" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := send(t, newStore(), "POST", "/admin/api/tokens/import", key, `{"content":"`+large+`","format":"token"}`); w.Code != 200 {
		t.Errorf("a whole export can't be imported: %d %s", w.Code, w.Body)
	}
}

func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "POST", "/admin/api/tokens", key, `{"token":"eyJhSECRET","checksum":"SECRET"}`)
	if strings.Contains(w.log, "SECRET") || !strings.Contains(w.log, `"token_id":"t1"`) {
		t.Errorf("log: %s", w.log)
	}
}

// A token's history says what led to each transition, and who took what back.
func TestTransitions(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "GET", "/admin/api/tokens/t2/transitions", key, "")
	var got struct {
		Transitions []map[string]any `json:"transitions"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	at := moment.AsTime().Format(time.RFC3339Nano)
	want := []map[string]any{
		{
			"at": at, "kind": "undone", "class": "auth", "model": nil, "until": nil, "request_id": nil, "detail": nil,
			"replica": nil, "by": "guard",
		},
		{
			"at": at, "kind": "cooling", "class": "auth", "model": nil, "until": at, "request_id": "r1", "detail": "auth, HTTP 401",
			"replica": "g1", "by": nil,
		},
	}
	if diff := cmp.Diff(want, got.Transitions); diff != "" {
		t.Error(diff)
	}
}

// The audit log says who did what, to what and from where.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newStore()
	send(t, s, "PATCH", "/admin/api/tokens/t2", key, `{"alias":"x","cap":3}`, "X-Forwarded-For", "198.51.100.7")
	send(t, s, "POST", "/admin/api/transitions/undo", key, `{"class":"auth","from":"2026-11-22T12:00:00Z"}`)
	want := []*tokenstorev1.AuditEntry{{
		Action: "token changed", Actor: "api 198.51.100.7", RemoteIp: "198.51.100.7", ForwardedFor: "198.51.100.7",
		RequestId: "r1", Details: map[string]string{"token_id": "t2", "name": "work", "fields": "alias, cap"},
	}, {
		Action: "transitions undone", Actor: "api 192.0.2.1", RemoteIp: "192.0.2.1", RequestId: "r1",
		Details: map[string]string{"class": "auth", "from": "2026-11-22T12:00:00Z", "count": "3"},
	}}
	for _, entry := range s.kept {
		entry.RequestId = "r1"
	}
	if diff := cmp.Diff(want, s.kept, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	var listed struct {
		Entries []map[string]any `json:"entries"`
		Next    string           `json:"next"`
	}
	if err := json.Unmarshal(send(t, s, "GET", "/admin/api/audit", key, "").Body.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	at := moment.AsTime().Format(time.RFC3339Nano)
	wanted := []map[string]any{
		{
			"at": at, "action": "token deleted", "actor": "api 192.0.2.1", "remote_ip": "192.0.2.1", "forwarded_for": nil,
			"request_id": "r1", "replica": "g1", "details": map[string]any{"token_id": "t1"}, "undoable": false,
		},
		{
			"at": at, "action": "tokens exported", "actor": "", "remote_ip": "", "forwarded_for": nil, "request_id": nil,
			"replica": nil, "details": map[string]any{}, "undoable": false,
		},
	}
	if diff := cmp.Diff(wanted, listed.Entries); diff != "" || listed.Next != "7-0" {
		t.Error(diff, listed.Next)
	}
}
