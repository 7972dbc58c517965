package tokenfile

import (
	"fmt"
	"slices"
	"strings"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// source is the file that a line is in.
type source int

const (
	tokenFile source = iota
	tokenList
)

// wanted is a token that the files name, and the line that says most of it.
type wanted struct {
	token.Draft
	source source
	line   int
	// listed: the list has it.
	listed bool
}

// reading is what the contents of both files say.
type reading struct {
	// tokens are in the files' order, each once: first those of the list.
	tokens []wanted
	// rejected are the bad lines of each file.
	rejected [2][]files.Rejected
	// mentioned are secrets on bad lines: such a token is not wanted gone.
	mentioned map[string]bool
	// listed: there is a list, so what it lacks is to be deleted.
	listed bool
}

// secrets are those of the tokens that are wanted.
func (r *reading) secrets() map[string]bool {
	all := make(map[string]bool, len(r.tokens))
	for _, each := range r.tokens {
		all[each.Secret.Reveal()] = true
	}
	return all
}

// readContents reads both; a file that isn't there is nil.
func readContents(tokens, list *string) (reading, error) {
	r := reading{mentioned: map[string]bool{}, listed: list != nil}
	var listed []files.Entry
	var err error
	if list != nil {
		if listed, err = r.parse(tokenList, tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST, *list); err != nil {
			return r, err
		}
	}
	var named []files.Entry
	if tokens != nil {
		if named, err = r.parse(tokenFile, tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN, *tokens); err != nil {
			return r, err
		}
	}
	r.merge(listed, named)
	return r, nil
}

func (r *reading) parse(from source, format tokenstorev1.TokenFileFormat, text string) ([]files.Entry, error) {
	entries, rejected, err := files.Parse(format, text)
	if err != nil {
		return nil, err
	}
	r.rejected[from] = rejected
	bad := map[int]bool{}
	for _, each := range rejected {
		bad[each.Line] = true
	}
	number := 0
	for line := range strings.Lines(text) {
		if number++; !bad[number] {
			continue
		}
		named, _, _ := strings.Cut(line, ",")
		if pasted, err := token.ParsePasted(named); err == nil {
			r.mentioned[pasted.Secret.Reveal()] = true
		}
	}
	return entries, nil
}

// merge puts both files together. Of a token in both, the token file's alias
// holds, if it gives one, and the list's checksum.
func (r *reading) merge(listed, named []files.Entry) {
	places := map[string]int{}
	for _, entry := range listed {
		places[entry.Secret.Reveal()] = len(r.tokens)
		r.tokens = append(r.tokens, wanted{Draft: entry.Draft, source: tokenList, line: entry.Line, listed: true})
	}
	for _, entry := range named {
		place, both := places[entry.Secret.Reveal()]
		switch {
		case both && entry.Alias != "":
			known := &r.tokens[place]
			known.Alias, known.source, known.line = entry.Alias, tokenFile, entry.Line
		case both:
		default:
			if entry.Alias == "" { // it says nothing of the alias
				entry.Said = slices.DeleteFunc(slices.Clone(entry.Said), func(name string) bool { return name == token.Alias })
			}
			r.tokens = append(r.tokens, wanted{Draft: entry.Draft, source: tokenFile, line: entry.Line})
		}
	}
}

// maxQuoted bounds the bad lines that an error tells.
const maxQuoted = 3

// hopeless is an error when there is no good line and some are bad.
func (r *reading) hopeless(names [2]string) error {
	if len(r.tokens) > 0 {
		return nil
	}
	var told []string
	total := 0
	for from, rejected := range r.rejected {
		for _, each := range rejected {
			if total++; total <= maxQuoted {
				told = append(told, fmt.Sprintf("%s line %d: %s", names[from], each.Line, each.Reason))
			}
		}
	}
	if total == 0 {
		return nil
	}
	if total > maxQuoted {
		told = append(told, fmt.Sprintf("and %d more", total-maxQuoted))
	}
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "no line is good, so nothing was changed: %s", strings.Join(told, "; "))
}

// plan is what makes a pool as the files want it. Its parts are carried out in
// their order: what gives an alias up comes before what takes it.
type plan struct {
	deletions []redisstore.Exported
	// releases take aliases away from tokens that get another one in edits.
	releases []redisstore.Edit
	edits    []redisstore.Edit
	// edited and created are the lines of edits and creations.
	edited    []wanted
	creations []token.Draft
	created   []wanted
	// unchanged are tokens that are already as they should be.
	unchanged int
}

// planFor compares the pool with what the files say. deletable are the ids of the
// tokens that may be deleted where the list lacks them.
func planFor(pool []redisstore.Exported, r reading, deletable []string) plan {
	var p plan
	held := make(map[string]redisstore.Exported, len(pool))
	for _, each := range pool {
		held[each.Secret.Reveal()] = each
	}
	for _, each := range r.tokens {
		p.add(each, held)
	}
	p.release()
	if !r.listed {
		return p
	}
	asked, may := r.secrets(), map[string]bool{}
	for _, id := range deletable {
		may[id] = true
	}
	for _, each := range pool {
		text := each.Secret.Reveal()
		if may[each.ID] && !asked[text] && !r.mentioned[text] {
			p.deletions = append(p.deletions, each)
		}
	}
	return p
}

// onlyListed leaves out the new tokens that the list doesn't have.
func (p *plan) onlyListed() {
	var creations []token.Draft
	var created []wanted
	for i, want := range p.created {
		if want.listed {
			creations, created = append(creations, p.creations[i]), append(created, want)
		}
	}
	p.creations, p.created = creations, created
}

// add plans for one token.
func (p *plan) add(want wanted, held map[string]redisstore.Exported) {
	known, found := held[want.Secret.Reveal()]
	if !found {
		want.Upstream = Upstream
		p.creations, p.created = append(p.creations, want.Draft), append(p.created, want)
		return
	}
	after := known.Fields
	after.Take(want.Fields, want.Said)
	if after.Alias == known.Alias && after.Checksum == known.Checksum {
		p.unchanged++
		return
	}
	p.edits, p.edited = append(p.edits, redisstore.Edit{Exported: known, After: after}), append(p.edited, want)
}

// release finds the aliases that change hands.
func (p *plan) release() {
	taken := map[string]bool{}
	for _, each := range p.edits {
		taken[each.After.Alias] = true
	}
	for _, each := range p.creations {
		taken[each.Alias] = true
	}
	for i := range p.edits {
		edit := &p.edits[i]
		if edit.Alias == "" || edit.Alias == edit.After.Alias || !taken[edit.Alias] {
			continue
		}
		without := *edit
		without.After = edit.Fields
		without.After.Alias = ""
		p.releases = append(p.releases, without)
		edit.Alias = ""
		edit.Version++ // what the release makes of it
	}
}
