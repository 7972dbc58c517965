package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const keyID = "abcdefghijklmnop"

func listedKeys() *tokenstorev1.ListKeysResponse {
	return &tokenstorev1.ListKeysResponse{Keys: []*tokenstorev1.ListedKey{{Key: &tokenstorev1.ClientKey{Id: keyID, Name: hostile}}}}
}

// dollars are so many in pico-dollars.
const dollars = 1_000_000_000_000

func usedByModels() *tokenstorev1.QueryUsageResponse {
	return &tokenstorev1.QueryUsageResponse{From: moment, To: moment, Rows: []*tokenstorev1.UsageRow{
		{Model: "gpt-4o", Upstream: "openai", Start: moment, Sums: &tokenstorev1.UsageSums{
			Requests: 1234, Failures: 5, PromptTokens: 4000, CompletionTokens: 300, CacheReadTokens: 1000, CacheWriteTokens: 20, ReasoningTokens: 30,
			ReportedCost: 2 * dollars, EstimatedCost: dollars / 2, PartialCost: dollars / 1000, UnpricedRequests: 1,
		}},
		{Model: hostile, Upstream: "cursor", Start: moment, Sums: &tokenstorev1.UsageSums{Requests: 12, PromptTokens: 7, UnpricedRequests: 12}},
	}}
}

// usedByKeys is what a key, an admin and nobody known used, an hour ago and now.
func usedByKeys(now time.Time) *tokenstorev1.QueryUsageResponse {
	answer := &tokenstorev1.QueryUsageResponse{}
	for i, id := range []string{keyID, "admin", "ponmlkjihgfedcba", "(others)"} {
		cost := uint64(i+1) * dollars
		answer.Rows = append(answer.Rows, &tokenstorev1.UsageRow{
			KeyId: id, Start: timestamppb.New(now.Truncate(time.Hour)), Sums: &tokenstorev1.UsageSums{Requests: 1, ReportedCost: cost},
		})
	}
	return answer
}

func usedSite(t *testing.T, used *tokenstorev1.QueryUsageResponse) *site {
	t.Helper()
	s := full()
	s.answers = append([]proto.Message{used, listedKeys()}, s.answers...)
	return newSite(t, s)
}

func TestUseByModel(t *testing.T) {
	t.Parallel()
	site := usedSite(t, usedByModels())
	page := parse(t, site.get(t, "/admin/usage?by=model").Body)
	table := text(page.byID("use-table"))
	for _, shown := range []string{"gpt-4o", "1,234 5", "4,000 1,000, 20", "300 30", "$2.50", "$0.50 of it estimated", "$0.001 of it from answers that broke off", "Requests without a price: 1", "Requests without a price: 12", hostile} {
		if !strings.Contains(table, shown) {
			t.Errorf("%q is not in the table: %s", shown, table)
		}
	}
	if sum := text(page.byID("use-sum")); !strings.Contains(sum, "1,246 5") || !strings.Contains(sum, "4,007") || !strings.Contains(sum, "Requests without a price: 13") {
		t.Errorf("sum %s", sum)
	}
	if links := page.all(func(n *html.Node) bool {
		return n.Data == "a" && attribute(n, "href") == "/admin/prices" && strings.Contains(text(n), "without a price")
	}); len(links) != 4 { // each row, the sum, the figure
		t.Errorf("%d links to prices", len(links))
	}
	exact := page.all(func(n *html.Node) bool { return attribute(n, "title") == "2.501 USD" })
	if len(exact) != 3 {
		t.Errorf("the exact cost stands %d times", len(exact))
	}
}

// A row leads to the same page for it alone, split by something else.
func TestUseIsDrilledInto(t *testing.T) {
	t.Parallel()
	for by, c := range map[string]struct {
		row         *tokenstorev1.UsageRow
		query, into string
	}{
		"key":      {&tokenstorev1.UsageRow{KeyId: keyID}, "range=7d&measure=tokens&by=key", "by=model&key=" + keyID + "&measure=tokens&range=7d"},
		"token":    {&tokenstorev1.UsageRow{TokenId: "t2"}, "by=token", "by=model&measure=cost&range=30d&token=t2"},
		"model":    {&tokenstorev1.UsageRow{Model: "m/1"}, "by=model&key=" + keyID, "by=key&key=" + keyID + "&measure=cost&model=m%2F1&range=30d"},
		"upstream": {&tokenstorev1.UsageRow{Upstream: "cursor"}, "by=upstream", "by=model&measure=cost&range=30d&upstream=cursor"},
	} {
		c.row.Sums = &tokenstorev1.UsageSums{Requests: 1}
		page := parse(t, usedSite(t, &tokenstorev1.QueryUsageResponse{Rows: []*tokenstorev1.UsageRow{c.row}}).get(t, "/admin/usage?"+c.query).Body)
		if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/usage?"+c.into }); len(links) == 0 {
			t.Errorf("%s: no link to %s", by, c.into)
		}
	}
}

