package logindex

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestIDsComeBack(t *testing.T) {
	t.Parallel()
	for _, id := range []ID{{}, {1, 2, 0}, {1, 2, 3}, {1700000000000, 18446744073709551615, 65535}} {
		if got, err := ParseID(id.String()); err != nil || got != id {
			t.Errorf("%v became %v, %v", id, got, err)
		}
	}
	for _, bad := range []string{"", "1", "1-", "-1", "a-b", "1-2-", "1-2-3-4", "1-2-65536", "-", "99999999999999999999-1"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q was read as %v", bad, id)
		}
	}
}

var (
	models = []string{"a", "b", ""}
	errs   = []string{"", "Upstream OVERLOADED", "upstream gone", "Größe überschritten"}
	totals = []time.Duration{0, time.Microsecond, 999 * time.Microsecond, time.Millisecond, 3 * time.Second, 4095 * time.Millisecond, 4096 * time.Millisecond, time.Hour}
	epoch  = time.UnixMicro(1_700_000_000_000_000)
)

func drawEntry(t *rapid.T) *tokenstorev1.LogEntry {
	return &tokenstorev1.LogEntry{
		Id:         rapid.SampledFrom([]string{"", "chat-", "a-b-", "msg_"}).Draw(t, "prefix") + fmt.Sprint("r", rapid.IntRange(0, 4).Draw(t, "id")),
		Model:      rapid.SampledFrom(models).Draw(t, "model"),
		Upstream:   rapid.SampledFrom(models).Draw(t, "upstream"),
		Status:     rapid.SampledFrom([]string{"success", "failure"}).Draw(t, "status"),
		TokenId:    rapid.SampledFrom(models).Draw(t, "token"),
		TokenAlias: rapid.SampledFrom(models).Draw(t, "alias"),
		KeyId:      rapid.SampledFrom(models).Draw(t, "key"),
		Error:      rapid.SampledFrom(errs).Draw(t, "error"),
		ErrorKind:  rapid.SampledFrom([]string{"", "", "rate_limited", "upstream gone"}).Draw(t, "kind"),
		Attempts:   rapid.Uint32Range(0, 3).Draw(t, "attempts"),
		Total:      durationpb.New(rapid.SampledFrom(totals).Draw(t, "total")),
		Stream:     rapid.Bool().Draw(t, "stream"),
		StartedAt:  timestamppb.New(epoch.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "started")) * 500 * time.Nanosecond)),
	}
}

func drawFilter(t *rapid.T) Filter {
	text := func(name string, of ...string) string {
		return rapid.SampledFrom(append([]string{"", "", "", "", "nowhere"}, of...)).Draw(t, "by "+name)
	}
	f := Filter{
		ID: text("id", "r1", "chat-r2"), RequestID: text("request", "r1", "r2"), Model: text("model", "a"), Upstream: text("upstream", "b"), Status: text("status", "failure"),
		TokenID: text("token", "a"), TokenAlias: text("alias", "b"), KeyID: text("key", "a"), Error: text("error", "STREAM", "overloaded", "GRÖSSE", "GRÖẞE", "größe"),
		ErrorKind: text("kind", "rate_limited", "upstream gone"), Retried: rapid.Bool().Draw(t, "by retried"), MinTotal: rapid.SampledFrom(totals).Draw(t, "by total"),
	}
	if rapid.Bool().Draw(t, "by stream") {
		f.Stream = new(bool)
	}
	at := func(name string) time.Time {
		if rapid.Bool().Draw(t, name) {
			return time.Time{}
		}
		return epoch.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, name)) * 500 * time.Nanosecond)
	}
	f.From, f.To = at("from"), at("to")
	return f
}

