package web_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logged is a site whose log has one request.
func logged(t *testing.T, entry *tokenstorev1.LogEntry) *site {
	t.Helper()
	entry.Id, entry.StartedAt = "chatcmpl-1", moment
	return newSite(t, &store{answers: []proto.Message{&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{entry}}}})
}

func TestEntryShowsEachAttempt(t *testing.T) {
	t.Parallel()
	site := logged(t, &tokenstorev1.LogEntry{
		Status: "success", Attempts: 2, Total: durationpb.New(100 * time.Millisecond),
		AttemptLog: []*tokenstorev1.LogAttempt{
			{
				StartedAt: timestamppb.New(moment.AsTime().Add(5 * time.Millisecond)), Total: durationpb.New(20 * time.Millisecond), Upstream: "groq", Model: "llama",
				TokenId: "t1", TokenAlias: "first", Class: "rate_limit", Rule: "limit", Effect: "token_may_cool", Status: 429, Code: "slow_down", Param: "messages[2]", Message: hostile,
				RetryAfter: durationpb.New(time.Minute),
			},
			{StartedAt: timestamppb.New(moment.AsTime().Add(30 * time.Millisecond)), Total: durationpb.New(70 * time.Millisecond), Upstream: "groq", Model: "llama", MaskedSecret: "sk…own"},
		},
	})
	page := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body)
	shown := page.byID("attempts")
	for _, want := range []string{
		"Rate limit", "first", "groq", "llama", "limit", "It may cool", "429", "slow_down", "messages[2]", hostile, "5 ms", "20 ms", "1 min 0 s", "Success", "sk…own", "30 ms", "70 ms",
	} {
		if !strings.Contains(text(shown), want) {
			t.Errorf("%q is missing in %q", want, text(shown))
		}
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/tokens/t1" }); len(links) != 1 {
		t.Errorf("%d links to the token", len(links))
	}
	bars := document{shown}.named("rect")
	if len(bars) != 2 || attribute(bars[0], "x") != "5" || attribute(bars[0], "width") != "20" || attribute(bars[1], "x") != "30" {
		t.Errorf("bars %v", bars)
	}
	if list := text(parse(t, site.get(t, "/admin/logs").Body).byID("log-rows")); !strings.Contains(list, "at attempt 2") {
		t.Errorf("the list does not tell of the first attempt: %s", list)
	}
}

// The page says which part of the input a cache had, and of the output what was
// thinking; where the upstream has told nothing of that it says nothing.
func TestEntryShowsCacheAndThinking(t *testing.T) {
	t.Parallel()
	site := logged(t, &tokenstorev1.LogEntry{
		Status: "success", Dialect: "anthropic", Translated: true, UsageSource: "reported", PromptTokens: 10_000, CacheReadTokens: 9_000, CacheWriteTokens: 600, CacheWriteHourTokens: 200,
		CompletionTokens: 60, ReasoningTokens: 40,
	})
	page := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body)
	for id, wants := range map[string][]string{
		"input":   {"10,000", "as the upstream reported", "400 fresh", "9,000 from cache, 90 % of the prompt", "600 written to cache", "200 of them for an hour"},
		"output":  {"60", "40 of them thinking"},
		"dialect": {"Anthropic", "translated for the upstream"},
	} {
		for _, want := range wants {
			if shown := text(page.byID(id)); !strings.Contains(shown, want) {
				t.Errorf("%s: %q is missing in %q", id, want, shown)
			}
		}
	}
	if list := text(parse(t, site.get(t, "/admin/logs").Body).byID("log-rows")); !strings.Contains(list, "90 % cached") {
		t.Errorf("the list does not tell of the cache: %s", list)
	}
	plain := logged(t, &tokenstorev1.LogEntry{Status: "success", UsageSource: "estimated", PromptTokens: 10, CompletionTokens: 5})
	page = parse(t, plain.get(t, "/admin/logs/chatcmpl-1").Body)
	if shown := text(page.byID("input")) + text(page.byID("output")); strings.Contains(shown, "cache") || strings.Contains(shown, "thinking") || strings.Contains(shown, "fresh") || page.byID("dialect") != nil {
		t.Errorf("said of nothing: %q", shown)
	}
}

// A refusal says what the tokens lacked, by the names that states have everywhere, and
// when one was expected back.
func TestEntryShowsWhyNoTokenCouldServe(t *testing.T) {
	t.Parallel()
	page := parse(t, logged(t, &tokenstorev1.LogEntry{
		Status: "failure", ErrorKind: "no_token_available", Upstream: "groq", Total: durationpb.New(time.Second), RetryAfter: durationpb.New(29 * time.Second),
		Pool: &tokenstorev1.PoolSummary{Total: 3, Capped: 1, Cooling: 2},
	}).get(t, "/admin/logs/chatcmpl-1").Body)
	shown := text(page.byID("missing"))
	for _, want := range []string{"Busy 1", "Cooling 2", "pool: 3", "2026-01-31 12:00:30 UTC"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in %q", want, shown)
		}
	}
	if all := text(page.root); strings.Contains(all, "All tokens busy") || strings.Contains(all, "Parked") {
		t.Errorf("said %q", all)
	}
}

// Either id that a client may have noted finds a request.
func TestRequestIsFoundByEitherID(t *testing.T) {
	t.Parallel()
	const header = "0123456789abcdef0123456789abcdef"
	for _, path := range []string{"/admin/logs/", "/admin/logs?id=", "/admin/logs?id=%20"} {
		for id, want := range map[string]*tokenstorev1.QueryRequest{
			header:               {RequestId: header},
			"chatcmpl-" + header: {Id: "chatcmpl-" + header},
		} {
			site := newSite(t, full())
			if w := site.get(t, path+id); w.Code != 200 {
				t.Errorf("%s%s: %d", path, id, w.Code)
			}
			if asked := site.store.asked[0].(*tokenstorev1.QueryRequest); asked.GetId() != want.GetId() || asked.GetRequestId() != want.GetRequestId() {
				t.Errorf("%s%s: asked %v", path, id, asked)
			}
		}
	}
}
