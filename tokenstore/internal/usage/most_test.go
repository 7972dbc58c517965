package usage

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// answerOf is the answer to a question about two days of which each has these cells.
func answerOf(t interface{ Fatal(...any) }, q Question, cells map[string]Sums) *Answer {
	q.From, q.To = at("2026-07-30T00:00:00Z"), at("2026-08-01T00:00:00Z")
	a, err := Ask(q, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range a.Steps {
		for field, sums := range cells {
			if err := a.addStored(step, field, sums.text()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return a
}

func TestThoseWithTheMost(t *testing.T) {
	t.Parallel()
	cells := map[string]Sums{
		"a\nu\nm": {Requests: 9, Tokens: Tokens{Prompt: 1}, Reported: Cost{1, 1}},
		"b\nu\nm": {Requests: 2, Tokens: Tokens{Prompt: 2, Completion: 3}, Estimated: Cost{1, 5}},
		"c\nu\nm": {Requests: 2, Tokens: Tokens{Completion: 4}, Reported: Cost{1, 2}, Partial: Cost{1, 3}},
		"d\nv\nn": {Requests: 3, Reported: Cost{1, 5}},
	}
	for name, test := range map[string]struct {
		group   []Dimension
		most    int
		measure Measure
		want    []string
		others  int
	}{
		"all":                           {[]Dimension{Key}, 0, ByCost, []string{"a 18", "b 4", "c 4", "d 6"}, 0},
		"no fewer than asked for":       {[]Dimension{Key}, 4, ByCost, []string{"a 18", "b 4", "c 4", "d 6"}, 0},
		"requests":                      {[]Dimension{Key}, 1, ByRequests, []string{"a 18", "others 14"}, 3},
		"tokens":                        {[]Dimension{Key}, 2, ByTokens, []string{"b 4", "c 4", "others 24"}, 2},
		"equal cost, more requests":     {[]Dimension{Key}, 1, ByCost, []string{"d 6", "others 26"}, 3},
		"all else equal, by the id":     {[]Dimension{Key}, 2, ByCost, []string{"b 4", "d 6", "others 22"}, 2},
		"in each step":                  {[]Dimension{ByDay, Key}, 1, ByRequests, []string{"30 a 9", "30 others 7", "31 a 9", "31 others 7"}, 3},
		"in each step, which is second": {[]Dimension{Key, ByDay}, 1, ByRequests, []string{"a 30 9", "a 31 9", "others 30 7", "others 31 7"}, 3},
		"of what is told apart by two":  {[]Dimension{Upstream, Model}, 1, ByRequests, []string{"um 26", "others 6"}, 1},
		"nothing told apart":            {nil, 1, ByCost, []string{" 32"}, 0},
		"steps alone":                   {[]Dimension{ByDay}, 1, ByCost, []string{"30 16", "31 16"}, 0},
	} {
		rows, others := answerOf(t, Question{Group: test.group, Most: test.most, Measure: test.measure}, cells).Rows()
		var got []string
		for _, row := range rows {
			got = append(got, nameOf(row, test.group)+" "+strconv.FormatUint(row.Sums.Requests, 10))
		}
		if diff := cmp.Diff(test.want, got); diff != "" || others != test.others {
			t.Errorf("%s: %d others, want %d; %s", name, others, test.others, diff)
		}
	}
}

// nameOf is what a row is of, as the tests write it.
func nameOf(row Row, group []Dimension) string {
	who := row.Key + row.Upstream + row.Model
	if row.Others {
		who += "others"
	}
	day := row.Start.Format("02")
	switch {
	case row.Start.IsZero():
		return who
	case len(group) == 1:
		return day
	case group[0] == ByDay:
		return day + " " + who
	default:
		return who + " " + day
	}
}

// However many have rows of their own, they are the first of all, and with the others the sums are
// those of all, in each step.
func TestOthersAddUpToAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint64Range(0, 3) // so that many are equal
		cells := map[string]Sums{}
		for i := range rapid.IntRange(0, 20).Draw(t, "cells") {
			cells["k"+strconv.Itoa(i)+"\nu\nm"] = Sums{
				Requests: small.Draw(t, "requests"), Failures: small.Draw(t, "failures"), Unpriced: small.Draw(t, "unpriced"),
				Tokens:   Tokens{Prompt: small.Draw(t, "prompt"), Completion: small.Draw(t, "completion"), Reasoning: small.Draw(t, "reasoning")},
				Reported: Cost{small.Draw(t, "reported"), rapid.Uint64().Draw(t, "pico")}, Partial: Cost{1, small.Draw(t, "partial")},
			}
		}
		q := Question{
			Group: []Dimension{ByDay, Key}, Most: rapid.IntRange(1, 25).Draw(t, "most"),
			Measure: rapid.SampledFrom([]Measure{ByCost, ByRequests, ByTokens}).Draw(t, "measure"),
		}
		all, _ := answerOf(t, Question{Group: q.Group}, cells).Rows()
		rows, others := answerOf(t, q, cells).Rows()
		if diff := cmp.Diff(byStep(all), byStep(rows)); diff != "" {
			t.Fatal(diff)
		}
		if want := max(len(cells)-q.Most, 0); others != want {
			t.Fatalf("%d others, want %d", others, want)
		}
		own := map[string]bool{}
		for _, row := range rows {
			if !row.Others {
				own[row.Key] = true
			}
		}
		if len(own) != len(cells)-others {
			t.Fatalf("%d have rows of their own of %d", len(own), len(cells))
		}
		for field, sums := range cells {
			for other, more := range cells {
				if !own[field[:len(field)-4]] && own[other[:len(other)-4]] && q.Measure.of(&sums) > q.Measure.of(&more) {
					t.Fatalf("%q is of the others, %q is not, which has less", field, other)
				}
			}
		}
	})
}

// byStep adds up the rows of each step.
func byStep(rows []Row) map[time.Time]Sums {
	total := map[time.Time]Sums{}
	for _, row := range rows {
		sums := total[row.Start]
		sums.Add(row.Sums)
		total[row.Start] = sums
	}
	return total
}