// The tokenstore is asked once: for the sums of each row in each step.
func TestWhatUseAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no hour ends
		now := time.Now().UTC()
		today := now.Truncate(24 * time.Hour)
		hour := now.Truncate(time.Hour).Add(time.Hour)
		const (
			byKey, byModel = tokenstorev1.UsageDimension_USAGE_DIMENSION_KEY, tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL
			byDay, byHour  = tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR
		)
		for query, want := range map[string]*tokenstorev1.QueryUsageRequest{
			"":          {From: timestamppb.New(today.AddDate(0, 0, -29)), To: timestamppb.New(today.AddDate(0, 0, 1)), Group: []tokenstorev1.UsageDimension{byKey, byDay}},
			"range=24h": {From: timestamppb.New(hour.Add(-24 * time.Hour)), To: timestamppb.New(hour), Group: []tokenstorev1.UsageDimension{byKey, byHour}},
			"range=own&from=2026-01-05&to=2026-01-07&by=model&key=k&upstream=u": {
				From: timestamppb.New(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)), To: timestamppb.New(time.Date(2026, 1, 8, 0, 0, 0, 0, time.UTC)),
				Group: []tokenstorev1.UsageDimension{byModel, byDay}, KeyId: "k", Upstream: "u",
			},
			"from=" + today.Format(time.DateOnly): {From: timestamppb.New(today), To: timestamppb.New(today.AddDate(0, 0, 1)), Group: []tokenstorev1.UsageDimension{byKey, byHour}},
			"by=key&token=t&model=m":              {From: timestamppb.New(today.AddDate(0, 0, -29)), To: timestamppb.New(today.AddDate(0, 0, 1)), Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM, byDay}, TokenId: "t", Model: "m"},
		} {
			site := usedSite(t, usedByModels())
			site.get(t, "/admin/usage?"+query)
			asked := askedFor[*tokenstorev1.QueryUsageRequest](site.store)
			slices.Reverse(want.Group)
			want.Most, want.Measure = 100, tokenstorev1.UsageMeasure_USAGE_MEASURE_COST
			if diff := cmp.Diff([]*tokenstorev1.QueryUsageRequest{want}, asked, protocmp.Transform()); diff != "" {
				t.Errorf("%q: %s", query, diff)
			}
		}
	})
}

// What was used is held against the same time before: of both, without the hour that has begun.
func TestUseAgainstTheTimeBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no hour ends
		time.Sleep(150 * time.Minute) // of a day, and half of an hour
		now := time.Now().UTC()
		today, ended := now.Truncate(24*time.Hour), now.Truncate(time.Hour)
		site := usedSite(t, usedByModels())
		site.store.usedBefore = &tokenstorev1.QueryUsageResponse{From: moment, To: moment, Rows: []*tokenstorev1.UsageRow{
			{Model: "gpt-4o", Sums: &tokenstorev1.UsageSums{Requests: 617, PromptTokens: 8000, ReportedCost: 2501 * dollars / 1000}},
			{Model: "gone", Sums: &tokenstorev1.UsageSums{Requests: 629}},
		}}
		page := parse(t, site.get(t, "/admin/usage?by=model&measure=requests&range=7d&compare=before").Body)
		byModel := func(from, to time.Time, step ...tokenstorev1.UsageDimension) *tokenstorev1.QueryUsageRequest {
			return &tokenstorev1.QueryUsageRequest{
				From: timestamppb.New(from), To: timestamppb.New(to), Most: 100, Measure: tokenstorev1.UsageMeasure_USAGE_MEASURE_REQUESTS,
				Group: append(step, tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL),
			}
		}
		wanted := []*tokenstorev1.QueryUsageRequest{
			byModel(today.AddDate(0, 0, -6), ended, tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY),
			byModel(today.AddDate(0, 0, -13), ended.AddDate(0, 0, -7)),
		}
		if diff := cmp.Diff(wanted, askedFor[*tokenstorev1.QueryUsageRequest](site.store), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		rows := page.all(func(n *html.Node) bool {
			return n.Data == "tr" && n.Parent.Data == "tbody" && n.Parent.Parent == page.byID("use-table")
		})
		if len(rows) != 2 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, said := range []string{"$2.50 before, ±0 %", "617 before, +100 %", "8,000 before, −50 %", "0 before, new"} {
			if !strings.Contains(text(rows[0]), said) {
				t.Errorf("%q is not in %s", said, text(rows[0]))
			}
		}
		if shown := text(rows[1]); !strings.Contains(shown, "0 before, new") {
			t.Errorf("what is new shows %s", shown)
		}
		for _, id := range []string{"use-sum", "use-before"} {
			if sum := text(page.byID(id)); !strings.Contains(sum, "1,246 before, ±0 %") {
				t.Errorf("%s %s", id, sum)
			}
		}
		if link := page.byID("use-compare"); strings.Contains(attribute(link, "href"), "compare") || attribute(link, "aria-current") != "true" {
			t.Errorf("the comparison is ended by %v", link)
		}
	})
}

