package web_test

import (
	"slices"
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
		Status: "success", Attempts: 2, Total: durationpb.New(100 * time.Millisecond), FirstByte: durationpb.New(50 * time.Millisecond),
		ClientHeaders: []*tokenstorev1.LogHeader{{Name: "User-Agent", Value: "curl/8"}},
		AttemptLog: []*tokenstorev1.LogAttempt{
			{
				StartedAt: timestamppb.New(moment.AsTime().Add(5 * time.Millisecond)), Total: durationpb.New(20 * time.Millisecond), Upstream: "groq", Model: "llama",
				TokenId: "t1", TokenAlias: "first", Class: "rate_limit", Rule: "limit", Effect: "token_may_cool", Status: 429, Code: "slow_down", Param: "messages[2]", Message: hostile,
				RetryAfter:  durationpb.New(time.Minute),
				SentHeaders: []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true}}, ReceivedHeaders: []*tokenstorev1.LogHeader{{Name: "X-Ratelimit-Reset", Value: "17s"}},
			},
			{StartedAt: timestamppb.New(moment.AsTime().Add(30 * time.Millisecond)), Total: durationpb.New(70 * time.Millisecond), Upstream: "groq", Model: "llama", MaskedSecret: "sk…own"},
		},
	})
	page := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body)
	if client := text(page.byID("client-headers")); !strings.Contains(client, "User-Agent curl/8") {
		t.Errorf("the client's headers: %q", client)
	}
	shown := page.byID("attempts")
	for _, want := range []string{
		"Rate limit", "first", "groq", "llama", "limit", "429", "slow_down", "messages[2]", hostile, "5 ms", "20 ms", "1 min 0 s", "Success", "sk…own", "30 ms", "70 ms", "0 ms", "50 ms", "100 ms", "waited for a token", "First byte", "Authorization not kept", "X-Ratelimit-Reset 17s",
	} {
		if !strings.Contains(text(shown), want) {
			t.Errorf("%q is missing in %q", want, text(shown))
		}
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/tokens/t1" }); len(links) != 1 {
		t.Errorf("%d links to the token", len(links))
	}
	var bars []string
	for _, bar := range (document{shown}).named("rect") {
		bars = append(bars, attribute(bar, "class")+" "+attribute(bar, "x")+" "+attribute(bar, "width"))
	}
	if want := []string{"fill-wait 0 5", "fill-expired 5 20", "fill-wait 25 5", "fill-ready 30 70", "fill-first-byte 50 0.5"}; !slices.Equal(bars, want) {
		t.Errorf("bars %q", bars)
	}
	if list := text(parse(t, site.get(t, "/admin/logs").Body).byID("log-rows")); !strings.Contains(list, "at attempt 2") {
		t.Errorf("the list does not tell of the first attempt: %s", list)
	}
}

// What an attempt did to its token is told from the token's history, with an undo where it
// lasts.
func TestEntryShowsWhatAttemptsDid(t *testing.T) {
	t.Parallel()
	until := timestamppb.New(time.Now().Add(time.Hour))
	cooled := &tokenstorev1.Transition{At: timestamppb.New(moment.AsTime().Add(1500 * time.Microsecond)), Kind: "cooling", Class: "rate_limit", Until: until, RequestId: "chatcmpl-1"}
	for name, c := range map[string]struct {
		history []*tokenstorev1.Transition
		unknown bool
		says    string
		undo    bool
	}{
		"it cools":             {[]*tokenstorev1.Transition{cooled}, false, "It cools until " + datetimeOf(until), true},
		"for a model":          {[]*tokenstorev1.Transition{{At: moment, Kind: "cooling", Class: "rate_limit", Model: "llama", Until: until, RequestId: "chatcmpl-1"}}, false, "It cools llama until", true},
		"it is parked":         {[]*tokenstorev1.Transition{{At: moment, Kind: "parked", Class: "rate_limit", RequestId: "chatcmpl-1"}}, false, "It is parked", true},
		"it cooled":            {[]*tokenstorev1.Transition{{At: moment, Kind: "cooling", Class: "rate_limit", Until: moment, RequestId: "chatcmpl-1"}}, false, "2026-01-31 12:00:00 UTC · that is over", false},
		"undone":               {[]*tokenstorev1.Transition{{At: moment, Kind: "undone", Class: "rate_limit", By: "guard"}, cooled}, false, "It cools · undone because other tokens failed alike", false},
		"nothing":              {nil, false, "It did nothing to the token", false},
		"nobody knows":         {nil, true, "It may cool", false},
		"something came after": {[]*tokenstorev1.Transition{{At: moment, Kind: "parked", Class: "auth", RequestId: "chatcmpl-2"}, cooled}, false, "something else has happened", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := logged(t, &tokenstorev1.LogEntry{Status: "failure", AttemptLog: []*tokenstorev1.LogAttempt{
				{StartedAt: moment, Upstream: "groq", Model: "llama", TokenId: "t1", TokenAlias: "first", Class: "rate_limit", Effect: "token_may_cool"},
			}})
			if !c.unknown {
				site.store.answers = append(site.store.answers, &tokenstorev1.ListTransitionsResponse{Transitions: c.history})
			}
			shown := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body).byID("attempts")
			if !strings.Contains(text(shown), c.says) {
				t.Errorf("%q is missing in %q", c.says, text(shown))
			}
			undo := (document{shown}).all(func(n *html.Node) bool { return attribute(n, "data-undo-token") == "t1" })
			if len(undo) > 0 != c.undo {
				t.Errorf("%d undos", len(undo))
			}
			if name == "it cools" && (attribute(undo[0], "data-at") != "2026-01-31T12:00:00.0015Z" || attribute(undo[0], "data-class") != "rate_limit") {
				t.Errorf("undo of %v", undo[0].Attr)
			}
		})
	}
}

