package redisstore

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/logindex"
)

const (
	// catchUpStep is how many blocks the index takes in at a time.
	catchUpStep = 500
	// pageStep is how many entries of a page are read at a time, and maxPage how
	// many bytes they may have until no more are.
	pageStep = 100
	maxPage  = 16 << 20
)

// LogFilter chooses log entries; its zero fields choose all.
type LogFilter = logindex.Filter

// LogQuery asks for log entries.
type LogQuery struct {
	LogFilter
	Limit int
	// Cursor is an earlier page's Next: only older entries.
	Cursor string
	// After is an earlier page's Newest: only entries stored since, those first
	// that follow it directly. Not together with Cursor.
	After       string
	OmitPrompts bool
	// TimesOnly: entries tell when they began and nothing else, as the index has it.
	TimesOnly bool
}

// LogPage answers a LogQuery.
type LogPage struct {
	// Entries are the newest first. They are fewer than the limit, with more to
	// come, only where their prompts are large.
	Entries []*tokenstorev1.LogEntry
	// Next is the cursor of the next page; empty on the last.
	Next string
	// Newest is how far the page reaches: where the log ended, or before that
	// where After asked for more than the limit.
	Newest string
	// Total is how many entries are kept.
	Total uint64
}

// logView is this process's index of the log.
type logView struct {
	// turn is held by whoever brings the index up to date.
	turn chan struct{}
	// last is a hash of the newest block in the index. Only the turn's holder
	// uses it.
	last uint64
	seed maphash.Seed
	// stored counts the entries that this process has stored since the index was last brought up to
	// date; behind has a signal where they are many.
	stored atomic.Int64
	behind chan struct{}

	mu    sync.RWMutex
	index *logindex.Index
}

func newLogView() *logView {
	return &logView{turn: make(chan struct{}, 1), behind: make(chan struct{}, 1), seed: maphash.MakeSeed(), index: logindex.New()}
}

// store notes that so many entries were stored.
func (v *logView) store(entries int) {
	if v.stored.Add(int64(entries)) < mostBehind {
		return
	}
	select {
	case v.behind <- struct{}{}:
	default: // whoever keeps the log knows
	}
}

// QueryLog returns the entries that the query chooses.
func (s *Store) QueryLog(ctx context.Context, query LogQuery) (LogPage, error) {
	span, err := query.span()
	if err == nil {
		err = s.logFence.check(ctx)
	}
	if err != nil {
		return LogPage{}, err
	}
	end, total, err := s.catchUpLog(ctx)
	if err != nil {
		return LogPage{}, err
	}
	page, err := s.pageOf(ctx, query, span, end)
	page.Total = total
	return page, err
}

// pageOf answers the query from a log that ends at end: what is known of it
// since then belongs to a later After.
func (s *Store) pageOf(ctx context.Context, query LogQuery, span logindex.Span, end logindex.ID) (LogPage, error) {
	if span.Before.Compare(end) > 0 {
		span.Before = logindex.ID{MS: end.MS, Seq: end.Seq, N: end.N + 1}
	}
	page := LogPage{Newest: end.String()}
	read, more, err := s.readLog(ctx, query, span, &page)
	switch {
	case err != nil || !more:
	case query.After != "":
		page.Newest = read.String()
	default:
		page.Next = read.String()
	}
	if query.After != "" {
		slices.Reverse(page.Entries)
	}
	return page, err
}

func (q LogQuery) span() (logindex.Span, error) {
	span := logindex.Span{Before: logindex.ID{MS: ^uint64(0)}}
	if q.Cursor != "" && q.After != "" {
		return span, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "after: not together with cursor")
	}
	var err error
	if q.Cursor != "" {
		if span.Before, err = logindex.ParseID(q.Cursor); err != nil {
			return span, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of ours; begin without")
		}
	}
	if q.After != "" {
		if span.After, err = logindex.ParseID(q.After); err != nil {
			return span, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "after: not the newest of an earlier answer; begin without")
		}
	}
	return span, nil
}

// readLog fills the page with the span's entries, from its newer end, or from its
// older one where the query asks for what came after. It answers up to where it
// has read and whether there may be more.
func (s *Store) readLog(ctx context.Context, query LogQuery, span logindex.Span, page *LogPage) (read logindex.ID, more bool, err error) {
	if query.TimesOnly {
		read, more = s.readTimes(query, span, page)
		return read, more, nil
	}
	size := 0
	for more = true; more && len(page.Entries) < query.Limit && size < maxPage; {
		var ids []logindex.ID
		limit := min(query.Limit-len(page.Entries), pageStep)
		s.logs.mu.RLock()
		ids, more = query.pick(s.logs.index, span, limit)
		s.logs.mu.RUnlock()
		if len(ids) == 0 {
			return read, false, nil
		}
		entries, err := s.entriesOf(ctx, ids, query.OmitPrompts)
		if err != nil {
			return read, false, err
		}
		for _, entry := range entries {
			if query.Match(entry) {
				page.Entries = append(page.Entries, entry)
				size += proto.Size(entry)
			}
		}
		read = ids[len(ids)-1]
		if query.After != "" {
			span.After = read
		} else {
			span.Before = read
		}
	}
	return read, more, nil
}

// pick returns the places of entries that the query may choose, and whether there are more.
func (q LogQuery) pick(index *logindex.Index, span logindex.Span, limit int) ([]logindex.ID, bool) {
	if q.After != "" {
		return index.Oldest(q.LogFilter, span, limit)
	}
	return index.Newest(q.LogFilter, span, limit)
}

