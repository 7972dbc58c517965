package tokens

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/reqlog"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Fields of LogEntry that are put behind the others: the sequence is known last, and the prompt is
// not for files.
const (
	sequenceField = 2
	promptField   = 22
)

// encodeEntry encodes an entry but for its sequence and its prompt, for which there is room.
func encodeEntry(entry *reqlog.Entry) []byte {
	m, _ := messages.Get().(*entryMessage)
	defer messages.Put(m)
	message := m.fill(entry)
	room := protowire.SizeTag(sequenceField) + protowire.SizeVarint(^uint64(0)) + protowire.SizeTag(promptField) + protowire.SizeBytes(len(entry.Prompt))
	encoded := make([]byte, 0, proto.Size(message)+room)
	encoded, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(encoded, message) // it fails for texts that are not UTF-8 alone
	return encoded
}

func appendSequence(encoded []byte, sequence uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(encoded, sequenceField, protowire.VarintType), sequence)
}

func appendPrompt(encoded []byte, prompt string) []byte {
	if prompt == "" {
		return encoded
	}
	return protowire.AppendString(protowire.AppendTag(encoded, promptField, protowire.BytesType), mended(prompt))
}

// entryMessage is an entry as it travels, in messages that are filled again and again.
type entryMessage struct {
	entry                        tokenstorev1.LogEntry
	started                      timestamppb.Timestamp
	total, firstByte, retryAfter durationpb.Duration
	attempts                     []*attemptMessage
	log                          []*tokenstorev1.LogAttempt
}

type attemptMessage struct {
	attempt           tokenstorev1.LogAttempt
	started           timestamppb.Timestamp
	total, retryAfter durationpb.Duration
}

var messages = sync.Pool{New: func() any { return new(entryMessage) }}

// fill returns the message of an entry, without its sequence and its prompt, until the next fill.
func (m *entryMessage) fill(entry *reqlog.Entry) *tokenstorev1.LogEntry {
	m.entry = tokenstorev1.LogEntry{
		Id: mended(entry.ID), Dialect: mended(entry.Dialect), Translated: entry.Translated, StartedAt: timeIn(&m.started, entry.StartedAt), Total: durationIn(&m.total, entry.Total),
		Model: mended(entry.Model), Upstream: mended(entry.Upstream), TokenId: mended(entry.TokenID), TokenAlias: mended(entry.TokenAlias),
		TokenFingerprint: mended(entry.TokenFingerprint), MaskedSecret: mended(entry.MaskedSecret), MaskedChecksum: mended(entry.MaskedChecksum),
		FallbackModel: mended(entry.FallbackModel), Stream: entry.Stream, Status: "success", HttpStatus: uint32(entry.HTTPStatus), //nolint:gosec // 0 to 599
		EndReason: mended(string(entry.End)), Attempts: uint32(entry.Attempts), //nolint:gosec // a handful
		PromptTokens: countOf(entry.Usage.Prompt), CacheReadTokens: countOf(entry.Usage.CacheRead), CacheWriteTokens: countOf(entry.Usage.CacheWrite),
		CacheWriteHourTokens: countOf(entry.Usage.CacheWriteHour), CompletionTokens: countOf(entry.Usage.Completion), ReasoningTokens: countOf(entry.Usage.Reasoning),
		UsageSource: mended(string(entry.Usage.Source)), PromptCut: entry.PromptCut,
		Caller: mended(string(entry.Caller.Kind)), KeyId: mended(entry.Caller.KeyID()), KeyName: mended(entry.Caller.KeyName()), ServedModel: mended(entry.ServedModel),
		Cost: uint64(entry.Cost), CostQuality: mended(string(entry.Quality)), AttemptLog: m.attemptsOf(entry.AttemptLog),
		ClientHeaders: headersOf(entry.ClientHeaders), TraceId: mended(entry.TraceID),
	}
	if entry.FirstByte > 0 {
		m.entry.FirstByte = durationIn(&m.firstByte, entry.FirstByte)
	}
	if failure := entry.Err; failure != nil {
		m.entry.Status, m.entry.Error, m.entry.ErrorKind = "failure", mended(failure.Message), mended(string(failure.Kind))
		m.entry.Pool = summaryOf(failure.Pool)
		if failure.RetryAfter > 0 {
			m.entry.RetryAfter = durationIn(&m.retryAfter, failure.RetryAfter)
		}
	}
	return &m.entry
}

func (m *entryMessage) attemptsOf(attempts []reqlog.Attempt) []*tokenstorev1.LogAttempt {
	m.log = m.log[:0]
	for i := range attempts {
		if i == len(m.attempts) {
			m.attempts = append(m.attempts, new(attemptMessage))
		}
		m.log = append(m.log, m.attempts[i].fill(&attempts[i]))
	}
	return m.log
}

func (m *attemptMessage) fill(attempt *reqlog.Attempt) *tokenstorev1.LogAttempt {
	m.attempt = tokenstorev1.LogAttempt{
		StartedAt: timeIn(&m.started, attempt.StartedAt), Total: durationIn(&m.total, attempt.Total), Upstream: mended(attempt.Upstream), Model: mended(attempt.Model),
		TokenId: mended(attempt.TokenID), TokenAlias: mended(attempt.TokenAlias), TokenFingerprint: mended(attempt.TokenFingerprint), MaskedSecret: mended(attempt.MaskedSecret),
		Class: mended(attempt.Class), Rule: mended(attempt.Rule), Effect: mended(string(attempt.Effect)),
		Status: uint32(attempt.Status), Code: mended(attempt.Code), Param: mended(attempt.Param), Message: mended(attempt.Message), //nolint:gosec // 0 to 599
		SentHeaders: headersOf(attempt.Sent), ReceivedHeaders: headersOf(attempt.Received),
	}
	if attempt.RetryAfter > 0 {
		m.attempt.RetryAfter = durationIn(&m.retryAfter, attempt.RetryAfter)
	}
	return &m.attempt
}

// headersOf is nil, and costs nothing, where nothing failed.
func headersOf(kept []headerlog.Header) []*tokenstorev1.LogHeader {
	if len(kept) == 0 {
		return nil
	}
	headers := make([]*tokenstorev1.LogHeader, 0, len(kept))
	for _, each := range kept {
		headers = append(headers, &tokenstorev1.LogHeader{Name: mended(each.Name), Value: mended(each.Value), Hidden: each.Hidden})
	}
	return headers
}

func countOf(n int) uint64 { return uint64(max(n, 0)) }

func timeIn(stamp *timestamppb.Timestamp, at time.Time) *timestamppb.Timestamp {
	stamp.Seconds, stamp.Nanos = at.Unix(), int32(at.Nanosecond()) //nolint:gosec // below a second
	return stamp
}

func durationIn(message *durationpb.Duration, d time.Duration) *durationpb.Duration {
	message.Seconds, message.Nanos = int64(d/time.Second), int32(d%time.Second)
	return message
}

// mended is a text with what is not UTF-8 replaced. Texts come from clients and upstreams, and one
// that can't be encoded would hold up all entries behind it.
func mended(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