// Both sides of a comparison end where use of then was counted to: at an hour, or at a day where
// the hours are not kept. Of what has not begun, or begun just now, there is nothing to compare.
func TestWhatUseIsComparedWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(150 * time.Minute)
		now := time.Now().UTC()
		today, ended := now.Truncate(24*time.Hour), now.Truncate(time.Hour)
		day := func(days int) time.Time { return today.AddDate(0, 0, days) }
		own := func(from, to int) string {
			return "range=own&from=" + day(from).Format(time.DateOnly) + "&to=" + day(to).Format(time.DateOnly)
		}
		for query, want := range map[string][]time.Time{
			"range=24h": {ended.Add(-23 * time.Hour), ended, ended.Add(-47 * time.Hour), ended.Add(-24 * time.Hour)},
			"range=30d": {day(-29), ended, day(-59), ended.AddDate(0, 0, -30)},
			"range=90d": {day(-89), today, day(-179), day(-90)},
			own(-2, -1): {day(-2), today, day(-4), day(-2)},
			own(-1, 1):  {day(-1), ended, day(-4), ended.AddDate(0, 0, -3)},
			own(0, 0):   {today, ended, day(-1), ended.AddDate(0, 0, -1)},
			own(0, 40):  {today, day(41)}, // its hours are not kept, and no day has ended
			own(1, 3):   {day(1), day(4)},
		} {
			site := usedSite(t, usedByModels())
			page := site.get(t, "/admin/usage?by=model&compare=before&"+query)
			var asked []time.Time
			for _, each := range askedFor[*tokenstorev1.QueryUsageRequest](site.store) {
				asked = append(asked, each.GetFrom().AsTime(), each.GetTo().AsTime())
			}
			if diff := cmp.Diff(want, asked); diff != "" || page.Code != http.StatusOK {
				t.Errorf("%s: status %d, %s", query, page.Code, diff)
			}
			if offered := parse(t, page.Body).byID("use-compare") != nil; offered != (len(want) == 4) {
				t.Errorf("%s: offered %v", query, offered)
			}
		}
	})
}

// Of a row that may be among the others of before, it is not known what it used.
func TestUseThatIsNotKnownBefore(t *testing.T) {
	t.Parallel()
	site := usedSite(t, usedByModels())
	site.store.usedBefore = &tokenstorev1.QueryUsageResponse{From: moment, To: moment, Others: 7, Rows: []*tokenstorev1.UsageRow{
		{Others: true, Sums: &tokenstorev1.UsageSums{Requests: 1000}},
	}}
	page := parse(t, site.get(t, "/admin/usage?by=model&measure=requests&compare=before").Body)
	if body := text((document{page.byID("use-table")}).named("tbody")[0]); strings.Contains(body, " before") {
		t.Errorf("rows show %s", body)
	}
	if sum := text(page.byID("use-sum")); !strings.Contains(sum, "1,000 before, +25 %") {
		t.Errorf("sum %s", sum)
	}
}

// A time before that is not kept can't be compared with.
func TestUseOfWhichNoTimeBeforeIsKept(t *testing.T) {
	t.Parallel()
	for period, offered := range map[string]bool{"24h": true, "90d": true, "400d": false} {
		site := usedSite(t, usedByModels())
		page := parse(t, site.get(t, "/admin/usage?by=model&compare=before&range="+period).Body)
		if (page.byID("use-compare") != nil) != offered || (page.byID("use-before") != nil) != offered {
			t.Errorf("%s: offered %v", period, page.byID("use-compare"))
		}
	}
}