func datetimeOf(at *timestamppb.Timestamp) string {
	return at.AsTime().Format("2006-01-02 15:04:05") + " UTC"
}

// The page leads on: to who can serve the model, to what is like the request, and to the same
// request once more.
func TestEntryLeadsOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entry *tokenstorev1.LogEntry
		links []string
		curl  bool
	}{
		"a failure": {
			&tokenstorev1.LogEntry{Status: "failure", ErrorKind: "rate_limited", Model: "a&b", Dialect: "openai", KeyId: "k1", Prompt: "<|BEGIN_USER|>\nHi\n<|END_USER|>\n"},
			[]string{"/admin/why?model=a%26b&dialect=openai&key=k1", "/admin/logs?error_kind=rate_limited&from=2026-01-31T11%3A00%3A00Z&model=a%26b", "/admin/try?request=chatcmpl-1"},
			true,
		},
		"a success at another attempt": {
			&tokenstorev1.LogEntry{Status: "success", Attempts: 2, Model: "m", TokenId: "t1"},
			[]string{"/admin/logs?from=2026-01-31T11%3A00%3A00Z&model=m&retried=true", "/admin/logs?token_id=t1", "/admin/try?request=chatcmpl-1"},
			false,
		},
		"a success": {&tokenstorev1.LogEntry{Status: "success", Attempts: 1}, []string{"/admin/try?request=chatcmpl-1"}, false},
	} {
		next := parse(t, logged(t, c.entry).get(t, "/admin/logs/chatcmpl-1").Body).byID("next")
		var links []string
		for _, link := range (document{next}).named("a") {
			links = append(links, attribute(link, "href"))
		}
		if !slices.Equal(links, c.links) {
			t.Errorf("%s: %q", name, links)
		}
		if strings.Contains(text(next), "$CAROUSEL") != c.curl {
			t.Errorf("%s: %s", name, text(next))
		}
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

// A request's page leads to its trace, where that can be looked at.
func TestEntryNamesItsTrace(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, c := range map[string]struct{ id, traces, text, link string }{
		"it is linked":  {id, "https://traces.example.com/", id, "https://traces.example.com/" + id},
		"it is named":   {id, "", id, ""},
		"there is none": {"", "https://traces.example.com/", "", ""},
		"it is no page": {id, "javascript:alert(1)//", id, "#ZgotmplZ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, &store{traces: c.traces, answers: []proto.Message{&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{
				{Id: "chatcmpl-1", StartedAt: moment, Status: "success", TraceId: c.id},
			}}}})
			page := parse(t, site.get(t, "/admin/logs/chatcmpl-1").Body)
			shown := page.byID("trace")
			if shown == nil {
				if c.text != "" {
					t.Error("the page does not name it")
				}
				return
			}
			link := ""
			for _, a := range (document{shown}).named("a") {
				link = attribute(a, "href")
			}
			if c.text == "" || !strings.Contains(text(shown), c.text) || link != c.link {
				t.Errorf("%q, linked to %q", text(shown), link)
			}
		})
	}
}
