package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/web"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// store answers every call with the message of the right type, or with err, and
// remembers what it was asked.
type store struct {
	mu  sync.Mutex
	err error
	// traces are where traces can be looked at; empty: nobody has said.
	traces string
	// refuse are errors for requests of one type, by its name.
	refuse  map[string]error
	answers []proto.Message
	asked   []proto.Message
	// crowded: sums of use that are told apart by two things are too many for an answer.
	crowded bool
	// usedBefore is what sums of use without steps of time answer; nil: what the others do.
	usedBefore *tokenstorev1.QueryUsageResponse
	// details are of what was put into the audit log last.
	details map[string]string
	// kept are the names of what was put into the audit log.
	kept []string
	// undos are those of what can be undone.
	undos []*tokenstorev1.AuditUndo
	// desk makes and restores backups.
	desk backupDesk
	// degraded: requests are served all the same, until moment.
	degraded bool
	warnings []*tokenstorev1.StoreWarning
	// requests are all that were ever counted.
	requests uint64
	// access is the access log.
	access bytes.Buffer
	// logins are what LoggedIn was told.
	logins []string
}

func ask[T proto.Message](s *store, request proto.Message) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
	var none T
	if s.err != nil {
		return none, s.err
	}
	if err := s.refuse[string(request.ProtoReflect().Descriptor().Name())]; err != nil {
		return none, err
	}
	for _, answer := range s.answers {
		if typed, ok := answer.(T); ok {
			return typed, nil
		}
	}
	return none, errors.New("the test has no such answer")
}

func (s *store) ListTokens(_ context.Context, r *tokenstorev1.ListTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error) {
	return ask[*tokenstorev1.ListTokensResponse](s, r)
}

func (s *store) GetToken(_ context.Context, r *tokenstorev1.GetTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error) {
	return ask[*tokenstorev1.GetTokenResponse](s, r)
}

func (s *store) RestoreToken(_ context.Context, r *tokenstorev1.RestoreTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.RestoreTokenResponse, error) {
	return ask[*tokenstorev1.RestoreTokenResponse](s, r)
}

func (s *store) ListTransitions(_ context.Context, r *tokenstorev1.ListTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error) {
	return ask[*tokenstorev1.ListTransitionsResponse](s, r)
}

func (s *store) ListAudit(_ context.Context, r *tokenstorev1.ListAuditRequest, _ ...grpc.CallOption) (*tokenstorev1.ListAuditResponse, error) {
	return ask[*tokenstorev1.ListAuditResponse](s, r)
}

func (s *store) ListActivity(_ context.Context, r *tokenstorev1.ListActivityRequest, _ ...grpc.CallOption) (*tokenstorev1.ListActivityResponse, error) {
	return ask[*tokenstorev1.ListActivityResponse](s, r)
}

func (s *store) GetUndo(_ context.Context, r *tokenstorev1.GetUndoRequest, _ ...grpc.CallOption) (*tokenstorev1.GetUndoResponse, error) {
	return ask[*tokenstorev1.GetUndoResponse](s, r)
}

func (s *store) SummarizePools(_ context.Context, r *tokenstorev1.SummarizePoolsRequest, _ ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error) {
	return ask[*tokenstorev1.SummarizePoolsResponse](s, r)
}

func (s *store) PreviewUndo(_ context.Context, r *tokenstorev1.PreviewUndoRequest, _ ...grpc.CallOption) (*tokenstorev1.PreviewUndoResponse, error) {
	return ask[*tokenstorev1.PreviewUndoResponse](s, r)
}

func (s *store) UndoTransitions(_ context.Context, r *tokenstorev1.UndoTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.UndoTransitionsResponse, error) {
	return ask[*tokenstorev1.UndoTransitionsResponse](s, r)
}

func (s *store) AcknowledgeCause(_ context.Context, r *tokenstorev1.AcknowledgeCauseRequest, _ ...grpc.CallOption) (*tokenstorev1.AcknowledgeCauseResponse, error) {
	return ask[*tokenstorev1.AcknowledgeCauseResponse](s, r)
}

func (s *store) ListTokenAccounts(_ context.Context, r *tokenstorev1.ListTokenAccountsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error) {
	return ask[*tokenstorev1.ListTokenAccountsResponse](s, r)
}

func (s *store) GetLogin(_ context.Context, r *tokenstorev1.GetLoginRequest, _ ...grpc.CallOption) (*tokenstorev1.GetLoginResponse, error) {
	return ask[*tokenstorev1.GetLoginResponse](s, r)
}

func (s *store) GetVersions(_ context.Context, r *tokenstorev1.GetVersionsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetVersionsResponse, error) {
	return ask[*tokenstorev1.GetVersionsResponse](s, r)
}

func (s *store) GetSettings(_ context.Context, r *tokenstorev1.GetSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error) {
	return ask[*tokenstorev1.GetSettingsResponse](s, r)
}

func (s *store) ListUpstreams(_ context.Context, r *tokenstorev1.ListUpstreamsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error) {
	return ask[*tokenstorev1.ListUpstreamsResponse](s, r)
}

func (s *store) ListRoutes(_ context.Context, r *tokenstorev1.ListRoutesRequest, _ ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error) {
	return ask[*tokenstorev1.ListRoutesResponse](s, r)
}

func (s *store) PutRoute(_ context.Context, r *tokenstorev1.PutRouteRequest, _ ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error) {
	return ask[*tokenstorev1.PutRouteResponse](s, r)
}

func (s *store) DeleteRoute(_ context.Context, r *tokenstorev1.DeleteRouteRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteRouteResponse, error) {
	return ask[*tokenstorev1.DeleteRouteResponse](s, r)
}

func (s *store) Explain(_ context.Context, r *tokenstorev1.ExplainRequest, _ ...grpc.CallOption) (*tokenstorev1.ExplainResponse, error) {
	return ask[*tokenstorev1.ExplainResponse](s, r)
}

func (s *store) RevokeSession(_ context.Context, r *tokenstorev1.RevokeSessionRequest, _ ...grpc.CallOption) (*tokenstorev1.RevokeSessionResponse, error) {
	return ask[*tokenstorev1.RevokeSessionResponse](s, r)
}

func (s *store) Query(_ context.Context, r *tokenstorev1.QueryRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryResponse, error) {
	return ask[*tokenstorev1.QueryResponse](s, r)
}

