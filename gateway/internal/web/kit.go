package web

import (
	"context"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/connect"
	"carousel.internal/gateway/internal/consequence"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/quota"
	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// kitPage shows each component of the site in each of its states. What it shows is made up and
// always the same: pictures of it are compared.
var kitPage = view{"kit", "kit", (*Site).loadKit}

// kitTime is when all that the page tells of has happened.
var kitTime = time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC)

// kitAfter is a while after kitTime.
func kitAfter(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(kitTime.Add(d)) }

type kitData struct {
	States    []tokenRow
	Keys      []keyRow
	Pools     []pool
	Headlines []headline
	Needs     []need
	Trouble   page
	Charts    []chart
	Use       keyUse
	// UseRows are held against a time before, UseSum is all that was used.
	UseRows []useRow
	UseSum  useRow
	// WrongTerm says what is wrong with a query.
	WrongTerm string
	Histogram *histogram
	Outlook   *outlook
	Filter    logFilter
	Accounts  tokensData
	Choices   []poolChoice
	Entries   logTable
	Requests  []entryData
	History   history
	Quotas    []quotaCount
	Left      []*accountLeft
	Prices    priceTable
	Parts     []string
	Settings  []setting
	Shares    *shares
	Form      keyFields
	Connect   connectPanel
	Actions   []action
	Tabs      page
	Pager     logsData
}

// Terms are those that a query can have.
func (kitData) Terms() []string { return logTermUsages() }

// HeldStates are those in which controls are shown as if somebody used them.
func (kitData) HeldStates() []string { return []string{"rest", "hover", "focus", "disabled"} }

// ButtonKinds are the classes of buttons.
func (kitData) ButtonKinds() []string {
	return []string{"", "primary", "quiet", "danger", "danger solid", "link"}
}

func (s *Site) loadKit(_ context.Context, c *gin.Context) (any, error) {
	texts := s.texts(c.Request)
	upstreams, pools := kitPools()
	tokens := kitTokens()
	table := readTokenTable(&url.URL{RawQuery: "state=cooling&tag=spare&q=anna"})
	total := uint32(len(tokens)) //nolint:gosec // one of each state
	wrong, err := (&termError{"value", "status:open", "failed, succeeded"}).text(texts)
	if err != nil {
		return nil, err
	}
	useRows, useSum := kitUseRows()
	return kitData{
		States: tokens, Keys: kitKeys(), Pools: pools,
		Headlines: []headline{{}, headlineOf(pools[:1]), headlineOf(pools), headlineOf(pools[2:])},
		Needs:     needsOf(waiting{pools: pools, upkeep: upkeepFacts{low: 2, backup: lastBackup{known: true}}, unserved: 1, now: kitTime}),
		Trouble:   page{Problem: texts["problem.store_away"], Degraded: &outage{kitAfter(0), kitAfter(time.Hour)}},
		Charts:    kitCharts(), Use: kitUse(), UseRows: useRows, UseSum: useSum, WrongTerm: capital(wrong), Histogram: kitHistogram(), Outlook: kitOutlook(),
		Filter:   logFilter{Status: "failure", Model: "gpt-4o", Retried: "true", From: kitTime.Format(time.RFC3339)},
		Accounts: tokensData{Rows: tokens, Table: table, Columns: tokenColumns.standard(), Sparks: map[string]*spark{tokens[0].GetId(): sparkOf([sparkHours]uint64{3: 2, 4: 7, 5: 4, 12: 1, 20: 9, 23: 5})}, Total: &total}, Choices: table.poolChoices(upstreams, pools),
		Entries: logTable{kitEntries(), logColumns.standard()}, Requests: kitRequests(), History: kitHistory(), Quotas: kitQuotas(), Left: kitLeft(),
		Prices: kitPrices(), Parts: priceParts, Settings: kitSettings(), Shares: kitShares(), Form: kitForm(texts["kit.wrong"]),
		Connect: connectPanel{Target: connect.Target{URL: "https://carousel.example", Model: "gpt-4o"}, Clients: connect.Clients(), Models: []string{"gpt-4o", "o3"}},
		Actions: kitActions(), Tabs: page{Name: "use", Section: "use"}, Pager: logsData{First: "/admin/kit", Next: "/admin/kit"},
	}, nil
}

