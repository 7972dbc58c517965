package web

import (
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// sparkHours is how far back sparks go, an hour a step: use is kept by the hour.
	sparkHours = 24
	// sparkHeight is that of their picture, which is a step wide for each hour.
	sparkHeight = 8.0
	// sparksKept is for how long they are shown again: each look adds up a day's use.
	sparksKept = time.Minute
	// sparksAgain is after how long they are looked up again where they could not be had, and
	// sparksTimeout how long a look may take: less, so that there is one at a time.
	sparksAgain   = 5 * time.Second
	sparksTimeout = 3 * time.Second
)

// spark is how many requests a token had in each of the last hours, as a small picture.
type spark struct {
	// Sum is of all hours.
	Sum uint64
	// Path is the area, in a picture of sparkHours by sparkHeight. Its top is the token's busiest
	// hour.
	Path string
}

// sparkSpan is the time that a spark shows.
func sparkSpan(now time.Time) (from, to time.Time) {
	to = now.UTC().Truncate(time.Hour).Add(time.Hour)
	return to.Add(-sparkHours * time.Hour), to
}

// sparkOf draws requests by hour; nil where there were none.
func sparkOf(hours [sparkHours]uint64) *spark {
	sum, most := uint64(0), uint64(0)
	for _, n := range hours {
		sum += n
		most = max(most, n)
	}
	if sum == 0 {
		return nil
	}
	var path strings.Builder
	path.WriteString("M0 " + coordinate(sparkHeight))
	for _, n := range hours {
		height := sparkHeight * float64(n) / float64(most)
		if n > 0 {
			height = max(height, 1) // whatever was there is seen
		}
		path.WriteString("V" + coordinate(sparkHeight-height) + "h1")
	}
	path.WriteString("V" + coordinate(sparkHeight) + "z")
	return &spark{sum, path.String()}
}

// sparksOf are those of the tokens in the rows, by their ids, where the first hour begins at from.
func sparksOf(rows []*tokenstorev1.UsageRow, from time.Time) map[string]*spark {
	hours := map[string]*[sparkHours]uint64{}
	for _, row := range rows {
		at := int(row.GetStart().AsTime().Sub(from) / time.Hour)
		if row.GetTokenId() == "" || at < 0 || at >= sparkHours {
			continue
		}
		if hours[row.GetTokenId()] == nil {
			hours[row.GetTokenId()] = &[sparkHours]uint64{}
		}
		hours[row.GetTokenId()][at] += row.GetSums().GetRequests()
	}
	found := make(map[string]*spark, len(hours))
	for id, of := range hours {
		if drawn := sparkOf(*of); drawn != nil {
			found[id] = drawn
		}
	}
	return found
}

// useCounter adds up what was used.
type useCounter interface {
	QueryUsage(context.Context, *tokenstorev1.QueryUsageRequest, ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error)
}

// sparks are those of all tokens, looked up once for all readers and kept for a while.
type sparks struct {
	mu sync.Mutex
	// due is when they are to be looked up again.
	due   time.Time
	found map[string]*spark
}

// read returns the sparks, by the ids of tokens. Where they can't be had they are those of before,
// as they are while another reader looks them up: the page does without.
func (s *sparks) read(ctx context.Context, of useCounter, now time.Time) map[string]*spark {
	s.mu.Lock()
	found, due := s.found, !now.Before(s.due)
	if due {
		s.due = now.Add(sparksAgain)
	}
	s.mu.Unlock()
	if !due {
		return found
	}
	// They are for all readers: this one may go.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sparksTimeout)
	defer cancel()
	from, to := sparkSpan(now)
	used, err := of.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(from), To: timestamppb.New(to),
		Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR},
	})
	if err != nil {
		return found
	}
	found = sparksOf(used.GetRows(), from)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.due = found, now.Add(sparksKept)
	return found
}
