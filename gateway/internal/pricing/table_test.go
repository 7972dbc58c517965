package pricing_test

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/reqlog"
)

func rate(t *testing.T, text string) pricing.Rate {
	t.Helper()
	parsed, err := pricing.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What the makers' calculators say.
func TestCosts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		model   string
		usage   chat.Usage
		cost    string
		quality reqlog.CostQuality
	}{
		"Claude without a cache": {"claude-sonnet-4-5", chat.Usage{Prompt: 1_000_000, Completion: 1_000_000, Source: chat.UsageReported}, "18.00", reqlog.CostReported},
		"Claude with a cache": { // 1000×3 + 90000×0.30 + 5000×3.75 + 4000×6 + 2000×15 micro-dollars
			"claude-sonnet-4-5",
			chat.Usage{Prompt: 100_000, CacheRead: 90_000, CacheWrite: 9000, CacheWriteHour: 4000, Completion: 2000, Reasoning: 1500, Source: chat.UsageReported},
			"0.10275", reqlog.CostReported,
		},
		"thinking of an o-series model": { // 75×2 + 25×0.50 + 1186×8 micro-dollars
			"o3", chat.Usage{Prompt: 100, CacheRead: 25, Completion: 1186, Reasoning: 1024, Source: chat.UsageReported}, "0.0096505", reqlog.CostReported,
		},
		"a model without a price for its cache": {"gpt-4-turbo", chat.Usage{Prompt: 1000, CacheRead: 400, CacheWrite: 100, CacheWriteHour: 50, Source: chat.UsageReported}, "0.01", reqlog.CostReported},
		"a cache for nothing":                   {"gpt-3.5-turbo", chat.Usage{Prompt: 1000, CacheRead: 1000, Source: chat.UsageReported}, "0.00", reqlog.CostReported},
		"a price of six decimals":               {"deepseek-v4-pro", chat.Usage{Prompt: 1, CacheRead: 1, Source: chat.UsageReported}, "0.000000003625", reqlog.CostReported},
		"Cursor's name":                         {"claude-4.5-sonnet-thinking", chat.Usage{Prompt: 10, Completion: 1, Source: chat.UsageEstimated}, "0.000045", reqlog.CostEstimated},
		"cut short":                             {"gpt-5", chat.Usage{Prompt: 8, Completion: 1, Source: chat.UsagePartial}, "0.00002", reqlog.CostPartial},
		"of nobody's telling":                   {"gpt-5", chat.Usage{Prompt: 8}, "0.00001", reqlog.CostEstimated},
		"nothing used":                          {"gpt-5", chat.Usage{Source: chat.UsageUnknown}, "0.00", ""},
		"nothing used of what has no price":     {"composer-2.5", chat.Usage{Source: chat.UsageReported}, "0.00", ""},
		"no price":                              {"composer-2.5", chat.Usage{Prompt: 1, Source: chat.UsageReported}, "0.00", reqlog.CostUnpriced},
		"counts that do not add up":             {"gpt-5", chat.Usage{Prompt: 8, CacheRead: 100, Completion: -3, Reasoning: 7, Source: chat.UsageReported}, "0.000001", reqlog.CostReported},
	} {
		cost, quality := new(pricing.Table).Cost("any", c.model, c.usage)
		if cost.String() != c.cost || quality != c.quality {
			t.Errorf("%s: %s, %q, want %s, %q", name, cost, quality, c.cost, c.quality)
		}
	}
}

// A price that lists only a part is one for that part.
func TestPartsWithoutAPrice(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	table.Update([]pricing.Price{
		{Match: "in", Input: rate(t, "1")},
		{Match: "out", Output: rate(t, "1")},
		{Match: "cached", CacheRead: rate(t, "1")},
		{Match: "thinks", Reasoning: rate(t, "2")},
		{Match: "writes", Input: rate(t, "1"), CacheWrite: rate(t, "2")},
	})
	for _, c := range []struct {
		model string
		usage chat.Usage
		want  money.Pico
		known bool
	}{
		{"in", chat.Usage{Prompt: 5, CacheRead: 2, CacheWrite: 2, CacheWriteHour: 1}, 5_000_000, true},
		{"in", chat.Usage{Prompt: 5, Completion: 1}, 0, false},
		{"out", chat.Usage{Completion: 5, Reasoning: 4}, 5_000_000, true},
		{"out", chat.Usage{Prompt: 1, Completion: 5}, 0, false},
		{"cached", chat.Usage{Prompt: 5, CacheRead: 5}, 5_000_000, true},
		{"cached", chat.Usage{Prompt: 6, CacheRead: 5}, 0, false},
		{"thinks", chat.Usage{Completion: 5, Reasoning: 5}, 10_000_000, true},
		{"thinks", chat.Usage{Completion: 6, Reasoning: 5}, 0, false},
		{"writes", chat.Usage{Prompt: 6, CacheWrite: 5, CacheWriteHour: 4}, 11_000_000, true},
	} {
		c.usage.Source = chat.UsageReported
		cost, quality := table.Cost("u", c.model, c.usage)
		want := reqlog.CostReported
		if !c.known {
			want = reqlog.CostUnpriced
		}
		if cost != c.want || quality != want {
			t.Errorf("%s %+v: %d, %q, want %d, %q", c.model, c.usage, cost, quality, c.want, want)
		}
	}
}

