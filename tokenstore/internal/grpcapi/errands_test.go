package grpcapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// accessFor is an access token of an account that ends in an hour.
func accessFor(subject string) string {
	claims := fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, subject, time.Now().Add(time.Hour).Unix())
	return "h." + base64.RawURLEncoding.EncodeToString(claims) + ".s"
}

// gateway is one that carries errands out.
type gateway struct {
	t       *testing.T
	errands tokenstorev1.ErrandServiceClient
	logins  tokenstorev1.LoginServiceClient
	tokens  tokenstorev1.TokenServiceClient
}

func gatewayOf(t *testing.T, s *service) *gateway {
	t.Helper()
	return &gateway{
		t, tokenstorev1.NewErrandServiceClient(s.conn), tokenstorev1.NewLoginServiceClient(s.conn), tokenstorev1.NewTokenServiceClient(s.conn),
	}
}

// take waits for errands, those about accounts left out.
func (g *gateway) take(ctx context.Context, wait time.Duration, held ...*tokenstorev1.ErrandRef) *tokenstorev1.TakeErrandsResponse {
	g.t.Helper()
	taken, err := g.errands.TakeErrands(ctx, &tokenstorev1.TakeErrandsRequest{Replica: "g1", Room: 8, Held: held, MaxWait: durationpb.New(wait)})
	if err != nil {
		g.t.Fatal(err)
	}
	return taken
}

func TestRefreshesGoToAGateway(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Start(t))
	g := gatewayOf(t, s)
	ctx := t.Context()
	if taken := g.take(ctx, 0); !proto.Equal(taken, &tokenstorev1.TakeErrandsResponse{}) {
		t.Fatalf("took %v of nothing", taken)
	}
	created, err := g.tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{
		Secret: "crsr_0123456789012345678901234567", Upstream: "cursor", Proxy: "http://u:the-password@proxy:1",
	})
	if err != nil || created.GetToken().GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY ||
		created.GetToken().GetMaskedProxy() != "http://u:•••@proxy:1" {
		t.Fatal(created, err)
	}
	id := created.GetToken().GetId()
	taken := g.take(ctx, time.Second)
	if len(taken.GetErrands()) != 1 {
		t.Fatalf("took %d errands", len(taken.GetErrands()))
	}
	errand := taken.GetErrands()[0]
	if errand.GetId() != id || errand.GetUpstream() != "cursor" || errand.GetProxy() != "http://u:the-password@proxy:1" ||
		errand.GetRefresh().GetRefreshToken() != "crsr_0123456789012345678901234567" {
		t.Error("the errand is not that of the token")
	}
	mine := &tokenstorev1.ErrandRef{Id: id, Epoch: errand.GetEpoch()}
	other := &tokenstorev1.ErrandRef{Id: id, Epoch: errand.GetEpoch() + 1}
	if lost := g.take(ctx, time.Second, mine, other).GetLost(); len(lost) != 1 || !proto.Equal(lost[0], other) {
		t.Errorf("lost %v", lost)
	}
	access := accessFor("u")
	settled, err := g.errands.SettleRefresh(ctx, &tokenstorev1.SettleRefreshRequest{Id: id, Epoch: errand.GetEpoch(), Result: &tokenstorev1.SettleRefreshRequest_Granted{
		Granted: &tokenstorev1.Granted{AccessToken: access, ExpiresAt: timestamppb.New(time.Unix(4_000_000_000, 0))},
	}})
	if err != nil || settled.GetStale() || settled.GetToken().GetExpiresAt().GetSeconds() != 4_000_000_000 {
		t.Fatal(settled, err)
	}
	again, err := g.errands.SettleRefresh(ctx, &tokenstorev1.SettleRefreshRequest{Id: id, Epoch: errand.GetEpoch(), Result: &tokenstorev1.SettleRefreshRequest_Refused{
		Refused: &tokenstorev1.Refused{Detail: "no"},
	}})
	if err != nil || !again.GetStale() || again.GetToken().GetNeedsLogin() {
		t.Errorf("a second end: %v, %v", again, err)
	}
	renewed, err := g.errands.RenewCredential(ctx, &tokenstorev1.RenewCredentialRequest{Id: id, RefusedHash: []byte("another"), MaxWait: durationpb.New(time.Second)})
	if err != nil || renewed.GetSecret() != access || renewed.GetToken().GetId() != id {
		t.Errorf("renewed %v", err)
	}
	revealed, err := g.tokens.RevealToken(ctx, &tokenstorev1.RevealTokenRequest{Id: id})
	if err != nil || revealed.GetSecret() != access || revealed.GetProxy() != "http://u:the-password@proxy:1" {
		t.Errorf("revealed %v", err)
	}
	_, err = g.errands.SettleRefresh(ctx, &tokenstorev1.SettleRefreshRequest{Id: id, Epoch: 1})
	wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	_, err = g.errands.TakeErrands(ctx, &tokenstorev1.TakeErrandsRequest{Room: 65})
	wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	if text := s.log.String(); strings.Contains(text, "the-password") || strings.Contains(text, access) {
		t.Error("the log has a secret")
	}
}