// Whatever is added and trimmed: the index never misses an entry that a filter
// chooses, and what it answers too much Match sorts out. With room for all texts
// it answers too much only where times differ by less than it keeps.
func TestIndexAgreesWithAPlainFilter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.SampledFrom([]int{0, 250, 1000, 1 << 20}).Draw(t, "room")
		index := newIndex(room)
		type stored struct {
			id    ID
			entry *tokenstorev1.LogEntry
		}
		var log []stored
		last := ID{MS: 5}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if len(log) > 0 && rapid.IntRange(0, 4).Draw(t, "trim") == 0 {
				gone := rapid.IntRange(0, len(log)).Draw(t, "gone")
				first := ID{MS: last.MS + 1}
				if gone < len(log) {
					first = log[gone].id
				}
				log = log[gone:]
				index.Trim(first)
				continue
			}
			if rapid.Bool().Draw(t, "another block") {
				last = ID{MS: last.MS + uint64(rapid.IntRange(0, 1).Draw(t, "ms")), Seq: last.Seq + 1}
			} else {
				last.N++
			}
			entry := drawEntry(t)
			log = append(log, stored{last, entry})
			index.Add(last, entry)
		}
		filter := drawFilter(t)
		span := Span{After: ID{MS: uint64(rapid.IntRange(0, 30).Draw(t, "after")), Seq: 3}, Before: ID{MS: uint64(rapid.IntRange(0, 60).Draw(t, "before")), Seq: 9}}
		limit := rapid.IntRange(1, 10).Draw(t, "limit")

		var want []ID
		for _, each := range log {
			if each.id.Compare(span.After) > 0 && each.id.Compare(span.Before) < 0 && filter.Match(each.entry) {
				want = append(want, each.id)
			}
		}
		// All pages of each order, as a reader would take them.
		read := func(page func(Filter, Span, int) ([]ID, bool), next func(*Span, ID)) []ID {
			var got []ID
			for rest := span; ; {
				ids, more := page(filter, rest, limit)
				if len(ids) > limit || more && len(ids) < limit {
					t.Fatalf("%d of %d ids, more: %v", len(ids), limit, more)
				}
				for _, id := range ids {
					at := slices.IndexFunc(log, func(s stored) bool { return s.id == id })
					if at < 0 {
						t.Fatalf("%v is not in the log", id)
					}
					started := log[at].entry.GetStartedAt().AsTime().Truncate(time.Microsecond)
					if times := index.Started([]ID{id, {MS: 1}}); len(times) != 1 || !times[0].Equal(started) {
						t.Fatalf("%v began at %v, want %v", id, times, started)
					}
					if filter.Match(log[at].entry) {
						got = append(got, id)
					}
				}
				if !more {
					return got
				}
				next(&rest, ids[len(ids)-1])
			}
		}
		oldest := read(index.Oldest, func(s *Span, id ID) { s.After = id })
		newest := read(index.Newest, func(s *Span, id ID) { s.Before = id })
		slices.Reverse(newest)
		if !slices.Equal(oldest, want) || !slices.Equal(newest, want) {
			t.Fatalf("%+v\nwant %v\noldest %v\nnewest %v", filter, want, oldest, newest)
		}
	})
}

// A million entries are in memory: what is kept of one is bounded.
func TestRowIsSmall(t *testing.T) {
	t.Parallel()
	if size := reflect.TypeFor[row]().Size(); size > 64 {
		t.Errorf("%d bytes", size)
	}
}

// The texts of entries that are gone take no room.
func TestTextsAreForgotten(t *testing.T) {
	t.Parallel()
	const room = 10_000
	index := newIndex(room)
	for i := range uint64(1000) {
		index.Add(ID{MS: i}, &tokenstorev1.LogEntry{Model: fmt.Sprint("m", i), Error: strings.Repeat("x", int(i))})
		if i >= 10 {
			index.Trim(ID{MS: i - 9})
		}
	}
	if index.Len() != 10 || len(index.symbols.texts) > 40 || cap(index.rows) > 100 {
		t.Errorf("%d rows in room for %d, %d texts", index.Len(), cap(index.rows), len(index.symbols.texts))
	}
	index.Trim(ID{MS: 1000})
	if index.symbols.room != room || len(index.symbols.known) != 0 || index.Last() != (ID{}) {
		t.Errorf("%d bytes of %d left, %d texts known, last %v", index.symbols.room, room, len(index.symbols.known), index.Last())
	}
}