func (s *store) Summarize(_ context.Context, r *tokenstorev1.SummarizeRequest, _ ...grpc.CallOption) (*tokenstorev1.SummarizeResponse, error) {
	return ask[*tokenstorev1.SummarizeResponse](s, r)
}

// The generated clients are what the site is given.
var (
	_ web.Tokens     = tokenstorev1.TokenServiceClient(nil)
	_ web.Config     = tokenstorev1.ConfigServiceClient(nil)
	_ web.RequestLog = tokenstorev1.RequestLogServiceClient(nil)
	_ web.AuditLog   = tokenstorev1.AuditServiceClient(nil)
	_ web.Logins     = tokenstorev1.LoginServiceClient(nil)
	_ web.Prices     = tokenstorev1.PriceServiceClient(nil)
	_ routing.Leases = tokenstorev1.LeaseServiceClient(nil)
)

// hostile is text that must arrive as text.
const hostile = `<img src=x onerror=alert(1)>"'`

var (
	moment  = timestamppb.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	cooling = &tokenstorev1.Token{
		Id: "t2", Upstream: "cursor", Alias: hostile, Tags: []string{hostile}, Enabled: true,
		State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, MaskedSecret: "eyJh…Zx9R", Fingerprint: "beef", MaskedChecksum: "abcd…ef01",
		Cap: 2, Weight: 3, InFlight: 1, Requests: 12345, Failures: 4, LastUsedAt: moment, LastError: hostile, CoolingUntil: moment,
		ExpiresAt: timestamppb.New(time.Now().Add(48 * time.Hour)), CreatedAt: moment, Version: 7,
		Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN, NeedsLogin: true, RefreshError: hostile, RefreshedAt: moment, NextRefreshAt: moment, MaskedProxy: hostile,
	}
	login = &tokenstorev1.Login{
		Id: "l1", Upstream: "cursor", Alias: hostile, TokenId: "t2", Url: "https://site.example/login?uuid=u1", Detail: hostile,
		State: tokenstorev1.LoginState_LOGIN_STATE_PENDING, CreatedAt: moment, ExpiresAt: moment,
	}
	accounts = []*tokenstorev1.AccountOfToken{
		{Token: cooling, Account: &tokenstorev1.TokenAccount{
			Email: hostile, Membership: hostile, AsOf: moment, QuotaResetsAt: timestamppb.New(time.Now().Add(time.Hour)), Error: hostile,
			Quotas: []*tokenstorev1.TokenQuota{{Name: hostile, Requests: 12, MaxRequests: proto.Uint64(1500), Tokens: 7}, {Name: "standard", Requests: 3}},
		}},
		{Token: &tokenstorev1.Token{Id: "t9", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY}},
		{Token: &tokenstorev1.Token{Id: "t8", Upstream: "vendor", State: tokenstorev1.TokenState_TOKEN_STATE_READY}},
	}
	entry = &tokenstorev1.LogEntry{
		Id: "chatcmpl-1", Replica: "g1", StartedAt: moment, Total: durationpb.New(1500 * time.Millisecond), Model: hostile, Upstream: "cursor",
		TokenId: "t2", TokenAlias: "work", Stream: true, Status: "failure", HttpStatus: 429, Error: hostile, ErrorKind: "rate_limited",
		EndReason: "upstream_error", Attempts: 2, PromptTokens: 3, CompletionTokens: 2, UsageSource: "estimated", Dialect: hostile,
		Prompt: "<|BEGIN_SYSTEM|>\nBe brief.\n<|END_SYSTEM|>\n<|BEGIN_USER|>\n" + hostile + "\n<|END_USER|>\n",
	}
	// history is newest first.
	history = []*tokenstorev1.Transition{
		{At: moment, Kind: "cooling", Class: "model_not_allowed", Model: "o3", Until: timestamppb.New(time.Now().Add(time.Hour)), RequestId: "chatcmpl-2", Detail: hostile, Replica: "g1"},
		{At: moment, Kind: "undone", Class: "auth", By: "guard"},
		{At: moment, Kind: "parked", Class: "auth", RequestId: "chatcmpl-1", Detail: hostile, Replica: hostile},
		{At: moment, Kind: "released", By: "admin"},
		{At: moment, Kind: "cooling", Class: "rate_limit", Model: "before", Until: timestamppb.New(time.Now().Add(time.Hour))},
	}
	deed = &tokenstorev1.AuditEntry{
		At: moment, Action: "token released", Actor: "pages 192.0.2.1", RemoteIp: "192.0.2.1", ForwardedFor: hostile, RequestId: "r1", Replica: "g1",
		Details: map[string]string{"token_id": "t2", "upstream": hostile, "class": "auth", "from": "2026-01-30T11:00:00Z"},
	}
	causes = []*tokenstorev1.SharedCause{{Class: "outdated_client", Model: hostile, Since: moment, NextProbe: moment}, {Class: "new_class", Since: moment}}
	bucket = &tokenstorev1.LogBucket{
		Start: moment, Requests: 10, Failures: 1, PromptTokens: 300, CacheReadTokens: 225, CacheWriteTokens: 30, CompletionTokens: 20, ReasoningTokens: 5,
		TotalP50: durationpb.New(time.Second), TotalP95: durationpb.New(2 * time.Second),
	}
)