// kitTokens are one of each state.
func kitTokens() []tokenRow {
	var tokens []*tokenstorev1.Token
	for i, name := range tokenform.StateNames() {
		token := &tokenstorev1.Token{
			Id: "kit-" + name, Upstream: "deepseek", Alias: "anna-" + name, MaskedSecret: "sk-a…9Z", State: tokenform.States[name], Enabled: name != "disabled",
			Requests: uint64(1234 * i), Failures: uint64(i % 3), InFlight: 1, CreatedAt: kitAfter(0), LastUsedAt: kitAfter(time.Hour),
		}
		switch name {
		case "cooling":
			token.CoolingUntil, token.LastError, token.Tags, token.Cap = kitAfter(2*time.Hour), "rate limited: try again in 5 minutes", []string{"spare", "team-a"}, 4
		case "parked":
			token.NeedsLogin, token.Alias = true, ""
		case "expired":
			token.ExpiresAt = kitAfter(-time.Hour)
		case "disabled":
			token.DisabledUntil = kitAfter(24 * time.Hour)
		}
		tokens = append(tokens, token)
	}
	return rowsOf(tokens)
}

// kitKeys are one of each state, with limits that are used up to different shares.
func kitKeys() []keyRow {
	standing := func(used, reserved uint64) *tokenstorev1.KeyStanding {
		return &tokenstorev1.KeyStanding{
			Limit: &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, Amount: 100, TimeZone: "Europe/Berlin"},
			Used:  used, Reserved: reserved, RenewsAt: kitAfter(12 * time.Hour),
		}
	}
	left := []*tokenstorev1.KeyStanding{standing(30, 10), standing(95, 0), standing(100, 0)}
	limits := make([]*tokenstorev1.KeyLimit, 0, len(left))
	for _, each := range left {
		limits = append(limits, each.GetLimit())
	}
	one := keyRowOf(&tokenstorev1.ListedKey{
		Key:      &tokenstorev1.ClientKey{Id: "kit", Name: "team-a", MaskedSecret: "ck-…42", Models: []string{"gpt-*"}, Limits: limits, ExpiresAt: kitAfter(24 * time.Hour)},
		Standing: left,
	}, kitTime)
	keys := make([]keyRow, 0, len(keyStates))
	for _, state := range keyStates {
		one.StateName = state
		keys = append(keys, one)
	}
	return keys
}

func kitPools() (names []string, pools []pool) {
	for _, state := range []*tokenstorev1.PoolState{
		{Upstream: "moonshot", Ready: 6},
		{Upstream: "cursor", Ready: 8, Quarantined: 2, Cooling: 3, Probing: 1, Parked: 2, Expired: 1, Disabled: 1, NeedsLogin: 1, Expiring: 1, InFlight: 4, NextExpiry: kitAfter(time.Hour)},
		{Upstream: "groq", Cooling: 2, NextBack: kitAfter(2 * time.Hour), Causes: []*tokenstorev1.SharedCause{
			{Class: "rate_limit", Since: kitAfter(0), NextProbe: kitAfter(time.Minute)},
			{Class: "outdated_client", Model: "llama-3.3-70b", Since: kitAfter(0), AcknowledgedAt: kitAfter(time.Minute)},
		}},
		{Upstream: "openrouter", Parked: 2},
	} {
		names, pools = append(names, state.GetUpstream()), append(pools, poolOf(state))
	}
	return names, pools
}

// kitSteps are the steps of all pictures of time.
func kitSteps() []*timestamppb.Timestamp {
	var steps []*timestamppb.Timestamp
	for i := range 12 {
		steps = append(steps, kitAfter(time.Duration(i)*time.Hour))
	}
	return steps
}

// kitWave is a series that rises and falls.
func kitWave(name string, least, most float64) series {
	wave := series{Name: name}
	for i := range 12 {
		wave.Values = append(wave.Values, least+(most-least)*float64((i*5)%7)/6)
	}
	return wave
}

