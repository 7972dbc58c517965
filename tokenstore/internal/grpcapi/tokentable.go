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

// isTable tells whether a request is about a sorted list, or the first page of a counted one.
func isTable(request *tokenstorev1.ListTokensRequest) bool {
	return isSorted(request) || request.GetCounted() && request.GetCursor() == ""
}

// isSorted tells whether a list's pages are told by their places. The others are told by times of
// creation, so that nobody is passed over while tokens before are deleted.
func isSorted(request *tokenstorev1.ListTokensRequest) bool {
	return request.GetOrder() != tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED || request.GetDescending() ||
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
		Brief: request.GetBrief(),
	})
	if err != nil {
		return nil, err
	}
	count := count32(total)
	response := &tokenstorev1.ListTokensResponse{Tokens: tokens, Total: &count}
	switch end := offset + limit; {
	case end >= total:
	case isSorted(request):
		response.NextCursor = placePrefix + strconv.Itoa(end)
	case len(tokens) > 0:
		response.NextCursor = redisstore.CreationCursor(tokens[len(tokens)-1])
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
