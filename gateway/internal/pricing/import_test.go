package pricing_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/pricing"
)

// told is an import in short: each price with its rates in the order of the fields.
func told(found *pricing.Import) []string {
	lines := []string{}
	for _, p := range found.Prices {
		line := p.Match
		if p.Upstream != "" {
			line += "@" + p.Upstream
		}
		for _, r := range [...]pricing.Rate{p.Input, p.Output, p.CacheRead, p.CacheWrite, p.CacheWriteHour, p.Reasoning} {
			line += " " + cmp.Or(r.String(), "-")
		}
		lines = append(lines, line)
	}
	for _, row := range found.Skipped {
		lines = append(lines, "skipped "+row.Name+": "+row.Reason)
	}
	for _, name := range found.Rounded {
		lines = append(lines, "rounded "+name)
	}
	for _, name := range found.Tiered {
		lines = append(lines, "tiered "+name)
	}
	return lines
}

func TestLiteLLM(t *testing.T) {
	t.Parallel()
	file := `{
		"sample_spec": {"input_cost_per_token": 0.0, "max_tokens": "LEGACY parameter"},
		"gpt-5": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07, "litellm_provider": "openai", "mode": "chat"},
		"claude-sonnet-4-5": {"input_cost_per_token": 3e-06, "output_cost_per_token": 0.000015, "cache_read_input_token_cost": 3E-7,
			"cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06, "output_cost_per_reasoning_token": null, "input_cost_per_token_above_200k_tokens": 6e-06},
		"free": {"input_cost_per_token": 0, "output_cost_per_token": 0.0},
		"text": {"input_cost_per_token_above_128k_tokens": null, "input_cost_per_token": "2e-07", "output_cost_per_reasoning_token": 4e-7},
		"fine": {"input_cost_per_token": 1.5e-13, "output_cost_per_token": 1.0000000000001e-06},
		"1024-x-1024/dall-e-2": {"input_cost_per_pixel": 1.9e-08, "mode": "image_generation"},
		"refund": {"input_cost_per_token": -1e-06},
		"gold": {"input_cost_per_token": 2},
		"odd": {"output_cost_per_token": {}},
		"list": [],
		"wild/*": {"input_cost_per_token": 1e-06},
		"a b": {"input_cost_per_token": 1e-06},
		"gpt-5": {"input_cost_per_token": 9e-06}
	}`
	found, err := pricing.Read("litellm", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gpt-5 1.25 10.00 0.125 - - -",
		"claude-sonnet-4-5 3.00 15.00 0.30 3.75 6.00 -",
		"free 0.00 0.00 - - - -",
		"text 0.20 - - - - 0.40",
		"fine 0.000001 1.000001 - - - -",
		"skipped sample_spec: it explains the format",
		"skipped 1024-x-1024/dall-e-2: it has no price for tokens",
		"skipped refund: input_cost_per_token: it is below zero",
		"skipped gold: input_cost_per_token: more than 1000000 US dollars for a million tokens",
		`skipped odd: output_cost_per_token: "{}" is not a number`,
		"skipped list: its facts are no object",
		"skipped wild/*: its name has a `*`",
		"skipped a b: its name has spaces, or characters that can't be shown",
		"skipped gpt-5: it is listed twice; the first one holds",
		"rounded fine",
		"tiered claude-sonnet-4-5",
	}
	if diff := gocmp.Diff(want, told(found)); diff != "" {
		t.Error(diff)
	}
	for _, price := range found.Prices {
		if price.Source != "litellm" {
			t.Errorf("%s is from %q", price.Match, price.Source)
		}
	}
}

// Of providers that list the same id, the makers that are known go before resellers.
func TestModelsDev(t *testing.T) {
	t.Parallel()
	file := `{
		"reseller": {"id": "reseller", "models": {
			"gpt-5": {"id": "gpt-5", "cost": {"input": 99, "output": 99}},
			"own-model": {"cost": {"input": 0.1, "output": 0.2, "reasoning": 0.35, "tiers": [{"input": 0.2}]}},
			"nothing": {"name": "no cost"},
			"fine": {"cost": {"input": 0.00000001}}
		}},
		"openai": {"models": {
			"gpt-5": {"cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5}}}
		}},
		"anthropic": {"models": {
			"claude-sonnet-4-5": {"cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75}}
		}},
		"other": {"models": {"own-model": {"cost": {"input": 7, "output": 7}}}},
		"empty": {"name": "no models"},
		"strange": {"models": []}
	}`
	found, err := pricing.Read("models.dev", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gpt-5 1.25 10.00 0.125 - - -",
		"claude-sonnet-4-5 3.00 15.00 0.30 3.75 - -",
		"own-model 0.10 0.20 - - - 0.35",
		"fine 0.000001 - - - - -",
		"skipped gpt-5: it is listed twice; the first one holds",
		"skipped reseller/nothing: it has no price for tokens",
		"skipped own-model: it is listed twice; the first one holds",
		"skipped empty: it is no provider with models",
		"skipped strange: its models: it is not a JSON object",
		"rounded fine",
		"tiered gpt-5",
		"tiered own-model",
	}
	if diff := gocmp.Diff(want, told(found)); diff != "" {
		t.Error(diff)
	}
}