// After a time in which nobody could say a word, who has an errand in hand keeps it.
func TestHoldersAreAwaited(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Mini(t))
	g := gatewayOf(t, s)
	ctx := t.Context()
	if _, err := g.tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: "crsr_1", Upstream: "cursor"}); err != nil {
		t.Fatal(err)
	}
	s.errands.AwaitHolders(time.Hour)
	if taken := g.take(ctx, 0); len(taken.GetErrands()) != 0 {
		t.Fatal("an errand is handed out before its holder has had time to say a word")
	}
	s.errands.AwaitHolders(0)
	errand := g.take(ctx, 0).GetErrands()[0]
	s.errands.AwaitHolders(time.Hour)
	if lost := g.take(ctx, 0, &tokenstorev1.ErrandRef{Id: errand.GetId(), Epoch: errand.GetEpoch()}).GetLost(); len(lost) != 0 {
		t.Errorf("lost %v", lost)
	}
}

func TestALoginGoesToAGateway(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Start(t))
	g := gatewayOf(t, s)
	ctx := t.Context()
	asked := &tokenstorev1.CreateLoginRequest{Upstream: "cursor", Alias: "mine", Url: "https://example.com/login", Uuid: "an-uuid", Verifier: "the-verifier", Proxy: "http://proxy:1"}
	created, err := g.logins.CreateLogin(ctx, asked)
	if err != nil || created.GetLogin().GetUrl() != asked.GetUrl() {
		t.Fatal(created, err)
	}
	id := created.GetLogin().GetId()
	poll := func() *tokenstorev1.Errand {
		t.Helper()
		for range 5 {
			for _, errand := range g.take(ctx, time.Second).GetErrands() {
				if errand.GetLogin() != nil {
					return errand
				}
			}
		}
		t.Fatal("no poll is due")
		return nil
	}
	first := poll()
	if first.GetId() != id || first.GetLogin().GetUuid() != "an-uuid" || first.GetLogin().GetVerifier() != "the-verifier" || first.GetProxy() != "http://proxy:1" {
		t.Error("the errand is not that of the login")
	}
	pending, err := g.errands.SettleLogin(ctx, &tokenstorev1.SettleLoginRequest{Id: id, Epoch: first.GetEpoch(), Result: &tokenstorev1.SettleLoginRequest_Postponed{
		Postponed: &tokenstorev1.Postponed{Counts: true},
	}})
	if err != nil || pending.GetStale() || pending.GetLogin().GetState() != tokenstorev1.LoginState_LOGIN_STATE_PENDING {
		t.Fatal(pending, err)
	}
	ended, err := g.errands.SettleLogin(ctx, &tokenstorev1.SettleLoginRequest{Id: id, Epoch: poll().GetEpoch(), Result: &tokenstorev1.SettleLoginRequest_Granted{
		Granted: &tokenstorev1.Granted{AccessToken: accessFor("u"), RefreshToken: "r1"},
	}})
	if err != nil || ended.GetLogin().GetState() != tokenstorev1.LoginState_LOGIN_STATE_DONE {
		t.Fatal(ended, err)
	}
	got, err := g.tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: ended.GetLogin().GetTokenId()})
	if err != nil || got.GetToken().GetAlias() != "mine" || got.GetToken().GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN {
		t.Errorf("made %v, %v", got, err)
	}
	cancelled, err := g.logins.CancelLogin(ctx, &tokenstorev1.CancelLoginRequest{Id: id})
	if err != nil || cancelled.GetLogin().GetState() != tokenstorev1.LoginState_LOGIN_STATE_DONE {
		t.Errorf("cancelled when it was done: %v, %v", cancelled, err)
	}
	if listed, err := g.logins.ListLogins(ctx, &tokenstorev1.ListLoginsRequest{}); err != nil || len(listed.GetLogins()) != 1 {
		t.Errorf("listed %v, %v", listed, err)
	}
	if found, err := g.logins.GetLogin(ctx, &tokenstorev1.GetLoginRequest{Id: id}); err != nil || !proto.Equal(found.GetLogin(), ended.GetLogin()) {
		t.Errorf("found %v, %v", found, err)
	}
	_, err = g.logins.GetLogin(ctx, &tokenstorev1.GetLoginRequest{Id: "x"})
	wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
}