// kitCharts are lines, lines on a logarithmic scale, and none.
func kitCharts() []chart {
	ofSeconds := func(v float64) string { return seconds(time.Duration(v * float64(time.Second))) }
	return []chart{
		{ID: "errors", Steps: kitSteps(), Least: 10, Write: func(v float64) string { return short(v) + " %" }, Series: []series{kitWave("error_rate", 0, 7)}},
		{ID: "latency", Steps: kitSteps(), Log: true, Write: ofSeconds, Series: []series{kitWave("p50", 0.2, 0.9), kitWave("p95", 1, 40)}},
	}
}

// kitUse is what a key has used, with charts of stacked bars; one leaves a series out.
func kitUse() keyUse {
	return keyUse{
		Sum: &tokenstorev1.UsageSums{Requests: 120, Failures: 3, PromptTokens: 45_000, CompletionTokens: 9_000, UnpricedRequests: 2},
		Charts: []chart{
			{ID: "key_requests", Steps: kitSteps(), Here: &url.URL{Path: "/admin/kit", RawQuery: "hide=succeeded"}, Bars: true, Write: compact, Least: 1, Series: []series{kitWave("succeeded", 10, 90), kitWave("failed", 0, 12)}},
			{ID: "key_tokens", Steps: kitSteps(), Here: &url.URL{Path: "/admin/kit"}, Bars: true, Write: compact, Least: 1, Series: []series{kitWave("prompt", 1e3, 9e3), kitWave("completion", 100, 4e3)}},
		},
	}
}

// kitUseRows are rows of use that rose, that are new, and of which it is not known what was before,
// with their sum.
func kitUseRows() (rows []useRow, sum useRow) {
	of := func(requests uint64) *tokenstorev1.UsageSums {
		return &tokenstorev1.UsageSums{Requests: requests, Failures: requests / 40, PromptTokens: 400 * requests, CacheReadTokens: 300 * requests, CompletionTokens: 30 * requests}
	}
	before := func(requests uint64) *useRow { return &useRow{UsageSums: of(requests)} }
	const all = 120
	for _, row := range []useRow{
		{ID: "gpt-4o", UsageSums: of(90), Before: before(60)},
		{ID: "o3", UsageSums: of(20), Before: before(0)},
		{ID: "llama-3.3-70b", UsageSums: of(10)},
	} {
		row.Name, row.Into, row.Part, row.Whole = row.ID, "/admin/kit", row.GetRequests(), all
		rows = append(rows, row)
	}
	return rows, useRow{UsageSums: of(all), Before: before(160)}
}

func kitHistogram() *histogram {
	var buckets []*tokenstorev1.LogBucket
	for i, at := range kitSteps() {
		buckets = append(buckets, &tokenstorev1.LogBucket{Start: at, Requests: uint64(i * 5 % 7 * 10), Failures: uint64(i % 4)})
	}
	return histogramOf(buckets, logFilter{}, time.Hour)
}

// kitOutlook has all kinds of what comes, and an upstream that tells nothing of its accounts.
func kitOutlook() *outlook {
	after := func(d time.Duration) *time.Time { return new(kitTime.Add(d)) }
	pools := []quotaPool{{quota.Pool{Upstream: "cursor", Limit: 1000, Left: 120, RatePerHour: 4, DryAt: after(30 * time.Hour), Accounts: []quota.Account{
		{TokenID: "kit-ready", Alias: "anna", ResetsAt: after(90 * time.Hour)}, {TokenID: "kit-parked", Alias: "carla", ResetsAt: after(120 * time.Hour)},
	}}}}
	tokens := []*tokenstorev1.Token{
		{Id: "kit-cooling", Upstream: "groq", Alias: "bob", State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, CoolingUntil: kitAfter(12 * time.Hour)},
		{Id: "kit-disabled", Upstream: "groq", Alias: "dora", State: tokenstorev1.TokenState_TOKEN_STATE_DISABLED, DisabledUntil: kitAfter(60 * time.Hour)},
	}
	limit := &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK}
	keys := budgets{coming: budgetsOf(&tokenstorev1.ListedKey{
		Key: &tokenstorev1.ClientKey{Id: "kit-key", Name: "team-a"}, Standing: []*tokenstorev1.KeyStanding{{Limit: limit, RenewsAt: kitAfter(36 * time.Hour)}},
	})}
	return outlookOf(pools, resting{tokens: tokens}, keys, kitTime)
}

