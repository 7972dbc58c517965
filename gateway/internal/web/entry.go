package web

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/consequence"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var logEntryPage = view{"entry", "logs", (*Site).loadEntry}

type entryData struct {
	Entry *tokenstorev1.LogEntry
	// Timeline is nil where the log tells of no attempt.
	Timeline *timeline
	// Missing says what kept the pool's tokens from serving; empty where one could, or
	// the log does not say.
	Missing []missing
	// Again is when it was worth asking again; nil where nobody knew.
	Again    *timestamppb.Timestamp
	Messages []message
	// Curl sends the same again from a shell; empty where the log does not say enough.
	Curl string
	// TracePage is where the request's trace can be looked at; empty: its id is all that is known.
	TracePage string
}

// Failed tells whether the request failed.
func (d entryData) Failed() bool { return d.Entry.GetStatus() != "success" }

// Alike is the address of the requests with the same model to which the same happened, from an
// hour before this one on; empty where nothing special did.
func (d entryData) Alike() string {
	filter := logFilter{Model: d.Entry.GetModel()}
	switch {
	case d.Failed():
		filter.ErrorKind = d.Entry.GetErrorKind()
	case d.Entry.GetAttempts() > 1:
		filter.Retried = "true"
	default:
		return ""
	}
	filter.From = iso(timestamppb.New(d.Entry.GetStartedAt().AsTime().Add(-time.Hour)))
	return filter.address()
}

func (s *Site) loadEntry(ctx context.Context, c *gin.Context) (any, error) {
	query := &tokenstorev1.QueryRequest{Limit: 1}
	jsonapi.SelectRequest(query, c.Param("id"))
	answer, err := s.Logs.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(answer.GetEntries()) == 0 {
		return nil, notFound("%s", s.texts(c.Request)["entry.gone"])
	}
	entry := answer.GetEntries()[0]
	messages := splitPrompt(entry.GetPrompt())
	return entryData{
		Entry: entry, Timeline: timelineOf(entry, consequence.Of(ctx, s.Tokens, entry, time.Now())), Missing: missingOf(entry.GetPool()), Again: againAt(entry),
		Messages: messages, Curl: curlOf(entry, conversation(messages), s.RoutePrefix),
		TracePage: s.tracePage(entry),
	}, nil
}

func (s *Site) tracePage(entry *tokenstorev1.LogEntry) string {
	if s.TracePage == nil || entry.GetTraceId() == "" {
		return ""
	}
	return s.TracePage(entry.GetTraceId())
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
