package tokenfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxContent bounds a file, in bytes: 100,000 session tokens with their checksums.
	// A longer list is neither written nor read.
	maxContent = 64 << 20
	// backupSuffix and draftSuffix follow the file's name. Drafts are what a process
	// that was killed left of a file that it was about to write.
	backupSuffix = ".bak"
	draftSuffix  = ".draft-"
)

// content is a file as it was read.
type content struct {
	path   string
	text   string
	exists bool
	// crlf: it has CR LF at ends of lines, which text has not.
	crlf bool
	// saved: what was there before this call is kept.
	saved bool
}

// read reads the file, with LF at the ends of its lines. That there is none is no
// error.
func (f *Files) read(path string) (content, error) {
	found := content{path: path}
	if path == "" {
		return found, nil
	}
	raw, err := readBounded(path, f.limit)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	} else if err != nil {
		return found, unusable(path, "can't be read; nothing was changed", err)
	}
	found.text, found.exists = unixLines(string(raw)), true
	found.crlf = len(found.text) < len(raw)
	return found, f.check(path, found.text)
}

func readBounded(path string, limit int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, int64(limit)+1)) // one more byte than check lets pass
}

func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// check refuses what is no text of a bearable size.
func (f *Files) check(name, text string) error {
	if len(text) > f.limit {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%s: more than %d MiB; a token file has at most that", name, f.limit>>20)
	}
	if !utf8.ValidString(text) {
		line := 1
		for each := range strings.Lines(text) {
			if !utf8.ValidString(each) {
				break
			}
			line++
		}
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%s: line %d is not valid UTF-8", name, line)
	}
	return nil
}

// replace makes text the file's content: whoever reads it, at whatever moment this
// process or the machine dies, finds the old content or the new one, whole. With
// backup the old one stays beside it, unless an older one of this call does.
func (c *content) replace(text string, backup bool) error {
	path := c.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays
	}
	if backup && c.exists && !c.saved {
		if err := write(path+backupSuffix, c.text); err != nil {
			return unusable(path+backupSuffix, "can't be written; nothing was changed", err)
		}
	}
	if err := write(path, text); err != nil {
		return unusable(c.path, "can't be written", err)
	}
	c.saved = c.saved || backup
	c.text, c.exists, c.crlf = text, true, false
	return nil
}

// write fills a draft, brings it to disk, and gives it the file's name.
func write(path, text string) (err error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	draft, err := os.CreateTemp(folder, name+draftSuffix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	_, err = draft.WriteString(text)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// removeDrafts takes away what processes left that were killed while they wrote.
// Only who holds the folder's lock may: another's draft may be alive.
func removeDrafts(path string) error {
	target := path
	if linked, err := filepath.EvalSymlinks(path); err == nil {
		target = linked
	}
	folder, name := filepath.Split(target)
	entries, err := os.ReadDir(filepath.Clean(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		left, ours := strings.CutPrefix(entry.Name(), name)
		left = strings.TrimPrefix(left, backupSuffix)
		if ours && strings.HasPrefix(left, draftSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(folder, entry.Name())))
		}
	}
	return err
}

// errDisk is in all errors of the disk.
var errDisk = errors.New("disk")

// unusable is an error of the disk. It names the file, and nothing of its content.
func unusable(path, problem string, err error) error {
	return &rpcerr.Error{
		Reason:  tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
		Message: fmt.Sprintf("the token file %s %s: %v", path, problem, cause(err)), Err: fmt.Errorf("%w: %w", errDisk, err),
	}
}

// cause is what the system said, without the paths of drafts.
func cause(err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	switch {
	case errors.As(err, &onPath):
		return onPath.Err
	case errors.As(err, &onLink):
		return onLink.Err
	default:
		return err
	}
}
