package grpcapi_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// backedUp are the messages of a backup.
func backedUp(t *testing.T, client tokenstorev1.BackupServiceClient) []*tokenstorev1.BackupResponse {
	t.Helper()
	stream, err := client.Backup(t.Context(), &tokenstorev1.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*tokenstorev1.BackupResponse
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, message)
	}
}

func restore(ctx context.Context, client tokenstorev1.BackupServiceClient, requests ...*tokenstorev1.RestoreRequest) (*tokenstorev1.RestorePlan, error) {
	stream, err := client.Restore(ctx)
	if err != nil {
		return nil, err
	}
	for _, each := range requests {
		if err := stream.Send(each); err != nil { // the answer says why
			break
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetPlan(), err
}

// A restore is planned, and carried out only as it was planned.
func TestRestoreIsWhatWasPlanned(t *testing.T) {
	t.Parallel()
	from, into := start(t, testredis.Mini(t)), start(t, testredis.Mini(t))
	tokens := tokenstorev1.NewTokenServiceClient(from.conn)
	if _, err := tokens.CreateToken(t.Context(), &tokenstorev1.CreateTokenRequest{Secret: "eyJ.one.two", Alias: "work"}); err != nil {
		t.Fatal(err)
	}
	parts := backedUp(t, tokenstorev1.NewBackupServiceClient(from.conn))
	client := tokenstorev1.NewBackupServiceClient(into.conn)
	ask := func(options *tokenstorev1.RestoreOptions) (*tokenstorev1.RestorePlan, error) {
		requests := []*tokenstorev1.RestoreRequest{{Options: options}}
		for _, each := range parts {
			requests = append(requests, &tokenstorev1.RestoreRequest{Records: each.GetRecords()})
		}
		return restore(t.Context(), client, requests...)
	}
	plan, err := ask(&tokenstorev1.RestoreOptions{})
	if err != nil || len(plan.GetItems()) != 1 || plan.GetItems()[0].GetName() != "cursor: work" {
		t.Fatalf("planned %v, %v", plan, err)
	}
	there := func() int {
		list, err := tokenstorev1.NewTokenServiceClient(into.conn).ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.GetTokens())
	}
	for name, options := range map[string]*tokenstorev1.RestoreOptions{
		"without a digest": {Apply: true},
		"another digest":   {Apply: true, PlanDigest: []byte("other")},
	} {
		if _, err := ask(options); !rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if there() != 0 {
		t.Fatal("something was restored that was not planned")
	}
	if _, err := ask(&tokenstorev1.RestoreOptions{Apply: true, PlanDigest: plan.GetDigest(), Actor: "api 10.0.0.1"}); err != nil || there() != 1 {
		t.Errorf("%d tokens after the restore, %v", there(), err)
	}
}

func TestRestoreWantsItsOptionsFirst(t *testing.T) {
	t.Parallel()
	client := tokenstorev1.NewBackupServiceClient(start(t, testredis.Mini(t)).conn)
	for name, requests := range map[string][]*tokenstorev1.RestoreRequest{
		"none":  nil,
		"late":  {{}, {Options: &tokenstorev1.RestoreOptions{}}},
		"twice": {{Options: &tokenstorev1.RestoreOptions{}}, {Options: &tokenstorev1.RestoreOptions{}}},
	} {
		_, err := restore(t.Context(), client, requests...)
		if !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) || !strings.Contains(rpcerr.Parse(err).Message, "options") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