func TestWhichPriceHolds(t *testing.T) {
	t.Parallel()
	at := func(match, upstream, source string, input uint64) pricing.Price {
		return pricing.Price{Match: match, Upstream: upstream, Source: source, Input: pricing.RateOf(money.Pico(input))}
	}
	prices := []pricing.Price{
		at("*", "", "", 1), at("gpt-*", "", "", 2), at("gpt-*", "a", "", 3), at("gpt-5*", "", "", 4), at("*-mini", "", "", 5), at("gpt-5", "", "", 6), at("gpt-5", "a", "", 7),
		at("gpt-4o", "", "tsv", 8), at("gpt-4o", "a", "tsv", 9), at("o3", "", "litellm", 10),
	}
	for name, c := range map[string]struct {
		prices          []pricing.Price
		upstream, model string
		want            money.Pico
	}{
		"the upstream's own":                       {prices, "a", "gpt-5", 7},
		"anywhere":                                 {prices, "b", "gpt-5", 6},
		"the longer pattern":                       {prices, "a", "gpt-5.1", 4},
		"of two as long the upstream's":            {prices, "a", "gpt-4.1", 3},
		"another upstream's does not hold":         {prices, "b", "gpt-4.1", 2},
		"the longest of three":                     {prices, "b", "gpt-x-mini", 5},
		"the star alone":                           {prices, "b", "claude-sonnet-4-5", 1},
		"a pattern set by hand before an import":   {prices, "a", "gpt-4o", 3},
		"an import before what is built in":        {prices[7:], "b", "gpt-4o", 8},
		"an import for the upstream":               {prices[7:], "a", "gpt-4o", 9},
		"what is built in":                         {prices[7:], "a", "gpt-4o-mini", 150_000},
		"overrides are of the name as it is alone": {prices[9:], "a", "o3-2025-04-16", 2_000_000},
		"nothing": {nil, "a", "unheard-of", 0},
	} {
		table := &pricing.Table{}
		table.Update(c.prices)
		for range 2 { // the second answer is a remembered one
			if got := table.Most(c.upstream, c.model, 1, 0); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		}
		if got := table.Priced(c.upstream, c.model); got != (c.want != 0) {
			t.Errorf("%s: priced: %t", name, got)
		}
	}
}

