package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/redisstore"
)

// applyTimeout bounds what follows once a file has been written: it goes on when the
// caller has hung up.
const applyTimeout = 2 * time.Minute

// Write applies both contents and stores them. A list of nil is none. expected is
// the revision that the contents must have; empty: any.
//
// Where no list is given, the list's file stays as it is until the pool changes by other
// means or the files are reloaded. What somebody has written into it by hand, and nobody
// has reloaded yet, is neither applied nor written over. A list that is not there is made.
func (f *Files) Write(ctx context.Context, tokens string, list *string, expected string) (Report, error) {
	tokens = unixLines(tokens)
	if list != nil {
		list = new(unixLines(*list))
	}
	if err := f.checkContents(tokens, list); err != nil {
		return Report{}, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	now, err := f.look(ctx)
	if err != nil {
		return Report{}, err
	}
	if expected != "" {
		shown, ids := render(now.pool)
		if found := f.revision(now, shown); found != expected {
			return Report{}, rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT,
				"the token files are at revision %s, not %s: they were changed meanwhile; read them again", found, expected)
		}
		now.known.Shown = ids // the caller knows them all
	}
	now.keepList = list == nil && now.disk[tokenList].exists
	return f.apply(ctx, now, change{texts: [2]*string{&tokens, list}, deletable: now.known.Shown})
}

func (f *Files) checkContents(tokens string, list *string) error {
	if f.paths[tokenFile] == "" {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "this tokenstore has no token file: TOKEN_FILES is false, or TOKEN_FILE empty")
	}
	if err := f.check("tokens", tokens); err != nil || list == nil {
		return err
	}
	return f.check("token_list", *list)
}

// change is what the files are to be.
type change struct {
	// texts are nil for a file that isn't there.
	texts [2]*string
	// deletable are the ids of the tokens that may go.
	deletable []string
	// appliedTokens: the token file has been applied before. What the pool lacks of it
	// was deleted since, and stays so.
	appliedTokens bool
}

// apply makes the pool as the contents want it, and the files as the pool is then.
func (f *Files) apply(ctx context.Context, now *state, to change) (Report, error) {
	wants, err := readContents(to.texts[tokenFile], to.texts[tokenList])
	if err != nil {
		return Report{}, err
	}
	if err := wants.hopeless([2]string{f.name(tokenFile), f.name(tokenList)}); err != nil {
		return Report{}, err
	}
	if _, err := f.store.PoolName(ctx, Upstream); err != nil {
		return Report{}, err
	}
	// From the first file on, all has to be done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience)
	defer cancel()
	if err := f.intend(ctx, now, to); err != nil {
		return Report{}, err
	}
	report := &Report{RejectedTokens: wants.rejected[tokenFile], RejectedList: wants.rejected[tokenList]}
	steps := planFor(now.pool, wants, to.deletable)
	if to.appliedTokens {
		steps.onlyListed()
	}
	if err := f.carryOut(ctx, steps, report); err != nil {
		return Report{}, err
	}
	now.written = wants.secrets()
	return f.conclude(ctx, now, report)
}

func (f *Files) name(from source) string {
	if name := filepath.Base(f.paths[from]); f.paths[from] != "" {
		return name
	}
	return [2]string{"tokens", "token_list"}[from]
}