// Some editors begin each file with a mark of its encoding.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	for format, file := range map[string]string{
		"tsv": "model\tinput\nm\t1\n", "litellm": `{"m":{"input_cost_per_token":1e-06}}`, "models.dev": `{"p":{"models":{"m":{"cost":{"input":1}}}}}`,
	} {
		found, err := pricing.Read(format, []byte("\ufeff"+file))
		if err != nil || len(found.Prices) != 1 || found.Prices[0].Match != "m" {
			t.Errorf("%s: %+v, %v", format, found, err)
		}
	}
}

func TestTSV(t *testing.T) {
	t.Parallel()
	file := "# a comment\n\nprovider\tmodel\tupstream\toutput\tinput\tcache_read\tcache_write\tcache_write_hour\treasoning_output\treasoning\r\n" +
		"x\tm-1\t\t2.5\t1\t0.1\t1.25\t2\t3\ty\r\n" +
		"x\tfast-*\tvendor\t\t0\n" +
		"x\tfast-*\t\t\t5\n" +
		"x\tfine\t\t\t0.0000001\n" +
		"x\tm-1\t\t1\t1\n" +
		"x\t\t\t1\t1\n" +
		"x\tbad\t\tfree\n" +
		"x\ta*b*c\t\t1\n" +
		"x\tzero\u200bwidth\t\t1\n" +
		"x\tm-1\tNot One\t1\n" +
		"x\tnothing\n"
	found, err := pricing.Read("tsv", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"m-1 1.00 2.50 0.10 1.25 2.00 3.00",
		"fast-*@vendor 0.00 - - - - -",
		"fast-* 5.00 - - - - -",
		"fine 0.000001 - - - - -",
		"skipped m-1: it is listed twice; the first one holds",
		"skipped line 9: it names no model",
		`skipped line 10: output: "free" is not a number`,
		"skipped a*b*c: its name has more than one `*`",
		"skipped zero\u200bwidth: its name has spaces, or characters that can't be shown",
		`skipped m-1: "Not One" is no upstream's name`,
		"skipped nothing: it has no price for tokens",
		"rounded fine",
	}
	if diff := gocmp.Diff(want, told(found)); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, file, want string }{
		{"csv", "", `there is no format "csv"; there are litellm, models.dev, tsv`},
		{"litellm", "", "not a JSON object"},
		{"litellm", "[]", "not a JSON object"},
		{"litellm", `{"m":{"input_cost_per_token":1e-6}`, "it ends early"},
		{"litellm", `{"m":{}} {}`, "it goes on after its JSON object"},
		{"litellm", `{"m":}`, "not valid JSON"},
		{"models.dev", `{"p":{"models":{"m"`, "it ends early"},
		{"tsv", "# nothing\n", "no line that names the columns"},
		{"tsv", "name\tprice\n", "no column `model`"},
	} {
		found, err := pricing.Read(c.format, []byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, %v", c.format, c.file, found, err)
		}
	}
}

