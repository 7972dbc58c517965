package grpcapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/cursor/checksum"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

// An export in JSON has the upstreams too. An import makes those that are not there and
// those without tokens as the file says; one that has tokens keeps its address.
func TestUpstreamsComeBackWithTheirTokens(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		s := start(t, client)
		tokens, config := tokenstorev1.NewTokenServiceClient(s.conn), tokenstorev1.NewConfigServiceClient(s.conn)
		put := func(address string) {
			t.Helper()
			upstream := &tokenstorev1.Upstream{Name: "deepseek", Driver: "openai", BaseUrl: address, Models: []string{"m"}, Settings: map[string]string{"idle_timeout": "9s"}}
			if _, err := config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{Upstream: upstream}); err != nil {
				t.Fatal(err)
			}
		}
		load := func(content string) *tokenstorev1.ImportTokensResponse {
			t.Helper()
			report, err := tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON, Content: content})
			if err != nil {
				t.Fatal(err)
			}
			return report
		}
		address := func() string {
			t.Helper()
			list, err := config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for _, each := range list.GetUpstreams() {
				if each.GetName() == "deepseek" {
					return each.GetBaseUrl()
				}
			}
			return ""
		}

		put("https://one.example.com")
		created, err := tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: "sk-1", Upstream: "deepseek"})
		if err != nil {
			t.Fatal(err)
		}
		exported, err := tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON})
		if err != nil {
			t.Fatal(err)
		}
		file := exported.GetContent()
		if report := load(file); report.GetUpstreams() != 0 || report.GetUpdated() != 1 || len(report.GetRejected()) > 0 {
			t.Errorf("into the pool that it came from: %v", report)
		}

		put("https://two.example.com")
		report := load(file)
		if len(report.GetRejected()) != 1 || !strings.Contains(report.GetRejected()[0].GetReason(), "has tokens") || address() != "https://two.example.com" {
			t.Errorf("an upstream with tokens was sent elsewhere: %v, %s", report, address())
		}

		if _, err := tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: created.GetToken().GetId()}); err != nil {
			t.Fatal(err)
		}
		if report := load(file); report.GetUpstreams() != 1 || report.GetAccepted() != 1 || address() != "https://one.example.com" {
			t.Errorf("without tokens: %v, %s", report, address())
		}
	})
}

