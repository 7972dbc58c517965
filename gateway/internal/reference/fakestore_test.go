package reference_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/reference"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// store is a tokenstore that answers the same to everyone, or err, and
// remembers what it was asked. Of the settings it keeps what it is told.
type store struct {
	err   error
	asked []proto.Message
	left  time.Duration // until the deadline of the last call
	pages []*tokenstorev1.Page
}

func (s *store) take(ctx context.Context, request proto.Message) error {
	s.asked = append(s.asked, request)
	if deadline, ok := ctx.Deadline(); ok {
		s.left = time.Until(deadline)
	}
	return s.err
}

var report = &tokenstorev1.TokenFilesReport{
	TokenFile: ".token", TokenListFile: ".token-list", TokenCount: 7, Accepted: 2, Updated: 3, Deleted: 1, Revision: "r2",
	RejectedTokens: []*tokenstorev1.RejectedLine{{Line: 3, Reason: "no token"}},
	RejectedList:   []*tokenstorev1.RejectedLine{{Line: 9, Reason: "no checksum"}},
}

func (s *store) ReadTokenFiles(ctx context.Context, r *tokenstorev1.ReadTokenFilesRequest, _ ...grpc.CallOption) (*tokenstorev1.ReadTokenFilesResponse, error) {
	return &tokenstorev1.ReadTokenFilesResponse{
		TokenFile: ".token", TokenListFile: ".token-list", Tokens: "a::T1\n", TokenList: "a::T1,sum\n", TokenCount: 1, Revision: "r1",
	}, s.take(ctx, r)
}

func (s *store) WriteTokenFiles(ctx context.Context, r *tokenstorev1.WriteTokenFilesRequest, _ ...grpc.CallOption) (*tokenstorev1.WriteTokenFilesResponse, error) {
	return &tokenstorev1.WriteTokenFilesResponse{Report: report}, s.take(ctx, r)
}

func (s *store) ReloadTokenFiles(ctx context.Context, r *tokenstorev1.ReloadTokenFilesRequest, _ ...grpc.CallOption) (*tokenstorev1.ReloadTokenFilesResponse, error) {
	return &tokenstorev1.ReloadTokenFilesResponse{Report: report}, s.take(ctx, r)
}

func (s *store) settings() *tokenstorev1.Settings {
	return &tokenstorev1.Settings{
		EnableStreamCheck: true, IncludeStopStream: true, VisionAbility: "all",
		CheckUsageModelsType: "list", CheckUsageModels: "gpt-4,gpt-4o", Version: 5,
	}
}

func (s *store) GetSettings(ctx context.Context, r *tokenstorev1.GetSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error) {
	return &tokenstorev1.GetSettingsResponse{Settings: s.settings(), Pages: s.pages}, s.take(ctx, r)
}

func (s *store) UpdateSettings(ctx context.Context, r *tokenstorev1.UpdateSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateSettingsResponse, error) {
	return &tokenstorev1.UpdateSettingsResponse{Settings: s.settings(), Pages: r.GetPages()}, s.take(ctx, r)
}

func (s *store) ResetSettings(ctx context.Context, r *tokenstorev1.ResetSettingsRequest, _ ...grpc.CallOption) (*tokenstorev1.ResetSettingsResponse, error) {
	return &tokenstorev1.ResetSettingsResponse{Settings: s.settings()}, s.take(ctx, r)
}

var (
	started = time.Date(2025, 1, 2, 12, 0, 0, 123456789, time.UTC)
	// full and bare are a log entry with everything and one with nothing that can
	// be absent; the store tells the newest first.
	full = &tokenstorev1.LogEntry{
		Id: "id2", Replica: "g1", StartedAt: timestamppb.New(started.Add(time.Second)), Total: durationpb.New(1234567 * time.Microsecond),
		FirstByte: durationpb.New(200 * time.Millisecond), Model: "gpt-4o", Upstream: "cursor", TokenId: "t1", TokenAlias: "a",
		TokenFingerprint: "f1", MaskedSecret: "eyJ…qg", Stream: true, Status: "failure", HttpStatus: 502, Error: "error not logged in",
		ErrorKind: "upstream_auth", EndReason: "upstream_error", Attempts: 2, PromptTokens: 3, CompletionTokens: 4, CacheReadTokens: 2, CacheWriteTokens: 1, Dialect: "openai", UsageSource: "reported",
		Prompt: "Hi", PromptCut: true,
	}
	bare = &tokenstorev1.LogEntry{
		Id: "id1", Replica: "g1", StartedAt: timestamppb.New(started), Model: "gpt-4", Status: "success", HttpStatus: 200,
		EndReason: "done", Attempts: 1, UsageSource: "unknown",
	}
)

func (s *store) Query(ctx context.Context, r *tokenstorev1.QueryRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryResponse, error) {
	return &tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{full, bare}, Total: 40, NextCursor: "c2"}, s.take(ctx, r)
}

// gateway is a whole public port with the routes on it.
type gateway struct {
	http.Handler
	store *store
	gate  *auth.Gate
	log   *strings.Builder
}

func newGateway(t *testing.T, change func(*reference.Deps)) *gateway {
	t.Helper()
	g := &gateway{store: &store{}, gate: auth.New(secret.New("right"), nil), log: &strings.Builder{}}
	g.gate.UseSessions(auth.Sessions{Secret: secret.New("shared by all replicas")})
	logger := slog.New(slog.NewJSONHandler(g.log, nil))
	deps := reference.Deps{
		Base:  jsonapi.Base{Gate: g.gate, Log: logger, BodyLimit: 1 << 20, Timeout: time.Minute},
		Files: g.store, Config: g.store, Logs: g.store,
		Pages:   func() []*tokenstorev1.Page { return g.store.pages },
		BuiltIn: map[string]gin.HandlerFunc{"/tokeninfo": builtIn, "/config": builtIn, "/logs": builtIn},
	}
	if change != nil {
		change(&deps)
	}
	g.Handler = httpapi.New(httpapi.Deps{
		Dialects: []dialect.Dialect{openai.API{}},
		Models:   func() []chat.Model { return nil },
		Settings: func() *tokenstorev1.Settings { return nil },
		Gate:     g.gate, Metrics: metrics.New(prometheus.NewRegistry()), Access: accesslog.New(logger), Log: logger,
		Mounts: []httpapi.Mount{reference.New(deps)},
	})
	return g
}

// builtIn stands for the pages of the admin site.
func builtIn(c *gin.Context) {
	c.Data(http.StatusOK, "text/html;charset=utf-8", []byte("built-in "+c.FullPath()))
}

const key = "Bearer right"

func (g *gateway) do(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func (g *gateway) post(t *testing.T, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return g.do(t, "POST", path, body, append(headers, "Authorization", key)...)
}
