package web

import (
	"io/fs"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestCataloguesHaveTheSameKeys(t *testing.T) {
	t.Parallel()
	keys := func(lang language) []string { return slices.Sorted(maps.Keys(loadTexts(lang))) }
	if diff := cmp.Diff(keys(english), keys(chinese)); diff != "" {
		t.Errorf("English and Chinese differ: %s", diff)
	}
	verbs := regexp.MustCompile(`%[a-z]|\{\d\}`)
	other := loadTexts(chinese)
	for key, text := range loadTexts(english) {
		if text == "" || other[key] == "" {
			t.Errorf("%s is empty", key)
		}
		here, there := verbs.FindAllString(text, -1), verbs.FindAllString(other[key], -1)
		slices.Sort(here) // those with numbers may come in another order
		slices.Sort(there)
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("%s: the arguments differ: %s", key, diff)
		}
	}
}

// What templates and scripts ask for by name is in the catalogue, and nothing
// else is.
func TestTextsThatAreUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	collect := func(files fs.FS, folder string, pattern *regexp.Regexp, prefix string) {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			source, err := fs.ReadFile(files, name)
			for _, match := range pattern.FindAllStringSubmatch(string(source), -1) {
				used[prefix+match[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	collect(templateFiles, "templates", regexp.MustCompile(`[{(]t "([^"]+)"`), "")
	collect(assetFiles, "assets", regexp.MustCompile(`\bt\('([^']+)'`), "js.")
	catalogue := loadTexts(english)
	for key := range used {
		if _, known := catalogue[key]; !known {
			t.Errorf("%q is used, and not in the catalogue", key)
		}
	}
	// Keys that are made of a part that is fixed and one that is a value.
	families := []string{
		"nav.", "state.", "unit.", "range.", "chart.", "series.", "setting.", "group.", "choice.", "kind.", "error_kind.", "end_reason.",
		"usage_source.", "role.", "problem.", "login.", "entry.gone", "js.excluded_", "js.enable", "js.disable", "js.delete",
	}
	for key := range catalogue {
		inFamily := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(key, family) })
		if !used[key] && !inFamily {
			t.Errorf("%q is not used", key)
		}
	}
}

// Each setting of the contract has its row, and each row its texts.
func TestEverySettingIsShown(t *testing.T) {
	t.Parallel()
	rows := map[string]setting{}
	for _, g := range filled(&tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{}}) {
		for _, row := range g.Settings {
			rows[row.Name] = row
		}
	}
	catalogue := loadTexts(english)
	fields := (&tokenstorev1.Settings{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if name == "version" || name == "updated_at" {
			continue
		}
		row, shown := rows[name]
		if !shown || catalogue["setting."+name] == "" || catalogue["setting."+name+".help"] == "" {
			t.Errorf("%s: shown %v, or without texts", name, shown)
		}
		for _, choice := range row.Choices {
			if catalogue["choice."+name+"."+choice] == "" {
				t.Errorf("%s: the choice %s has no text", name, choice)
			}
		}
	}
}

func TestSplitPrompt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, prompt string
		want         []message
	}{
		{"nothing", "", nil},
		{"no markers", "just text", []message{{"", "just text"}}},
		{"one", "<|BEGIN_USER|>\nHello\n<|END_USER|>\n", []message{{"user", "Hello"}}},
		{
			"three", "<|BEGIN_SYSTEM|>\na\n<|END_SYSTEM|>\n<|BEGIN_USER|>\nb\nc\n<|END_USER|>\n<|BEGIN_ASSISTANT|>\nd\n<|END_ASSISTANT|>\n",
			[]message{{"system", "a"}, {"user", "b\nc"}, {"assistant", "d"}},
		},
		{"cut within a message", "<|BEGIN_USER|>\nHel", []message{{"user", "Hel"}}},
		{"cut within a marker", "<|BEGIN_USER|>\nHello\n<|END_US", []message{{"user", "Hello\n<|END_US"}}},
		{"cut within a beginning", "<|BEGIN_USER|>\nHello\n<|END_USER|>\n<|BEGIN_ASS", []message{{"user", "Hello\n<|END_USER|>\n<|BEGIN_ASS"}}},
		{"text before", "x <|BEGIN_USER|>y<|END_USER|>", []message{{"", "x"}, {"user", "y"}}},
		{"an empty message", "<|BEGIN_USER|>\n<|END_USER|>", []message{{"user", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, splitPrompt(c.prompt)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]float64{0: 1, -1: 1, 1: 1, 1.1: 2, 2.2: 2.5, 3: 5, 6: 10, 10: 10, 11: 20, 0.003: 0.005, 99999: 100000} {
		if got := roundUp(value); math.Abs(got-want) > want*1e-9 {
			t.Errorf("%v: %v, want %v", value, got, want)
		}
	}
}

func steps(n int) []*timestamppb.Timestamp {
	at := make([]*timestamppb.Timestamp, n)
	for i := range at {
		at[i] = timestamppb.New(time.Unix(int64(i)*60, 0))
	}
	return at
}

func TestBarsAreStacked(t *testing.T) {
	t.Parallel()
	c := chart{Steps: steps(2), Bars: true, Write: compact, Series: []series{
		{"succeeded", []float64{6, 0}}, {"failed", []float64{4, 0}},
	}}
	columns := c.Columns()
	if len(columns) != 2 || len(columns[0].Bars) != 2 || len(columns[1].Bars) != 0 {
		t.Fatalf("columns %+v", columns)
	}
	below, above := columns[0].Bars[0], columns[0].Bars[1]
	if below.Y != "48" || below.H != "72" || above.Y != "0" || above.H != "48" {
		t.Errorf("of 10 at most, 6 and 4 are drawn as %+v and %+v", below, above)
	}
	if diff := cmp.Diff([]string{"10", "5", "0"}, c.Scale()); diff != "" {
		t.Error(diff)
	}
}

func TestLinesHaveGaps(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	c := chart{Steps: steps(6), Write: compact, Series: []series{{"p50", []float64{1, 2, none, 4, none, none}}}}
	lines := c.Lines()
	if len(lines) != 1 {
		t.Fatal(lines)
	}
	if got := lines[0].Path; strings.Count(got, "M") != 1 || strings.Count(got, "L") != 1 {
		t.Errorf("path %s", got)
	}
	if got := lines[0].Dots; strings.Count(got, "M") != 1 {
		t.Errorf("dots %s", got)
	}
	if got := c.Columns()[2].Values[0]; got != "–" {
		t.Errorf("nothing is written %q", got)
	}
}

// Whatever the values, nothing is drawn outside of the picture.
func TestChartsStayInside(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{{}, {0}, {1e12, 3}, {0.0001, math.NaN()}, {5, 5, 5, 5, 5}} {
		for _, bars := range []bool{true, false} {
			c := chart{Steps: steps(len(values)), Bars: bars, Write: compact, Series: []series{{"a", values}, {"b", values}}}
			for _, column := range c.Columns() {
				for _, b := range column.Bars {
					y, _ := strconv.ParseFloat(b.Y, 64)
					h, _ := strconv.ParseFloat(b.H, 64)
					if y < 0 || y+h > chartHeight+1 {
						t.Errorf("%v: a bar at %s with height %s", values, b.Y, b.H)
					}
				}
			}
			for _, l := range c.Lines() {
				if strings.Contains(l.Path+l.Dots, "-") || strings.Contains(l.Path+l.Dots, "NaN") {
					t.Errorf("%v: path %s %s", values, l.Path, l.Dots)
				}
			}
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		number[uint64](0): "0", number[uint64](999): "999", number[uint64](1234567): "1,234,567", number[uint32](1000): "1,000",
		compact(0): "0", compact(999): "999", compact(1234): "1.23k", compact(1234567): "1.23M", compact(2e9): "2G",
		seconds(340 * time.Microsecond): "0.34 ms", seconds(1240 * time.Millisecond): "1.24 s", seconds(125 * time.Second): "2 min 5 s",
		percent(0, 0): "–", percent(0, 5): "0 %", percent(5, 5): "100 %", percent(1, 1000000): "< 0.01 %", percent(999999, 1000000): "> 99.9 %",
		percent(1, 8): "12.5 %", duration(nil): "–",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAttempts(func() time.Time { return now })
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range attemptBurst {
		if wait := a.allow(here); wait > 0 {
			t.Fatalf("attempt %d has to wait %v", i, wait)
		}
	}
	if wait := a.allow(here); wait != attemptPause {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := a.allow(there); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
	now = now.Add(attemptPause)
	if a.allow(here) > 0 || a.allow(here) == 0 {
		t.Error("a pause does not allow one more")
	}
	a.forgive(here)
	if a.allow(here) > 0 {
		t.Error("the one who knew the token still waits")
	}
}

func TestAttemptsOfAllTogether(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAttempts(func() time.Time { return now })
	allowed := 0
	for i := range 3 * mostAddresses {
		if a.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})) == 0 {
			allowed++
		}
		now = now.Add(everyPause / 2)
	}
	if most := everyBurst + 3*mostAddresses/2 + 1; allowed > most {
		t.Errorf("%d attempts were allowed, %d may be", allowed, most)
	}
	if len(a.forgiven) > mostAddresses {
		t.Errorf("%d addresses are remembered", len(a.forgiven))
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, remote, forwarded, want string }{
		{"direct", "192.0.2.1:1", "", "192.0.2.1"},
		{"a public peer is not believed", "192.0.2.1:1", "198.51.100.1", "192.0.2.1"},
		{"behind a proxy", "10.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"what the client has made up before it", "127.0.0.1:1", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		{"nonsense", "127.0.0.1:1", "nonsense", "127.0.0.1"},
		{"a v6 network", "[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::"},
		{"v4 within v6", "[::ffff:192.0.2.1]:1", "", "192.0.2.1"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := addressOf(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