// Numbers are read as they are written, digit by digit.
func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0.1e-5": "1.00", "1e-12": "0.000001", "1E-6": "1.00", "1e+0": "1000000.00", "1": "1000000.00", "0.0000012345": "1.2345", "0.000001234567": "1.234567",
		"123456789e-15": "0.123457 rounded", "1.0e-6": "1.00", "1e-999": "0.000001 rounded", "0e999": "0.00", "-0.0": "0.00", "10e-7": "1.00", "00.000001": "1.00",
		"0.0000012345670000000000000000000000000000000000000000000000": "1.234567",
		"1.0000001": "", "1e999": "", "9e0": "", "-1e-9": "", "1e": "", ".5": "", "0x1p-3": "", "1_0": "", "NaN": "", "1e-99999": "",
	} {
		encoded, _ := json.Marshal(text) // as a text, so that what JSON has no number for is asked too
		found, err := pricing.Read("litellm", fmt.Appendf(nil, `{"m":{"input_cost_per_token":%s}}`, encoded))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(found.Prices) == 1 {
			got = found.Prices[0].Input.String()
		}
		if len(found.Rounded) == 1 {
			got += " rounded"
		}
		if got != want {
			t.Errorf("%s is %q, want %q (%v)", text, got, want, found.Skipped)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	at := func(match, source string, input money.Pico) pricing.Price {
		return pricing.Price{Match: match, Source: source, Input: pricing.RateOf(input)}
	}
	current := []pricing.Price{
		at("hand", "", 1), at("both", "", 1), at("same", "tsv", 1), at("changed", "tsv", 1), at("gone", "tsv", 1), at("theirs", "litellm", 1), at("taken", "litellm", 1),
		{Match: "changed", Upstream: "vendor", Input: pricing.RateOf(1)},
	}
	file := []pricing.Price{at("both", "tsv", 2), at("same", "tsv", 1), at("changed", "tsv", 2), at("taken", "tsv", 2), at("new", "tsv", 2)}
	merged, change := pricing.Merge(current, file, "tsv")
	want := []pricing.Price{
		at("both", "", 1), at("changed", "tsv", 2),
		{Match: "changed", Upstream: "vendor", Input: pricing.RateOf(1)},
		at("hand", "", 1), at("new", "tsv", 2), at("same", "tsv", 1), at("taken", "tsv", 2),
		at("theirs", "litellm", 1),
	}
	if diff := gocmp.Diff(want, merged); diff != "" {
		t.Error(diff)
	}
	if (change != pricing.Change{Added: 1, Changed: 2, Unchanged: 1, Removed: 1, Kept: 1}) {
		t.Errorf("%+v", change)
	}
	again, change := pricing.Merge(merged, file, "tsv")
	if diff := gocmp.Diff(merged, again); diff != "" || change != (pricing.Change{Unchanged: 4, Kept: 1}) {
		t.Errorf("again: %+v\n%s", change, diff)
	}
}

func TestStoreForm(t *testing.T) {
	t.Parallel()
	prices := []pricing.Price{
		{Match: "m", Upstream: "u", Source: "tsv", Input: pricing.RateOf(1), Output: pricing.RateOf(2), CacheRead: pricing.RateOf(3), CacheWrite: pricing.RateOf(4), CacheWriteHour: pricing.RateOf(5), Reasoning: pricing.RateOf(6)},
		{Match: "free", Input: pricing.RateOf(0)},
	}
	if diff := gocmp.Diff(prices, pricing.FromStore(pricing.ToStore(prices))); diff != "" {
		t.Error(diff)
	}
}

// Whatever a file says: what is read of it is fit to be stored, and each row is told of.
func FuzzRead(f *testing.F) {
	f.Add(0, `{"m":{"input_cost_per_token":1.5e-07,"output_cost_per_token":"6e-7"},"sample_spec":{}}`)
	f.Add(1, `{"openai":{"models":{"m":{"cost":{"input":0.1,"output":3,"cache_read":1e-9}}}},"x":{"models":{"m":{"cost":{"input":1}}}}}`)
	f.Add(2, "model\tinput\toutput\tupstream\n#\nm\t0.15\t1e3\tu\n*\t1\n")
	f.Fuzz(func(t *testing.T, which int, file string) {
		formats := pricing.Formats()
		found, err := pricing.Read(formats[uint(which)%uint(len(formats))], []byte(file))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, p := range found.Prices {
			if p.Match == "" || len(p.Match) > 200 || strings.Count(p.Match, "*") > 1 || seen[p.Match+" "+p.Upstream] {
				t.Errorf("match %q", p.Match)
			}
			seen[p.Match+" "+p.Upstream] = true
			listed := 0
			for _, rate := range [...]pricing.Rate{p.Input, p.Output, p.CacheRead, p.CacheWrite, p.CacheWriteHour, p.Reasoning} {
				if again, err := pricing.ParseRate(rate.String()); err != nil || again != rate {
					t.Errorf("%s: %v is told as %q: %v", p.Match, rate, rate, err)
				}
				if rate.Listed {
					listed++
				}
			}
			if listed == 0 {
				t.Errorf("%s has no price", p.Match)
			}
		}
		if merged, change := pricing.Merge(nil, found.Prices, "tsv"); len(merged) != len(found.Prices) || change.Added != len(merged) {
			t.Errorf("%d of %d: %+v", len(merged), len(found.Prices), change)
		}
	})
}
