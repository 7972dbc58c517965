package adminapi_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/adminapi"
	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var _ adminapi.Usage = tokenstorev1.UsageServiceClient(nil)

func (s *store) QueryUsage(ctx context.Context, r *tokenstorev1.QueryUsageRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error) {
	return ask[*tokenstorev1.QueryUsageResponse](ctx, s, r)
}

var (
	nextDay   = timestamppb.New(moment.AsTime().Add(24 * time.Hour))
	someUsage = &tokenstorev1.QueryUsageResponse{From: moment, To: nextDay, Rows: []*tokenstorev1.UsageRow{
		{KeyId: "admin", TokenId: "t2", Model: "=HYPERLINK(\"x\")", Upstream: "cursor", Start: moment, Sums: &tokenstorev1.UsageSums{
			Requests: 4, Failures: 1, PromptTokens: 100, CompletionTokens: 50, CacheReadTokens: 40, CacheWriteTokens: 30, CacheWriteHourTokens: 20,
			ReasoningTokens: 10, ReportedCost: 1_250_000_000_001, EstimatedCost: 750_000_000_000, ReportedRequests: 1, EstimatedRequests: 1, UnpricedRequests: 2,
		}},
		{KeyId: "k1", TokenId: "none", Model: "gpt-5, large", Start: nextDay, Sums: &tokenstorev1.UsageSums{Requests: 1, PartialCost: 9, PartialRequests: 1}},
	}}
	someKeys = &tokenstorev1.ListKeysResponse{Keys: []*tokenstorev1.ListedKey{
		{Key: &tokenstorev1.ClientKey{Id: "k0", Name: "another"}}, {Key: &tokenstorev1.ClientKey{Id: "k1", Name: "@work"}},
	}}
)

// used is a store with the keys that have used something.
func used() *store {
	s := newStore()
	s.answers = append([]proto.Message{someKeys}, s.answers...)
	return s
}

func TestUsage(t *testing.T) {
	t.Parallel()
	w := send(t, used(), "GET", "/admin/api/usage?group=day,key,model,upstream", key, "")
	var got, want any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"from":"2026-01-31T12:00:00Z","to":"2026-02-01T12:00:00Z","rows":[
		{"key":"admin","key_name":"","model":"=HYPERLINK(\"x\")","upstream":"cursor","time":"2026-01-31T12:00:00Z",
		 "requests":4,"failures":1,"prompt_tokens":100,"completion_tokens":50,"cache_read_tokens":40,"cache_write_tokens":30,"cache_write_hour_tokens":20,
		 "reasoning_tokens":10,"cost_usd":"2.000000000001","cost_by_quality":{"reported":"1.250000000001","estimated":"0.75","partial":"0.00"},
		 "reported_requests":1,"estimated_requests":1,"partial_requests":0,"unpriced_requests":2},
		{"key":"k1","key_name":"@work","model":"gpt-5, large","upstream":"","time":"2026-02-01T12:00:00Z",
		 "requests":1,"failures":0,"prompt_tokens":0,"completion_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"cache_write_hour_tokens":0,
		 "reasoning_tokens":0,"cost_usd":"0.000000000009","cost_by_quality":{"reported":"0.00","estimated":"0.00","partial":"0.000000000009"},
		 "reported_requests":0,"estimated_requests":0,"partial_requests":1,"unpriced_requests":0}],
		"total":{"requests":5,"failures":1,"prompt_tokens":100,"completion_tokens":50,"cache_read_tokens":40,"cache_write_tokens":30,"cache_write_hour_tokens":20,
		 "reasoning_tokens":10,"cost_usd":"2.00000000001","cost_by_quality":{"reported":"1.250000000001","estimated":"0.75","partial":"0.000000000009"},
		 "reported_requests":1,"estimated_requests":1,"partial_requests":1,"unpriced_requests":2}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Spreadsheets get texts that are no formulas, quoted where they must be.
func TestUsageAsCSV(t *testing.T) {
	t.Parallel()
	w := send(t, used(), "GET", "/admin/api/usage?group=model,key,day&format=csv", key, "")
	want := "model,key,key_name,time,requests,failures,prompt_tokens,completion_tokens,cache_read_tokens,cache_write_tokens,cache_write_hour_tokens,reasoning_tokens," +
		"cost_usd,reported_usd,estimated_usd,partial_usd,reported_requests,estimated_requests,partial_requests,unpriced_requests\r\n" +
		"\"'=HYPERLINK(\"\"x\"\")\",admin,,2026-01-31T12:00:00Z,4,1,100,50,40,30,20,10,2.000000000001,1.250000000001,0.75,0.00,1,1,0,2\r\n" +
		"\"gpt-5, large\",k1,'@work,2026-02-01T12:00:00Z,1,0,0,0,0,0,0,0,0.000000000009,0.00,0.00,0.000000000009,0,0,1,0\r\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if header := w.Header(); header.Get("Content-Type") != "text/csv; charset=utf-8" || header.Get("Content-Disposition") != `attachment; filename="usage.csv"` {
		t.Error(header)
	}
	w = send(t, used(), "GET", "/admin/api/usage?group=token&format=csv", key, "")
	if lines := strings.Split(w.Body.String(), "\r\n"); !strings.HasPrefix(lines[0], "token,token_alias,requests") || !strings.HasPrefix(lines[1], "t2,work,4") || !strings.HasPrefix(lines[2], "none,,1") {
		t.Error(w.Body)
	}
}