// kitEntries are a request that succeeded, one that was tried again, and one that failed.
func kitEntries() []*tokenstorev1.LogEntry {
	succeeded := &tokenstorev1.LogEntry{
		Id: "kit-1", StartedAt: kitAfter(0), Model: "gpt-4o", Upstream: "deepseek", TokenAlias: "anna", TokenId: "kit-ready", Status: "success", HttpStatus: 200, Stream: true, Attempts: 1,
		Total: durationpb.New(1500 * time.Millisecond), FirstByte: durationpb.New(300 * time.Millisecond), PromptTokens: 2000, CacheReadTokens: 1500, CompletionTokens: 310,
		UsageSource: "upstream", CostQuality: "estimated", Cost: 4_200_000_000, KeyId: "kit", KeyName: "team-a", Dialect: "responses", EndReason: "completed", Replica: "gateway-1",
		Prompt: "<|BEGIN_SYSTEM|>\nBe brief.\n<|END_SYSTEM|>\n<|BEGIN_USER|>\nHello\n<|END_USER|>\n",
	}
	retried := proto.CloneOf(succeeded)
	retried.Id, retried.Attempts, retried.CostQuality = "kit-2", 2, "unpriced"
	retried.AttemptLog = []*tokenstorev1.LogAttempt{
		{
			TokenId: "kit-cooling", TokenAlias: "bob", Upstream: "deepseek", Model: "gpt-4o", StartedAt: kitAfter(200 * time.Millisecond), Total: durationpb.New(400 * time.Millisecond),
			Class: "rate_limit", Rule: "limit", Status: 429, Code: "rate_limit_exceeded", Message: "Rate limit reached", Effect: "cooling", RetryAfter: durationpb.New(time.Minute),
			SentHeaders:     []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true}, {Name: "Content-Type", Value: "application/json"}},
			ReceivedHeaders: []*tokenstorev1.LogHeader{{Name: "Retry-After", Value: "60"}, {Name: "Set-Cookie", Hidden: true}},
		},
		{TokenId: "kit-ready", TokenAlias: "anna", Upstream: "deepseek", Model: "gpt-4o", StartedAt: kitAfter(600 * time.Millisecond), Total: durationpb.New(900 * time.Millisecond)},
	}
	retried.TraceId = "0af7651916cd43dd8448eb211c80319c"
	retried.ClientHeaders = []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true}, {Name: "User-Agent", Value: "OpenAI/Python 2.1.0"}}
	retried.FirstByte = durationpb.New(900 * time.Millisecond)
	failed := &tokenstorev1.LogEntry{
		Id: "kit-3", StartedAt: kitAfter(0), Model: "llama-3.3-70b", Upstream: "groq", Status: "failure", HttpStatus: 429, ErrorKind: "no_token_available",
		Error: "no token of groq can serve before 14:00", Attempts: 0, Total: durationpb.New(13 * time.Millisecond), RetryAfter: durationpb.New(time.Minute),
		Pool: &tokenstorev1.PoolSummary{Total: 3, Cooling: 2, Capped: 1}, Caller: "admin", EndReason: "error", UsageSource: "none", Dialect: "responses", Translated: true, Replica: "gateway-1",
	}
	return []*tokenstorev1.LogEntry{succeeded, retried, failed}
}

// kitRequests are those pages of requests that have all parts between them: one that was tried
// again, and one that failed.
func kitRequests() []entryData {
	entries := kitEntries()
	cools := consequence.Consequence{Kind: consequence.Cooling, Class: "rate_limit", At: kitTime, Until: kitTime.Add(2 * time.Hour)}
	retried, failed := entries[1], entries[2]
	return []entryData{
		{
			Entry: retried, Timeline: timelineOf(retried, []consequence.Consequence{cools, {}}), Messages: splitPrompt(retried.GetPrompt()),
			Curl: curlOf(retried, conversation(splitPrompt(retried.GetPrompt())), ""), TracePage: "https://traces.example.com/" + retried.GetTraceId(),
		},
		{Entry: failed, Missing: missingOf(failed.GetPool()), Again: againAt(failed)},
	}
}

