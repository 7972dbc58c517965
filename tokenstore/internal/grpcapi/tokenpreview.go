package grpcapi

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
)

// maxPreviewed bounds the tokens that a preview names one by one.
const maxPreviewed = 200

// PreviewTokens implements TokenService.
func (s *TokenServer) PreviewTokens(ctx context.Context, request *tokenstorev1.PreviewTokensRequest) (*tokenstorev1.PreviewTokensResponse, error) {
	wanted := request.GetImport()
	entries, rejected, err := files.Parse(wanted.GetFormat(), wanted.GetContent())
	if err != nil {
		return nil, invalid(err)
	}
	var tokens []files.Entry
	var defined []string
	for _, entry := range entries {
		if entry.Defines != nil {
			defined = append(defined, entry.Defines.GetName())
		} else {
			tokens = append(tokens, entry)
		}
	}
	drafts, err := s.draftsOf(ctx, tokens, wanted.GetUpstream())
	if err != nil {
		return nil, err
	}
	results, err := s.store.PreviewTokens(ctx, drafts, defined)
	if err != nil {
		return nil, err
	}
	response := &tokenstorev1.PreviewTokensResponse{Report: importReport(tokens, results, rejected)}
	response.Report.Upstreams = count32(len(defined))
	for i, result := range results {
		if result.Problem != "" || len(response.GetTokens()) == maxPreviewed {
			continue
		}
		response.Tokens = append(response.Tokens, &tokenstorev1.PreviewedToken{
			Line: count32(tokens[i].Line), Known: result.Updated, Upstream: drafts[i].Upstream, Alias: drafts[i].Alias, MaskedSecret: drafts[i].Secret.Masked(),
		})
	}
	return response, nil
}
