package upstreamsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLedgerCountsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	ctx := deadline(t)
	var clients sync.WaitGroup
	for n := range 6 {
		token := fmt.Sprintf("sk-%d", n%2)
		clients.Go(func() {
			roundTrip(t, server, openAIRequest(ctx, t, server.URL, token, ask("sim-hold", hello, true)))
		})
	}
	ledger, err := sim.Await(ctx, func(l Ledger) bool { return l.Held == 6 })
	if err != nil {
		t.Fatal(err)
	}
	one := ledger.Tokens[Fingerprint("sk-1")]
	if ledger.Total.InFlight != 6 || one != (Counts{Requests: 3, InFlight: 3, MaxInFlight: 3}) {
		t.Errorf("got %+v", ledger)
	}
	sim.Release()
	clients.Wait()
	ledger = sim.Ledger()
	if ledger.Total != (Counts{Requests: 6, MaxInFlight: 6, Completed: 6}) || ledger.Models["sim-hold"] != ledger.Total || len(ledger.Tokens) != 2 {
		t.Errorf("got %+v", ledger)
	}
}

// TestOneAfterTheOther holds that a client that waits for an answer's end is never
// counted twice, in every way that an answer can end.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	ctx := deadline(t)
	for range 5 {
		for _, model := range []string{"gpt-4o", "sim-one-write", "sim-split-bytes", "sim-eof-no-trailer", "sim-eof-mid-frame", "sim-cut", "sim-http-500", "sim-error-after-text"} {
			for _, request := range waitingRequests(t, model) {
				roundTrip(t, server, request(server.URL).WithContext(ctx))
			}
		}
	}
	ledger := sim.Ledger()
	if ledger.Total.MaxInFlight != 1 || ledger.Total.InFlight != 0 || ledger.Total.Cancelled != 0 {
		t.Errorf("got %+v", ledger.Total)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	b := newBook()
	for n := range maxModels + 10 {
		b.models.get(fmt.Sprint(n)).begin()
	}
	if got := b.models.get(otherName).requests.Load(); got != 10 || b.models.size != maxModels+1 {
		t.Errorf("%d others, %d models", got, b.models.size)
	}
	var list []int
	for n := range maxEntries + 10 {
		list = keepNewest(list, n)
	}
	if len(list) != maxEntries || list[0] != 10 || list[maxEntries-1] != maxEntries+9 {
		t.Errorf("%d entries from %d", len(list), list[0])
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	if err := sim.SetRule(Rule{Scenario: "http-500"}); err != nil {
		t.Fatal(err)
	}
	record(sim, openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("gpt-4o", hello, true)))
	sim.Reset()
	if ledger := sim.Ledger(); ledger.Total != (Counts{}) || len(ledger.Tokens) > 0 || len(sim.Rules()) > 0 {
		t.Errorf("got %+v, %+v", ledger, sim.Rules())
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	server.Client().Transport = transport
	for api, request := range waitingRequests(t, "gpt-4o") {
		if got := roundTrip(t, server, request(server.URL)); contentOf(t, api, got) != hello {
			t.Errorf("%s: got %+v", api, got)
		}
	}
	if got := roundTrip(t, server, waitingRequests(t, "sim-reset")["cursor"](server.URL)); got.err == nil {
		t.Error("reset is not an error")
	}
	noViolations(t, sim)
}

func TestRules(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	status := func(token, model string) int {
		r := record(sim, openAIRequest(t.Context(), t, "http://sim", token, ask(model, hello, false)))
		return r.status
	}
	for _, rule := range []Rule{
		{Scenario: "http-500", Model: "any"},
		{Scenario: "http-503", Token: hashOf("sk-1")[:minRuleToken], Times: 2},
		{Scenario: "http-429", Token: Fingerprint("sk-2"), Model: "gpt-4o", RetryAfter: 7 * time.Second},
	} {
		if err := sim.SetRule(rule); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		token, model string
		want         int
	}{
		{"sk-1", "gpt-4o", 503},
		{"sk-1", "any", 503},
		{"sk-1", "any", 500},
		{"sk-1", "gpt-4o", 200},
		{"sk-2", "gpt-4o", 429},
		{"sk-2", "any", 500},
		{"sk-2", "gpt-4", 200},
		{"sk-3", "sim-http-404", 404},
	} {
		if got := status(test.token, test.model); got != test.want {
			t.Errorf("%s %s: %d instead of %d", test.token, test.model, got, test.want)
		}
	}
	r := record(sim, openAIRequest(t.Context(), t, "http://sim", "sk-2", ask("gpt-4o", hello, false)))
	if r.header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	if len(sim.Rules()) != 2 {
		t.Errorf("the used up rule is still there: %+v", sim.Rules())
	}
	sim.ClearRules()
	if got := status("sk-2", "gpt-4o"); got != 200 {
		t.Errorf("%d after the rules were cleared", got)
	}
	for _, bad := range []Rule{{Scenario: "nonsense"}, {Token: "short"}, {Token: "NOT-HEXADECIMAL"}, {Times: -1}, {Delay: -1}} {
		if sim.SetRule(bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestRuleDelays(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	const delay, between = 20 * time.Millisecond, 5 * time.Millisecond
	if err := sim.SetRule(Rule{Delay: delay, ChunkDelay: between}); err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]*http.Request{
		"cursor": cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest("sim-count-5", human("Hi"))),
		"openai": openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-count-5", "Hi", true)),
	} {
		before := time.Now()
		record(sim, request)
		if took := time.Since(before); took < delay+4*between {
			t.Errorf("%s took only %v", name, took)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	call := func(method, path, body string) (int, string) {
		request, err := http.NewRequestWithContext(deadline(t), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got := roundTrip(t, server, request)
		return got.status, strings.TrimSpace(string(got.body))
	}
	const rule = `{"token":"0123456789abcdef","model":"m","scenario":"error-10","times":2,"delay_ms":3,"chunk_delay_ms":4,"retry_after_s":5}`
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/sim/health", "", 200, `{"status":"ok"}`},
		{"GET", "/sim/rules", "", 200, `{"rules":[]}`},
		{"POST", "/sim/rules", rule, 200, `{"rules":[` + rule + `]}`},
		{"POST", "/sim/rules", `{"scenario":"hold","times":1}`, 200, `{"rules":[{"scenario":"hold","times":1},` + rule + `]}`},
		{"POST", "/sim/rules", `{"scenario":"nonsense"}`, 400, `{"error":"there is no scenario \"nonsense\""}`},
		{"POST", "/sim/rules", `{"scenari":"hold"}`, 400, `{"error":"body: json: unknown field \"scenari\""}`},
		{"POST", "/sim/rules", `{} {}`, 400, `{"error":"body: more than one JSON value"}`},
		{"DELETE", "/sim/rules", "", 204, ""},
		{"GET", "/sim/rules", "", 200, `{"rules":[]}`},
		{"POST", "/sim/release", "", 200, `{"released":0}`},
		{"POST", "/sim/client-version", `{"min":"0.43"}`, 204, ""},
		{"POST", "/sim/client-version", `{"max":"0.43"}`, 400, `{"error":"body: json: unknown field \"max\""}`},
		{"POST", "/sim/reset", "", 204, ""},
		{"GET", "/sim/ledger", "", 200, `{"total":{"requests":0,"in_flight":0,"max_in_flight":0,"completed":0,"cancelled":0,"violations":0},` +
			`"tokens":{},"models":{},"lookups":{},"held":0,"violations":[],"cancellations":[]}`},
		{"GET", "/sim/nothing", "", 404, `{"error":"there is no GET /sim/nothing"}`},
	} {
		if status, got := call(test.method, test.path, test.body); status != test.status || got != test.want {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, got)
		}
	}
	if *sim.minVersion.Load() != "0.43" {
		t.Error("the client version was not taken")
	}
	_, scenarios := call("GET", "/sim/scenarios", "")
	var names map[API][]string
	if err := json.Unmarshal([]byte(scenarios), &names); err != nil || !slices.Equal(names[Cursor], Scenarios(Cursor)) {
		t.Errorf("got %s, %v", scenarios, err)
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", hello, UnicodeText(), strings.Repeat("日本語", 500)} {
		cut := pieces(text)
		if strings.Join(cut, "") != text || !slices.Equal(cut, pieces(text)) {
			t.Errorf("%q was cut into %q", text, cut)
		}
		for _, piece := range cut {
			if runes := len([]rune(piece)); runes < 1 || runes > maxPiece {
				t.Errorf("a piece of %d runes: %q", runes, piece)
			}
		}
	}
	if CountText(3) != "1 2 3 " {
		t.Errorf("got %q", CountText(3))
	}
}

// TestDocumentation holds that doc.go lists every scenario.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	documentation, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for word := range strings.FieldsFuncSeq(string(documentation), func(r rune) bool { return strings.ContainsRune(" \t\n,", r) }) {
		words[word] = true
	}
	for _, name := range slices.Concat(Scenarios(Cursor), Scenarios(OpenAI)) {
		if !words[name] {
			t.Errorf("%s is not in doc.go", name)
		}
	}
}

func TestDemoTokens(t *testing.T) {
	t.Parallel()
	demo := DemoTokens()
	again := DemoTokens()
	if !slices.Equal(demo.Cursor, again.Cursor) || !slices.Equal(demo.OpenAI, again.OpenAI) {
		t.Error("the tokens change")
	}
	distinct := map[string]bool{}
	for _, token := range demo.Cursor {
		distinct[token] = true
		a := newAccount(token)
		if !strings.HasPrefix(token, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.") || a.web || a.expires.Year() != 2100 {
			t.Errorf("got %s, %+v", token, a.expires)
		}
	}
	if len(distinct) != 5 || len(demo.OpenAI) != 5 || !strings.HasPrefix(demo.OpenAI[0], "sk-demo-") {
		t.Errorf("got %+v", slices.Collect(maps.Keys(distinct)))
	}
}

// Whoever looks while requests begin and end sees counts that go together.
func TestCountsGoTogether(t *testing.T) {
	t.Parallel()
	const clients, requests = 8, 2000
	var all counters
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for n := range requests {
				all.begin()
				all.end(n%2 == 0)
			}
		})
	}
	for done := int64(0); done < clients*requests; {
		now := all.counts()
		done = now.Completed + now.Cancelled
		if now.InFlight != now.Requests-done || now.InFlight < 0 {
			t.Fatalf("%+v", now)
		}
	}
	running.Wait()
}
