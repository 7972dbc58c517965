package redisstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/latency"
	"carousel.internal/tokenstore/internal/usage"
)

const (
	// maxBuckets bounds the steps of one summary.
	maxBuckets = 1500
	// summaryStep is how many counters are read at a time.
	summaryStep = 256
)

// logUnit is a length of time of which the log's counters are kept.
type logUnit struct {
	length, kept time.Duration
	prefix       func() string
}

var (
	logMinute = logUnit{time.Minute, 48 * time.Hour, logMinutePrefix}
	logHour   = logUnit{time.Hour, 60 * 24 * time.Hour, logHourPrefix}
)

// ttl lets the oldest unit that a summary may ask for be there to its end.
func (u logUnit) ttl() int64 { return int64((u.kept + 2*u.length).Seconds()) }

func (u logUnit) key(at time.Time) string {
	return u.prefix() + strconv.FormatInt(at.Unix()/int64(u.length.Seconds()), 10)
}

// The counters of a unit, by the names of their hash's fields. A latency's name
// goes on with the number of its bucket.
const (
	countRequests   = "n"
	countFailures   = "x"
	countPrompt     = "p"
	countCompletion = "c"
	countTotal      = "t"
	countFirstByte  = "f"
	// Parts of the prompt's tokens, and of the completion's.
	countCacheRead      = "pr"
	countCacheWrite     = "pw"
	countCacheWriteHour = "ph"
	countReasoning      = "cr"
)

// summary counts the requests of one step.
type summary struct {
	requests, failures uint64
	usage.Tokens
	total, firstByte latency.Histogram
}

// count takes in an entry.
func (s *summary) count(entry *tokenstorev1.LogEntry) {
	s.requests++
	if entry.GetStatus() == "failure" {
		s.failures++
	}
	s.Tokens.Count(entry)
	if took := entry.GetTotal(); took != nil {
		s.total[latency.BucketOf(took.AsDuration())]++
	}
	if took := entry.GetFirstByte(); took != nil {
		s.firstByte[latency.BucketOf(took.AsDuration())]++
	}
}

// text is what there is to count, as append_log takes it.
func (s *summary) text() string {
	var text []byte
	add := func(name string, number int, n uint64) {
		if n == 0 {
			return
		}
		text = append(text, name...)
		if number >= 0 {
			text = strconv.AppendInt(text, int64(number), 10)
		}
		text = append(strconv.AppendUint(append(text, ' '), n, 10), ' ')
	}
	const alone = -1
	add(countRequests, alone, s.requests)
	add(countFailures, alone, s.failures)
	add(countPrompt, alone, s.Prompt)
	add(countCompletion, alone, s.Completion)
	add(countCacheRead, alone, s.CacheRead)
	add(countCacheWrite, alone, s.CacheWrite)
	add(countCacheWriteHour, alone, s.CacheWriteHour)
	add(countReasoning, alone, s.Reasoning)
	for bucket := range latency.Buckets {
		add(countTotal, bucket, s.total[bucket])
		add(countFirstByte, bucket, s.firstByte[bucket])
	}
	return string(text)
}

// add takes in the counters of a unit.
func (s *summary) add(values fields) {
	s.requests += values.count(countRequests)
	s.failures += values.count(countFailures)
	s.Prompt += values.count(countPrompt)
	s.Completion += values.count(countCompletion)
	s.CacheRead += values.count(countCacheRead)
	s.CacheWrite += values.count(countCacheWrite)
	s.CacheWriteHour += values.count(countCacheWriteHour)
	s.Reasoning += values.count(countReasoning)
	for name := range values {
		for prefix, histogram := range map[string]*latency.Histogram{countTotal: &s.total, countFirstByte: &s.firstByte} {
			number, is := strings.CutPrefix(name, prefix)
			if bucket, err := strconv.Atoi(number); is && err == nil && bucket >= 0 && bucket < latency.Buckets {
				histogram[bucket] += values.count(name)
			}
		}
	}
}