// full has something of everything, empty nothing of anything.
func full() *store {
	return &store{answers: []proto.Message{
		&tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{cooling}, NextCursor: "more"},
		&tokenstorev1.GetTokenResponse{Token: cooling},
		&tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{{Upstream: "cursor", Ready: 3, Cooling: 1, Parked: 4, NeedsLogin: 4, Expiring: 2, Causes: causes}}},
		&tokenstorev1.AcknowledgeCauseResponse{Acknowledged: true},
		&tokenstorev1.PreviewUndoResponse{Count: 412, TokenCount: 401, Tokens: []*tokenstorev1.PreviewedUndo{{TokenId: "t2", TokenName: hostile, Upstream: hostile, Since: moment, Transitions: 3, Whole: true, Models: 2}}},
		&tokenstorev1.UndoTransitionsResponse{Count: 412},
		&tokenstorev1.ListTransitionsResponse{Transitions: history},
		&tokenstorev1.ListAuditResponse{Entries: []*tokenstorev1.AuditEntry{deed, {At: moment, Action: hostile}}, NextCursor: "more"},
		&tokenstorev1.ListActivityResponse{Activities: []*tokenstorev1.Activity{activityOf(deed), activityOf(&tokenstorev1.AuditEntry{At: moment, Action: hostile, Undoable: true, RequestId: "r/2"}), happened(0, "t2", hostile, history[0])}, NextCursor: "more"},
		&tokenstorev1.GetUndoResponse{At: moment, Undo: []*tokenstorev1.AuditUndo{{
			Deleted: []string{"t2"}, Names: map[string]string{"t2": hostile}, Settings: []*tokenstorev1.FormerSetting{{Name: "default_instructions", Value: `"<img src=x>"`, BecameValue: `""`}},
		}}},
		&tokenstorev1.GetSettingsResponse{
			Settings: &tokenstorev1.Settings{EnableStreamCheck: true, VisionAbility: "base64", DefaultInstructions: hostile, MaxAttempts: 3, Version: 4},
			Pages:    []*tokenstorev1.Page{{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_HTML, Content: hostile}},
			Changes: []*tokenstorev1.SettingChange{
				{Name: "max_attempts", At: moment, Actor: hostile, PreviousDefault: true}, {Name: "cursor_client_version", At: moment, Actor: "me", Previous: proto.String(hostile)},
			},
			Defaults: &tokenstorev1.Settings{MaxAttempts: 5, DefaultInstructions: hostile},
		},
		&tokenstorev1.ListUpstreamsResponse{Upstreams: []*tokenstorev1.Upstream{
			{Name: "cursor", Driver: "cursor", BaseUrl: "https://api.example", Models: []string{"m"}, Settings: map[string]string{"k": hostile}, Version: 2},
		}},
		&tokenstorev1.ListRoutesResponse{Routes: []*tokenstorev1.Route{hostileRoute, familyRoute}},
		&tokenstorev1.PutRouteResponse{Route: hostileRoute}, &tokenstorev1.DeleteRouteResponse{},
		&tokenstorev1.ExplainResponse{ChosenTokenId: "t2", Cause: hostile, Candidates: candidates},
		&tokenstorev1.RevokeSessionResponse{},
		&tokenstorev1.GetLoginResponse{Login: login},
		&tokenstorev1.ListTokenAccountsResponse{Accounts: accounts},
		&tokenstorev1.ListKeysResponse{Keys: []*tokenstorev1.ListedKey{{Key: hostileKey, Standing: standing}, deletedKey}, NextCursor: "more", Total: 12345},
		&tokenstorev1.GetKeyResponse{Key: hostileKey, Standing: standing}, &tokenstorev1.QueryUsageResponse{Rows: useOfKey},
		&tokenstorev1.CreateKeyResponse{Key: hostileKey, Secret: newSecret}, &tokenstorev1.RotateKeyResponse{Key: hostileKey, Secret: newSecret},
		&tokenstorev1.UpdateKeyResponse{Key: hostileKey}, &tokenstorev1.DeleteKeyResponse{}, &tokenstorev1.RestoreKeyResponse{Key: hostileKey},
		&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{entry}, NextCursor: "more", Total: 70, Newest: "n1"},
		&tokenstorev1.SummarizeResponse{Buckets: []*tokenstorev1.LogBucket{bucket, {Start: moment}, bucket}},
		someNotifications(), &tokenstorev1.PutDestinationResponse{Destination: &tokenstorev1.Destination{Id: "d1", Name: "team", Kind: "slack"}}, &tokenstorev1.DeleteDestinationResponse{},
		&tokenstorev1.TestDestinationResponse{Delivery: &tokenstorev1.Delivery{DestinationName: hostile, Outcome: "given_up", Detail: hostile}},
		&tokenstorev1.CreateSilenceResponse{Silence: &tokenstorev1.Silence{Id: "s1"}}, &tokenstorev1.DeleteSilenceResponse{},
		setPrices(), &tokenstorev1.PutPricesResponse{Prices: &tokenstorev1.Prices{Version: 8}},
	}}
}

func empty() *store {
	return &store{answers: []proto.Message{
		&tokenstorev1.ListTokensResponse{}, &tokenstorev1.SummarizePoolsResponse{}, &tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{}},
		&tokenstorev1.ListUpstreamsResponse{}, &tokenstorev1.QueryResponse{}, &tokenstorev1.SummarizeResponse{},
		&tokenstorev1.GetTokenResponse{Token: &tokenstorev1.Token{Id: "t1"}}, &tokenstorev1.ListTransitionsResponse{}, &tokenstorev1.ListAuditResponse{}, &tokenstorev1.ListActivityResponse{},
		&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{}}},
		&tokenstorev1.ListRoutesResponse{}, &tokenstorev1.ExplainResponse{},
		&tokenstorev1.ListKeysResponse{}, &tokenstorev1.GetKeyResponse{Key: &tokenstorev1.ClientKey{Id: "k1", Name: "n"}}, &tokenstorev1.QueryUsageResponse{},
		&tokenstorev1.GetLoginResponse{Login: &tokenstorev1.Login{}}, &tokenstorev1.ListTokenAccountsResponse{},
		&tokenstorev1.GetPricesResponse{},
	}}
}

// tracePage is web.Deps.TracePage.
func (s *store) tracePage(id string) string {
	if s.traces == "" {
		return ""
	}
	return s.traces + id
}

// site is the gateway's port with the pages, and a browser that is logged in.
type site struct {
	handler http.Handler
	store   *store
	pages   *web.Site
	gate    *auth.Gate
	session auth.Session
}

