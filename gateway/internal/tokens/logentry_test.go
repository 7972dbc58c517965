package tokens

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/reqlog"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestEntryIsTranslated(t *testing.T) {
	t.Parallel()
	started := time.Unix(1700000000, 5)
	got := encoded(t, reqlog.Entry{
		Caller: caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "k1", Name: "ci"}}, ServedModel: "inner", Cost: 12, Quality: reqlog.CostPartial,
		ID: "id", Dialect: "anthropic", Translated: true, StartedAt: started, Total: time.Second, FirstByte: time.Millisecond, Model: "m", Upstream: "u", TokenID: "t",
		TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m", MaskedChecksum: "c", FallbackModel: "other", PromptCut: true, Stream: true, HTTPStatus: 429, End: reqlog.UpstreamError, Attempts: 3,
		Err:   &chat.Error{Kind: chat.RateLimited, Message: "slow down", Pool: &chat.Pool{Total: 3, Busy: 2, Cooling: 1}, RetryAfter: time.Minute, Err: errors.New("not for the log's reader")},
		Usage: chat.Usage{Prompt: 10, CacheRead: 5, CacheWrite: 4, CacheWriteHour: 3, Completion: 2, Reasoning: 1, Source: chat.UsagePartial}, Prompt: "p",
		ClientHeaders: []headerlog.Header{{Name: "User-Agent", Value: "curl/8"}},
		AttemptLog: []reqlog.Attempt{{
			StartedAt: started, Total: time.Minute, Upstream: "u", Model: "inner", TokenID: "t", TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m", Class: "rate_limit",
			Rule: "limit", Effect: reqlog.TokenMayCool, Status: 429, Code: "slow", Param: "pace", Message: "slow down", RetryAfter: time.Hour,
			Sent: []headerlog.Header{{Name: "Authorization", Hidden: true}}, Received: []headerlog.Header{{Name: "Retry-After", Value: "60\xff"}},
		}},
	})
	attempts := []*tokenstorev1.LogAttempt{{
		StartedAt: timestamppb.New(started), Total: durationpb.New(time.Minute), Upstream: "u", Model: "inner", TokenId: "t", TokenAlias: "a", TokenFingerprint: "f", MaskedSecret: "m",
		Class: "rate_limit", Rule: "limit", Effect: "token_may_cool", Status: 429, Code: "slow", Param: "pace", Message: "slow down", RetryAfter: durationpb.New(time.Hour),
		SentHeaders: []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true}}, ReceivedHeaders: []*tokenstorev1.LogHeader{{Name: "Retry-After", Value: "60\ufffd"}},
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
	if got.GetCaller() != "key" || got.GetKeyId() != "k1" || got.GetKeyName() != "ci" || got.GetServedModel() != "inner" || got.GetCost() != 12 || got.GetCostQuality() != "partial" {
		t.Errorf("caller and cost: %v", got)
	}
	if headers := got.GetClientHeaders(); len(headers) != 1 || headers[0].GetName() != "User-Agent" || headers[0].GetValue() != "curl/8" {
		t.Errorf("the client's headers: %v", headers)
	}
	if got.GetPool().GetCapped() != 2 || got.GetPool().GetTotal() != 3 || got.GetRetryAfter().AsDuration() != time.Minute {
		t.Errorf("refused for %v, %v", got.GetPool(), got.GetRetryAfter())
	}
	if good := encoded(t, reqlog.Entry{HTTPStatus: 200, End: reqlog.Done}); good.GetStatus() != "success" || good.FirstByte != nil || good.GetError() != "" {
		t.Errorf("got %v", good)
	}
}

// encoded returns an entry as the store reads it.
func encoded(t testing.TB, entry reqlog.Entry) *tokenstorev1.LogEntry {
	t.Helper()
	got := &tokenstorev1.LogEntry{}
	if err := proto.Unmarshal(appendPrompt(appendSequence(encodeEntry(&entry), 1<<63), entry.Prompt), got); err != nil {
		t.Fatal(err)
	}
	if got.GetSequence() != 1<<63 {
		t.Fatalf("sequence %d", got.GetSequence())
	}
	return got
}

// What was encoded before leaves nothing behind.
func TestEntriesAreEncodedApart(t *testing.T) {
	t.Parallel()
	var large reqlog.Entry
	fill(reflect.ValueOf(&large).Elem(), "text")
	for range 3 {
		if got := encoded(t, large); len(got.GetAttemptLog()) != 2 || got.GetPool() == nil {
			t.Errorf("got %v", got)
		}
		small := encoded(t, reqlog.Entry{ID: "x"})
		want := &tokenstorev1.LogEntry{
			Id: "x", Sequence: 1 << 63, Status: "success", StartedAt: timestamppb.New(time.Time{}), Total: durationpb.New(0),
		}
		if diff := cmp.Diff(want, small, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
}

// A text that is no UTF-8 can't be encoded: the batch would never leave.
func TestEntryWithBrokenTextsCanBeEncoded(t *testing.T) {
	t.Parallel()
	var broken reqlog.Entry
	texts := fill(reflect.ValueOf(&broken).Elem(), "caf\xe9")
	got := encoded(t, broken)
	mended := 0
	var count func(message protoreflect.Message)
	count = func(message protoreflect.Message) {
		message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			switch {
			case field.IsList():
				for i := range value.List().Len() {
					count(value.List().Get(i).Message())
				}
			case field.Message() != nil:
				count(value.Message())
			case field.Kind() == protoreflect.StringKind && value.String() == "caf\ufffd":
				mended++
			}
			return true
		})
	}
	count(got.ProtoReflect())
	if mended < 40 || texts < mended {
		t.Errorf("%d texts are mended, of %d: %v", mended, texts, got)
	}
}

// fill puts a text into every text of a value, and something into all else, and returns how many
// texts there are. Lists get two elements.
func fill(value reflect.Value, text string) (texts int) {
	switch value.Kind() {
	case reflect.String:
		value.SetString(text)
		return 1
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Field(i).CanSet() {
				texts += fill(value.Field(i), text)
			}
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 2, 2))
		texts += fill(value.Index(0), text) + fill(value.Index(1), text)
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		texts += fill(value.Elem(), text)
	case reflect.Int, reflect.Int64:
		value.SetInt(3)
	case reflect.Uint64:
		value.SetUint(3)
	case reflect.Bool:
		value.SetBool(true)
	}
	return texts
}
