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

var witnessScript = newScript("witness")

const (
	// guardWindow is the time within which failures of several tokens are looked at
	// together.
	guardWindow = 10 * time.Second
	// causeTTL is how long a cause is known of which nothing is heard.
	causeTTL = 10 * time.Minute
	// causeCalm is how long after its end a cause is not seen again: if tokens fail
	// then, while others don't, it was theirs after all.
	causeCalm = 30 * time.Second
)

// Witness takes a failure down.
func (s *Store) Witness(ctx context.Context, failure leasing.Failure) (leasing.Witnessed, error) {
	keys := []string{clockKey(failure.Upstream), windowKey(failure.Upstream), causesKey(failure.Upstream)}
	values, err := witnessScript.run(ctx, s.client, keys, failure.TokenID, failure.LeaseID, failure.Class,
		failure.Model, failure.RequestID, guardWindow.Milliseconds(), causeTTL.Milliseconds()).Slice()
	if err != nil {
		return leasing.Witnessed{}, storeError("witness a failure", err)
	}
	reply := &row{values: values}
	switch reply.text(0) {
	case "alone":
		return leasing.Witnessed{}, reply.err
	case "shared":
		return leasing.Witnessed{Shared: true}, reply.err
	}
	seen := leasing.Witnessed{Shared: true, Tripped: true, From: time.UnixMilli(reply.number(1)), News: reply.number(2) == 1}
	for i := 3; i < len(values); i++ {
		seen.Tokens = append(seen.Tokens, reply.text(i))
	}
	return seen, reply.err
}

// causes answers what the tokens of an upstream share now.
func (s *Store) causes(ctx context.Context, upstream string) ([]*tokenstorev1.SharedCause, error) {
	f, err := s.client.HGetAll(ctx, causesKey(upstream)).Result()
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
		causes = append(causes, &tokenstorev1.SharedCause{
			Class: class, Model: model, Since: timestamppb.New(time.UnixMilli(since)), NextProbe: timestamppb.New(time.UnixMilli(until)),
		})
	}
	slices.SortFunc(causes, func(a, b *tokenstorev1.SharedCause) int {
		return strings.Compare(a.GetClass()+" "+a.GetModel(), b.GetClass()+" "+b.GetModel())
	})
	return causes, nil
}

// causeFields is how many words the state of a cause has that is not over.
const causeFields = 6