func newSite(t *testing.T, s *store) *site {
	t.Helper()
	gate := auth.New(secret.New("right"), func() []byte { return nil })
	gate.UseSessions(auth.Sessions{Secret: secret.New("shared")})
	quiet := slog.New(slog.DiscardHandler)
	models := func() []chat.Model { return []chat.Model{{ID: "gpt-4o"}, {ID: hostile}, {ID: "m1"}, {ID: "m2"}} }
	pages := web.New(web.Deps{
		Logout: func(ctx context.Context, session auth.Session) error {
			_, err := s.RevokeSession(ctx, &tokenstorev1.RevokeSessionRequest{Id: session.ID, ExpiresAt: timestamppb.New(session.Expires)})
			return err
		},
		Base: jsonapi.Base{Gate: gate, Log: quiet, Keep: func(_ context.Context, entry *tokenstorev1.AuditEntry) error {
			s.kept, s.details = append(s.kept, entry.GetAction()), entry.GetDetails()
			if undo := entry.GetUndo(); undo != nil {
				s.undos = append(s.undos, undo)
			}
			return nil
		}},
		Tokens: s, Config: s, Logs: s, Audit: s, Logins: s, Prices: s, Notifications: s, Backups: &s.desk, Uploads: backup.NewUploads(), News: s, TracePage: s.tracePage, Models: models, Servable: func() []chat.Model { return models()[1:3] }, Version: "1.2.3",
		Degraded: func() (time.Time, time.Time, bool) { return moment.AsTime(), moment.AsTime(), s.degraded },
		Leases:   s, Prospects: prospects, Listed: models, Dialects: []string{"openai", "anthropic"},
		Keys: keyService{s}, Usage: usageService{s}, KeyHolder: keyHolder, Tests: testDesk(),
		HasAccounts: func(name string) bool { return name == "cursor" },
		HasLogins:   func(name string) bool { return name == "cursor" },
		Priced:      func(_, model string) bool { return model == "gpt-4o" },
		LoginLinks:  true,
		LoggedIn:    func(result string) { s.logins = append(s.logins, result) },
		Fleet: func() *tokenstorev1.BeatResponse {
			return &tokenstorev1.BeatResponse{Warnings: s.warnings, TotalRequests: s.requests, ActiveRequests: 2, Replicas: []*tokenstorev1.Replica{
				{Name: "g1", Version: "1.2.3", StartedAt: moment, LogAccepted: 10, LogPending: 2, LogDropped: 1},
			}}
		},
	})
	session, _ := gate.Open(time.Now())
	return &site{
		handler: httpapi.New(httpapi.Deps{
			Dialects: []dialect.Dialect{openai.API{}},
			Models:   models, Settings: func() *tokenstorev1.Settings { return nil }, Gate: gate,
			Metrics: metrics.New(prometheus.NewRegistry()), Access: accesslog.New(slog.New(slog.NewTextHandler(&s.access, nil))), Log: quiet, Mounts: []httpapi.Mount{pages}, Unmatched: pages.Unmatched,
		}),
		store: s, pages: pages, gate: gate, session: session,
	}
}

// get asks as the browser that is logged in.
func (s *site) get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.AddCookie(s.session.Cookie(r))
	return s.send(r, headers...)
}

// post sends a form, without a session.
func (s *site) post(t *testing.T, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.send(r, headers...)
}

