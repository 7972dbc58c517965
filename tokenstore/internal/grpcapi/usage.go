package grpcapi

import (
	"context"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/usage"
)

// UsageServer implements UsageService.
type UsageServer struct {
	tokenstorev1.UnsafeUsageServiceServer
	store *redisstore.Store
}

// NewUsageServer makes the server.
func NewUsageServer(store *redisstore.Store) *UsageServer { return &UsageServer{store: store} }

var usageDimensions = map[tokenstorev1.UsageDimension]usage.Dimension{
	tokenstorev1.UsageDimension_USAGE_DIMENSION_KEY:      usage.Key,
	tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN:    usage.Token,
	tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL:    usage.Model,
	tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM: usage.Upstream,
	tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY:      usage.ByDay,
	tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR:     usage.ByHour,
}

var usageMeasures = map[tokenstorev1.UsageMeasure]usage.Measure{
	tokenstorev1.UsageMeasure_USAGE_MEASURE_UNSPECIFIED: usage.ByCost,
	tokenstorev1.UsageMeasure_USAGE_MEASURE_COST:        usage.ByCost,
	tokenstorev1.UsageMeasure_USAGE_MEASURE_REQUESTS:    usage.ByRequests,
	tokenstorev1.UsageMeasure_USAGE_MEASURE_TOKENS:      usage.ByTokens,
}

// QueryUsage implements UsageService.
func (s *UsageServer) QueryUsage(ctx context.Context, request *tokenstorev1.QueryUsageRequest) (*tokenstorev1.QueryUsageResponse, error) {
	question := usage.Question{
		From: timeOf(request.GetFrom()), To: timeOf(request.GetTo()),
		Key: request.GetKeyId(), Token: request.GetTokenId(), Model: request.GetModel(), Upstream: request.GetUpstream(),
		Most: int(min(request.GetMost(), math.MaxInt32)),
	}
	var known bool
	if question.Measure, known = usageMeasures[request.GetMeasure()]; !known {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "measure: there is no measure %v", request.GetMeasure())
	}
	for _, group := range request.GetGroup() {
		dimension, known := usageDimensions[group]
		if !known {
			return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "group: there is no dimension %v", group)
		}
		question.Group = append(question.Group, dimension)
	}
	answer, err := s.store.QueryUsage(ctx, question)
	if err != nil {
		return nil, err
	}
	rows, others := answer.Rows()
	response := &tokenstorev1.QueryUsageResponse{
		From: timestamppb.New(answer.From), To: timestamppb.New(answer.To),
		Rows: make([]*tokenstorev1.UsageRow, 0, len(rows)), Others: uint32(others), //nolint:gosec // rows have a bound far below
	}
	for _, row := range rows {
		response.Rows = append(response.Rows, usageRow(row))
	}
	return response, nil
}

func usageRow(row usage.Row) *tokenstorev1.UsageRow {
	s := row.Sums
	converted := &tokenstorev1.UsageRow{
		KeyId: row.Key, TokenId: row.Token, Model: row.Model, Upstream: row.Upstream, Others: row.Others,
		Sums: &tokenstorev1.UsageSums{
			Requests: s.Requests, Failures: s.Failures,
			PromptTokens: s.Prompt, CompletionTokens: s.Completion,
			CacheReadTokens: s.CacheRead, CacheWriteTokens: s.CacheWrite, CacheWriteHourTokens: s.CacheWriteHour, ReasoningTokens: s.Reasoning,
			ReportedCost: s.Reported.Pico, EstimatedCost: s.Estimated.Pico, PartialCost: s.Partial.Pico,
			ReportedRequests: s.Reported.Requests, EstimatedRequests: s.Estimated.Requests, PartialRequests: s.Partial.Requests,
			UnpricedRequests: s.Unpriced,
		},
	}
	if !row.Start.IsZero() {
		converted.Start = timestamppb.New(row.Start)
	}
	return converted
}