func kitHistory() history {
	return history{
		{&tokenstorev1.Transition{At: kitAfter(0), Kind: "cooling", Class: "rate_limit", Model: "gpt-4o", Until: kitAfter(time.Hour), RequestId: "kit-2", Detail: "Rate limit reached", Replica: "gateway-1"}},
		{&tokenstorev1.Transition{At: kitAfter(0), Kind: "parked", Class: "auth", RequestId: "kit-3", Replica: "gateway-1"}},
		{&tokenstorev1.Transition{At: kitAfter(0), Kind: "undone", Class: "auth", By: "guard"}},
		{&tokenstorev1.Transition{At: kitAfter(0), Kind: "released", By: "admin"}},
	}
}

// kitQuotas have much left, little, and no limit.
func kitQuotas() []quotaCount {
	of := func(used, limit uint64) quotaCount {
		left := limit - used
		return quotaCount{quota.Quota{Name: "premium", Unit: quota.Requests, Used: used, Limit: &limit, Left: &left}, "anna"}
	}
	return []quotaCount{of(100, 500), of(450, 500), {quota.Quota{Name: "standard", Unit: quota.Tokens, Used: 7}, "anna"}}
}

// kitLeft are an account that has enough, and one that has little.
func kitLeft() []*accountLeft {
	var left []*accountLeft
	for _, count := range kitQuotas()[:2] {
		account := quota.Account{Quotas: []quota.Quota{count.Quota}, ResetsAt: new(kitTime.Add(72 * time.Hour))}
		left = append(left, accountLeftOf(&account, count.Of, kitTime))
	}
	return left
}

func kitPrices() priceTable {
	priced := pricing.BuiltIn()[:2]
	table := tableOf(priced, "")
	table.More = 12
	return table
}

// kitSettings are one of each control.
func kitSettings() []setting {
	values := map[string]string{"switch": "true", "choice": "base64", "cards": "sticky", "number": "3", "text": "1.2.3", "area": "Be brief."}
	seen := map[string]bool{}
	var rows []setting
	for _, g := range groups {
		for _, row := range g.Settings {
			if seen[row.Control] {
				continue
			}
			seen[row.Control], row.Value = true, values[row.Control]
			standard := "0"
			row.Default, row.Change = &standard, &tokenstorev1.SettingChange{Name: row.Name, At: kitAfter(0), Actor: "pages", Previous: proto.String("2")}
			rows = append(rows, row)
		}
	}
	return rows
}

func kitShares() *shares {
	return &shares{Since: kitAfter(0), More: 2, Tokens: []tokenShare{
		{"kit-ready", "anna", "deepseek", 60, 90, forecast{Weight: 2, Weights: 2, Fill: fillAll}},
		{"kit-cooling", "bob", "deepseek", 30, 90, forecast{Weights: 2, Fill: fillNone}},
	}}
}

// kitForm has a field that is wrong.
func kitForm(wrong string) keyFields {
	fields := newKeyFields()
	fields.problems = map[string]string{"name": wrong, "models": wrong, "budgets[0].amount": wrong}
	return fields
}

func kitActions() []action {
	return []action{
		{AuditEntry: &tokenstorev1.AuditEntry{
			At: kitAfter(0), Action: "token changed", Actor: "pages 192.0.2.1", ForwardedFor: "198.51.100.7", Replica: "gateway-1", RequestId: "kit-1",
			Details: map[string]string{"token_id": "kit-ready", "name": "anna", "fields": "alias,max_attempts", "upstream": "deepseek"},
		}},
		{AuditEntry: &tokenstorev1.AuditEntry{At: kitAfter(0), Action: "tokens deleted", Actor: "api 192.0.2.1"}, Count: 50, Undone: true},
	}
}
