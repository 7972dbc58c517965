package grpcapi

import (
	"context"
	"log/slog"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/tokenfile"
)

// TokenFileServer implements TokenFileService.
type TokenFileServer struct {
	tokenstorev1.UnsafeTokenFileServiceServer
	files *tokenfile.Files
	log   *slog.Logger
}

// NewTokenFileServer makes the server.
func NewTokenFileServer(tokenFiles *tokenfile.Files, log *slog.Logger) *TokenFileServer {
	return &TokenFileServer{files: tokenFiles, log: log}
}

// ReadTokenFiles implements TokenFileService.
func (s *TokenFileServer) ReadTokenFiles(ctx context.Context, _ *tokenstorev1.ReadTokenFilesRequest) (*tokenstorev1.ReadTokenFilesResponse, error) {
	contents, err := s.files.Read(ctx)
	if err != nil {
		return nil, err
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "token files shown", slog.Int("tokens", contents.Count))
	tokenFile, listFile := s.files.Names()
	return &tokenstorev1.ReadTokenFilesResponse{
		TokenFile: tokenFile, TokenListFile: listFile, Tokens: contents.Tokens, TokenList: contents.List,
		TokenCount: count32(contents.Count), Revision: contents.Revision,
	}, nil
}

// WriteTokenFiles implements TokenFileService.
func (s *TokenFileServer) WriteTokenFiles(ctx context.Context, request *tokenstorev1.WriteTokenFilesRequest) (*tokenstorev1.WriteTokenFilesResponse, error) {
	report, err := s.files.Write(ctx, request.GetTokens(), request.TokenList, request.GetExpectedRevision())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.WriteTokenFilesResponse{Report: s.report(ctx, "write", report)}, nil
}

// ReloadTokenFiles implements TokenFileService.
func (s *TokenFileServer) ReloadTokenFiles(ctx context.Context, _ *tokenstorev1.ReloadTokenFilesRequest) (*tokenstorev1.ReloadTokenFilesResponse, error) {
	report, err := s.files.Reload(ctx)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ReloadTokenFilesResponse{Report: s.report(ctx, "reload", report)}, nil
}

func (s *TokenFileServer) report(ctx context.Context, by string, report tokenfile.Report) *tokenstorev1.TokenFilesReport {
	s.log.LogAttrs(ctx, slog.LevelInfo, "token files applied", slog.String("by", by), slog.Int("accepted", report.Accepted), slog.Int("updated", report.Updated),
		slog.Int("deleted", report.Deleted), slog.Int("rejected", len(report.RejectedTokens)+len(report.RejectedList)))
	tokenFile, listFile := s.files.Names()
	return &tokenstorev1.TokenFilesReport{
		TokenFile: tokenFile, TokenListFile: listFile, TokenCount: count32(report.Count),
		Accepted: count32(report.Accepted), Updated: count32(report.Updated), Deleted: count32(report.Deleted),
		RejectedTokens: rejectedLines(report.RejectedTokens), RejectedList: rejectedLines(report.RejectedList), Revision: report.Revision,
	}
}

func rejectedLines(rejected []files.Rejected) []*tokenstorev1.RejectedLine {
	var lines []*tokenstorev1.RejectedLine
	for _, each := range rejected {
		lines = append(lines, &tokenstorev1.RejectedLine{Line: count32(each.Line), Reason: each.Reason})
	}
	return lines
}

// count32 is for counts of tokens and lines, which are few.
func count32(n int) uint32 { return uint32(n) } //nolint:gosec // see above