// Each row has a bar as long as its share of the measure.
func TestSharesOfUse(t *testing.T) {
	t.Parallel()
	page := parse(t, usedSite(t, usedByModels()).get(t, "/admin/usage?by=model&measure=requests").Body)
	var shares, widths []string
	for _, cell := range page.all(func(n *html.Node) bool { return n.Data == "td" && attribute(n, "class") == "share" }) {
		shares = append(shares, text(cell))
		for _, bar := range (document{cell}).named("rect")[1:] {
			widths = append(widths, attribute(bar, "width"))
		}
	}
	if want := []string{"99 %", "0.96 %"}; !slices.Equal(shares, want) {
		t.Errorf("shares %q", shares)
	}
	if len(widths) != 2 || !strings.HasPrefix(widths[0], "99") || widths[1][0] != '1' && !strings.HasPrefix(widths[1], "0.9") {
		t.Errorf("bars %q", widths)
	}
}

func TestNamesOfKeysInUse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	page := parse(t, usedSite(t, usedByKeys(now)).get(t, "/admin/usage?range=24h").Body)
	table := page.byID("use-table")
	for _, shown := range []string{hostile, "Admin token", "ponmlkjihgfedcba", "others"} {
		if !strings.Contains(text(table), shown) {
			t.Errorf("%q is not in the table: %s", shown, text(table))
		}
	}
	var about []string
	for _, n := range page.all(func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "href"), "/admin/keys/") }) {
		about = append(about, attribute(n, "href"))
	}
	if diff := cmp.Diff([]string{"/admin/keys/" + keyID}, about); diff != "" {
		t.Errorf("pages about keys: %s", diff)
	}
	if legend := text(page.byID("chart-use_cost")); !strings.Contains(legend, "Admin token") || !strings.Contains(legend, "$4.00") {
		t.Errorf("chart %s", legend)
	}
}

// Where there are too many rows to tell them apart in each step, the chart is of all together.
func TestUseOfTooManyRows(t *testing.T) {
	t.Parallel()
	site := usedSite(t, usedByModels())
	site.store.crowded = true
	page := parse(t, site.get(t, "/admin/usage?by=model&measure=requests").Body)
	if table := text(page.byID("use-table")); !strings.Contains(table, "gpt-4o") {
		t.Errorf("table %s", table)
	}
	if chart := text(page.byID("chart-use_requests")); strings.Contains(chart, "gpt-4o") || !strings.Contains(chart, "All others") {
		t.Errorf("chart %s", chart)
	}
}

// What has no row of its own is in the sums, in the chart and in the number of those that are more.
func TestOthersOfUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no day ends
		today := timestamppb.New(time.Now().UTC().Truncate(24 * time.Hour))
		yesterday := timestamppb.New(today.AsTime().AddDate(0, 0, -1))
		site := usedSite(t, &tokenstorev1.QueryUsageResponse{Others: 9_900, Rows: []*tokenstorev1.UsageRow{
			{TokenId: "t1", Start: yesterday, Sums: &tokenstorev1.UsageSums{Requests: 70}},
			{Others: true, Start: yesterday, Sums: &tokenstorev1.UsageSums{Requests: 1000}},
			{TokenId: "none", Start: today, Sums: &tokenstorev1.UsageSums{Requests: 80}},
			{TokenId: "t1", Start: today, Sums: &tokenstorev1.UsageSums{Requests: 30}},
			{Others: true, Start: today, Sums: &tokenstorev1.UsageSums{Requests: 2000}},
		}})
		page := parse(t, site.get(t, "/admin/usage?range=7d&by=token&measure=requests").Body)
		if asked := last[*tokenstorev1.QueryUsageRequest](t, site.store); asked.GetMost() != 100 || asked.GetMeasure() != tokenstorev1.UsageMeasure_USAGE_MEASURE_REQUESTS {
			t.Errorf("asked %v", asked)
		}
		rows := page.all(func(n *html.Node) bool {
			return n.Data == "tr" && n.Parent.Data == "tbody" && n.Parent.Parent == page.byID("use-table")
		})
		if len(rows) != 2 || !strings.Contains(text(rows[0]), "100 0") || !strings.Contains(text(rows[1]), "80 0") {
			t.Errorf("table %s", text(page.byID("use-table")))
		}
		if sum := text(page.byID("use-sum")); !strings.HasPrefix(sum, "All $0.00 3,180") {
			t.Errorf("sum %s", sum)
		}
		if !strings.Contains(text(page.named("main")[0]), "And 9900 more") {
			t.Error("it is not said how many others there are")
		}
		if chart := text(page.byID("chart-use_requests")); !strings.Contains(chart, "All others: 1k") || !strings.Contains(chart, "All others: 2k") {
			t.Errorf("chart %s", chart)
		}
	})
}