func (s *site) send(r *http.Request, headers ...string) *httptest.ResponseRecorder {
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// document is a page as a browser reads it.
type document struct{ root *html.Node }

func parse(t *testing.T, body io.Reader) document {
	t.Helper()
	root, err := html.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return document{root}
}

// all are the elements for which wanted is true.
func (d document) all(wanted func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for node := range d.root.Descendants() {
		if node.Type == html.ElementNode && wanted(node) {
			found = append(found, node)
		}
	}
	return found
}

func (d document) named(name string) []*html.Node {
	return d.all(func(n *html.Node) bool { return n.Data == name })
}

func (d document) byID(id string) *html.Node {
	if found := d.all(func(n *html.Node) bool { return attribute(n, "id") == id }); len(found) > 0 {
		return found[0]
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for node := range n.Descendants() {
		if node.Type == html.TextNode {
			b.WriteString(node.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// pages are all that a login is needed for.
var pages = []string{
	"/admin/", "/admin/?range=24h", "/admin/?range=7d&chart=latency", "/admin/?chart=errors", "/admin/?chart=tokens&range=own&from=2026-01-31T10:00:00Z&to=2026-01-31T12:00:00Z", "/admin/tokens", "/admin/tokens?state=ready&q=x", "/admin/tokens/t2", "/admin/tokens/deleted", "/admin/token-files", "/admin/move-in",
	"/admin/logs", "/admin/logs?status=failure&stream=true&from=2026-01-31T12:00", "/admin/logs/chatcmpl-1", "/admin/settings", "/admin/pages",
	"/admin/upstreams", "/admin/routes", "/admin/routes?saved=fast", "/admin/routes/edit", "/admin/routes/edit?name=fast", "/admin/why?model=fast", "/admin/why?model=m1", "/admin/why?model=nope", "/admin/why",
	"/admin/keys", "/admin/keys?state=deleted&q=x&tag=y&deleted=k1", "/admin/keys/new", "/admin/keys/k1", "/admin/keys/k1?range=30d&done=saved&model=m1",
	"/admin/quotas", "/admin/logins/l1", "/admin/try", "/admin/activity", "/admin/activity?source=carousel&kind=parked", "/admin/activity/r1", "/admin/activity?undone=3", "/admin/activity/undo?class=auth&from=2026-01-31T12:00", "/admin/activity?cursor=c1&class=auth&upstream=cursor&from=2026-01-31T12:00:00Z",
	"/admin/usage", "/admin/usage?range=24h&by=model&measure=tokens", "/admin/usage?range=own&from=2026-01-31&by=upstream&measure=requests&key=abcdefghijklmnop",
	"/admin/prices", "/admin/prices?q=claude", "/admin/prices?saved=m", "/admin/prices/edit", "/admin/prices/edit?match=gpt-4o", "/admin/prices/import",
	"/admin/backup", "/admin/usage/left", "/admin/models", "/admin/models?q=m&state=none", "/admin/search", "/admin/search?q=t2", "/admin/kit",
}

func TestPagesRender(t *testing.T) {
	t.Parallel()
	away := &store{err: status.Error(codes.Unavailable, "connection refused")}
	older := &store{err: status.Error(codes.Unimplemented, "unknown method")}
	for name, s := range map[string]*store{"full": full(), "empty": empty(), "away": away, "older": older} {
		site := newSite(t, s)
		for _, lang := range []string{"en", "zh"} {
			for _, path := range pages {
				w := site.get(t, path, "Accept-Language", lang)
				if name == "full" && w.Code != 200 {
					t.Errorf("%s, %s: %d", name, path, w.Code)
				}
				page := parse(t, w.Body)
				checkPage(t, name+", "+lang+", "+path, page, lang)
				broken := name == "away" || name == "older"
				quiet := slices.Contains([]string{"/admin/token-files", "/admin/move-in", "/admin/try", "/admin/why", "/admin/why?model=nope", "/admin/prices/import", "/admin/keys/new", "/admin/backup", "/admin/search", "/admin/kit"}, path) // they ask the store for nothing
				if alerts := page.all(func(n *html.Node) bool { return attribute(n, "role") == "alert" }); broken && !quiet && len(alerts) != 1 {
					t.Errorf("%s, %s: %d problems shown", name, path, len(alerts))
				}
			}
		}
	}
}

// checkPage holds for every page.
func checkPage(t *testing.T, name string, page document, lang string) {
	t.Helper()
	if got := attribute(page.named("html")[0], "lang"); got != lang {
		t.Errorf("%s: language %q", name, got)
	}
	for _, one := range []string{"h1", "main", "title"} {
		if n := len(page.all(func(n *html.Node) bool { return n.Data == one && n.Namespace == "" })); n != 1 {
			t.Errorf("%s: %d times %s", name, n, one)
		}
	}
	ids := map[string]bool{}
	for _, n := range page.all(func(*html.Node) bool { return true }) {
		checkElement(t, name, n)
		if id := attribute(n, "id"); id != "" && ids[id] {
			t.Errorf("%s: the id %q twice", name, id)
		} else {
			ids[id] = true
		}
	}
	for _, n := range page.all(isControl) {
		if attribute(n, "aria-label") == "" && !labelled(page, n) {
			t.Errorf("%s: the %s %q has no label", name, n.Data, attribute(n, "id"))
		}
	}
}

// checkElement: nothing is code, and nothing came from elsewhere.
func checkElement(t *testing.T, name string, n *html.Node) {
	t.Helper()
	if n.Data == "img" {
		t.Errorf("%s: text of others became an element", name)
	}
	if (n.Data == "script" && (attribute(n, "src") == "" || n.FirstChild != nil)) || n.Data == "style" {
		t.Errorf("%s: %s within the page", name, n.Data)
	}
	if n.Data == "th" && attribute(n, "scope") == "" {
		t.Errorf("%s: a table's header without scope: %s", name, text(n))
	}
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			t.Errorf("%s: the attribute %s of %s", name, a.Key, n.Data)
		}
		if a.Key == "href" && n.Data == "a" && strings.Contains(attribute(n, "rel"), "external noopener noreferrer") && strings.HasPrefix(a.Val, "https://") {
			continue // an upstream's login page
		}
		if (a.Key == "src" || a.Key == "href" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "?") && !strings.HasPrefix(a.Val, "#") {
			t.Errorf("%s: %s=%q", name, a.Key, a.Val)
		}
	}
}

func isControl(n *html.Node) bool {
	return (n.Data == "input" && attribute(n, "type") != "hidden") || n.Data == "select" || n.Data == "textarea"
}

func labelled(page document, control *html.Node) bool {
	for parent := range control.Ancestors() {
		if parent.Data == "label" {
			return text(parent) != ""
		}
	}
	labels := page.all(func(n *html.Node) bool {
		return n.Data == "label" && attribute(n, "for") == attribute(control, "id") && text(n) != ""
	})
	return len(labels) == 1
}

func TestPagesNeedALogin(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for _, path := range pages {
		w := site.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != 303 || w.Header().Get("Location") != "/admin/login?next="+url.QueryEscape(path) {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
		if w.Body.Len() > 0 || len(site.store.asked) > 0 {
			t.Errorf("%s: something was told or asked", path)
		}
	}
	if w := site.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/logs/tail", nil)); w.Code != 401 {
		t.Errorf("tail: %d", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for _, path := range append([]string{"/admin/login", web.LoginLinkPath, "/admin/logs/tail"}, pages...) {
		w := site.get(t, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "",
			"Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
	}
}

// A browser that has come by HTTPS is to do so ever after.
func TestHeadersOverHTTPS(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://carousel.test/admin/login", nil)
	if got := site.send(r).Header().Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("%q", got)
	}
	plain := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/login", nil)
	if got := site.send(plain, "X-Forwarded-Proto", "https").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("a stranger is believed: %q", got)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/tokens").Body)
	var addresses []string
	for _, n := range page.all(func(n *html.Node) bool { return n.Data == "script" || n.Data == "link" }) {
		addresses = append(addresses, attribute(n, "src")+attribute(n, "href"))
	}
	addresses = append(addresses, attribute(page.named("html")[0], "data-texts"))
	if len(addresses) != 5 {
		t.Errorf("assets: %v", addresses)
	}
	for _, address := range addresses {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		w := site.send(r)
		if w.Code != 200 || w.Body.Len() == 0 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %v", address, w.Code, w.Header())
		}
	}
	// A page of another version's replica gets what there is, but not for ever.
	if w := site.get(t, "/admin/assets/other/site.css"); w.Code != 200 || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("another revision: %d, %v", w.Code, w.Header())
	}
	for _, path := range []string{"/admin/assets/x/nothing.js", "/admin/assets/x/../web.go"} {
		if w := site.get(t, path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, token, next string
		headers           []string
		status            int
		to                string
	}{
		{"right", "right", "/admin/tokens?q=a", nil, 303, "/admin/tokens?q=a"},
		{"with spaces around", " right\n", "", nil, 303, "/admin/"},
		{"to a page of the reference", "right", "/tokeninfo", nil, 303, "/tokeninfo"},
		{"to another site", "right", "https://evil.test/admin/", nil, 303, "/admin/"},
		{"to another site, without scheme", "right", "//evil.test/admin/", nil, 303, "/admin/"},
		{"to another site, with backslashes", "right", `/\evil.test`, nil, 303, "/admin/"},
		{"to a script", "right", "javascript:alert(1)", nil, 303, "/admin/"},
		{"out of the site", "right", "/admin/../v1/models", nil, 303, "/admin/"},
		{"out of the site, encoded", "right", "/admin/%2e%2e/v1/models", nil, 303, "/admin/"},
		{"to the login again", "right", "/admin/login?next=/admin/login", nil, 303, "/admin/"},
		{"wrong", "wrong", "", nil, 401, ""},
		{"empty", "", "", nil, 422, ""},
		{"from another site", "right", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"from another origin", "right", "", []string{"Origin", "http://evil.test"}, 403, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, full())
			w := site.post(t, "/admin/login", url.Values{"token": {c.token}, "next": {c.next}}, c.headers...)
			if w.Code != c.status || w.Header().Get("Location") != c.to {
				t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
			}
			cookies := w.Result().Cookies()
			if (len(cookies) == 1) != (c.status == 303) || slices.Equal(site.store.kept, []string{"login"}) != (c.status == 303) {
				t.Fatalf("cookies %v, audit log %v", cookies, site.store.kept)
			}
			if c.status != 303 {
				if page := parse(t, w.Body); text(page.byID("problem")) == "" || page.byID("token") == nil {
					t.Error("the page does not say what was wrong, or has no form")
				}
				return
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/", nil)
			r.AddCookie(cookies[0])
			if w := site.send(r); w.Code != 200 {
				t.Errorf("after the login: %d", w.Code)
			}
		})
	}
}

func TestLoginsAreSlowedDown(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	login := func(token string, headers ...string) int {
		return site.post(t, "/admin/login", url.Values{"token": {token}}, headers...).Code
	}
	refused := 0
	for range 30 {
		if login("wrong") == 429 {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("of 30 attempts %d were refused", refused)
	}
	if got := login("right"); got != 303 {
		t.Errorf("the right token is refused for the wrong ones: %d", got)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		csrf     func(*site) string
		storeErr error
		status   int
		to       string
	}{
		{"revokes", func(s *site) string { return s.session.CSRF }, nil, 303, "/admin/login?left=yes"},
		{"while the store is away", func(s *site) string { return s.session.CSRF }, status.Error(codes.Unavailable, "away"), 303, "/admin/login?left=here"},
		{"without CSRF token", func(*site) string { return "" }, nil, 403, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, full())
			site.store.err = c.storeErr
			w := site.post(t, "/admin/logout", url.Values{"csrf": {c.csrf(site)}},
				"Cookie", site.session.Cookie(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)).String())
			if w.Code != c.status || w.Header().Get("Location") != c.to {
				t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
			}
			if c.status != 303 {
				if len(site.store.asked) > 0 || len(w.Result().Cookies()) > 0 || len(site.store.kept) > 0 {
					t.Error("something was done all the same")
				}
				return
			}
			if !slices.Equal(site.store.kept, []string{"logout"}) {
				t.Errorf("audit log %v", site.store.kept)
			}
			asked := site.store.asked[0].(*tokenstorev1.RevokeSessionRequest)
			if asked.GetId() != site.session.ID || !asked.GetExpiresAt().AsTime().Equal(site.session.Expires) {
				t.Errorf("revoked %v", asked)
			}
			if cookies := w.Result().Cookies(); len(cookies) != 1 || cookies[0].MaxAge >= 0 {
				t.Errorf("cookies: %v", cookies)
			}
		})
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	w := site.post(t, "/admin/preferences", url.Values{"theme": {"dark"}, "language": {"zh"}, "next": {"/admin/tokens"}})
	if w.Code != 303 || w.Header().Get("Location") != "/admin/tokens" || len(w.Result().Cookies()) != 2 {
		t.Fatalf("%d, %v", w.Code, w.Header())
	}
	var cookies []string
	for _, cookie := range w.Result().Cookies() {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	page := parse(t, site.get(t, "/admin/login", "Cookie", strings.Join(cookies, "; "), "Accept-Language", "en").Body)
	root := page.named("html")[0]
	if attribute(root, "lang") != "zh" || attribute(root, "data-theme") != "dark" {
		t.Errorf("the page has %v", root.Attr)
	}
	if w := site.post(t, "/admin/preferences", url.Values{"theme": {"dark"}}, "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("from another site: %d", w.Code)
	}
	if w := site.post(t, "/admin/preferences", url.Values{"theme": {"pink"}, "language": {"tlh"}, "shortcuts": {"some"}}); len(w.Result().Cookies()) != 0 {
		t.Errorf("unknown ones: %v", w.Result().Cookies())
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "en", "zh-CN,zh;q=0.9,en;q=0.8": "zh", "en-GB,en;q=0.9,zh;q=0.8": "en", "de, zh;q=0.3": "zh", "en;q=0.2, zh;q=0.3": "zh",
		"fr": "en", "zh;q=0": "en", "*": "en", "zh;q=x": "en",
	} {
		page := parse(t, newSite(t, full()).get(t, "/admin/try", "Accept-Language", header).Body)
		if got := attribute(page.named("html")[0], "lang"); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestTokensPage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	// A tokenstore of before counts nothing, and knows cursors alone.
	page := parse(t, site.get(t, "/admin/tokens?q=wo&state=cooling&upstream=cursor&tag=a&cursor=c1").Body)
	asked := site.store.asked[0].(*tokenstorev1.ListTokensRequest)
	want := &tokenstorev1.ListTokensRequest{
		Query: "wo", State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, Upstream: "cursor", Tag: "a", Cursor: "c1", Limit: 50, NewestFirst: true, Counted: true,
	}
	if !proto.Equal(asked, want) {
		t.Errorf("asked %v", asked)
	}
	row := page.byID("token-t2")
	for _, shown := range []string{hostile, "eyJh…Zx9R", "Cooling", "12,345", "2026-01-31 12:00:00 UTC"} {
		if !strings.Contains(text(row), shown) {
			t.Errorf("%q is not in the row: %s", shown, text(row))
		}
	}
	links := page.all(func(n *html.Node) bool { return n.Data == "a" && attribute(n, "rel") == "next" })
	if len(links) != 1 || attribute(links[0], "href") != "/admin/tokens?cursor=more&q=wo&state=cooling&tag=a&upstream=cursor" {
		t.Errorf("next page: %v", links)
	}
}

// What an admin can do to a token, by its state.
func TestSwitchOfAToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token   *tokenstorev1.Token
		toggle  string
		release string
	}{
		"disabled":      {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_DISABLED}, "Enable", ""},
		"ready":         {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_READY, Enabled: true}, "Disable", ""},
		"quarantined":   {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED, Enabled: true}, "Disable", ""},
		"cooling":       {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, Enabled: true}, "Disable", "Bring back"},
		"probing":       {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_PROBING, Enabled: true}, "Disable", "Bring back"},
		"parked":        {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_PARKED, Enabled: true}, "Disable", "Bring back"},
		"needs a login": {&tokenstorev1.Token{State: tokenstorev1.TokenState_TOKEN_STATE_PARKED, Enabled: true, NeedsLogin: true}, "Disable", ""},
	} {
		s := empty()
		s.answers = append([]proto.Message{&tokenstorev1.GetTokenResponse{Token: c.token}}, s.answers...)
		page := parse(t, newSite(t, s).get(t, "/admin/tokens/t").Body)
		if toggle, release := text(page.byID("toggle-token")), text(page.byID("release-token")); toggle != c.toggle || release != c.release {
			t.Errorf("%s: %q and %q", name, toggle, release)
		}
	}
}

