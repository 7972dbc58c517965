// Package logindex finds entries of the request log without reading it: it keeps
// in memory of each entry what a filter may ask for, about 64 bytes, and each
// text that entries share once. It may take an entry for one that a filter
// chooses when it is not, never the other way round: whoever reads the entries
// asks Filter.Match. It does no I/O.
package logindex

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// defaultRoom bounds what the texts of all entries take, in bytes. Entries whose
// texts find no room are chosen whatever is asked of these texts.
const defaultRoom = 64 << 20

// Index is of a part of the log without gaps. Not safe for concurrent use.
type Index struct {
	rows    []row // ascending
	symbols *symbols
	// trimmed rows are still in the memory in front of rows.
	trimmed int
	seed    maphash.Seed
}

// row is an entry.
type row struct {
	ms, seq uint64
	// name is a hash of the request id.
	name uint64
	// started is in µs.
	started int64
	// error stands for the error's kind and text.
	model, upstream, status, token, alias, key, error symbol
	number                                            uint16
	marks                                             mark
	// total is how many binary digits the milliseconds have that the request took.
	total uint8
}

// mark is what is true of an entry.
type mark uint8

const (
	isStream mark = 1 << iota
	isRetried
)

func marksOf(e *tokenstorev1.LogEntry) (marks mark) {
	if e.GetStream() {
		marks |= isStream
	}
	if retried(e) {
		marks |= isRetried
	}
	return marks
}

// digits is how many binary digits a length of time has in milliseconds.
func digits(d time.Duration) uint8 { return uint8(bits.Len64(uint64(max(d.Milliseconds(), 0)))) } //nolint:gosec // at most 64

// errorOf has an error's kind in front of its text, in lower case.
func errorOf(e *tokenstorev1.LogEntry) string {
	if e.GetErrorKind() == "" && e.GetError() == "" {
		return ""
	}
	return e.GetErrorKind() + "\n" + strings.ToLower(e.GetError())
}

func (r *row) id() ID { return ID{r.ms, r.seq, r.number} }

// New makes an empty index.
func New() *Index { return newIndex(defaultRoom) }

func newIndex(room int) *Index {
	return &Index{symbols: newSymbols(room), seed: maphash.MakeSeed()}
}

// Len is the number of entries.
func (x *Index) Len() int { return len(x.rows) }

// Last is the place of the newest entry; the zero ID without entries.
func (x *Index) Last() ID {
	if len(x.rows) == 0 {
		return ID{}
	}
	return x.rows[len(x.rows)-1].id()
}

// Add takes in the entry that follows the last one.
func (x *Index) Add(id ID, e *tokenstorev1.LogEntry) {
	x.rows = append(x.rows, row{
		ms: id.MS, seq: id.Seq, number: id.N, name: maphash.String(x.seed, requestID(e.GetId())), started: e.GetStartedAt().AsTime().UnixMicro(),
		model: x.symbols.take(e.GetModel()), upstream: x.symbols.take(e.GetUpstream()), status: x.symbols.take(e.GetStatus()),
		token: x.symbols.take(e.GetTokenId()), alias: x.symbols.take(e.GetTokenAlias()), key: x.symbols.take(e.GetKeyId()),
		error: x.symbols.take(errorOf(e)), marks: marksOf(e), total: digits(e.GetTotal().AsDuration()),
	})
}

// Trim forgets the entries before first.
func (x *Index) Trim(first ID) {
	gone := x.from(first)
	for i := range x.rows[:gone] {
		r := &x.rows[i]
		for _, sym := range [...]symbol{r.model, r.upstream, r.status, r.token, r.alias, r.key, r.error} {
			x.symbols.drop(sym)
		}
	}
	x.rows = x.rows[gone:]
	if x.trimmed += gone; x.trimmed > len(x.rows) {
		x.rows, x.trimmed = slices.Clone(x.rows), 0
	}
}

// from is the position of the first entry that is not before id.
func (x *Index) from(id ID) int {
	return sort.Search(len(x.rows), func(i int) bool { return x.rows[i].id().Compare(id) >= 0 })
}