func TestTokenService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		s := start(t, client)
		tokens := tokenstorev1.NewTokenServiceClient(s.conn)
		off := false
		created, err := tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{
			Secret: "WorkosCursorSessionToken=user_X%3A%3AT1", Tags: []string{"a"}, Cap: 2, Enabled: &off, Checksum: checksum.New().At(time.Now()),
		})
		if err != nil {
			t.Fatal(err)
		}
		got := created.GetToken()
		if got.GetAlias() != "user_X" || got.GetUpstream() != "cursor" || got.GetEnabled() || got.GetWeight() != 1 || got.GetCap() != 2 ||
			got.GetState() != tokenstorev1.TokenState_TOKEN_STATE_DISABLED {
			t.Errorf("created %v", got)
		}
		id := got.GetId()
		second, err := tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: "T2", Alias: " two "})
		if err != nil || second.GetToken().GetAlias() != "two" || !second.GetToken().GetEnabled() {
			t.Errorf("created %v, %v", second, err)
		}

		for name, bad := range map[string]struct {
			request *tokenstorev1.CreateTokenRequest
			reason  tokenstorev1.Reason
			code    codes.Code
		}{
			"empty":    {&tokenstorev1.CreateTokenRequest{}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"checksum": {&tokenstorev1.CreateTokenRequest{Secret: "T3", Checksum: "x"}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"weight":   {&tokenstorev1.CreateTokenRequest{Secret: "T3", Weight: 1e6}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"known":    {&tokenstorev1.CreateTokenRequest{Secret: "T1"}, tokenstorev1.Reason_REASON_ALREADY_EXISTS, codes.AlreadyExists},
			"alias":    {&tokenstorev1.CreateTokenRequest{Secret: "two::T3"}, tokenstorev1.Reason_REASON_ALIAS_TAKEN, codes.AlreadyExists},
			"upstream": {&tokenstorev1.CreateTokenRequest{Secret: "T3", Upstream: "x"}, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND, codes.NotFound},
		} {
			_, err := tokens.CreateToken(ctx, bad.request)
			if wantReason(t, err, bad.reason, bad.code); t.Failed() {
				t.Fatal(name)
			}
		}

		updated, err := tokens.UpdateToken(ctx, &tokenstorev1.UpdateTokenRequest{Id: id, UpdateMask: mask("alias", "enabled", "weight"), Alias: "one", Enabled: true, Weight: 4, Cap: 9, ExpectedVersion: 1})
		if err != nil || updated.GetToken().GetAlias() != "one" || !updated.GetToken().GetEnabled() || updated.GetToken().GetCap() != 2 || updated.GetToken().GetVersion() != 2 {
			t.Errorf("updated %v, %v", updated, err)
		}
		for name, bad := range map[string]struct {
			request *tokenstorev1.UpdateTokenRequest
			reason  tokenstorev1.Reason
			code    codes.Code
		}{
			"no mask":  {&tokenstorev1.UpdateTokenRequest{Id: id}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"secret":   {&tokenstorev1.UpdateTokenRequest{Id: id, UpdateMask: mask("secret")}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"checksum": {&tokenstorev1.UpdateTokenRequest{Id: id, UpdateMask: mask("checksum"), Checksum: "x"}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument},
			"version":  {&tokenstorev1.UpdateTokenRequest{Id: id, UpdateMask: mask("cap"), ExpectedVersion: 1}, tokenstorev1.Reason_REASON_VERSION_CONFLICT, codes.Aborted},
			"unknown":  {&tokenstorev1.UpdateTokenRequest{Id: "x", UpdateMask: mask("cap")}, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound},
		} {
			_, err := tokens.UpdateToken(ctx, bad.request)
			if wantReason(t, err, bad.reason, bad.code); t.Failed() {
				t.Fatal(name)
			}
		}

		listed, err := tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Limit: 1})
		if err != nil || len(listed.GetTokens()) != 1 || listed.GetTokens()[0].GetId() != id || listed.GetNextCursor() == "" {
			t.Errorf("listed %v, %v", listed, err)
		}
		listed, err = tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Limit: 1, Cursor: listed.GetNextCursor()})
		if err != nil || len(listed.GetTokens()) != 1 || listed.GetNextCursor() != "" {
			t.Errorf("listed %v, %v", listed, err)
		}
		_, err = tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Limit: 1001})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		if found, err := tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id}); err != nil || found.GetToken().GetAlias() != "one" {
			t.Errorf("found %v, %v", found, err)
		}

		exported, err := tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN})
		if err != nil || exported.GetContent() != "one::T1\ntwo::T2\n" || exported.GetCount() != 2 {
			t.Errorf("exported %v, %v", exported, err)
		}
		_, err = tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)

		if _, err := tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id}); err != nil {
			t.Error(err)
		}
		restored, err := tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id})
		if err != nil || restored.GetToken().GetId() != id || restored.GetToken().GetAlias() != "one" {
			t.Errorf("restored %v, %v", restored, err)
		}
		_, err = tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
		if _, err := tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id}); err != nil {
			t.Error(err)
		}
		_, err = tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
		_, err = tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
	})
}

// An exported list, imported into an empty store, makes the same tokens with the
// same checksums.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		s := start(t, client)
		tokens := tokenstorev1.NewTokenServiceClient(s.conn)
		const format = tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST
		report, err := tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{
			Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN, Content: "# mine\na::T1\nT2\na::b::T3\na::T4\nT1\n",
		})
		if err != nil || report.GetAccepted() != 3 || report.GetUpdated() != 0 || len(report.GetRejected()) != 2 ||
			report.GetRejected()[0].GetLine() != 2 || report.GetRejected()[1].GetLine() != 4 {
			t.Errorf("report %v, %v", report, err)
		}
		for _, line := range report.GetRejected() {
			if strings.Contains(line.GetReason(), "T1") || strings.Contains(line.GetReason(), "T3") {
				t.Errorf("the report shows a token: %v", line)
			}
		}
		exported, err := tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: format})
		if err != nil || exported.GetCount() != 3 {
			t.Fatal(exported, err)
		}
		again, err := tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Format: format, Content: exported.GetContent()})
		if err != nil || again.GetAccepted() != 0 || again.GetUpdated() != 3 || len(again.GetRejected()) != 0 {
			t.Errorf("imported again: %v, %v", again, err)
		}
		other := start(t, testredis.Mini(t))
		elsewhere := tokenstorev1.NewTokenServiceClient(other.conn)
		if report, err := elsewhere.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Format: format, Content: exported.GetContent(), Upstream: "cursor"}); err != nil || report.GetAccepted() != 3 {
			t.Errorf("imported elsewhere: %v, %v", report, err)
		}
		back, err := elsewhere.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: format})
		if err != nil || withoutTimes(back.GetContent()) != withoutTimes(exported.GetContent()) {
			t.Errorf("got\n%s\nwant\n%s, %v", back.GetContent(), exported.GetContent(), err)
		}
		_, err = tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Format: format, Content: exported.GetContent(), Upstream: "nowhere"})
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND, codes.NotFound)
		_, err = tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Content: "T"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}

