package grpcapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	// placePrefix begins a cursor that is a place in a table; others are a time of creation.
	placePrefix = "+"
	// maxOffset is far behind the end of every pool.
	maxOffset = 10_000_000
)

// isTable tells whether a request is about a sorted or counted list.
func isTable(request *tokenstorev1.ListTokensRequest) bool {
	return request.GetOrder() != tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED || request.GetDescending() || request.GetCounted() ||
		request.GetOffset() > 0 || strings.HasPrefix(request.GetCursor(), placePrefix)
}

func (s *TokenServer) listTable(
	ctx context.Context, request *tokenstorev1.ListTokensRequest, filter redisstore.TokenFilter, limit int,
) (*tokenstorev1.ListTokensResponse, error) {
	offset, err := offsetOf(request)
	if err != nil {
		return nil, err
	}
	if _, known := tokenstorev1.TokenOrder_name[int32(request.GetOrder())]; !known {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "order: this tokenstore does not know %d", request.GetOrder())
	}
	tokens, total, err := s.store.TokenTable(ctx, redisstore.Table{
		TokenFilter: filter, Order: request.GetOrder(), Descending: request.GetDescending(), Offset: offset, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	count := count32(total)
	response := &tokenstorev1.ListTokensResponse{Tokens: tokens, Total: &count}
	if end := offset + limit; end < total {
		response.NextCursor = placePrefix + strconv.Itoa(end)
	}
	return response, nil
}

// offsetOf is how many tokens a page of a table passes over.
func offsetOf(request *tokenstorev1.ListTokensRequest) (int, error) {
	offset := uint64(request.GetOffset())
	if cursor := request.GetCursor(); cursor != "" {
		place, ours := strings.CutPrefix(cursor, placePrefix)
		var err error
		if offset, err = strconv.ParseUint(place, 10, 32); err != nil || !ours || request.GetOffset() > 0 {
			return 0, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of this list; begin without")
		}
	}
	if offset > maxOffset {
		return 0, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%s", fmt.Sprintf("offset: at most %d", maxOffset))
	}
	return int(offset), nil
}