// Span is a part of the log: the entries after one place and before another.
type Span struct{ After, Before ID }

// Newest answers the newest entries of the span that the filter may choose, up to
// limit, newest first, and whether there are more.
func (x *Index) Newest(f Filter, span Span, limit int) (ids []ID, more bool) {
	rows := x.within(span)
	return x.pick(f, rows, limit, func(i int) *row { return &rows[len(rows)-1-i] })
}

// Oldest is Newest from the other end, oldest first.
func (x *Index) Oldest(f Filter, span Span, limit int) (ids []ID, more bool) {
	rows := x.within(span)
	return x.pick(f, rows, limit, func(i int) *row { return &rows[i] })
}

// Started is when entries of the index began, in the order of their places, without those that are
// trimmed.
func (x *Index) Started(ids []ID) []time.Time {
	times := make([]time.Time, 0, len(ids))
	for _, id := range ids {
		if at := x.from(id); at < len(x.rows) && x.rows[at].id() == id {
			times = append(times, time.UnixMicro(x.rows[at].started))
		}
	}
	return times
}

// pick goes through the rows in the order of at.
func (x *Index) pick(f Filter, rows []row, limit int, at func(i int) *row) (ids []ID, more bool) {
	chosen := x.probe(f)
	for i := range rows {
		each := at(i)
		if !chosen.match(each) {
			continue
		}
		if len(ids) == limit {
			return ids, true
		}
		ids = append(ids, each.id())
	}
	return ids, false
}

func (x *Index) within(span Span) []row {
	low, high := x.from(span.After), x.from(span.Before)
	if low < len(x.rows) && x.rows[low].id() == span.After {
		low++
	}
	return x.rows[min(low, high):high]
}

// probe is a filter in the index's terms.
type probe struct {
	filter                                     Filter
	id, request                                uint64
	from, to                                   int64
	model, upstream, status, token, alias, key symbol
	// errors says of each symbol whether it has the wanted kind, and the wanted text in it.
	errors []bool
	total  uint8
}

func (x *Index) probe(f Filter) *probe {
	p := &probe{
		filter: f, id: maphash.String(x.seed, requestID(f.ID)), request: maphash.String(x.seed, f.RequestID), from: f.From.UnixMicro(), to: f.To.UnixMicro(),
		model: x.symbols.find(f.Model), upstream: x.symbols.find(f.Upstream), status: x.symbols.find(f.Status),
		token: x.symbols.find(f.TokenID), alias: x.symbols.find(f.TokenAlias), key: x.symbols.find(f.KeyID), total: digits(f.MinTotal),
	}
	if f.Error != "" || f.ErrorKind != "" {
		wanted := strings.ToLower(f.Error)
		p.errors = make([]bool, len(x.symbols.texts))
		for sym, text := range x.symbols.texts {
			kind, said, _ := strings.Cut(text, "\n")
			p.errors[sym] = (f.ErrorKind == "" || kind == f.ErrorKind) && strings.Contains(said, wanted)
		}
		p.errors[untold] = true
	}
	return p
}

func (p *probe) match(r *row) bool {
	f := &p.filter
	return (f.ID == "" || r.name == p.id) &&
		(f.RequestID == "" || r.name == p.request) &&
		(f.Model == "" || may(r.model, p.model)) &&
		(f.Upstream == "" || may(r.upstream, p.upstream)) &&
		(f.Status == "" || may(r.status, p.status)) &&
		(f.TokenID == "" || may(r.token, p.token)) &&
		(f.TokenAlias == "" || may(r.alias, p.alias)) &&
		(f.KeyID == "" || may(r.key, p.key)) &&
		(f.Stream == nil || r.marks&isStream != 0 == *f.Stream) &&
		(!f.Retried || r.marks&isRetried != 0) &&
		r.total >= p.total &&
		(f.From.IsZero() || r.started >= p.from) &&
		(f.To.IsZero() || r.started <= p.to) &&
		(p.errors == nil || p.errors[r.error])
}

// may tells whether an entry's text can be the wanted one.
func may(is, wanted symbol) bool { return is == wanted || is == untold }