// withoutTimes cuts the checksums' timestamps, which are those of the export.
func withoutTimes(list string) string {
	var text strings.Builder
	for line := range strings.Lines(list) {
		token, sum, _ := strings.Cut(line, ",")
		text.WriteString(token + "," + sum[8:])
	}
	return text.String()
}

func TestConfigService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		config := tokenstorev1.NewConfigServiceClient(start(t, client).conn)
		updated, err := config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{Settings: &tokenstorev1.Settings{MaxAttempts: 5}, UpdateMask: mask("max_attempts"), ExpectedVersion: 1})
		if err != nil || updated.GetSettings().GetMaxAttempts() != 5 || updated.GetSettings().GetVersion() != 2 {
			t.Errorf("updated %v, %v", updated, err)
		}
		_, err = config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{UpdateMask: mask("max_attempts")})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = config.ResetSettings(ctx, &tokenstorev1.ResetSettingsRequest{ResetMask: mask("max_attempts"), ExpectedVersion: 1})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT, codes.Aborted)
		if reset, err := config.ResetSettings(ctx, &tokenstorev1.ResetSettingsRequest{ResetMask: mask("max_attempts")}); err != nil || reset.GetSettings().GetMaxAttempts() != 3 {
			t.Errorf("reset %v, %v", reset, err)
		}
		if got, err := config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{}); err != nil || got.GetSettings().GetVersion() != 3 {
			t.Errorf("got %v, %v", got, err)
		}

		about := &tokenstorev1.Page{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_TEXT, Content: "x"}
		paged, err := config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{Pages: []*tokenstorev1.Page{about}, ExpectedVersion: 3, Actor: "me"})
		if err != nil || len(paged.GetPages()) != 1 || len(paged.GetChanges()) != 2 || paged.GetSettings().GetVersion() != 4 {
			t.Errorf("paged %v, %v", paged, err)
		}
		unpaged, err := config.ResetSettings(ctx, &tokenstorev1.ResetSettingsRequest{PagePaths: []string{"/about"}, Actor: "you"})
		if err != nil || len(unpaged.GetPages()) != 0 || unpaged.GetChanges()[0].GetActor() != "you" {
			t.Errorf("unpaged %v, %v", unpaged, err)
		}
		_, err = config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)

		if _, err := config.RevokeSession(ctx, &tokenstorev1.RevokeSessionRequest{Id: "s", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}); err != nil {
			t.Error(err)
		}
		_, err = config.RevokeSession(ctx, &tokenstorev1.RevokeSessionRequest{Id: "s"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)

		put, err := config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{Upstream: &tokenstorev1.Upstream{Name: "local", Driver: "openai", BaseUrl: "http://x/v1"}})
		if err != nil || put.GetUpstream().GetVersion() != 1 {
			t.Errorf("put %v, %v", put, err)
		}
		_, err = config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		if list, err := config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{}); err != nil || len(list.GetUpstreams()) != 2 {
			t.Errorf("list %v, %v", list, err)
		}
		if _, err = config.DeleteUpstream(ctx, &tokenstorev1.DeleteUpstreamRequest{Name: "local"}); err != nil {
			t.Error(err)
		}
		_, err = config.DeleteUpstream(ctx, &tokenstorev1.DeleteUpstreamRequest{Name: "local"})
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND, codes.NotFound)

		first, err := config.ClaimAdminToken(ctx, &tokenstorev1.ClaimAdminTokenRequest{TokenHash: []byte(strings.Repeat("a", 32))})
		if err != nil || !first.GetClaimed() {
			t.Errorf("first %v, %v", first, err)
		}
		second, err := config.ClaimAdminToken(ctx, &tokenstorev1.ClaimAdminTokenRequest{TokenHash: []byte(strings.Repeat("b", 32))})
		if err != nil || second.GetClaimed() || string(second.GetTokenHash()) != strings.Repeat("a", 32) {
			t.Errorf("second %v, %v", second, err)
		}
		_, err = config.ClaimAdminToken(ctx, &tokenstorev1.ClaimAdminTokenRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}

// encoded are entries as gateways send them.
func encoded(t testing.TB, entries []*tokenstorev1.LogEntry) [][]byte {
	t.Helper()
	var all [][]byte
	for _, entry := range entries {
		bytes, err := proto.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes)
	}
	return all
}

