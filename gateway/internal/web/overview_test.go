package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func (d document) keyed(key string) *html.Node {
	return d.all(func(n *html.Node) bool { return attribute(n, "data-key") == key })[0]
}

func alerts(page document) []*html.Node {
	return page.all(func(n *html.Node) bool { return attribute(n, "role") == "alert" })
}

// links are the addresses that an element leads to, by their texts.
func links(n *html.Node) map[string]string {
	found := map[string]string{}
	for _, a := range (document{root: n}).named("a") {
		found[text(a)] = attribute(a, "href")
	}
	return found
}

func TestOverviewNeeds(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, full()).get(t, "/admin/").Body)
	alarms := alerts(page)
	if len(alarms) != 2 {
		t.Fatalf("%d alarms", len(alarms))
	}
	for i, shown := range []string{"Accounts of cursor fail alike: Client version outdated (" + hostile, "new_class"} {
		if !strings.Contains(text(alarms[i]), shown) {
			t.Errorf("%q is not in it: %s", shown, text(alarms[i]))
		}
	}
	needs := page.byID("needs")
	for _, shown := range []string{"cursor: 4 accounts need a new login", "cursor: 2 accounts expire within a week", "2 models that are listed have no account"} {
		if !strings.Contains(text(needs), shown) {
			t.Errorf("%q is missing: %s", shown, text(needs))
		}
	}
	for shown, leads := range map[string]string{
		"Raise the version cursor": "/admin/settings#setting-cursor_client_version",
		"Show its requests cursor": "/admin/logs?from=2026-01-31T11%3A59%3A00&status=failure&upstream=cursor",
		"Show them cursor":         "/admin/tokens?state=parked&upstream=cursor",
		"Show the first cursor":    "/admin/tokens?upstream=cursor",
		"Why":                      "/admin/models?state=none",
	} {
		if got := links(needs)[shown]; got != leads {
			t.Errorf("%q leads to %q, want %q", shown, got, leads)
		}
	}
	calm := parse(t, newSite(t, empty()).get(t, "/admin/").Body)
	if calm.byID("problem") != nil || len(alerts(calm)) > 0 || !strings.Contains(text(calm.byID("needs")), "Nothing.") {
		t.Errorf("an alarm without a cause: %s", text(calm.byID("needs")))
	}
}

func TestOverviewHeadline(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	if got := text(parse(t, site.get(t, "/admin/").Body).byID("headline")); got != "None of the 8 accounts can serve. cursor can’t: none of its accounts comes back by itself." {
		t.Errorf("%q", got)
	}
	if got := text(parse(t, site.get(t, "/admin/", "Accept-Language", "zh").Body).byID("headline")); got != "8 个账号均不可用。 cursor 不可用：其账号都不会自行恢复。" {
		t.Errorf("%q", got)
	}
}

func TestOverviewCounts(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/").Body)
	replicas := text(page.keyed("replicas"))
	if !strings.Contains(replicas, " 10 7 2 1 ") {
		t.Errorf("accepted = stored + pending + dropped is not 10 = 7 + 2 + 1: %s", replicas)
	}
	if got := text(page.keyed("tokens")); !strings.Contains(got, "320 300 in · 20 out · 75 % of the input from cache") {
		t.Error(got)
	}
	if got := text(page.byID("capacity")); !strings.Contains(got, "3 Ready · 1 Cooling · 4 Parked · 4 need a new login") {
		t.Error(got)
	}
	for chosen, wanted := range map[string][]string{
		"requests": {"Succeeded", "Failed"},
		"errors":   {"Error rate"},
		"latency":  {"Median", "95th percentile"},
		"tokens":   {"Prompt, fresh", "Prompt, from cache", "Prompt, written to cache", "Answer", "Thinking"},
	} {
		page := parse(t, site.get(t, "/admin/?range=24h&chart="+chosen).Body)
		if charts := page.named("figure"); len(charts) != 1 || attribute(charts[0], "id") != "chart-"+chosen {
			t.Errorf("%s: %d charts", chosen, len(charts))
		}
		for _, want := range wanted {
			if got := text(page.keyed("chart-" + chosen)); !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in %q", chosen, want, got)
			}
		}
		if got := attribute(page.keyed(chosen).FirstChild, "aria-current"); got != "true" {
			t.Errorf("%s is not marked as what is drawn", chosen)
		}
	}
}

