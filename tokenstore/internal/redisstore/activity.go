package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxActivityRead bounds the activities that one ListActivity looks at.
	maxActivityRead = 2000
	// activityBatch is how many of a stream are read at a time, and narrowedBatch where most of them
	// are passed over.
	activityBatch = 200
	narrowedBatch = 1000
)

// ActivityFilter chooses activities; its zero fields choose all.
type ActivityFilter struct {
	Source tokenstorev1.ActivitySource
	// Actor is found anywhere in who did it, and from where.
	Actor string
	// Kind is an action, or a kind of transition.
	Kind string
	// Account is the id or the alias of a token, the request of an action, or another detail of it.
	Account  string
	From, To time.Time
}

// place is where an activity is in the order of all: by time, and by stream within a millisecond.
type place struct {
	ms, seq int64
	// pool is empty for what admins did.
	pool string
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.ms, other.ms), cmp.Compare(p.seq, other.seq), cmp.Compare(p.pool, other.pool))
}

func (p place) id() string { return fmt.Sprintf("%d-%d", p.ms, p.seq) }

func (p place) cursor() string { return p.id() + "." + p.pool }

var activityCursor = regexp.MustCompile(`^(\d{1,15})-(\d{1,10})\.([a-z][a-z0-9_-]{0,39})?$`)

func placeOf(id, pool string) place {
	ms, seq, _ := strings.Cut(id, "-")
	at := place{pool: pool}
	at.ms, _ = strconv.ParseInt(ms, 10, 64) // Redis's own id
	at.seq, _ = strconv.ParseInt(seq, 10, 64)
	return at
}

// found is an activity and where it is.
type found struct {
	place
	message redis.XMessage
}

// ListActivity returns up to limit activities, newest first, older than the cursor of the previous
// page; and the next cursor, empty when there are no more.
func (s *Store) ListActivity(ctx context.Context, filter ActivityFilter, limit int, cursor string) ([]*tokenstorev1.Activity, string, error) {
	newest := place{ms: 1 << 50}
	if !filter.To.IsZero() {
		newest = place{ms: filter.To.UnixMilli() + 1}
	}
	if cursor != "" {
		parts := activityCursor.FindStringSubmatch(cursor)
		if parts == nil {
			return nil, "", rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "cursor: not one of ours; begin without")
		}
		if from := placeOf(parts[1]+"-"+parts[2], parts[3]); from.compare(newest) < 0 {
			newest = from
		}
	}
	matches, err := s.activityMatcher(ctx, filter)
	if err != nil {
		return nil, "", err
	}
	reader, err := s.activityBefore(ctx, filter, newest)
	if err != nil {
		return nil, "", err
	}
	var listed []*tokenstorev1.Activity
	for range maxActivityRead {
		each, err := reader.next(ctx)
		if err != nil {
			return nil, "", err
		}
		if each == nil {
			return listed, "", s.nameTokens(ctx, listed)
		}
		activity, err := each.activity()
		if err != nil {
			return nil, "", err
		}
		if !matches(activity) {
			newest = each.place
			continue
		}
		if len(listed) == limit {
			break
		}
		listed, newest = append(listed, activity), each.place
	}
	return listed, newest.cursor(), s.nameTokens(ctx, listed)
}

// activityReader reads several streams as one, newest first.
type activityReader struct {
	store   *Store
	streams []*activityStream
	oldest  string
	// batch is how many of a stream are read at a time.
	batch int
}

// activityStream is one of them.
type activityStream struct {
	// pool is empty for what admins did.
	pool string
	// read are the messages that come next, and newest is where those after them begin.
	read   []redis.XMessage
	newest string
	// ended: there are no messages after those.
	ended bool
}

func (s *activityStream) key() string {
	if s.pool == "" {
		return auditKey()
	}
	return eventsKey(s.pool)
}

// activityBefore reads the streams that a filter is about, from a place on.
func (s *Store) activityBefore(ctx context.Context, filter ActivityFilter, before place) (*activityReader, error) {
	pools := []string{""}
	if filter.Source != tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE {
		upstreams, err := s.client.HKeys(ctx, upstreamsKey()).Result()
		if err != nil {
			return nil, storeError("read the activity", err)
		}
		pools = append(pools, upstreams...)
	}
	if filter.Source == tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL {
		pools = pools[1:]
	}
	reader := &activityReader{store: s, oldest: "-", batch: activityBatch}
	if filter.Actor != "" || filter.Kind != "" || filter.Account != "" {
		reader.batch = narrowedBatch
	}
	if !filter.From.IsZero() {
		reader.oldest = strconv.FormatInt(filter.From.UnixMilli(), 10)
	}
	for _, pool := range pools {
		stream := &activityStream{pool: pool, newest: "(" + before.id()}
		if pool < before.pool {
			stream.newest = before.id() // of the same millisecond it comes after
		}
		reader.streams = append(reader.streams, stream)
	}
	return reader, nil
}

// next returns the next activity; nil where there is none.
func (r *activityReader) next(ctx context.Context) (*found, error) {
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	var newest *found
	var from *activityStream
	for _, stream := range r.streams {
		if len(stream.read) == 0 {
			continue
		}
		head := &found{placeOf(stream.read[0].ID, stream.pool), stream.read[0]}
		if newest == nil || head.compare(newest.place) > 0 {
			newest, from = head, stream
		}
	}
	if from != nil {
		from.read = from.read[1:]
	}
	return newest, nil
}