// The chart has a colour for each of the largest five; all others are one. A tokenstore of before
// answers all rows, of which the first are shown.
func TestLargestPartsOfUse(t *testing.T) {
	t.Parallel()
	answer := &tokenstorev1.QueryUsageResponse{}
	for i := range 150 {
		answer.Rows = append(answer.Rows, &tokenstorev1.UsageRow{Model: fmt.Sprint("m", i), Start: timestamppb.Now(), Sums: &tokenstorev1.UsageSums{Requests: uint64(i + 1)}})
	}
	page := parse(t, usedSite(t, answer).get(t, "/admin/usage?range=7d&by=model&measure=requests").Body)
	var series []string
	for _, n := range page.all(func(n *html.Node) bool { return n.Data == "li" && strings.HasPrefix(attribute(n, "class"), "series-") }) {
		series = append(series, text(n))
	}
	if diff := cmp.Diff([]string{"m149", "m148", "m147", "m146", "m145", "All others"}, series); diff != "" {
		t.Error(diff)
	}
	rows := page.all(func(n *html.Node) bool {
		return n.Data == "tr" && n.Parent.Data == "tbody" && n.Parent.Parent == page.byID("use-table")
	})
	if len(rows) != 100 || !strings.Contains(text(page.named("main")[0]), "And 50 more") {
		t.Errorf("%d rows", len(rows))
	}
	if sum := text(page.byID("use-sum")); !strings.HasPrefix(sum, "All $0.00 11,325") {
		t.Errorf("sum %s", sum)
	}
}

func TestFileOfUse(t *testing.T) {
	t.Parallel()
	page := parse(t, usedSite(t, usedByModels()).get(t, "/admin/usage?range=own&from=2026-01-05&to=2026-01-05&by=model&key=k").Body)
	want := "/admin/api/usage?" + url.Values{
		"format": {"csv"}, "group": {"model,day"}, "from": {"2026-01-05T00:00:00Z"}, "to": {"2026-01-06T00:00:00Z"}, "key": {"k"},
	}.Encode()
	if got := attribute(page.byID("use-file"), "href"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDatesOfUseThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"range=own", "range=own&from=x", "from=2026-01-05&to=2026-01-04", "from=2025-01-05&to=2026-12-04", "from=2026-01-05&to=soon"} {
		site := newSite(t, full())
		w := site.get(t, "/admin/usage?"+query)
		page := parse(t, w.Body)
		asked := slices.ContainsFunc(site.store.asked, func(each proto.Message) bool { _, ok := each.(*tokenstorev1.QueryUsageRequest); return ok })
		if said := text(page.byID("problem")); w.Code != http.StatusBadRequest || !strings.Contains(said, "Enter two days") || asked || page.byID("use-from") == nil {
			t.Errorf("%s: %d %s", query, w.Code, said)
		}
	}
}

func TestNothingWasUsed(t *testing.T) {
	t.Parallel()
	for query, says := range map[string]string{"": "Nothing was used in this time", "?model=m": "Nothing like this was used"} {
		page := parse(t, newSite(t, empty()).get(t, "/admin/usage"+query).Body)
		if said := text(page.named("main")[0]); !strings.Contains(said, says) || page.byID("use-table") != nil {
			t.Errorf("%q: %s", query, said)
		}
	}
}

func TestLogOfAKey(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{
		{Id: "r1", StartedAt: moment, Status: "success", KeyId: keyID, KeyName: hostile, Caller: "key", Cost: 12_345_000_000, CostQuality: "estimated", ServedModel: "served"},
		{Id: "r2", StartedAt: moment, Status: "success", Caller: "admin", CostQuality: "unpriced", Upstream: "vendor", Model: "m 1"},
		{Id: "r3", StartedAt: moment, Status: "failure"},
	}}}, s.answers...)
	site := newSite(t, s)
	page := parse(t, site.get(t, "/admin/logs?key_id="+keyID).Body)
	if asked := site.store.asked[0].(*tokenstorev1.QueryRequest); asked.GetKeyId() != keyID {
		t.Errorf("asked %v", asked)
	}
	if attribute(page.byID("f-key"), "value") != keyID {
		t.Error("the filter is not shown")
	}
	for id, want := range map[string][]string{"entry-r1": {hostile, "$0.012 estimated"}, "entry-r2": {"Admin token", "no price"}} {
		for _, shown := range want {
			if row := text(page.byID(id)); !strings.Contains(row, shown) {
				t.Errorf("%q is not in %s", shown, row)
			}
		}
	}
	entry := parse(t, site.get(t, "/admin/logs/r1").Body)
	if cost, who := text(entry.byID("cost")), text(entry.byID("caller")); !strings.Contains(cost, "0.012345 USD estimated") || !strings.Contains(who, hostile) {
		t.Errorf("%s, %s", cost, who)
	}
}