// intend writes the contents as they were given, the token file first, so that
// whoever starts next can do what this process may not come to do. That one must
// delete no more than this one.
func (f *Files) intend(ctx context.Context, now *state, to change) error {
	if to.texts[tokenList] != nil && !slices.Equal(now.known.Written, to.deletable) {
		if err := f.store.RememberTokenFiles(ctx, redisstore.TokenFiles{Shown: now.known.Shown, Written: to.deletable}); err != nil {
			return err
		}
	}
	for from, text := range to.texts {
		file := &now.disk[from]
		if text == nil || file.path == "" || file.exists && file.text == *text {
			continue
		}
		if err := file.replace(*text, true); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does what is planned, and adds it to the report.
func (f *Files) carryOut(ctx context.Context, p plan, report *Report) error {
	var err error
	if len(p.deletions) > 0 {
		if report.Deleted, err = f.store.DeleteTokens(ctx, p.deletions); err != nil {
			return err
		}
	}
	if len(p.releases) > 0 { // what comes of each shows in its edit
		if _, err := f.store.EditTokens(ctx, p.releases); err != nil {
			return err
		}
	}
	report.Updated = p.unchanged
	if len(p.edits) > 0 {
		problems, err := f.store.EditTokens(ctx, p.edits)
		if err != nil {
			return err
		}
		for i, problem := range problems {
			report.count(&report.Updated, p.edited[i], problem)
		}
	}
	if len(p.creations) == 0 {
		return nil
	}
	created, err := f.store.ImportTokens(ctx, p.creations)
	if err != nil {
		return err
	}
	for i, each := range created {
		counter := &report.Accepted
		if each.Updated { // somebody else was faster
			counter = &report.Updated
		}
		report.count(counter, p.created[i], each.Problem)
	}
	return nil
}

func (r *Report) count(counter *int, want wanted, problem string) {
	if problem == "" {
		*counter++
		return
	}
	rejected := &r.RejectedTokens
	if want.source == tokenList {
		rejected = &r.RejectedList
	}
	*rejected = append(*rejected, files.Rejected{Line: want.line, Reason: problem})
}

// conclude renders the list into its file, where files are in use, and remembers
// what is in them. A disk that can't be written keeps nothing from being remembered; the
// report is then true, and beside it is errNotRendered.
func (f *Files) conclude(ctx context.Context, now *state, report *Report) (Report, error) {
	var err error
	if now.pool, err = f.store.ExportTokens(ctx, Upstream); err != nil {
		return Report{}, err
	}
	list, ids := render(now.pool)
	onDisk := f.tidy(now, list)
	known := redisstore.TokenFiles{Seen: map[string]string{}, Shown: now.shown(), Written: ids}
	if now.keepList { // what it lacks of the pool was never in it
		known.Written = now.known.Written
	}
	for from, file := range now.disk {
		if file.exists && (source(from) != tokenList || !now.keepList) {
			known.Seen[file.path] = f.store.Fingerprint(file.text)
		}
	}
	if err := f.store.RememberTokenFiles(ctx, known); err != nil {
		return Report{}, errors.Join(err, onDisk)
	}
	for _, rejected := range [][]files.Rejected{report.RejectedTokens, report.RejectedList} {
		slices.SortStableFunc(rejected, func(a, b files.Rejected) int { return a.Line - b.Line })
	}
	report.Count, report.Revision = len(ids), f.revision(now, list)
	if onDisk != nil {
		return *report, fmt.Errorf("%w: %w", errNotRendered, onDisk)
	}
	return *report, nil
}

// errNotRendered says that all has been done but bringing the files up to date.
var errNotRendered = errors.New("the pool has what the token files say, but they can't be brought up to date")

// tidy brings the files in use to what they should be: no CR in the token file, and
// the pool in the list.
func (f *Files) tidy(now *state, list string) error {
	tokens, listed := &now.disk[tokenFile], &now.disk[tokenList]
	var err error
	if tokens.crlf {
		err = tokens.replace(tokens.text, false)
	}
	inUse := tokens.exists || listed.exists
	if listed.path == "" || !inUse || now.keepList {
		return err
	}
	return errors.Join(err, f.renew(listed, list, true))
}

// renew writes the list's file, if it shows something else than the time. One that would be
// too long to be read again is not written: the pool is complete without it.
func (f *Files) renew(listed *content, list string, backup bool) error {
	switch {
	case listed.exists && timeless(listed.text) == timeless(list):
		return nil
	case len(list) > f.limit:
		f.log.Warn("the token list is too long for its file, which stays as it was", slog.String("path", listed.path),
			slog.Int("bytes", len(list)), slog.Int("limit", f.limit))
		return nil
	}
	return listed.replace(list, backup)
}

// shown are the ids of the tokens that callers know.
func (s *state) shown() []string {
	before := make(map[string]bool, len(s.known.Shown))
	for _, id := range s.known.Shown {
		before[id] = true
	}
	var ids []string
	for _, each := range s.pool {
		if before[each.ID] || s.written[each.Secret.Reveal()] {
			ids = append(ids, each.ID)
		}
	}
	return ids
}