func (s *summary) bucket(start time.Time) *tokenstorev1.LogBucket {
	return &tokenstorev1.LogBucket{
		Start: timestamppb.New(start), Requests: s.requests, Failures: s.failures,
		PromptTokens: s.Prompt, CompletionTokens: s.Completion,
		CacheReadTokens: s.CacheRead, CacheWriteTokens: s.CacheWrite, CacheWriteHourTokens: s.CacheWriteHour, ReasoningTokens: s.Reasoning,
		TotalP50: quantile(&s.total, 0.5), TotalP95: quantile(&s.total, 0.95),
		FirstByteP50: quantile(&s.firstByte, 0.5), FirstByteP95: quantile(&s.firstByte, 0.95),
	}
}

func quantile(histogram *latency.Histogram, q float64) *durationpb.Duration {
	if d, some := histogram.Quantile(q); some {
		return durationpb.New(d)
	}
	return nil
}

// SummarizeLog counts what was stored from one time to another by steps, which
// begin at from, taken to the minute. Steps of whole hours may begin before what
// is kept of minutes: from is then taken to the hour, and they reach as far back as
// hours are kept. What is older counts as nothing.
func (s *Store) SummarizeLog(ctx context.Context, from, to time.Time, step time.Duration) ([]*tokenstorev1.LogBucket, error) {
	if err := s.logFence.check(ctx); err != nil {
		return nil, err
	}
	now, err := s.logClient.Time(ctx).Result()
	if err != nil {
		return nil, storeError("summarize the log", err)
	}
	unit := logMinute
	if step%time.Hour == 0 && from.Before(now.Add(-unit.kept)) {
		unit = logHour
	}
	start, n, err := stepsOf(from, to, step, unit)
	if err != nil {
		return nil, err
	}
	summaries := make([]summary, n)
	// What is too old or still to come has no counters.
	first, end := start, start.Add(time.Duration(n)*step)
	if oldest := now.Add(-unit.kept).Truncate(unit.length); first.Before(oldest) {
		first = oldest
	}
	if latest := now.Add(unit.length); end.After(latest) {
		end = latest
	}
	for first.Before(end) {
		if first, err = s.addUnits(ctx, unit, first, end, func(at time.Time) *summary { return &summaries[at.Sub(start)/step] }); err != nil {
			return nil, err
		}
	}
	buckets := make([]*tokenstorev1.LogBucket, n)
	for i := range summaries {
		buckets[i] = summaries[i].bucket(start.Add(time.Duration(i) * step))
	}
	return buckets, nil
}

// stepsOf returns the begin of the first step and how many there are.
func stepsOf(from, to time.Time, step time.Duration, unit logUnit) (start time.Time, n int, err error) {
	refuse := func(format string, args ...any) (time.Time, int, error) {
		return start, 0, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, format, args...)
	}
	if step < time.Minute || step > logHour.kept || step%time.Minute != 0 {
		return refuse("step: whole minutes, from one minute to %d days", logHour.kept/(24*time.Hour))
	}
	if from.IsZero() || !from.Before(to) {
		return refuse("from, to: from must be before to")
	}
	start = from.Truncate(unit.length)
	if steps := (to.Sub(start)-1)/step + 1; steps <= maxBuckets {
		return start, int(steps), nil
	}
	return refuse("step: at most %d steps from from to to; these would be more", maxBuckets)
}

// addUnits adds the counters of some units from first on, none from end on, to
// the summaries that they belong to, and answers where to go on.
func (s *Store) addUnits(ctx context.Context, unit logUnit, first, end time.Time, summaryOf func(time.Time) *summary) (next time.Time, err error) {
	pipe := s.logClient.Pipeline()
	var counters []*redis.MapStringStringCmd
	for next = first; next.Before(end) && len(counters) < summaryStep; next = next.Add(unit.length) {
		counters = append(counters, pipe.HGetAll(ctx, unit.key(next)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return next, storeError("summarize the log", err)
	}
	for i, each := range counters {
		if values := each.Val(); len(values) > 0 {
			summaryOf(first.Add(time.Duration(i) * unit.length)).add(values)
		}
	}
	return next, nil
}
