package tokens

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/reqlog"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// entryOf is an entry as it travels.
func entryOf(entry reqlog.Entry) *tokenstorev1.LogEntry {
	converted := &tokenstorev1.LogEntry{
		Id: entry.ID, Dialect: entry.Dialect, Translated: entry.Translated, StartedAt: timestamppb.New(entry.StartedAt), Total: durationpb.New(entry.Total), Model: entry.Model,
		Upstream: entry.Upstream, TokenId: entry.TokenID, TokenAlias: entry.TokenAlias, TokenFingerprint: entry.TokenFingerprint,
		MaskedSecret: entry.MaskedSecret, MaskedChecksum: entry.MaskedChecksum, FallbackModel: entry.FallbackModel,
		Stream: entry.Stream, Status: "success", HttpStatus: uint32(entry.HTTPStatus), //nolint:gosec // 0 to 599
		EndReason: string(entry.End), Attempts: uint32(entry.Attempts), //nolint:gosec // a handful
		PromptTokens: countOf(entry.Usage.Prompt), CacheReadTokens: countOf(entry.Usage.CacheRead), CacheWriteTokens: countOf(entry.Usage.CacheWrite),
		CacheWriteHourTokens: countOf(entry.Usage.CacheWriteHour), CompletionTokens: countOf(entry.Usage.Completion), ReasoningTokens: countOf(entry.Usage.Reasoning),
		UsageSource: string(entry.Usage.Source), Prompt: entry.Prompt, PromptCut: entry.PromptCut,
	}
	for _, attempt := range entry.AttemptLog {
		converted.AttemptLog = append(converted.AttemptLog, attemptOf(attempt))
	}
	if entry.FirstByte > 0 {
		converted.FirstByte = durationpb.New(entry.FirstByte)
	}
	if entry.Err != nil {
		converted.Status, converted.Error, converted.ErrorKind = "failure", entry.Err.Message, string(entry.Err.Kind)
		converted.Pool = summaryOf(entry.Err.Pool)
		if entry.Err.RetryAfter > 0 {
			converted.RetryAfter = durationpb.New(entry.Err.RetryAfter)
		}
	}
	mendText(converted.ProtoReflect())
	return converted
}

func countOf(n int) uint64 { return uint64(max(n, 0)) }

func attemptOf(attempt reqlog.Attempt) *tokenstorev1.LogAttempt {
	converted := &tokenstorev1.LogAttempt{
		StartedAt: timestamppb.New(attempt.StartedAt), Total: durationpb.New(attempt.Total), Upstream: attempt.Upstream, Model: attempt.Model,
		TokenId: attempt.TokenID, TokenAlias: attempt.TokenAlias, TokenFingerprint: attempt.TokenFingerprint, MaskedSecret: attempt.MaskedSecret,
		Class: attempt.Class, Rule: attempt.Rule, Effect: string(attempt.Effect),
		Status: uint32(attempt.Status), Code: attempt.Code, Param: attempt.Param, Message: attempt.Message, //nolint:gosec // 0 to 599
	}
	if attempt.RetryAfter > 0 {
		converted.RetryAfter = durationpb.New(attempt.RetryAfter)
	}
	return converted
}

// mendText replaces what is not UTF-8 in a message's texts. They come from clients and
// upstreams, and one text that can't be encoded would hold up all entries behind it.
func mendText(message protoreflect.Message) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
		case field.IsList() && field.Kind() == protoreflect.StringKind:
			for i := range value.List().Len() {
				value.List().Set(i, protoreflect.ValueOfString(strings.ToValidUTF8(value.List().Get(i).String(), "\ufffd")))
			}
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				mendText(value.List().Get(i).Message())
			}
		case field.IsList():
		case field.Message() != nil:
			mendText(value.Message())
		case field.Kind() == protoreflect.StringKind && !utf8.ValidString(value.String()):
			message.Set(field, protoreflect.ValueOfString(strings.ToValidUTF8(value.String(), "\ufffd")))
		}
		return true
	})
}
