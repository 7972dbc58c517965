package usage

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What an upstream reports may not add up: no share of the prompt is above the whole.
func TestPartsStayWithinTheirWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reported *tokenstorev1.LogEntry
		want     Tokens
	}{
		"they add up": {
			&tokenstorev1.LogEntry{PromptTokens: 1000, CacheReadTokens: 900, CacheWriteTokens: 60, CacheWriteHourTokens: 20, CompletionTokens: 50, ReasoningTokens: 40},
			Tokens{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 50, Reasoning: 40},
		},
		"more read than there was": {
			&tokenstorev1.LogEntry{PromptTokens: 100, CacheReadTokens: 900, CacheWriteTokens: 5, CacheWriteHourTokens: 5},
			Tokens{Prompt: 100, CacheRead: 100},
		},
		"more written than was left": {
			&tokenstorev1.LogEntry{PromptTokens: 100, CacheReadTokens: 90, CacheWriteTokens: 50, CacheWriteHourTokens: 70},
			Tokens{Prompt: 100, CacheRead: 90, CacheWrite: 10, CacheWriteHour: 10},
		},
		"more thought than answered": {
			&tokenstorev1.LogEntry{CompletionTokens: 50, ReasoningTokens: 70},
			Tokens{Completion: 50, Reasoning: 50},
		},
		"numbers without end": {
			&tokenstorev1.LogEntry{
				PromptTokens: math.MaxUint64, CacheReadTokens: math.MaxUint64, CacheWriteTokens: math.MaxUint64, CompletionTokens: math.MaxUint64, ReasoningTokens: math.MaxUint64,
			},
			Tokens{Prompt: maxCounted, CacheRead: maxCounted, Completion: maxCounted, Reasoning: maxCounted},
		},
	} {
		var got Tokens
		got.Count(test.reported)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCostsAreCountedByTheirQuality(t *testing.T) {
	t.Parallel()
	var got Sums
	for _, entry := range []*tokenstorev1.LogEntry{
		{Status: "success", Cost: 7, CostQuality: "reported"},
		{Status: "success", Cost: 5, CostQuality: "reported"},
		{Status: "success", Cost: 3, CostQuality: "estimated"},
		{Status: "failure", Cost: 2, CostQuality: "partial"},
		{Status: "success", CostQuality: "unpriced"},
		{Status: "failure"},
		{Status: "success", Cost: math.MaxUint64, CostQuality: "partial"},
	} {
		got.Count(entry)
	}
	want := Sums{Requests: 7, Failures: 2, Reported: Cost{2, 12}, Estimated: Cost{1, 3}, Partial: Cost{2, 2 + maxCost}, Unpriced: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func anySums() *rapid.Generator[*Sums] {
	return rapid.Custom(func(t *rapid.T) *Sums {
		var s Sums
		for _, n := range s.counts() {
			*n = rapid.Uint64Range(0, 1<<53).Draw(t, "count")
		}
		for _, cost := range s.costs() {
			*cost = Cost{rapid.Uint64Range(0, 1<<53).Draw(t, "requests"), rapid.Uint64().Draw(t, "pico")}
		}
		return &s
	})
}

func TestSumsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want, got := anySums().Draw(t, "sums"), &Sums{Requests: 1}
		if err := got.parse(want.text()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
	for _, text := range []string{"", "1", strings.Repeat("1 ", 17) + "x", strings.Repeat("1 ", 18) + "1", strings.Repeat("-1 ", 17) + "1", strings.Repeat("1 ", 17), strings.Repeat("1 ", 17) + "20000000000000000000"} {
		var got Sums
		if err := got.parse(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestSumsDoNotWrap(t *testing.T) {
	t.Parallel()
	most := Sums{Reported: Cost{1, math.MaxUint64}}
	most.Add(&Sums{Reported: Cost{1, 1}})
	if most.Reported != (Cost{2, math.MaxUint64}) {
		t.Error(most.Reported)
	}
	var got Sums
	err := got.parse("1 99999999999 0 0 0 0 0 0 0" + strings.Repeat(" 0", 9))
	if err != nil || got.Reported.Pico != math.MaxUint64 {
		t.Error(got, err)
	}
}
