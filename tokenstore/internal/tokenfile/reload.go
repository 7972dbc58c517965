package tokenfile

import (
	"context"
	"errors"
	"log/slog"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
)

// maxReported bounds the bad lines that are logged one by one.
const maxReported = 50

// Reload applies what somebody wrote into the files; files that are as they were
// change nothing.
func (f *Files) Reload(ctx context.Context) (Report, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	now, err := f.look(ctx)
	if err != nil {
		return Report{}, err
	}
	return f.reload(ctx, now)
}

func (f *Files) reload(ctx context.Context, now *state) (Report, error) {
	tokens, list := f.edited(now, tokenFile), f.edited(now, tokenList)
	if !tokens && !list {
		return f.conclude(ctx, now, &Report{})
	}
	var texts [2]*string
	if now.disk[tokenFile].exists { // it has the last word on what the list says
		texts[tokenFile] = &now.disk[tokenFile].text
	}
	if list {
		texts[tokenList] = &now.disk[tokenList].text
	}
	return f.apply(ctx, now, change{texts: texts, deletable: now.known.Written, appliedTokens: !tokens})
}

// Start takes away what a killed process left and applies files that are new or
// changed. A file that can't be read or written, or has nothing good in it, changes
// nothing, and keeps nobody from starting.
func (f *Files) Start(ctx context.Context) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return f.tolerate(ctx, err)
	}
	defer unlock()
	now := &state{}
	for from, path := range f.paths {
		if path == "" {
			continue
		}
		found, err := f.read(path)
		if err := errors.Join(removeDrafts(path), err); err != nil {
			f.log.LogAttrs(ctx, slog.LevelError, "token file can't be read; nothing was changed", slog.String("path", path), slog.Any("error", err))
			continue // as if it had no name
		}
		now.disk[from] = found
	}
	if !now.disk[tokenFile].exists && !now.disk[tokenList].exists {
		return nil
	}
	if err := f.lookUp(ctx, now); err != nil {
		return err
	}
	report, err := f.reload(ctx, now)
	switch {
	case errors.Is(err, errNotRendered): // as in a folder that only another user may write
		f.log.LogAttrs(ctx, slog.LevelWarn, "token files were applied and stay as they are", slog.Any("error", err))
	case err != nil:
		return f.tolerate(ctx, err)
	}
	f.logReport(ctx, report)
	return nil
}

// tolerate logs what a start can do without; the rest stays an error.
func (f *Files) tolerate(ctx context.Context, err error) error {
	if !errors.Is(err, errDisk) && !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) && !rpcerr.Is(err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND) {
		return err
	}
	f.log.LogAttrs(ctx, slog.LevelError, "token files were not applied", slog.Any("error", err))
	return nil
}

func (f *Files) logReport(ctx context.Context, report Report) {
	rejected := [2][]files.Rejected{report.RejectedTokens, report.RejectedList}
	f.log.LogAttrs(ctx, slog.LevelInfo, "token files read", slog.Int("accepted", report.Accepted), slog.Int("updated", report.Updated),
		slog.Int("deleted", report.Deleted), slog.Int("rejected", len(rejected[tokenFile])+len(rejected[tokenList])), slog.Int("tokens", report.Count))
	for from, lines := range rejected {
		path := f.paths[from]
		for i, line := range lines {
			if i == maxReported {
				f.log.LogAttrs(ctx, slog.LevelWarn, "more lines of the token file were rejected", slog.String("path", path), slog.Int("more", len(lines)-i))
				break
			}
			f.log.LogAttrs(ctx, slog.LevelWarn, "line of the token file was rejected", slog.String("path", path),
				slog.Int("line", line.Line), slog.String("reason", line.Reason))
		}
	}
}