// fill reads on in every stream of which nothing is left.
func (r *activityReader) fill(ctx context.Context) error {
	pipe, empty := r.store.client.Pipeline(), []*activityStream{}
	var answers []*redis.XMessageSliceCmd
	for _, stream := range r.streams {
		if len(stream.read) == 0 && !stream.ended {
			empty = append(empty, stream)
			answers = append(answers, pipe.XRevRangeN(ctx, stream.key(), stream.newest, r.oldest, int64(r.batch)))
		}
	}
	if len(empty) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("read the activity", err)
	}
	for i, stream := range empty {
		stream.read = answers[i].Val()
		stream.ended = len(stream.read) < r.batch
		if !stream.ended {
			stream.newest = "(" + stream.read[r.batch-1].ID
		}
	}
	return nil
}

func (f found) activity() (*tokenstorev1.Activity, error) {
	if f.pool == "" {
		entry, err := auditEntryOf(f.message)
		return &tokenstorev1.Activity{What: &tokenstorev1.Activity_Entry{Entry: entry}}, err
	}
	id, _ := f.message.Values["id"].(string)
	return &tokenstorev1.Activity{What: &tokenstorev1.Activity_Event{Event: &tokenstorev1.TokenEvent{
		Transition: transitionFrom(f.message), Upstream: f.pool, TokenId: id,
	}}}, nil
}

// auditEntryOf reads an entry of the audit log.
func auditEntryOf(message redis.XMessage) (*tokenstorev1.AuditEntry, error) {
	entry := &tokenstorev1.AuditEntry{}
	packed, _ := message.Values["e"].(string)
	if err := proto.Unmarshal([]byte(packed), entry); err != nil {
		return nil, fmt.Errorf("audit entry %s: %w", message.ID, err)
	}
	entry.At = timestamppb.New(time.UnixMilli(placeOf(message.ID, "").ms))
	return entry, nil
}

// activityMatcher returns whether an activity is one of those that a filter chooses.
func (s *Store) activityMatcher(ctx context.Context, filter ActivityFilter) (func(*tokenstorev1.Activity) bool, error) {
	about, err := s.activityAbout(ctx, filter.Account)
	if err != nil {
		return nil, err
	}
	return func(activity *tokenstorev1.Activity) bool {
		entry, event := activity.GetEntry(), activity.GetEvent()
		kind, by := entry.GetAction(), []string{entry.GetActor(), entry.GetRemoteIp(), entry.GetForwardedFor()}
		if event != nil {
			kind, by = event.GetTransition().GetKind(), []string{event.GetTransition().GetBy()}
		}
		return (filter.Kind == "" || kind == filter.Kind) && (filter.Actor == "" || holds(by, filter.Actor)) && about(activity)
	}, nil
}

// holds tells whether one of the texts has the other in it, in any case.
func holds(texts []string, part string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}

// activityAbout returns whether an activity is about an account. Actions that were about many
// tokens are found as long as what undoes them is kept.
func (s *Store) activityAbout(ctx context.Context, account string) (func(*tokenstorev1.Activity) bool, error) {
	if account == "" {
		return func(*tokenstorev1.Activity) bool { return true }, nil
	}
	id := account
	known, err := s.client.HMGet(ctx, aliasKey(), account).Result()
	if err != nil {
		return nil, storeError("read the activity", err)
	}
	if named, ok := known[0].(string); ok {
		id = named
	}
	requests := map[string]bool{}
	err = s.eachUndo(ctx, func(kept keptUndo) error {
		if !strings.Contains(kept.packed, id) {
			return nil // it isn't worth decoding
		}
		undo, err := kept.undo()
		if slices.Contains(slices.Concat(undo.GetDeleted(), undo.GetEnabled(), undo.GetDisabled()), id) {
			requests[kept.request] = true
		}
		return err
	})
	return func(activity *tokenstorev1.Activity) bool {
		if event := activity.GetEvent(); event != nil {
			return event.GetTokenId() == id
		}
		entry := activity.GetEntry()
		if requests[entry.GetRequestId()] || entry.GetRequestId() == account {
			return true
		}
		for _, detail := range entry.GetDetails() {
			if detail == id || strings.EqualFold(detail, account) {
				return true
			}
		}
		return false
	}, err
}

// nameTokens says of events what people call their tokens.
func (s *Store) nameTokens(ctx context.Context, activities []*tokenstorev1.Activity) error {
	var ids []string
	for _, activity := range activities {
		if event := activity.GetEvent(); event != nil {
			ids = append(ids, event.GetTokenId())
		}
	}
	slices.Sort(ids)
	tokens, err := s.readAll(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	names := make(map[string]string, len(tokens))
	for _, t := range tokens {
		view := t.view()
		names[t.id] = cmp.Or(view.GetAlias(), view.GetMaskedSecret())
	}
	for _, activity := range activities {
		if event := activity.GetEvent(); event != nil {
			event.TokenName = names[event.GetTokenId()]
		}
	}
	return nil
}