func TestHistoryOfAToken(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.GetTokenResponse{
		Token: &tokenstorev1.Token{Id: "t2", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY, Enabled: true},
	}}, s.answers...)
	site := newSite(t, s)
	page := parse(t, site.get(t, "/admin/tokens/t2").Body)
	told := text(page.byID("token-history"))
	for _, shown := range []string{"Cooled Model not allowed o3", "Blame taken back Token refused because other tokens failed alike", hostile, "chatcmpl-1", "Brought back by an admin"} {
		if !strings.Contains(told, shown) {
			t.Errorf("%q is not in it: %s", shown, told)
		}
	}
	for _, address := range []string{"/admin/logs/chatcmpl-2", "/admin/activity?class=auth&from=2026-01-31T12%3A00%3A00Z&upstream=cursor"} {
		if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == address }); len(links) != 1 {
			t.Errorf("%d links to %s", len(links), address)
		}
	}
	// It is ready, but not for one model; what was before its release is over.
	if facts := text(page.byID("token-facts")); !strings.Contains(facts, "Cools for o3") || strings.Contains(facts, "before") {
		t.Errorf("facts: %s", facts)
	}
	if text(page.byID("release-token")) != "Bring back" {
		t.Error("it can't be brought back")
	}
}

func TestActivityPage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/activity?class=quota&upstream=cursor&from=2026-01-31T12:00:00Z&cursor=c1").Body)
	if asked := site.store.asked[0].(*tokenstorev1.ListActivityRequest); asked.GetCursor() != "c1" || asked.GetLimit() != 100 {
		t.Errorf("asked %v", asked)
	}
	told := text(page.byID("audit"))
	for _, shown := range []string{"Token brought back", "Token t2", "Upstream " + hostile, "Cause Token refused", "From 2026-01-30 11:00:00 UTC", "pages 192.0.2.1", "g1", "r1", "2026-01-31 12:00:00 UTC"} {
		if !strings.Contains(told, shown) {
			t.Errorf("%q is not in it: %s", shown, told)
		}
	}
	chosen := page.all(func(n *html.Node) bool {
		return n.Data == "option" && slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "selected" })
	})
	if len(chosen) != 2 || text(chosen[0]) != "Quota used up" || text(chosen[1]) != "cursor" || attribute(page.byID("undo-from"), "data-utc") != "2026-01-31T12:00:00Z" {
		t.Errorf("the form is not filled in: %d options", len(chosen))
	}
	links := page.all(func(n *html.Node) bool { return n.Data == "a" && attribute(n, "rel") == "next" })
	if len(links) != 1 || !strings.Contains(attribute(links[0], "href"), "cursor=more") {
		t.Errorf("next page: %v", links)
	}
}