func TestRequestLogService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		logs := tokenstorev1.NewRequestLogServiceClient(start(t, client).conn)
		var entries []*tokenstorev1.LogEntry
		now := time.Now()
		for i := range uint64(5) {
			entries = append(entries, &tokenstorev1.LogEntry{
				Id: "r", Sequence: i + 1, StartedAt: timestamppb.New(now.Add(time.Duration(i) * time.Second)), Status: "success", Stream: i%2 == 0,
			})
		}
		for _, want := range []uint32{5, 0} {
			if answer, err := logs.Append(ctx, &tokenstorev1.AppendRequest{Replica: "g1", Entries: encoded(t, entries)}); err != nil || answer.GetStored() != want {
				t.Errorf("appended %v, %v", answer, err)
			}
		}
		stream := true
		page, err := logs.Query(ctx, &tokenstorev1.QueryRequest{Limit: 2, Stream: &stream})
		if err != nil || len(page.GetEntries()) != 2 || page.GetEntries()[0].GetSequence() != 5 || page.GetTotal() != 5 || page.GetNextCursor() == "" {
			t.Errorf("page %v, %v", page, err)
		}
		page, err = logs.Query(ctx, &tokenstorev1.QueryRequest{Limit: 2, Stream: &stream, Cursor: page.GetNextCursor()})
		if err != nil || len(page.GetEntries()) != 1 || page.GetEntries()[0].GetSequence() != 1 {
			t.Errorf("page %v, %v", page, err)
		}
		page, err = logs.Query(ctx, &tokenstorev1.QueryRequest{From: timestamppb.New(now.Add(time.Second)), To: timestamppb.New(now.Add(2 * time.Second))})
		if err != nil || len(page.GetEntries()) != 2 {
			t.Errorf("page %v, %v", page, err)
		}
		tail, err := logs.Query(ctx, &tokenstorev1.QueryRequest{After: page.GetNewest()})
		if err != nil || len(tail.GetEntries()) != 0 || tail.GetNewest() != page.GetNewest() {
			t.Errorf("tail %v, %v", tail, err)
		}
		summary, err := logs.Summarize(ctx, &tokenstorev1.SummarizeRequest{
			From: timestamppb.New(now.Add(-time.Hour)), To: timestamppb.New(now.Add(time.Hour)), Step: durationpb.New(24 * time.Hour),
		})
		var counted uint64
		for _, bucket := range summary.GetBuckets() {
			counted += bucket.GetRequests()
		}
		if err != nil || counted != 5 {
			t.Errorf("summary %v, %v", summary, err)
		}
		_, err = logs.Summarize(ctx, &tokenstorev1.SummarizeRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = logs.Append(ctx, &tokenstorev1.AppendRequest{Entries: encoded(t, entries)})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = logs.Append(ctx, &tokenstorev1.AppendRequest{Replica: "g1", Entries: append(encoded(t, entries), []byte{0xff})})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = logs.Query(ctx, &tokenstorev1.QueryRequest{Cursor: "x"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = logs.Query(ctx, &tokenstorev1.QueryRequest{Limit: 5000})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}

func TestFleetService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		fleet := tokenstorev1.NewFleetServiceClient(start(t, client).conn)
		began := timestamppb.New(time.UnixMicro(1_700_000_000_000_001))
		said := &tokenstorev1.BeatRequest{
			Replica: "g2", Version: "1", StartedAt: began, Requests: 3, Active: 1, LogAccepted: 6, LogPending: 2, LogDropped: 1,
		}
		if _, err := fleet.Beat(ctx, said); err != nil {
			t.Fatal(err)
		}
		all, err := fleet.Beat(ctx, &tokenstorev1.BeatRequest{Replica: "g1", StartedAt: timestamppb.Now(), Requests: 2, Active: 2})
		if err != nil || all.GetTotalRequests() != 5 || all.GetActiveRequests() != 3 || !all.GetStartedAt().AsTime().Equal(began.AsTime()) || len(all.GetReplicas()) != 2 {
			t.Fatalf("%v, %v", all, err)
		}
		want := &tokenstorev1.Replica{
			Name: "g2", Version: "1", StartedAt: began, Requests: 3, Active: 1, LogAccepted: 6, LogPending: 2, LogDropped: 1,
		}
		if !proto.Equal(all.GetReplicas()[1], want) {
			t.Errorf("got %v", all.GetReplicas()[1])
		}
		if warnings := all.GetWarnings(); len(warnings) != 1 || warnings[0].GetKind() != "evicts" || warnings[0].GetText() != "it evicts" {
			t.Errorf("warnings %v", warnings)
		}
		_, err = fleet.Beat(ctx, &tokenstorev1.BeatRequest{Replica: "g1"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}

func TestTokenAccounts(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		tokens := tokenstorev1.NewTokenServiceClient(start(t, client).conn)
		created, err := tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: "T1"})
		if err != nil {
			t.Fatal(err)
		}
		id := created.GetToken().GetId()
		revealed, err := tokens.RevealToken(ctx, &tokenstorev1.RevealTokenRequest{Id: id})
		if err != nil || revealed.GetUpstream() != "cursor" || revealed.GetSecret() != "T1" || len(revealed.GetDeviceId()) != 64 || len(revealed.GetMacHash()) != 64 {
			t.Errorf("revealed %v", err)
		}
		if got, err := tokens.GetTokenAccount(ctx, &tokenstorev1.GetTokenAccountRequest{Id: id}); err != nil || got.GetAccount() != nil {
			t.Errorf("account %v, %v", got, err)
		}
		_, err = tokens.RecordTokenAccount(ctx, &tokenstorev1.RecordTokenAccountRequest{Id: id})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		if _, err := tokens.RecordTokenAccount(ctx, &tokenstorev1.RecordTokenAccountRequest{Id: id, Account: &tokenstorev1.TokenAccount{Membership: "pro"}}); err != nil {
			t.Error(err)
		}
		if got, err := tokens.GetTokenAccount(ctx, &tokenstorev1.GetTokenAccountRequest{Id: id}); err != nil || got.GetAccount().GetMembership() != "pro" {
			t.Errorf("account %v, %v", got, err)
		}
		listed, err := tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{})
		if err != nil || len(listed.GetAccounts()) != 1 || listed.GetAccounts()[0].GetToken().GetId() != id ||
			listed.GetAccounts()[0].GetAccount().GetMembership() != "pro" {
			t.Errorf("accounts %v, %v", listed, err)
		}
		if named, err := tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{Ids: []string{"gone", id}}); err != nil || !proto.Equal(named, listed) {
			t.Errorf("accounts by ids %v, %v", named, err)
		}
		_, err = tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{Ids: make([]string, 1001)})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		pools, err := tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{})
		if err != nil || len(pools.GetPools()) != 1 || pools.GetPools()[0].GetUpstream() != "cursor" || pools.GetPools()[0].GetQuarantined() != 1 {
			t.Errorf("pools %v, %v", pools, err)
		}
		if known, err := tokens.AcknowledgeCause(ctx, &tokenstorev1.AcknowledgeCauseRequest{Upstream: "cursor", Class: "auth"}); err != nil || known.GetAcknowledged() {
			t.Errorf("a cause that is not there: %v, %v", known, err)
		}
		if pools, err = tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{Models: true}); err != nil || !pools.GetModelsTold() || len(pools.GetPools()) != 1 {
			t.Errorf("pools with models %v, %v", pools, err)
		}
		_, err = tokens.RevealToken(ctx, &tokenstorev1.RevealTokenRequest{Id: "x"})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
		_, err = tokens.GetTokenAccount(ctx, &tokenstorev1.GetTokenAccountRequest{Id: "x"})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
		_, err = tokens.RecordTokenAccount(ctx, &tokenstorev1.RecordTokenAccountRequest{Id: "x", Account: &tokenstorev1.TokenAccount{}})
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, codes.NotFound)
	})
}

