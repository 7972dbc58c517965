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

// nameTokens says of events what people call their tokens.
func (s *Store) nameTokens(ctx context.Context, activities []*tokenstorev1.Activity) error {
	var ids []string
	for _, activity := range activities {
		if event := activity.GetEvent(); event != nil {
			ids = append(ids, event.GetTokenId())
		}
	}
	slices.Sort(ids)
	names, err := s.namesOf(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, activity := range activities {
		if event := activity.GetEvent(); event != nil {
			event.TokenName = names[event.GetTokenId()]
		}
	}
	return nil
}

// namesOf are what people call tokens, by id; of those that are there.
func (s *Store) namesOf(ctx context.Context, ids []string) (map[string]string, error) {
	tokens, err := s.readAll(ctx, ids)
	names := make(map[string]string, len(tokens))
	for _, t := range tokens {
		view := t.view()
		names[t.id] = cmp.Or(view.GetAlias(), view.GetMaskedSecret())
	}
	return names, err
}