// What is read from the CSV adds up to the total of the JSON, to the last unit.
func TestUsageReadBackFromCSV(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	answer := &tokenstorev1.QueryUsageResponse{From: moment, To: nextDay}
	for range 1000 {
		// Larger than floating point numbers are exact.
		answer.Rows = append(answer.Rows, &tokenstorev1.UsageRow{Model: "m,\"\n" + strconv.Itoa(random.Int()), Sums: &tokenstorev1.UsageSums{
			Requests: random.Uint64N(1 << 53), PromptTokens: random.Uint64N(1 << 53), ReasoningTokens: random.Uint64N(1 << 53),
			ReportedCost: random.Uint64N(math.MaxUint64 / 4000), EstimatedCost: random.Uint64N(math.MaxUint64 / 4000), PartialCost: random.Uint64N(math.MaxUint64 / 4000),
			UnpricedRequests: random.Uint64N(1 << 53),
		}})
	}
	s := &store{answers: []proto.Message{answer}}
	var whole struct {
		Total map[string]any `json:"total"`
	}
	decoder := json.NewDecoder(send(t, s, "GET", "/admin/api/usage?group=model", key, "").Body)
	decoder.UseNumber()
	if err := decoder.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(send(t, s, "GET", "/admin/api/usage?group=model&format=csv", key, "").Body).ReadAll()
	if err != nil || len(lines) != 1001 {
		t.Fatal(len(lines), err)
	}
	sum := func(column string) (pico money.Pico, count uint64) {
		at := slices.Index(lines[0], column)
		for _, line := range lines[1:] {
			if dollars, err := money.Parse(line[at]); strings.HasSuffix(column, "_usd") && err == nil {
				pico += dollars
			} else if n, err := strconv.ParseUint(line[at], 10, 64); err == nil {
				count += n
			} else {
				t.Fatalf("%s: %q", column, line[at])
			}
		}
		return pico, count
	}
	for _, column := range []string{"requests", "prompt_tokens", "reasoning_tokens", "unpriced_requests"} {
		if _, count := sum(column); json.Number(strconv.FormatUint(count, 10)) != whole.Total[column] {
			t.Errorf("%s: %d, want %v", column, count, whole.Total[column])
		}
	}
	reported, _ := sum("reported_usd")
	estimated, _ := sum("estimated_usd")
	partial, _ := sum("partial_usd")
	byQuality := map[string]any{"reported": reported.String(), "estimated": estimated.String(), "partial": partial.String()}
	if diff := cmp.Diff(whole.Total["cost_by_quality"], any(byQuality)); diff != "" {
		t.Error(diff)
	}
	if pico, _ := sum("cost_usd"); pico.String() != whole.Total["cost_usd"] || pico != reported+estimated+partial {
		t.Errorf("cost_usd: %s, want %v", pico, whole.Total["cost_usd"])
	}
}

func TestUsageAsksTheStore(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]*tokenstorev1.QueryUsageRequest{
		"?group=model,hour&from=2026-01-31&to=2026-01-31T13:00:00%2B01:00&key=k1&model=m&upstream=u": {
			From: timestamppb.New(moment.AsTime().Add(-12 * time.Hour)), To: moment, KeyId: "k1", Model: "m", Upstream: "u",
			Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR},
		},
		"?to=2026-01-31T12:00:00Z&token=t1&group=day,upstream&format=csv": {
			From: timestamppb.New(moment.AsTime().Add(-30 * 24 * time.Hour)), To: moment, TokenId: "t1",
			Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY, tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM},
		},
	} {
		s := &store{answers: []proto.Message{&tokenstorev1.QueryUsageResponse{From: moment, To: moment}}}
		if w := send(t, s, "GET", "/admin/api/usage"+query, key, ""); w.Code != 200 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		if diff := cmp.Diff(proto.Message(want), s.asked, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestUsageRefuses(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][2]string{
		"group=colour":                   {"group", `day, hour, key, model, token, upstream wanted, with commas between, not "colour"`},
		"group=key,":                     {"group", `not ""`},
		"from=yesterday":                 {"from", "a date such as 2026-01-31"},
		"to=2026-02-30":                  {"to", "a date such as 2026-01-31"},
		"from=2026-02-01&to=2026-01-31":  {"from", "it must be before to, which is 2026-01-31T00:00:00Z"},
		"from=2026-01-31&to=2026-01-31":  {"from", "it must be before to"},
		"format=xml":                     {"format", "csv, json wanted"},
		"groups=key":                     {"groups", "no such parameter"},
		"from=2026-01-31T12:00:00Z&to=x": {"to", "a date such as"},
	} {
		w := send(t, newStore(), "GET", "/admin/api/usage?"+query, key, "")
		code, message, param := errorCode(t, w.Body.Bytes())
		if w.Code != 400 || code != "invalid_request" || param != want[0] || !strings.Contains(message, want[1]) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// Names are looked for until they are found, and not without end.
func TestUsageLooksForNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ids   []string
		pages int
	}{
		"nobody has one":        {[]string{"admin", "session", "own", "(others)"}, 0},
		"on the first page":     {[]string{"admin", "k1"}, 1},
		"a key that is no more": {[]string{"k1", "gone"}, 40},
	} {
		answer := &tokenstorev1.QueryUsageResponse{From: moment, To: nextDay}
		for _, id := range test.ids {
			answer.Rows = append(answer.Rows, &tokenstorev1.UsageRow{KeyId: id, Sums: &tokenstorev1.UsageSums{}})
		}
		endless := proto.CloneOf(someKeys)
		endless.NextCursor = "more"
		s := &store{answers: []proto.Message{answer, endless}}
		if w := send(t, s, "GET", "/admin/api/usage?group=key", key, ""); w.Code != 200 || s.keyPages != test.pages {
			t.Errorf("%s: %d after %d pages, want %d", name, w.Code, s.keyPages, test.pages)
		}
	}
}
