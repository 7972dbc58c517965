package web

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// before is the same time before a span, as much of it as has passed of the span: a day that has not
// ended is not held against a whole one.
func (s useSpan) before(now time.Time) useSpan {
	length := s.to.Sub(s.from)
	if now.Before(s.to) {
		s.to = now
	}
	return useSpan{from: s.from.Add(-length), to: s.to.Add(-length), hourly: s.hourly}
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
