// Package tokenfile keeps the two token files of the upstream `cursor` on disk:
// `.token`, as people wrote it, and `.token-list`, a rendering of the pool. Redis is
// the truth. The files are only written once they are in use: when there is one, or
// when contents come in over the API.
//
// A write goes to the files first, then to Redis, and then the list is rendered
// anew. The store remembers a fingerprint of each file as it was applied or
// rendered last, so a file with another content has something to say:
//
//   - killed before `.token` has its new content: nothing has happened.
//   - killed after that: the next start finds files that it doesn't know, and applies
//     them as the call would have, to the end. All steps may be repeated.
//   - between the two files the new `.token` stands beside the old list, which has all
//     that could be deleted: nothing is.
//   - killed after Redis and before the list is rendered: applying it once more changes
//     nothing.
package tokenfile

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// Upstream is the one that the files belong to.
const Upstream = "cursor"

// Store is what the files need of the store.
type Store interface {
	PoolName(ctx context.Context, name string) (string, error)
	ExportTokens(ctx context.Context, upstream string) ([]redisstore.Exported, error)
	ImportTokens(ctx context.Context, drafts []token.Draft) ([]redisstore.Imported, error)
	EditTokens(ctx context.Context, edits []redisstore.Edit) ([]string, error)
	DeleteTokens(ctx context.Context, tokens []redisstore.Exported) (int, error)
	TokenFiles(ctx context.Context) (redisstore.TokenFiles, error)
	RememberTokenFiles(ctx context.Context, known redisstore.TokenFiles) error
	Fingerprint(text string) string
}

// Files is safe for concurrent use, also by several processes on one folder.
type Files struct {
	store Store
	// paths are the token file's and the list's; either may be empty: none.
	paths [2]string
	// limit bounds a file, in bytes.
	limit int
	// patience bounds what follows once a file has been written.
	patience time.Duration
	log      *slog.Logger
	// turn is taken by who works on the files.
	turn chan struct{}
	// changed holds the news that the pool is not what the list's file shows.
	changed chan struct{}
}

// New keeps the files at the two paths. Run lets the list follow the pool.
func New(store Store, tokens, list string, log *slog.Logger) *Files {
	return &Files{
		store: store, paths: [2]string{tokens, list}, limit: maxContent, patience: applyTimeout, log: log,
		turn: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// Contents are both files as they are now.
type Contents struct {
	Tokens, List string
	// Count is the number of tokens in the list.
	Count    int
	Revision string
}

// Report is what became of two contents.
type Report struct {
	Accepted, Updated, Deleted int
	// RejectedTokens and RejectedList are the bad lines, in order.
	RejectedTokens, RejectedList []files.Rejected
	Count                        int
	Revision                     string
}

// used tells whether there may be files at all.
func (f *Files) used() bool { return f.paths != [2]string{} }

// Names are the files' names as configured.
func (f *Files) Names() (tokens, list string) { return f.paths[tokenFile], f.paths[tokenList] }

// lock waits for the turn, in this process and in the folders.
func (f *Files) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var locks []*os.File
	unlock = func() {
		for _, each := range locks {
			_ = each.Close() // ends the lock
		}
		<-f.turn
	}
	var folders []string
	for _, path := range f.paths {
		if path != "" {
			folders = append(folders, filepath.Dir(path))
		}
	}
	slices.Sort(folders) // all processes take them in one order
	for _, folder := range slices.Compact(folders) {
		each, err := lockFolder(ctx, folder)
		if err != nil {
			unlock()
			return nil, unusable(folder, "can't be locked", err)
		}
		if each != nil {
			locks = append(locks, each)
		}
	}
	return unlock, nil
}

// state is everything that is known when a turn begins.
type state struct {
	disk  [2]content
	pool  []redisstore.Exported
	known redisstore.TokenFiles
	// written are the secrets that this call has brought.
	written map[string]bool
	// keepList: the list's file stays as it is.
	keepList bool
}

func (f *Files) look(ctx context.Context) (*state, error) {
	now := &state{}
	for from, path := range f.paths {
		var err error
		if now.disk[from], err = f.read(path); err != nil {
			return nil, err
		}
	}
	return now, f.lookUp(ctx, now)
}

// lookUp asks the store.
func (f *Files) lookUp(ctx context.Context, now *state) error {
	var err error
	if now.known, err = f.store.TokenFiles(ctx); err != nil {
		return err
	}
	now.pool, err = f.store.ExportTokens(ctx, Upstream)
	return err
}

// edited tells whether somebody else wrote the file. An empty list is no list: it
// is what a failed editor leaves, and would delete all tokens.
func (f *Files) edited(now *state, from source) bool {
	file := now.disk[from]
	if !file.exists || from == tokenList && strings.TrimSpace(file.text) == "" {
		return false
	}
	return now.known.Seen[file.path] != f.store.Fingerprint(file.text)
}

// Read answers both contents.
func (f *Files) Read(ctx context.Context) (Contents, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return Contents{}, err
	}
	defer unlock()
	now, err := f.look(ctx)
	if err != nil {
		return Contents{}, err
	}
	list, ids := render(now.pool)
	if !slices.Equal(ids, now.known.Shown) {
		now.known.Seen, now.known.Shown = nil, ids
		if err := f.store.RememberTokenFiles(ctx, now.known); err != nil {
			return Contents{}, err
		}
	}
	return Contents{Tokens: now.disk[tokenFile].text, List: list, Count: len(ids), Revision: f.revision(now, list)}, nil
}