func TestIdempotencyService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		answers := tokenstorev1.NewIdempotencyServiceClient(start(t, client).conn)
		key, request := make([]byte, 32), make([]byte, 32)
		claim := func(owner string, want tokenstorev1.ClaimState) *tokenstorev1.ClaimResponse {
			t.Helper()
			got, err := answers.Claim(ctx, &tokenstorev1.ClaimRequest{KeyHash: key, RequestHash: request, Owner: owner})
			if err != nil || got.GetState() != want {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
			return got
		}
		claim("a", tokenstorev1.ClaimState_CLAIM_STATE_OWNED)
		claim("b", tokenstorev1.ClaimState_CLAIM_STATE_RUNNING)
		if _, err := answers.Finish(ctx, &tokenstorev1.FinishRequest{
			KeyHash: key, Owner: "a", Answer: &tokenstorev1.RememberedAnswer{Body: []byte("Hello")}, Window: durationpb.New(time.Minute),
		}); err != nil {
			t.Fatal(err)
		}
		if got := claim("b", tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED); string(got.GetAnswer().GetBody()) != "Hello" {
			t.Errorf("answer %v", got)
		}
		_, err := answers.Claim(ctx, &tokenstorev1.ClaimRequest{KeyHash: key, Owner: "a"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = answers.Finish(ctx, &tokenstorev1.FinishRequest{Owner: "a"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}