// What an export has, an import brings: logins with their refresh tokens, and proxies.
func TestLoginsAndProxiesAreExported(t *testing.T) {
	t.Parallel()
	from, to := start(t, testredis.Mini(t)), start(t, testredis.Start(t))
	ctx := t.Context()
	created, err := gatewayOf(t, from).tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{
		Secret: accessFor("u"), RefreshToken: "the-refresh-token", Upstream: "cursor", Proxy: "http://u:the-password@proxy:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	exported, err := gatewayOf(t, from).tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gatewayOf(t, to).tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{
		Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON, Content: exported.GetContent(),
	}); err != nil {
		t.Fatal(err)
	}
	again, err := gatewayOf(t, to).tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON})
	if err != nil || again.GetContent() != exported.GetContent() || !strings.Contains(again.GetContent(), "the-refresh-token") ||
		!strings.Contains(again.GetContent(), "the-password") {
		t.Errorf("exported %v", err)
	}
	lines, err := gatewayOf(t, from).tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN})
	if err != nil || strings.Contains(lines.GetContent(), "the-") {
		t.Errorf("lines %v", err)
	}
	updated, err := gatewayOf(t, from).tokens.UpdateToken(ctx, &tokenstorev1.UpdateTokenRequest{
		Id: created.GetToken().GetId(), Proxy: "socks5://u:other@proxy:2", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"proxy"}},
	})
	if err != nil || updated.GetToken().GetMaskedProxy() != "socks5://u:•••@proxy:2" {
		t.Errorf("updated %v, %v", updated, err)
	}
}

// A proxy of an upstream is masked for people, and whole for gateways.
func TestAnUpstreamsProxyIsMasked(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Mini(t))
	config := tokenstorev1.NewConfigServiceClient(s.conn)
	upstream := &tokenstorev1.Upstream{Name: "cursor", Driver: "cursor", BaseUrl: "https://example.com", Settings: map[string]string{"proxy": "http://u:the-password@proxy:1"}}
	for range 2 {
		put, err := config.PutUpstream(t.Context(), &tokenstorev1.PutUpstreamRequest{Upstream: upstream})
		if err != nil || put.GetUpstream().GetSettings()["proxy"] != "http://u:•••@proxy:1" {
			t.Fatal(put, err)
		}
		upstream = put.GetUpstream() // as it was shown
	}
	listed, err := config.ListUpstreams(t.Context(), &tokenstorev1.ListUpstreamsRequest{})
	if err != nil || listed.GetUpstreams()[0].GetSettings()["proxy"] != "http://u:•••@proxy:1" {
		t.Errorf("listed %v, %v", listed, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := config.Watch(ctx, &tokenstorev1.WatchRequest{Replica: "g1"})
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := watch.Recv(); err != nil || seen.GetUpstreams()[0].GetSettings()["proxy"] != "http://u:the-password@proxy:1" {
		t.Errorf("watched %v", err)
	}
}
