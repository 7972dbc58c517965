package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

var (
	pardonScript      = newScript("pardon")
	acknowledgeScript = newScript("acknowledge")
)

const (
	// guardWindow is the time within which failures of several tokens are looked at
	// together.
	guardWindow = 10 * time.Second
	// causeTTL is how long a cause is known of which nothing is heard.
	causeTTL = 10 * time.Minute
	// causeCalm is how long after its end a cause is not seen again: if tokens fail
	// then, while others don't, it was theirs after all.
	causeCalm = 30 * time.Second
	// acknowledgedTTL is how long it is known that somebody knows of a cause.
	acknowledgedTTL = 24 * time.Hour
)

// Pardon undoes what was done to some of an upstream's tokens that were blamed for a cause
// which they share; nil when there are none any more.
func (s *Store) Pardon(ctx context.Context, upstream, by string) (*leasing.Pardoned, error) {
	values, err := pardonScript.run(ctx, s.client, []string{wrongedKey(upstream)}, upstream, by, keepTransitions, poolChannel).Slice()
	if err != nil {
		return nil, s.poolError(upstream, "pardon tokens", err)
	}
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	reply := &row{values: values}
	pardoned := &leasing.Pardoned{
		Class: reply.text(0), Model: reply.text(1), From: time.UnixMilli(reply.number(2)), News: reply.number(3) == 1,
		RequestID: reply.text(4), Failed: int(reply.number(5)), Undone: int(reply.number(6)),
	}
	for i := 7; i < len(values); i++ {
		pardoned.Tokens = append(pardoned.Tokens, reply.text(i))
	}
	return pardoned, reply.err
}

// causes returns what the tokens of an upstream share now.
func (s *Store) causes(ctx context.Context, upstream string) ([]*tokenstorev1.SharedCause, error) {
	f, err := s.client.HGetAll(ctx, causesKey(upstream)).Result()
	if err != nil {
		return nil, storeError("read the causes", err)
	}
	if len(f) == 0 {
		return nil, nil
	}
	known, err := s.client.HGetAll(ctx, acknowledgedKey(upstream)).Result()
	if err != nil {
		return nil, storeError("read the causes", err)
	}
	var causes []*tokenstorev1.SharedCause
	for about, state := range f {
		class, model, _ := strings.Cut(about, " ")
		parts := strings.Fields(state)
		if len(parts) != causeFields {
			continue // it is over
		}
		since, _ := strconv.ParseInt(parts[0], 10, 64) // a script's own numbers
		until, _ := strconv.ParseInt(parts[2], 10, 64)
		cause := &tokenstorev1.SharedCause{
			Class: class, Model: model, Since: timestamppb.New(time.UnixMilli(since)), NextProbe: timestamppb.New(time.UnixMilli(until)),
		}
		if of, at, _ := strings.Cut(known[about], " "); of == parts[0] {
			noted, _ := strconv.ParseInt(at, 10, 64)
			cause.AcknowledgedAt = timestamppb.New(time.UnixMilli(noted))
		}
		causes = append(causes, cause)
	}
	slices.SortFunc(causes, func(a, b *tokenstorev1.SharedCause) int {
		return strings.Compare(a.GetClass()+" "+a.GetModel(), b.GetClass()+" "+b.GetModel())
	})
	return causes, nil
}

// AcknowledgeCause notes that somebody knows of a cause, until that is over. It returns false
// where there is no such cause.
func (s *Store) AcknowledgeCause(ctx context.Context, upstream, class, model string) (bool, error) {
	keys := []string{causesKey(upstream), acknowledgedKey(upstream)}
	noted, err := acknowledgeScript.run(ctx, s.client, keys, class+" "+model, acknowledgedTTL.Milliseconds()).Int()
	if err != nil {
		return false, storeError("acknowledge a cause", err)
	}
	return noted == 1, nil
}

// causeFields is how many words the state of a cause has that is not over.
const causeFields = 6
