package tokens

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/reqlog"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestEntryIsTranslated(t *testing.T) {
	t.Parallel()
	started := time.Unix(1700000000, 5)
	got := entryOf(reqlog.Entry{
		ID: "id", Dialect: "anthropic", Translated: true, StartedAt: started, Total: time.Second, FirstByte: time.Millisecond, Model: "m", Upstream: "u", TokenID: "t",
		TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m", MaskedChecksum: "c", FallbackModel: "other", PromptCut: true, Stream: true, HTTPStatus: 429, End: reqlog.UpstreamError, Attempts: 3,
		Err:   &chat.Error{Kind: chat.RateLimited, Message: "slow down", Pool: &chat.Pool{Total: 3, Busy: 2, Cooling: 1}, RetryAfter: time.Minute, Err: errors.New("not for the log's reader")},
		Usage: chat.Usage{Prompt: 10, CacheRead: 5, CacheWrite: 4, CacheWriteHour: 3, Completion: 2, Reasoning: 1, Source: chat.UsagePartial}, Prompt: "p",
		AttemptLog: []reqlog.Attempt{{
			StartedAt: started, Total: time.Minute, Upstream: "u", Model: "inner", TokenID: "t", TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m", Class: "rate_limit",
			Rule: "limit", Effect: reqlog.TokenMayCool, Status: 429, Code: "slow", Param: "pace", Message: "slow down", RetryAfter: time.Hour,
		}},
	})
	attempts := []*tokenstorev1.LogAttempt{{
		StartedAt: timestamppb.New(started), Total: durationpb.New(time.Minute), Upstream: "u", Model: "inner", TokenId: "t", TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m",
		Class: "rate_limit", Rule: "limit", Effect: "token_may_cool", Status: 429, Code: "slow", Param: "pace", Message: "slow down", RetryAfter: durationpb.New(time.Hour),
	}}
	if diff := cmp.Diff(attempts, got.GetAttemptLog(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got.GetId() != "id" || got.GetDialect() != "anthropic" || !got.GetTranslated() || !got.GetStartedAt().AsTime().Equal(started) || got.GetTotal().AsDuration() != time.Second ||
		got.GetFirstByte().AsDuration() != time.Millisecond || got.GetModel() != "m" || got.GetUpstream() != "u" || got.GetTokenId() != "t" ||
		got.GetTokenAlias() != "a" || got.GetTokenFingerprint() != "f" || got.GetMaskedSecret() != "m" || got.GetMaskedChecksum() != "c" || got.GetFallbackModel() != "other" || !got.GetPromptCut() || !got.GetStream() || got.GetStatus() != "failure" ||
		got.GetHttpStatus() != 429 || got.GetError() != "slow down" || got.GetErrorKind() != "rate_limited" || got.GetEndReason() != "upstream_error" ||
		got.GetAttempts() != 3 || got.GetPromptTokens() != 10 || got.GetCompletionTokens() != 2 || got.GetCacheReadTokens() != 5 || got.GetCacheWriteTokens() != 4 ||
		got.GetCacheWriteHourTokens() != 3 || got.GetReasoningTokens() != 1 || got.GetUsageSource() != "partial" || got.GetPrompt() != "p" {
		t.Errorf("got %v", got)
	}
	if got.GetPool().GetCapped() != 2 || got.GetPool().GetTotal() != 3 || got.GetRetryAfter().AsDuration() != time.Minute {
		t.Errorf("refused for %v, %v", got.GetPool(), got.GetRetryAfter())
	}
	if good := entryOf(reqlog.Entry{HTTPStatus: 200, End: reqlog.Done}); good.GetStatus() != "success" || good.FirstByte != nil || good.GetError() != "" {
		t.Errorf("got %v", good)
	}
}

// A text that is no UTF-8 can't be encoded: the batch would never leave.
func TestEntryWithBrokenTextCanBeEncoded(t *testing.T) {
	t.Parallel()
	entry := entryOf(reqlog.Entry{ID: "a\xff", Model: "\xe4\xbd", Prompt: "caf\xe9", Err: &chat.Error{Message: "cut \xe4"}})
	if _, err := proto.Marshal(entry); err != nil {
		t.Fatal(err)
	}
	if entry.GetId() != "a\ufffd" || entry.GetModel() != "\ufffd" || entry.GetPrompt() != "caf\ufffd" || entry.GetError() != "cut \ufffd" {
		t.Errorf("got %v", entry)
	}
	nested := &tokenstorev1.AppendRequest{Replica: "\xff", Entries: []*tokenstorev1.LogEntry{{Model: "\xff"}, {Model: "gpt-4o"}}}
	mendText(nested.ProtoReflect())
	if _, err := proto.Marshal(nested); err != nil || nested.GetEntries()[1].GetModel() != "gpt-4o" {
		t.Errorf("%v; %v", nested, err)
	}
}