// The time before is as long, and ends where the shown time begins.
func TestOverviewCompares(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.SummarizeResponse{Buckets: []*tokenstorev1.LogBucket{
		{Start: moment, Requests: 8, Failures: 4, PromptTokens: 640}, bucket,
	}}}, s.answers...)
	page := parse(t, newSite(t, s).get(t, "/admin/?range=own&from=2026-01-31T10:00:30Z&to=2026-01-31T11:00:00Z").Body)
	for key, want := range map[string]string{
		"requests": "+25 % against the time before", "errors": "50 % in the time before", "tokens": "−50 % against the time before",
	} {
		if got := text(page.keyed(key)); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	var spans []string
	for _, each := range s.asked {
		if r, ok := each.(*tokenstorev1.SummarizeRequest); ok {
			spans = append(spans, r.GetFrom().AsTime().Format("15:04")+"-"+r.GetTo().AsTime().Format("15:04")+" by "+r.GetStep().AsDuration().String())
		}
	}
	if got := strings.Join(spans, ", "); got != "10:00-11:00 by 1m0s, 09:00-11:00 by 1h0m0s" {
		t.Errorf("asked for %s", got)
	}
}

// A range that nobody can show is the first one.
func TestRangesOfTheOverview(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for query, want := range map[string]string{
		"":          "1 hour",
		"range=7d":  "7 days",
		"range=no":  "1 hour",
		"range=own": "1 hour",
		"range=own&from=2026-01-31T11:00:00Z&to=2026-01-31T10:00:00Z": "1 hour",
		"range=own&from=2020-01-31T11:00:00Z&to=2026-01-31T10:00:00Z": "1 hour",
		"range=own&from=2026-01-01T11:00:00Z&to=2026-01-31T10:00:00Z": "Own dates",
		"range=own&from=2026-01-31T10:00:00Z&to=2026-01-31T10:01:00Z": "Own dates",
	} {
		response := site.get(t, "/admin/?"+query)
		page := parse(t, response.Body)
		chosen := (document{root: page.byID("traffic")}).all(func(n *html.Node) bool {
			return attribute(n, "aria-current") == "true" && strings.Contains(attribute(n, "href"), "range=") && n.Parent.Data == "nav"
		})
		if response.Code != http.StatusOK || len(chosen) != 1 || text(chosen[0]) != want {
			t.Errorf("%q: status %d, %d ranges, want %s", query, response.Code, len(chosen), want)
		}
	}
}

// While no request has come, Home says what to set in a client.
func TestOverviewConnects(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/?model=m1").Body)
	panel := page.byID("connect")
	if panel == nil || page.byID("first-request") != nil {
		t.Fatal("there is no panel, or it is told that a request has come")
	}
	if got := chosenModel(page); got != "m1" {
		t.Errorf("the model is %q", got)
	}
	if got := attribute(page.byID("overview"), "data-live"); got != "2000" {
		t.Errorf("it looks for the first request every %s ms", got)
	}
	site.store.requests = 1
	page = parse(t, site.get(t, "/admin/").Body)
	if page.byID("connect") != nil || page.byID("first-request") == nil {
		t.Error("a request has come, and the panel is still there")
	}
	nobody := newSite(t, empty())
	if page := parse(t, nobody.get(t, "/admin/").Body); page.byID("connect") != nil {
		t.Error("a client is to ask, and no account could serve")
	}
}

// What is slow to find out is asked for once a minute, and after a backup.
func TestOverviewReadsTheUpkeepSeldom(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{
		&tokenstorev1.ListAuditResponse{},
		&tokenstorev1.ListTokenAccountsResponse{Accounts: []*tokenstorev1.AccountOfToken{lowAccount(), accounts[0]}},
	}, s.answers...)
	site := newSite(t, s)
	for range 3 {
		needs := text(parse(t, site.get(t, "/admin/").Body).byID("needs"))
		for _, want := range []string{"1 account has less than a tenth of its quota left", "No backup was made yet"} {
			if !strings.Contains(needs, want) {
				t.Errorf("%q is missing: %s", want, needs)
			}
		}
	}
	asked := 0
	for _, each := range s.asked {
		switch each.(type) {
		case *tokenstorev1.ListAuditRequest, *tokenstorev1.ListTokenAccountsRequest:
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	s.answers = append([]proto.Message{&tokenstorev1.ListAuditResponse{Entries: []*tokenstorev1.AuditEntry{
		{At: timestamppb.New(time.Now()), Action: "backup made"},
	}}}, s.answers...)
	form := url.Values{"csrf": {site.session.CSRF}, "passphrase": {"correct horse battery"}, "again": {"correct horse battery"}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/backup/make", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(site.session.Cookie(r))
	if made := site.send(r); made.Code != http.StatusOK {
		t.Fatalf("status %d", made.Code)
	}
	if needs := text(parse(t, site.get(t, "/admin/").Body).byID("needs")); strings.Contains(needs, "backup") {
		t.Errorf("a backup was made: %s", needs)
	}
}

func lowAccount() *tokenstorev1.AccountOfToken {
	return &tokenstorev1.AccountOfToken{
		Token:   &tokenstorev1.Token{Id: "t7", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY},
		Account: &tokenstorev1.TokenAccount{Quotas: []*tokenstorev1.TokenQuota{{Name: "premium", Requests: 95, MaxRequests: proto.Uint64(100)}}},
	}
}
