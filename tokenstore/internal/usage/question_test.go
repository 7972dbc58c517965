package usage

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// now is in the middle of an hour: hours are told from 1 July on, days from 27 June of 2025.
var now = at("2026-08-01T10:30:00Z")

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestCellsOfEntries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		entry          *tokenstorev1.LogEntry
		byKey, byToken cell
	}{
		"a client key's": {
			&tokenstorev1.LogEntry{Caller: "key", KeyId: "k1", TokenId: "t1", Attempts: 1, Upstream: "cursor", Model: "fast", ServedModel: "gpt-5"},
			cell{"k1", "cursor", "gpt-5"},
			cell{"t1", "cursor", "gpt-5"},
		},
		"from before there were keys": {
			&tokenstorev1.LogEntry{TokenId: "t1", Attempts: 1, Upstream: "cursor", Model: "gpt-5"},
			cell{"admin", "cursor", "gpt-5"},
			cell{"t1", "cursor", "gpt-5"},
		},
		"a token of the client's own": {
			&tokenstorev1.LogEntry{Caller: "own", Attempts: 2, Upstream: "cursor", Model: "gpt-5"},
			cell{"own", "cursor", "gpt-5"},
			cell{"own", "cursor", "gpt-5"},
		},
		"refused before any attempt": {
			&tokenstorev1.LogEntry{Caller: "session", Model: "nobody's"},
			cell{"session", "", "nobody's"},
			cell{"none", "", "nobody's"},
		},
		"names that don't fit": {
			&tokenstorev1.LogEntry{Caller: "admin", Model: "a\nb" + strings.Repeat("é", 200)},
			cell{"admin", "", "a b" + strings.Repeat("é", 98)},
			cell{"none", "", "a b" + strings.Repeat("é", 98)},
		},
	} {
		if diff := cmp.Diff([]cell{test.byKey, test.byToken}, []cell{cellOf(ByKey, test.entry), cellOf(ByToken, test.entry)}, cmp.AllowUnexported(cell{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhatIsWrongWithAQuestion(t *testing.T) {
	t.Parallel()
	from, to := at("2026-07-31T00:00:00Z"), now
	for says, q := range map[string]Question{
		"from before to":                    {From: to, To: from},
		"both are wanted":                   {To: to},
		"model is there twice":              {From: from, To: to, Group: []Dimension{Model, Key, Model}},
		"key and token":                     {From: from, To: to, Group: []Dimension{Key, Token}},
		"what each key has used":            {From: from, To: to, Key: "k1", Token: "t1"},
		"of the two":                        {From: from, To: to, Key: "k1", Group: []Dimension{Token}},
		"one of the two may be":             {From: from, To: to, Token: "t1", Group: []Dimension{Key}},
		"day and hour":                      {From: from, To: to, Group: []Dimension{ByDay, ByHour}},
		"told from 2026-07-01T00:00:00Z on": {From: at("2026-06-30T12:00:00Z"), To: to, Group: []Dimension{ByHour}},
	} {
		if _, err := Ask(q, now); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", q, err, says)
		}
	}
}

// The steps of a question are whole days where they can be.
func TestStepsOfAQuestion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from, to         string
		wantFrom, wantTo string
		days, hours      int
	}{
		"one hour":                          {"2026-07-31T10:20:00Z", "2026-07-31T10:40:00Z", "2026-07-31T10:00:00Z", "2026-07-31T11:00:00Z", 0, 1},
		"a day":                             {"2026-07-31T00:00:00Z", "2026-08-01T00:00:00Z", "2026-07-31T00:00:00Z", "2026-08-01T00:00:00Z", 1, 0},
		"hours at both ends":                {"2026-07-29T22:00:00Z", "2026-07-31T01:00:00Z", "2026-07-29T22:00:00Z", "2026-07-31T01:00:00Z", 1, 3},
		"another zone":                      {"2026-07-30T00:00:00+02:00", "2026-07-31T00:00:00+02:00", "2026-07-29T22:00:00Z", "2026-07-30T22:00:00Z", 0, 24},
		"until now":                         {"2026-07-31T00:00:00Z", "2026-08-01T10:30:00Z", "2026-07-31T00:00:00Z", "2026-08-01T11:00:00Z", 2, 0},
		"until some time of the past today": {"2026-08-01T00:00:00Z", "2026-08-01T09:00:00Z", "2026-08-01T00:00:00Z", "2026-08-01T09:00:00Z", 0, 9},
		"to come":                           {"2026-08-01T11:00:00Z", "2026-09-01T00:00:00Z", "2026-08-01T11:00:00Z", "2026-09-01T00:00:00Z", 0, 0},
		"days where there are no hours":     {"2026-06-30T12:00:00Z", "2026-06-30T13:00:00Z", "2026-06-30T00:00:00Z", "2026-07-01T00:00:00Z", 1, 0},
		"the first hours":                   {"2026-07-01T12:00:00Z", "2026-07-01T13:00:00Z", "2026-07-01T12:00:00Z", "2026-07-01T13:00:00Z", 0, 1},
		"longer than anything is kept":      {"2020-01-01T00:00:00Z", "2026-08-01T00:00:00Z", "2025-06-27T00:00:00Z", "2026-08-01T00:00:00Z", 400, 0},
		"long ago":                          {"2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z", "2025-06-27T00:00:00Z", "2025-06-27T00:00:00Z", 0, 0},
	} {
		a, err := Ask(Question{From: at(test.from), To: at(test.to)}, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !a.From.Equal(at(test.wantFrom)) || !a.To.Equal(at(test.wantTo)) {
			t.Errorf("%s: from %v to %v, want %s, %s", name, a.From, a.To, test.wantFrom, test.wantTo)
		}
		days := slices.DeleteFunc(slices.Clone(a.Steps), func(s Step) bool { return s.Unit == Hour })
		if len(days) != test.days || len(a.Steps)-len(days) != test.hours {
			t.Errorf("%s: %v, want %d days and %d hours", name, a.Steps, test.days, test.hours)
		}
	}
}

// Whatever is asked for, each step is covered once, in order and without gaps.
func TestStepsCoverTheRange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := now.Add(-time.Duration(rapid.IntRange(-48, 10_000).Draw(t, "ago")) * time.Hour)
		a, err := Ask(Question{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 10_000).Draw(t, "hours")) * time.Hour)}, now)
		if err != nil {
			t.Fatal(err)
		}
		at := a.From
		for _, step := range a.Steps {
			if !step.Start.Equal(at) || !step.Start.Equal(step.Start.Truncate(step.Unit.Length)) {
				t.Fatalf("%v, want one at %v", step, at)
			}
			if step.Start.Before(now.Add(-step.Unit.Kept - day)) {
				t.Fatalf("%v is no longer kept", step)
			}
			at = at.Add(step.Unit.Length)
		}
		if at.Before(a.To) && !at.After(now) || at.After(a.To) && !at.After(now) {
			t.Fatalf("the steps end at %v, want %v", at, a.To)
		}
	})
}

