package grpcapi_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestTokenFileService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		s := start(t, client)
		files := tokenstorev1.NewTokenFileServiceClient(s.conn)
		tokenFile, listFile := s.files.Names()

		empty, err := files.ReadTokenFiles(ctx, &tokenstorev1.ReadTokenFilesRequest{})
		if err != nil || empty.GetTokenFile() != tokenFile || empty.GetTokenListFile() != listFile || empty.GetTokens()+empty.GetTokenList() != "" || empty.GetTokenCount() != 0 {
			t.Errorf("%v, %v", empty, err)
		}
		written, err := files.WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{Tokens: "work::T1\nT2\na::b::T3\n", ExpectedRevision: empty.GetRevision()})
		report := written.GetReport()
		if err != nil || report.GetTokenFile() != tokenFile || report.GetTokenListFile() != listFile || report.GetTokenCount() != 2 || report.GetAccepted() != 2 ||
			report.GetUpdated() != 0 || report.GetDeleted() != 0 || len(report.GetRejectedTokens()) != 1 || report.GetRejectedTokens()[0].GetLine() != 3 || len(report.GetRejectedList()) != 0 {
			t.Fatalf("%v, %v", report, err)
		}
		full, err := files.ReadTokenFiles(ctx, &tokenstorev1.ReadTokenFilesRequest{})
		if err != nil || full.GetRevision() != report.GetRevision() || full.GetTokenCount() != 2 || !strings.HasPrefix(full.GetTokenList(), "work::T1,") || full.GetTokens() != "work::T1\nT2\na::b::T3\n" {
			t.Errorf("%v, %v", full, err)
		}
		_, err = files.WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{ExpectedRevision: empty.GetRevision()})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT, codes.Aborted)
		_, err = files.WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{Tokens: "a::b::T3"})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)

		kept, _, _ := strings.Cut(full.GetTokenList(), "\n")
		written, err = files.WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{TokenList: &kept})
		if err != nil || written.GetReport().GetDeleted() != 1 || written.GetReport().GetUpdated() != 1 || written.GetReport().GetTokenCount() != 1 {
			t.Errorf("%v, %v", written, err)
		}
		if err := os.WriteFile(tokenFile, []byte("T4"), 0o600); err != nil {
			t.Fatal(err)
		}
		reloaded, err := files.ReloadTokenFiles(ctx, &tokenstorev1.ReloadTokenFilesRequest{})
		if err != nil || reloaded.GetReport().GetAccepted() != 1 || reloaded.GetReport().GetTokenCount() != 2 {
			t.Errorf("%v, %v", reloaded, err)
		}
	})
}

// The list's file follows what is done to the pool over the API.
func TestTheListFollowsThePool(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Mini(t))
	tokens, ctx := tokenstorev1.NewTokenServiceClient(s.conn), t.Context()
	if _, err := tokenstorev1.NewTokenFileServiceClient(s.conn).WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{Tokens: "T1"}); err != nil {
		t.Fatal(err)
	}
	_, listFile := s.files.Names()
	until := func(want ...string) {
		t.Helper()
		deadline := time.After(testredis.Timeout)
		for {
			text, err := os.ReadFile(listFile)
			var got []string
			for line := range strings.Lines(string(text)) {
				name, _, _ := strings.Cut(line, ",")
				got = append(got, name)
			}
			if strings.Join(got, " ") == strings.Join(want, " ") {
				return
			}
			select {
			case <-deadline:
				t.Fatalf("the list has %v, want %v; %v", got, want, err)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	created, err := tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: "T2"})
	if err != nil {
		t.Fatal(err)
	}
	id := created.GetToken().GetId()
	until("T1", "T2")
	if _, err := tokens.UpdateToken(ctx, &tokenstorev1.UpdateTokenRequest{Id: id, UpdateMask: mask("alias"), Alias: "two"}); err != nil {
		t.Fatal(err)
	}
	until("T1", "two::T2")
	if _, err := tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	until("T1")
	if _, err := tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	until("T1", "two::T2")
	if _, err := tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Content: "T3", Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN}); err != nil {
		t.Fatal(err)
	}
	until("T1", "two::T2", "T3")
}
