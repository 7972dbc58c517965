package web

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ended is as much of a span as can be held against the same time before. Use is counted by the hour,
// so the one that has begun is left out: of then it would be whole. So is the day that has begun
// where the hours of then are not kept.
func (s useSpan) ended(now time.Time) useSpan {
	now = now.UTC()
	if !now.Before(s.to) {
		return s
	}
	length, today := s.to.Sub(s.from), now.Truncate(oneDay)
	s.to = now.Truncate(time.Hour)
	if s.to.Add(-length).Before(today.Add(-useHoursKept)) {
		s.to = today
	}
	return s
}

// before is the same time before what has ended of a span; false where nothing has, or where use is
// not kept of all of it.
func (s useSpan) before(now time.Time) (useSpan, bool) {
	length, ended := s.to.Sub(s.from), s.ended(now)
	before := useSpan{from: s.from.Add(-length), to: ended.to.Add(-length), hourly: s.hourly}
	return before, before.from.Before(before.to) && before.kept(now)
}

// kept tells whether use is kept of all of the span.
func (s useSpan) kept(now time.Time) bool {
	return !s.from.Before(now.UTC().Truncate(oneDay).Add(-(mostUseDays - 1) * oneDay))
}

// usedBefore is what was used in the same time before.
type usedBefore struct {
	from, to *timestamppb.Timestamp
	sum      *tokenstorev1.UsageSums
	// rows are by id, of those with the most; others: there are more, of which nothing is known one by
	// one.
	rows   map[string]*tokenstorev1.UsageSums
	others bool
}

func (s *Site) usedBefore(ctx context.Context, q useQuery, span useSpan) (usedBefore, error) {
	counted, err := s.usage(ctx, q, span, q.dimension())
	if err != nil {
		return usedBefore{}, err
	}
	before := usedBefore{counted.GetFrom(), counted.GetTo(), usage.Total(counted.GetRows()), map[string]*tokenstorev1.UsageSums{}, counted.GetOthers() > 0}
	for _, row := range q.rows(counted.GetRows()) {
		before.rows[row.ID] = row.UsageSums
	}
	return before, nil
}

// of is what a row used then; nil where that is not known.
func (b usedBefore) of(id string) *tokenstorev1.UsageSums {
	if used, known := b.rows[id]; known || b.others {
		return used
	}
	return &tokenstorev1.UsageSums{}
}
