package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/config"
	"carousel.internal/tokenstore/internal/grpcapi"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

const (
	// maxTokenFile bounds a token file, in bytes.
	maxTokenFile = 32 << 20
	// maxReported bounds the rejected lines that are logged one by one.
	maxReported = 50
)

// theOnly is the upstream of a store without configuration.
var theOnly = config.Upstream{Name: "cursor", Driver: token.DriverCursor, BaseURL: "https://api2.cursor.sh"}

// seeder brings what the configuration names into a store: upstreams that are
// not there, and token files that have changed.
type seeder struct {
	store  *redisstore.Store
	tokens *grpcapi.TokenServer
	config Config
	log    *slog.Logger
}

func (s *seeder) seed(ctx context.Context) error {
	for _, upstream := range s.config.Upstreams {
		if err := s.seedUpstream(ctx, upstream); err != nil {
			return err
		}
	}
	upstreams, err := s.store.Upstreams(ctx)
	if err != nil {
		return err
	}
	if len(upstreams) == 0 {
		if err := s.seedUpstream(ctx, theOnly); err != nil {
			return err
		}
	}
	return s.importFiles(ctx)
}

func (s *seeder) seedUpstream(ctx context.Context, upstream config.Upstream) error {
	created, err := s.store.SeedUpstream(ctx, upstream.Message())
	if created {
		s.log.LogAttrs(ctx, slog.LevelInfo, "upstream created", slog.String("upstream", upstream.Name), slog.String("driver", upstream.Driver))
	}
	return err
}

// importFiles takes over the token files. Where both name a token, the token
// file's alias holds: so it follows whenever the list has changed.
func (s *seeder) importFiles(ctx context.Context) error {
	changed, err := s.importFile(ctx, s.config.TokenListFile, tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST, false)
	if err != nil {
		return err
	}
	_, err = s.importFile(ctx, s.config.TokenFile, tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN, changed)
	return err
}

// importFile tells whether it imported the file. A file that can't be read
// changes nothing, and keeps nobody from starting.
func (s *seeder) importFile(ctx context.Context, path string, format tokenstorev1.TokenFileFormat, anyway bool) (bool, error) {
	content, err := readTokenFile(path)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "token file can't be read; nothing was changed", slog.String("path", path), slog.Any("error", err))
		return false, nil
	}
	if content == "" {
		return false, nil
	}
	if changed, err := s.store.FileChanged(ctx, path, content); err != nil || !changed && !anyway {
		return false, err
	}
	report, err := s.tokens.ImportTokens(ctx, &tokenstorev1.ImportTokensRequest{Content: content, Format: format, Upstream: theOnly.Name})
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND) {
		s.log.LogAttrs(ctx, slog.LevelWarn, "token file was not imported", slog.String("path", path), slog.Any("error", err))
		return false, nil
	} else if err != nil {
		return false, err
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "token file imported", slog.String("path", path), slog.Any("accepted", report.GetAccepted()),
		slog.Any("updated", report.GetUpdated()), slog.Int("rejected", len(report.GetRejected())))
	for i, line := range report.GetRejected() {
		if i == maxReported {
			s.log.LogAttrs(ctx, slog.LevelWarn, "more lines of the token file were rejected", slog.String("path", path), slog.Int("more", len(report.GetRejected())-i))
			break
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "line of the token file was rejected", slog.String("path", path),
			slog.Any("line", line.GetLine()), slog.String("reason", line.GetReason()))
	}
	return true, s.store.FileImported(ctx, path, content)
}

// readTokenFile answers "" where there is no file.
func readTokenFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if info.Size() > maxTokenFile {
		return "", fmt.Errorf("it has more than %d MiB", maxTokenFile>>20)
	}
	content, err := os.ReadFile(path)
	return string(content), err
}