// Any grouping and any filter adds up what a plain loop does.
func TestGroupsAgreeWithAPlainLoop(t *testing.T) {
	t.Parallel()
	type counted struct {
		step  Step
		entry *tokenstorev1.LogEntry
	}
	pick := func(t *rapid.T, name string) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, name) }
	rapid.Check(t, func(t *rapid.T) {
		var all []counted
		start := at("2026-07-30T00:00:00Z")
		for i := range rapid.IntRange(0, 40).Draw(t, "entries") {
			hour := start.Add(time.Duration(rapid.IntRange(0, 47).Draw(t, "hour")) * time.Hour)
			all = append(all, counted{Step{Hour, hour}, &tokenstorev1.LogEntry{
				Status: "success", KeyId: pick(t, "key"), TokenId: pick(t, "token"), Upstream: pick(t, "upstream"), Model: pick(t, "model"),
				PromptTokens: uint64(1) << i, Cost: rapid.Uint64Range(0, maxCost).Draw(t, "cost"), CostQuality: "estimated",
			}})
		}
		who := rapid.SampledFrom([]Dimension{Key, Token}).Draw(t, "who")
		when := rapid.SampledFrom([]Dimension{ByDay, ByHour}).Draw(t, "when")
		groups := rapid.Permutation([]Dimension{who, Model, Upstream, when}).Draw(t, "order")
		q := Question{From: start, To: start.Add(2 * day), Group: groups[:rapid.IntRange(0, 4).Draw(t, "groups")]}
		if rapid.Bool().Draw(t, "filtered") {
			q.Model, q.Upstream = pick(t, "of model"), pick(t, "of upstream")
		}
		a, err := Ask(q, now)
		if err != nil {
			t.Fatal(err)
		}
		want := map[Row]Sums{}
		if len(q.Group) == 0 {
			want[Row{}] = Sums{}
		}
		for _, each := range all {
			var tally Tally
			tally.Count(each.entry)
			stored := tally.Stored(a.Table)
			if err := a.addStored(each.step, stored[0], stored[1]); err != nil {
				t.Fatal(err)
			}
			if q.Model != "" && (each.entry.GetModel() != q.Model || each.entry.GetUpstream() != q.Upstream) {
				continue
			}
			row := Row{}
			for _, group := range q.Group {
				switch group {
				case Key:
					row.Key = each.entry.GetKeyId()
				case Token:
					row.Token = each.entry.GetTokenId()
				case Model:
					row.Model = each.entry.GetModel()
				case Upstream:
					row.Upstream = each.entry.GetUpstream()
				case ByDay:
					row.Start = each.step.Start.Truncate(day)
				case ByHour:
					row.Start = each.step.Start
				}
			}
			sums := want[row]
			sums.Count(each.entry)
			want[row] = sums
		}
		got := map[Row]Sums{}
		rows, others := a.Rows()
		for _, row := range rows {
			name := row
			name.Sums = nil
			got[name] = *row.Sums
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if !slices.IsSortedFunc(rows, func(a, b Row) int { return inOrder(q.Group, a, b) }) || len(rows) != len(got) || others != 0 {
			t.Fatalf("%v are not in the order of %v, each once", rows, q.Group)
		}
	})
}

