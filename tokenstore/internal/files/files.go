// Package files reads and writes token files: `.token` (a token a line),
// `.token-list` (`token,checksum` a line) and JSON. It is pure: what becomes of a
// token that is read is not its concern, and it never repeats a secret in a
// report.
package files

import (
	"errors"
	"fmt"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// maxLine bounds a line, in bytes: a token, its alias and its checksum, generously.
const maxLine = 16 << 10

// maxLines bounds the lines of a text file, and the elements of a JSON file: what is made of
// them is in memory at once.
const maxLines = 250_000

// errLong refuses a file of more.
var errLong = fmt.Errorf("the file has more than %d lines: split it", maxLines)

// Entry is a token that a file has, or in a JSON file an upstream.
type Entry struct {
	// Line is where it begins, from 1.
	Line int
	token.Draft
	// Defines is the upstream, without a version; nil for a token.
	Defines *tokenstorev1.Upstream
}

// Rejected is a line that was not taken.
type Rejected struct {
	Line   int
	Reason string
}

// Parse reads a file. Entries and rejected lines are in the file's order; of a
// token that stands there twice the last one counts.
func Parse(format tokenstorev1.TokenFileFormat, content string) ([]Entry, []Rejected, error) {
	content = strings.TrimPrefix(content, "\ufeff") // the byte order mark of some editors
	if format != tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON && strings.Count(content, "\n") > maxLines {
		return nil, nil, errLong
	}
	var entries []Entry
	var rejected []Rejected
	switch format {
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN:
		entries, rejected = parseLines(content, false)
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST:
		entries, rejected = parseLines(content, true)
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON:
		var whole bool
		if entries, rejected, whole = parseJSON(content); !whole {
			return nil, nil, errLong
		}
	default:
		return nil, nil, errors.New("the format is token, token-list or json")
	}
	entries, superseded := lastOfEach(entries)
	return entries, merge(rejected, superseded), nil
}

// parseLines reads the two text formats. listed demands a checksum.
func parseLines(content string, listed bool) ([]Entry, []Rejected) {
	var entries []Entry
	var rejected []Rejected
	number := 0
	for line := range strings.SplitSeq(content, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || isComment(line) {
			continue
		}
		draft, err := parseLine(line, listed)
		if err != nil {
			rejected = append(rejected, Rejected{Line: number, Reason: oneLine(err)})
			continue
		}
		entries = append(entries, Entry{Line: number, Draft: draft})
	}
	return entries, rejected
}

// isComment tells a comment. In files of cookies, `#HttpOnly_` begins a line that is none.
func isComment(line string) bool {
	return strings.HasPrefix(line, "#") && (!strings.HasPrefix(line, "#HttpOnly_") || !token.HasCookie(line))
}

func parseLine(line string, listed bool) (token.Draft, error) {
	if len(line) > maxLine {
		return token.Draft{}, fmt.Errorf("the line has more than %d bytes", maxLine)
	}
	pasted, err := token.ParsePasted(line)
	if err != nil {
		return token.Draft{}, err
	}
	if listed && !pasted.Listed {
		return token.Draft{}, errors.New("there is no checksum: write token,checksum")
	}
	draft := token.NewDraft(pasted.Secret)
	draft.Alias, draft.Checksum = pasted.Alias, pasted.Checksum
	// A line without alias says that there is none.
	draft.Said = []string{token.Alias}
	if pasted.Listed {
		draft.Said = append(draft.Said, token.Checksum)
	}
	return draft, nil
}

func (e Entry) noun() string {
	if e.Defines != nil {
		return "upstream"
	}
	return "token"
}

// lastOfEach leaves one entry of each token, and of each upstream.
func lastOfEach(entries []Entry) ([]Entry, []Rejected) {
	type key struct{ upstream, secret string }
	last := map[key]int{} // index
	of := func(entry Entry) key {
		if entry.Defines != nil {
			return key{upstream: entry.Defines.GetName()} // no token is empty
		}
		return key{entry.Upstream, entry.Secret.Reveal()}
	}
	for i, entry := range entries {
		last[of(entry)] = i
	}
	var kept []Entry
	var superseded []Rejected
	for i, entry := range entries {
		counts := last[of(entry)]
		if counts == i {
			kept = append(kept, entry)
			continue
		}
		superseded = append(superseded, Rejected{
			Line: entry.Line, Reason: fmt.Sprintf("the same %s is on line %d, which counts", entry.noun(), entries[counts].Line),
		})
	}
	return kept, superseded
}

// merge puts two lists, each in order, into one.
func merge(a, b []Rejected) []Rejected {
	var merged []Rejected
	for len(a) > 0 && len(b) > 0 {
		if a[0].Line <= b[0].Line {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// oneLine writes joined errors as one sentence.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// Render writes a file that Parse reads. now goes into the checksums. Only a JSON file has
// room for refresh tokens and proxies: in the others a login is the access token that it
// has now, and is of use until that ends. An entry
// without checksum can't be in a token-list: it stands there as a comment
// without its secret.
func Render(format tokenstorev1.TokenFileFormat, entries []Entry, now time.Time) (string, error) {
	switch format {
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN:
		return renderLines(entries, named), nil
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST:
		return renderLines(entries, func(e Entry) string {
			if e.Checksum.DeviceID == "" {
				return "# " + strings.TrimSpace(e.Alias+" a token of "+e.Upstream+", which needs no checksum")
			}
			return named(e) + "," + e.Checksum.At(now)
		}), nil
	case tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON:
		return renderJSON(entries, now)
	default:
		return "", errors.New("the format is token, token-list or json")
	}
}

func named(e Entry) string {
	if e.Alias == "" {
		return e.Secret.Reveal()
	}
	return e.Alias + "::" + e.Secret.Reveal()
}

func renderLines(entries []Entry, line func(Entry) string) string {
	var text strings.Builder
	for _, entry := range entries {
		text.WriteString(line(entry))
		text.WriteByte('\n')
	}
	return text.String()
}
