package grpcapi_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestUsageService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		conn := start(t, client).conn
		logs, usage := tokenstorev1.NewRequestLogServiceClient(conn), tokenstorev1.NewUsageServiceClient(conn)
		entry := &tokenstorev1.LogEntry{
			Sequence: 1, Status: "failure", Attempts: 1, Caller: "key", KeyId: "k1", TokenId: "t1", Model: "fast", ServedModel: "gpt-5", Upstream: "cursor",
			PromptTokens: 100, CompletionTokens: 50, CacheReadTokens: 40, CacheWriteTokens: 30, CacheWriteHourTokens: 20, ReasoningTokens: 10,
			Cost: 7, CostQuality: "reported",
		}
		batch := []*tokenstorev1.LogEntry{
			entry,
			{Sequence: 2, KeyId: "k1", Cost: 5, CostQuality: "estimated"},
			{Sequence: 3, KeyId: "k2", Cost: 3, CostQuality: "partial"},
			{Sequence: 4, KeyId: "k2", CostQuality: "unpriced"},
		}
		if _, err := logs.Append(ctx, &tokenstorev1.AppendRequest{Replica: "g1", Entries: encoded(t, batch)}); err != nil {
			t.Fatal(err)
		}
		now, err := client.Time(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		// The day may turn meanwhile.
		from := timestamppb.New(now.UTC().Truncate(time.Hour).Add(-time.Hour))
		to := timestamppb.New(from.AsTime().Add(3 * time.Hour))
		query := func(request *tokenstorev1.QueryUsageRequest) *tokenstorev1.QueryUsageResponse {
			t.Helper()
			request.From, request.To = from, to
			answer, err := usage.QueryUsage(ctx, request)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		whole := &tokenstorev1.UsageSums{
			Requests: 4, Failures: 1, PromptTokens: 100, CompletionTokens: 50, CacheReadTokens: 40, CacheWriteTokens: 30, CacheWriteHourTokens: 20,
			ReasoningTokens: 10, ReportedCost: 7, EstimatedCost: 5, PartialCost: 3, ReportedRequests: 1, EstimatedRequests: 1, PartialRequests: 1, UnpricedRequests: 1,
		}
		want := &tokenstorev1.QueryUsageResponse{From: from, To: to, Rows: []*tokenstorev1.UsageRow{{Sums: whole}}}
		if diff := cmp.Diff(want, query(&tokenstorev1.QueryUsageRequest{}), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		all := []tokenstorev1.UsageDimension{
			tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL, tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM, tokenstorev1.UsageDimension_USAGE_DIMENSION_KEY,
		}
		rows := query(&tokenstorev1.QueryUsageRequest{Group: all, KeyId: "k1"}).GetRows()
		if len(rows) != 2 || rows[1].GetKeyId() != "k1" || rows[1].GetModel() != "gpt-5" || rows[1].GetUpstream() != "cursor" || rows[1].GetStart() != nil || rows[0].GetModel() != "" {
			t.Errorf("by key, model and upstream: %v", rows)
		}
		rows = query(&tokenstorev1.QueryUsageRequest{Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN}, Upstream: "cursor", Model: "gpt-5"}).GetRows()
		if len(rows) != 1 || rows[0].GetTokenId() != "t1" || rows[0].GetSums().GetReportedCost() != 7 {
			t.Errorf("by token: %v", rows)
		}
		most := query(&tokenstorev1.QueryUsageRequest{
			Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_KEY}, Most: 1, Measure: tokenstorev1.UsageMeasure_USAGE_MEASURE_TOKENS,
		})
		if rows := most.GetRows(); len(rows) != 2 || most.GetOthers() != 1 || rows[0].GetKeyId() != "k1" || rows[0].GetOthers() ||
			rows[1].GetKeyId() != "" || !rows[1].GetOthers() || rows[1].GetSums().GetPartialCost() != 3 || rows[1].GetSums().GetRequests() != 2 {
			t.Errorf("the key with the most: %v", most)
		}
		for _, step := range []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR, tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY} {
			rows := query(&tokenstorev1.QueryUsageRequest{Group: []tokenstorev1.UsageDimension{step}, TokenId: "t1"}).GetRows()
			if len(rows) != 1 || rows[0].GetStart() == nil || rows[0].GetSums().GetRequests() != 1 {
				t.Errorf("by %v: %v", step, rows)
			}
		}
		for name, request := range map[string]*tokenstorev1.QueryUsageRequest{
			"no time":        {},
			"key and token":  {From: from, To: to, KeyId: "k1", TokenId: "t1"},
			"no dimension":   {From: from, To: to, Group: []tokenstorev1.UsageDimension{0}},
			"no measure":     {From: from, To: to, Measure: 99},
			"one unheard of": {From: from, To: to, Group: []tokenstorev1.UsageDimension{99}},
		} {
			_, err := usage.QueryUsage(ctx, request)
			t.Log(name, err)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		}
	})
}