// What is wrong with the tokenstore's Redis is said where an admin looks first.
func TestOverviewTellsOfTheStore(t *testing.T) {
	t.Parallel()
	site := newSite(t, empty())
	site.store.warnings = []*tokenstorev1.StoreWarning{
		{Kind: "evicts", Text: "set maxmemory-policy noeviction " + hostile}, {Kind: "of_a_later_version", Text: "something else"},
	}
	alarms := parse(t, site.get(t, "/admin/").Body).all(func(n *html.Node) bool { return attribute(n, "role") == "alert" })
	if len(alarms) != 2 {
		t.Fatalf("%d alarms", len(alarms))
	}
	for i, shown := range [][]string{{"it deletes data when it is full", "noeviction " + hostile}, {"of_a_later_version", "something else"}} {
		for _, part := range shown {
			if !strings.Contains(text(alarms[i]), part) {
				t.Errorf("%q is not in it: %s", part, text(alarms[i]))
			}
		}
	}
}

func TestLogEntry(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body)
	if asked := site.store.asked[0].(*tokenstorev1.QueryRequest); asked.GetId() != "chatcmpl-1" || asked.GetOmitPrompts() {
		t.Errorf("asked %v", asked)
	}
	var messages []string
	for _, n := range page.named("pre") {
		messages = append(messages, text(n))
	}
	if want := []string{"Be brief.", hostile}; !slices.Equal(messages, want) {
		t.Errorf("messages %q, want %q", messages, want)
	}
	if w := newSite(t, empty()).get(t, "/admin/logs/gone"); w.Code != 404 {
		t.Errorf("an entry that is gone: %d", w.Code)
	}
}

func TestLiveTail(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	w := site.get(t, "/admin/logs/tail?after=n0&model=gpt-4o&stream=false")
	asked := site.store.asked[0].(*tokenstorev1.QueryRequest)
	if asked.GetAfter() != "n0" || asked.GetModel() != "gpt-4o" || asked.Stream == nil || asked.GetStream() || !asked.GetOmitPrompts() {
		t.Errorf("asked %v", asked)
	}
	if w.Header().Get("X-Log-Newest") != "n1" || !strings.Contains(w.Body.String(), `id="entry-chatcmpl-1"`) || strings.Contains(w.Body.String(), "<html") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	if w := site.get(t, "/admin/logs/tail?from=yesterday"); w.Code != 400 {
		t.Errorf("a wrong time: %d", w.Code)
	}
}

