package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func filterIn(t *testing.T, query string) logFilter {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return filterOf(values)
}

// Each part of the filter reaches the store, is shown as a chip, and goes alone when its chip is
// taken away.
func TestLogFilter(t *testing.T) {
	t.Parallel()
	yes, noon := true, timestamppb.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	for query, want := range map[string]*tokenstorev1.QueryRequest{
		"id=chatcmpl-1":                       {Id: "chatcmpl-1"},
		"status=failure":                      {Status: "failure"},
		"error_kind=rate_limited":             {ErrorKind: "rate_limited"},
		"error=slow down":                     {Error: "slow down"},
		"retried=true":                        {Retried: true},
		"min_total=10s":                       {MinTotal: durationpb.New(10 * time.Second)},
		"model=a%26b":                         {Model: "a&b"},
		"upstream=groq":                       {Upstream: "groq"},
		"alias=+work+":                        {TokenAlias: "work"},
		"token_id=t1":                         {TokenId: "t1"},
		"key_id=k1":                           {KeyId: "k1"},
		"stream=true":                         {Stream: &yes},
		"from=2026-01-31T12:00":               {From: noon},
		"to=2026-01-31T12:00:00Z":             {To: noon},
		"id=0123456789abcdef0123456789abcdef": {RequestId: "0123456789abcdef0123456789abcdef"},
	} {
		filter := filterIn(t, query)
		got, err := filter.request()
		want.OmitPrompts = true
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", query, err, diff)
		}
		chips := filter.Chips()
		if len(chips) != 1 || chips[0].Without != "/admin/logs" {
			t.Errorf("%s: chips %v", query, chips)
		}
		filter.Model = "other"
		for _, chip := range filter.Chips() {
			if rest := "/admin/logs?model=other"; chip.Name != "model" && chip.Without != rest {
				t.Errorf("%s: without %s: %s", query, chip.Name, chip.Without)
			}
		}
	}
	if filterIn(t, "").Chips() != nil || filterIn(t, "cursor=x").Set() {
		t.Error("nothing is set")
	}
	for _, wrong := range []string{"min_total=long", "min_total=-1s", "from=yesterday", "to=tomorrow"} {
		if _, err := filterIn(t, wrong).request(); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

// Fields for times take no zone, and keep the seconds.
func TestTimesInFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "yesterday": "", "2026-01-31T12:00": "2026-01-31T12:00:00", "2026-01-31T12:00:59Z": "2026-01-31T12:00:59", "2026-01-31T12:00:00+01:00": "2026-01-31T11:00:00",
	} {
		if got := fieldTime(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A view is chosen when the filter is nothing else.
func TestLogViews(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "all", "status=failure": "failed", "retried=true": "retried", "min_total=10s": "slow", "error_kind=no_token_available": "no_token",
		"status=failure&model=m": "", "model=m": "",
	} {
		chosen := ""
		for _, view := range filterIn(t, query).Views() {
			if view.Current {
				chosen += view.Name
			}
			if address, err := url.Parse(view.Address); err != nil || filterOf(address.Query()) != filterIn(t, address.RawQuery) {
				t.Errorf("%s leads to %s", view.Name, view.Address)
			}
		}
		if chosen != want {
			t.Errorf("%q: %q is chosen, want %q", query, chosen, want)
		}
	}
}

// The file is what the API answers to the same filter, whose times have a zone there.
func TestLogFile(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                     "/admin/api/logs?format=csv",
		"model=m&retried=true": "/admin/api/logs?format=csv&model=m&retried=true",
		"from=2026-01-31T12:00&to=2026-01-31T13:00:00.5Z": "/admin/api/logs?format=csv&from=2026-01-31T12%3A00%3A00Z&to=2026-01-31T13%3A00%3A00.5Z",
		"id=0123456789abcdef0123456789abcdef":             "/admin/api/logs?format=csv&request_id=0123456789abcdef0123456789abcdef",
		"id=chatcmpl-1":                                   "/admin/api/logs?format=csv&id=chatcmpl-1",
		"from=yesterday":                                  "",
	} {
		if got := filterIn(t, query).File("csv"); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
		if got, want := filterIn(t, query).File("jsonl"), strings.Replace(want, "=csv", "=jsonl", 1); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}