func inOrder(groups []Dimension, a, b Row) int {
	text := func(r Row) (names []string) {
		for _, group := range groups {
			names = append(names, map[Dimension]string{
				Key: r.Key, Token: r.Token, Model: r.Model, Upstream: r.Upstream, ByDay: r.Start.Format(time.RFC3339), ByHour: r.Start.Format(time.RFC3339),
			}[group])
		}
		return names
	}
	return slices.Compare(text(a), text(b))
}

func TestAnAnswerIsBounded(t *testing.T) {
	t.Parallel()
	a, err := Ask(Question{From: now.Add(-time.Hour), To: now, Group: []Dimension{Model}}, now)
	if err != nil {
		t.Fatal(err)
	}
	text := (&Sums{Requests: 1}).text()
	for i := range maxRows {
		if err := a.addStored(a.Steps[0], "k\nu\nm"+strconv.Itoa(i), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.addStored(a.Steps[0], "k\nu\nm0", text); err != nil {
		t.Error("a row that is there:", err)
	}
	if err := a.addStored(a.Steps[0], "k\nu\none more", text); !errors.Is(err, ErrRows) {
		t.Error("one too many:", err)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add("k\nu\nm", (&Sums{Requests: 1}).text())
	f.Add("", "")
	f.Fuzz(func(t *testing.T, field, text string) {
		a, err := Ask(Question{From: now.Add(-time.Hour), To: now}, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.addStored(a.Steps[0], field, text); err == nil && strings.Count(field, "\n") != 2 {
			t.Errorf("%q is taken for a cell", field)
		}
	})
}