// The bars of requests end at the slowest one of those that are shown, and the texts beside them
// say how long each took.
func TestBarsOfRequests(t *testing.T) {
	t.Parallel()
	took := func(total, firstByte time.Duration) *tokenstorev1.LogEntry {
		entry := &tokenstorev1.LogEntry{Id: total.String(), StartedAt: moment, Total: durationpb.New(total)}
		if firstByte > 0 {
			entry.FirstByte = durationpb.New(firstByte)
		}
		return entry
	}
	site := newSite(t, &store{answers: []proto.Message{&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{
		took(1500*time.Millisecond, 300*time.Millisecond), took(8*time.Second, 8*time.Second), took(0, 0), {Id: "unknown", StartedAt: moment},
	}}}})
	rows := document{root: parse(t, site.get(t, "/admin/logs").Body).byID("log-rows")}
	var bars []string
	for _, bar := range rows.all(func(n *html.Node) bool { return attribute(n, "class") == "took-bar" }) {
		drawn := attribute(bar, "viewbox") + attribute(bar, "viewBox") + " " + attribute(bar, "data-ms")
		for _, part := range (document{root: bar}).named("path") {
			drawn += " " + attribute(part, "class") + attribute(part, "d")
		}
		bars = append(bars, drawn)
	}
	want := []string{"0 0 8000 1 1500 M0 .5h1500 firstM0 .5h300", "0 0 8000 1 8000 M0 .5h8000 firstM0 .5h8000", "0 0 8000 1 0 M0 .5h0"}
	if !slices.Equal(bars, want) {
		t.Errorf("bars %q", bars)
	}
	for _, said := range []string{"1.5 s", "300 ms", "8 s", "–"} {
		if !strings.Contains(text(rows.root), said) {
			t.Errorf("the rows don't say %s", said)
		}
	}
}

// What is typed into the query field becomes parts of the address, without a script; what can't be
// used stays in the field, and the page says why, in the reader's language.
func TestQueryOfRequests(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	w := site.get(t, "/admin/logs?model=m&error=&q="+url.QueryEscape("status:failed >2s"))
	if want := "/admin/logs?min_total=2s&model=m&status=failure"; w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
		t.Errorf("%d, to %s", w.Code, w.Header().Get("Location"))
	}
	if w := site.get(t, "/admin/logs?q=+&model=m"); w.Code != 200 || parse(t, w.Body).byID("log-chips") == nil {
		t.Errorf("an empty query: %d", w.Code)
	}
	asked := len(site.store.asked)
	for language, says := range map[string]string{"en": "There is no term “mood:happy”. There are: status: model:", "zh-CN": "没有条件“mood:happy”。可用的有：status:"} {
		w := site.get(t, "/admin/logs?model=m&q=mood:happy", "Accept-Language", language)
		page := parse(t, w.Body)
		field := page.byID("f-query")
		if w.Code != http.StatusBadRequest || attribute(field, "value") != "mood:happy" || attribute(field, "aria-invalid") != "true" || !strings.Contains(text(page.root), says) {
			t.Errorf("%s: %d, %v, %s", language, w.Code, field.Attr, text(page.byID("main")))
		}
		if page.byID("live-tail") != nil || page.byID("log-chips") == nil {
			t.Errorf("%s: the page goes on, or has lost what was set", language)
		}
	}
	for _, request := range site.store.asked[asked:] {
		if query, ok := request.(*tokenstorev1.QueryRequest); ok {
			t.Errorf("asked for %v all the same", query)
		}
	}
}

// A part of an address that can't be used is told in the reader's language.
func TestWrongPartsOfAddresses(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for address, names := range map[string][]string{
		"/admin/logs?from=yesterday":                           {"from=yesterday", "from=2026-01-31T12:00"},
		"/admin/logs?to=tomorrow":                              {"to=tomorrow", "to=2026-01-31T12:00"},
		"/admin/logs?min_total=long":                           {"min_total=long", "min_total=10s"},
		"/admin/logs/tail?from=yesterday":                      {"from=yesterday"},
		"/admin/activity?since=yesterday":                      {"since=yesterday", "since=2026-01-31T12:00"},
		"/admin/activity/undo?class=auth&from=x&to=2026-01-31": {"from=x"},
	} {
		for language, says := range map[string]string{"en": "can’t be used: write it like", "zh-CN": "应写成"} {
			w := site.get(t, address, "Accept-Language", language)
			shown := text(parse(t, w.Body).byID("main"))
			for _, said := range append([]string{says}, names...) {
				if w.Code != http.StatusBadRequest || !strings.Contains(shown, said) {
					t.Errorf("%s: %d, %q is not in %s", address, w.Code, said, shown)
				}
			}
		}
	}
}

// While the tokenstore is away, the pages tell until when requests are served.
func TestPagesOfADegradedGateway(t *testing.T) {
	t.Parallel()
	for _, degraded := range []bool{true, false} {
		s := &store{err: status.Error(codes.Unavailable, "away"), degraded: degraded}
		for _, path := range []string{"/admin/", "/admin/tokens", "/admin/settings"} {
			told := text(parse(t, newSite(t, s).get(t, path).Body).byID("degraded"))
			if strings.Contains(told, "until 2026-01-31 12:00:00 UTC") != degraded {
				t.Errorf("%s, %v: %q", path, degraded, told)
			}
		}
	}
}

func TestProblemsAreSentences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"away":           {status.Error(codes.Unavailable, "dial tcp 10.0.0.1"), 503, "can't be reached"},
		"older":          {status.Error(codes.Unimplemented, "unknown method X"), 503, "update it"},
		"another secret": {rpcerr.New(tokenstorev1.Reason_REASON_UNAUTHENTICATED, "no"), 503, "TOKENSTORE_SECRET"},
		"a certificate":  {rpcerr.New(tokenstorev1.Reason_REASON_PERMISSION_DENIED, "no"), 503, "TOKENSTORE_TLS_GATEWAYS"},
		"not found":      {rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no token t2"), 404, "can be brought back for 24 hours. t2 There is no token t2."},
		"internal":       {errors.New("a secret detail"), 500, "went wrong"},
	} {
		s := &store{err: c.err}
		w := newSite(t, s).get(t, "/admin/tokens/t2")
		page := parse(t, w.Body)
		said := text(page.named("main")[0])
		if w.Code != c.status || !strings.Contains(said, c.says) || strings.Contains(said, "secret detail") || strings.Contains(said, "10.0.0.1") {
			t.Errorf("%s: %d %s", name, w.Code, said)
		}
	}
}