func TestAnUpdateHoldsAtOnce(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	for _, want := range []money.Pico{7, 8} {
		table.Update([]pricing.Price{{Match: "m", Input: pricing.RateOf(want)}})
		if got := table.Most("u", "m", 1, 0); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	table.Update(nil)
	if got := table.Most("u", "m", 1, 0); got != 0 {
		t.Errorf("%d after all were taken away", got)
	}
}

func TestMost(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	table.Update([]pricing.Price{{Match: "m", Input: rate(t, "1"), CacheRead: rate(t, "0.5"), Output: rate(t, "3"), Reasoning: rate(t, "4")}})
	for _, c := range []struct {
		model              string
		prompt, completion int
		want               money.Pico
	}{
		{"m", 10, 10, 50_000_000},
		{"claude-sonnet-4-5", 1, 0, 6_000_000},
		{"claude-sonnet-4-5", 0, 1, 15_000_000},
		{"gpt-5", 4, 1, 15_000_000},
		{"unheard-of", 5, 5, 0},
		{"m", -1, -1, 0},
		{"m", math.MaxInt, math.MaxInt, math.MaxUint64},
	} {
		if got := table.Most("u", c.model, c.prompt, c.completion); got != c.want {
			t.Errorf("%s, %d+%d: %d, want %d", c.model, c.prompt, c.completion, got, c.want)
		}
	}
}

func TestMaxOutput(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	table.Update([]pricing.Price{{Match: "claude-*", Input: pricing.RateOf(1)}})
	for model, want := range map[string]int{"claude-sonnet-4-5": 64_000, "anthropic/claude-sonnet-4.5": 64_000, "gpt-5": 128_000, "unheard-of": 0} {
		if got := table.MaxOutput("u", model); got != want {
			t.Errorf("%s: %d, want %d", model, got, want)
		}
	}
}

func drawUsage(t *rapid.T, name string) chat.Usage {
	count := func(of string, most int) int { return rapid.IntRange(0, most).Draw(t, name+" "+of) }
	u := chat.Usage{Prompt: count("prompt", 1<<40), Completion: count("completion", 1<<40), Source: chat.UsageReported}
	u.CacheRead = count("read", u.Prompt)
	u.CacheWrite = count("write", u.Prompt-u.CacheRead)
	u.CacheWriteHour = count("hour", u.CacheWrite)
	u.Reasoning = count("reasoning", u.Completion)
	return u
}

func drawPrice(t *rapid.T) pricing.Price {
	maybe := func(name string) pricing.Rate {
		if rapid.Bool().Draw(t, "no "+name) {
			return pricing.Rate{}
		}
		return pricing.RateOf(money.Pico(rapid.Uint64Range(0, 1_000_000).Draw(t, name)))
	}
	price := pricing.Price{Match: "m", CacheRead: maybe("read"), CacheWrite: maybe("write"), CacheWriteHour: maybe("hour"), Reasoning: maybe("reasoning")}
	price.Input, price.Output = pricing.RateOf(money.Pico(rapid.Uint64Range(0, 1_000_000).Draw(t, "input"))), pricing.RateOf(money.Pico(rapid.Uint64Range(0, 1_000_000).Draw(t, "output")))
	return price
}

// The cost of a sum is the sum of the costs, to the last pico-dollar; and no usage costs more than
// the most that was reckoned for it.
func TestCostsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := &pricing.Table{}
		table.Update([]pricing.Price{drawPrice(t)})
		a, b := drawUsage(t, "a"), drawUsage(t, "b")
		both := chat.Usage{
			Prompt: a.Prompt + b.Prompt, CacheRead: a.CacheRead + b.CacheRead, CacheWrite: a.CacheWrite + b.CacheWrite,
			CacheWriteHour: a.CacheWriteHour + b.CacheWriteHour, Completion: a.Completion + b.Completion, Reasoning: a.Reasoning + b.Reasoning, Source: chat.UsageReported,
		}
		costA, _ := table.Cost("u", "m", a)
		costB, _ := table.Cost("u", "m", b)
		sum, _ := table.Cost("u", "m", both)
		if sum != costA.Plus(costB) {
			t.Errorf("%d and %d make %d", costA, costB, sum)
		}
		if most := table.Most("u", "m", a.Prompt, a.Completion); costA > most {
			t.Errorf("%d costs more than the most, %d", costA, most)
		}
	})
}

// Names come from clients: what is remembered of them is bounded, and right after that too.
func TestManyNames(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	table.Update([]pricing.Price{{Match: "m*", Input: pricing.RateOf(1)}})
	for i := range 10_000 {
		if got := table.Most("u", fmt.Sprint("m", i), 1, 0); got != 1 {
			t.Fatalf("m%d: %d", i, got)
		}
	}
	if got := table.Most("u", "gpt-5", 1, 0); got != 1_250_000 {
		t.Error(got)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	table := &pricing.Table{}
	usage := chat.Usage{Prompt: 10, Completion: 2, Source: chat.UsageReported}
	work := func() {
		table.Cost("u", "claude-4.5-sonnet-thinking", usage)
		table.Most("u", "unheard-of", 5, 5)
	}
	work()
	if n := testing.AllocsPerRun(100, work); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUpdatesWhileItIsRead(t *testing.T) {
	t.Parallel()
	table := &pricing.Table{}
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for n := range 1000 {
				if i == 0 {
					table.Update([]pricing.Price{{Match: "m*", Input: pricing.RateOf(1)}, {Match: "m5", Input: pricing.RateOf(1)}})
				}
				if got := table.Most("u", fmt.Sprint("m", n%10), 1, 0); got > 1 {
					t.Errorf("%d", got)
				}
			}
		})
	}
	work.Wait()
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "0": "0.00", "3": "3.00", "0.15": "0.15", "0.003625": "0.003625", "1000000": "1000000.00", "2.500000000": "2.50"} {
		got, err := pricing.ParseRate(text)
		if err != nil || got.String() != want || got.Listed != (text != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"0.0000001", "1000000.000001", "-1", "1e3", "free", "9999999999", " 1"} {
		if got, err := pricing.ParseRate(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}
