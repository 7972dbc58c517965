package web

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// attempt is one request to an upstream, as the page of a request shows it.
type attempt struct {
	*tokenstorev1.LogAttempt
	// After is how long the request had been going on.
	After *durationpb.Duration
	// X and W are where its bar begins, and how wide it is, of 100.
	X, W string
}

// Token is what people call the attempt's token; empty where nobody knows it.
func (a attempt) Token() string {
	for _, name := range []string{a.GetTokenAlias(), a.GetMaskedSecret(), a.GetTokenFingerprint()} {
		if name != "" {
			return name
		}
	}
	return ""
}

// attemptsOf places the attempts of a request in its time.
func attemptsOf(entry *tokenstorev1.LogEntry) []attempt {
	const least = 0.5 // of 100: a bar can be seen
	attempts := make([]attempt, 0, len(entry.GetAttemptLog()))
	whole := max(entry.GetTotal().AsDuration(), time.Nanosecond)
	share := func(d time.Duration) float64 { return min(max(100*float64(d)/float64(whole), 0), 100) }
	for _, each := range entry.GetAttemptLog() {
		after := max(each.GetStartedAt().AsTime().Sub(entry.GetStartedAt().AsTime()), 0)
		x := min(share(after), 100-least)
		width := min(max(share(each.GetTotal().AsDuration()), least), 100-x)
		attempts = append(attempts, attempt{each, durationpb.New(after), coordinate(x), coordinate(width)})
	}
	return attempts
}

// missing counts tokens that could not serve for the same reason.
type missing struct {
	// Why is a state of tokens, or busy or tried.
	Why   string
	Count uint32
}

func missingOf(pool *tokenstorev1.PoolSummary) []missing {
	var found []missing
	for _, each := range []missing{
		{"busy", pool.GetCapped()},
		{"tried", pool.GetTried()},
		{"quarantined", pool.GetQuarantined()},
		{"cooling", pool.GetCooling()},
		{"probing", pool.GetProbing()},
		{"parked", pool.GetParked()},
		{"expired", pool.GetExpired()},
		{"disabled", pool.GetDisabled()},
	} {
		if each.Count > 0 {
			found = append(found, each)
		}
	}
	return found
}

// againAt is when it was worth asking again; nil where nobody knew.
func againAt(entry *tokenstorev1.LogEntry) *timestamppb.Timestamp {
	if entry.GetRetryAfter() == nil {
		return nil
	}
	end := entry.GetStartedAt().AsTime().Add(entry.GetTotal().AsDuration())
	return timestamppb.New(end.Add(entry.GetRetryAfter().AsDuration()))
}