// readTimes is readLog for the times alone: the index has them.
func (s *Store) readTimes(query LogQuery, span logindex.Span, page *LogPage) (read logindex.ID, more bool) {
	s.logs.mu.RLock()
	defer s.logs.mu.RUnlock()
	ids, more := query.pick(s.logs.index, span, query.Limit)
	for _, at := range s.logs.index.Started(ids) {
		page.Entries = append(page.Entries, &tokenstorev1.LogEntry{StartedAt: timestamppb.New(at)})
	}
	if len(ids) > 0 {
		read = ids[len(ids)-1]
	}
	return read, more
}

// entriesOf reads entries; those that have been trimmed meanwhile are left out.
func (s *Store) entriesOf(ctx context.Context, ids []logindex.ID, omitPrompts bool) ([]*tokenstorev1.LogEntry, error) {
	blocks, err := s.blocksOf(ctx, ids, omitPrompts)
	if err != nil {
		return nil, err
	}
	entries := make([]*tokenstorev1.LogEntry, 0, len(ids))
	for _, id := range ids {
		if block := blocks[id.Block()]; int(id.N) < len(block.entries) {
			entries = append(entries, block.entries[id.N])
		}
	}
	return entries, nil
}

// blocksOf reads the blocks that have the entries, each once.
func (s *Store) blocksOf(ctx context.Context, ids []logindex.ID, omitPrompts bool) (map[logindex.ID]logBlock, error) {
	pipe := s.logClient.Pipeline()
	items := map[logindex.ID]*redis.XMessageSliceCmd{}
	prompts := map[logindex.ID]*redis.StringCmd{}
	for _, id := range ids {
		place := id.Block()
		if items[place] != nil {
			continue
		}
		items[place] = pipe.XRange(ctx, logEntriesKey(), place.String(), place.String())
		if !omitPrompts {
			prompts[place] = pipe.HGet(ctx, promptsKey(), place.String())
		}
	}
	if err := sendReads(ctx, pipe); err != nil { // no prompt is Nil
		return nil, storeError("query the log", err)
	}
	blocks := make(map[logindex.ID]logBlock, len(items))
	for place, item := range items {
		if err := item.Err(); err != nil {
			return nil, storeError("query the log", err)
		}
		if len(item.Val()) == 0 {
			continue
		}
		block := readBlock(item.Val()[0])
		if !omitPrompts && prompts[place].Val() != "" {
			s.addPrompts(block, prompts[place].Val())
		}
		blocks[place] = block
	}
	return blocks, nil
}

// catchUpLog brings the index up to date and answers where the log ends and how
// many entries are kept. What it has taken in stays, also when ctx ends first.
func (s *Store) catchUpLog(ctx context.Context) (end logindex.ID, total uint64, err error) {
	select {
	case s.logs.turn <- struct{}{}:
		defer func() { <-s.logs.turn }()
	case <-ctx.Done():
		return end, 0, storeError("read the log", ctx.Err())
	}
	s.logs.stored.Store(0) // what is stored from now on may be taken in, too
	for done := false; !done; {
		if total, done, err = s.catchUpStep(ctx); err != nil {
			return end, 0, storeError("read the log", err)
		}
	}
	return s.logs.index.Last(), total, nil
}

// catchUpStep takes in some of what other tokenstores and this one have stored
// and trimmed. The log must still have the newest block of the index: if it has
// not, it was trimmed away whole, or it is another log, as after a restart of
// Redis that lost the end, and the index begins anew.
func (s *Store) catchUpStep(ctx context.Context) (total uint64, done bool, err error) {
	view := s.logs
	last, known := view.index.Last().Block().String(), view.index.Len() > 0
	pipe := s.logClient.Pipeline()
	oldest := pipe.XRangeN(ctx, logEntriesKey(), "-", "+", 1)
	gone := pipe.HGet(ctx, logKeptKey(), "gone")
	news := pipe.XRangeN(ctx, logEntriesKey(), last, "+", catchUpStep)
	if err := sendReads(ctx, pipe); err != nil { // nothing gone is Nil
		return 0, false, err
	}
	added := news.Val()
	full := len(added) == catchUpStep

	view.mu.Lock()
	defer view.mu.Unlock()
	if known {
		if len(added) == 0 || added[0].ID != last || view.hash(added[0]) != view.last {
			view.index = logindex.New()
			return 0, false, nil
		}
		added = added[1:]
	}
	for _, item := range added {
		if err := view.add(item); err != nil {
			return 0, false, err
		}
	}
	if len(oldest.Val()) > 0 {
		first, err := logindex.ParseID(oldest.Val()[0].ID)
		if err != nil {
			return 0, false, err
		}
		first.N = uint16(fields{"gone": gone.Val()}.count("gone")) //nolint:gosec // below blockEntries
		view.index.Trim(first)
	}
	return uint64(view.index.Len()), !full, nil //nolint:gosec // not negative
}

// add takes in the block that follows the last one.
func (v *logView) add(item redis.XMessage) error {
	id, err := logindex.ParseID(item.ID)
	if err != nil {
		return err
	}
	for i, entry := range readBlock(item).entries {
		id.N = uint16(i)
		v.index.Add(id, entry)
	}
	v.last = v.hash(item)
	return nil
}

func (v *logView) hash(item redis.XMessage) uint64 {
	single, _ := item.Values["e"].(string)
	block, _ := item.Values["b"].(string)
	return maphash.String(v.seed, single+block)
}
