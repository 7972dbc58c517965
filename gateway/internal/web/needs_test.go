package web

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func poolsOf(states ...*tokenstorev1.PoolState) []pool {
	var pools []pool
	for _, each := range states {
		pools = append(pools, poolOf(each))
	}
	return pools
}

// sentence is what a reader of the language sees.
func sentence(t *testing.T, lang language, h headline) string {
	t.Helper()
	written, err := loadedViews.render(lang, "overview", "headline", h)
	if err != nil {
		t.Fatal(err)
	}
	return visible(string(written))
}

var tags = regexp.MustCompile(`<[^>]*>`)

// visible is the text of a piece of a page.
func visible(piece string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(piece, ""))), " ")
}

func TestHeadline(t *testing.T) {
	t.Parallel()
	back := timestamppb.New(time.Date(2026, 1, 31, 7, 53, 0, 0, time.UTC))
	allFail := []*tokenstorev1.SharedCause{{Class: "upstream", NextProbe: back}}
	oneModelFails := []*tokenstorev1.SharedCause{{Class: "upstream", Model: "m", NextProbe: back}}
	for name, c := range map[string]struct {
		pools            []pool
		english, chinese string
		tone             string
	}{
		"nothing": {nil, "There are no accounts yet.", "还没有账号。", "expired"},
		"one":     {poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 1}), "The one account can serve.", "唯一的账号可用。", "ready"},
		"not the one": {
			poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Disabled: 1}),
			"The one account can’t serve. groq can’t: its accounts are disabled.", "唯一的账号不可用。 groq 不可用：其账号均已停用。", "expired",
		},
		"all, some of which are new or probed": {
			poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 1, Quarantined: 2, Probing: 3}), "All 6 accounts can serve.", "全部 6 个账号可用。", "ready",
		},
		"one upstream until then": {
			poolsOf(&tokenstorev1.PoolState{Upstream: "deepseek", Ready: 31, Parked: 4}, &tokenstorev1.PoolState{Upstream: "groq", Cooling: 2, NextBack: back, NextBackClass: "rate_limit"}),
			"31 of 37 accounts can serve. groq can’t until 2026-01-31 07:53:00 UTC (Rate limit).",
			"31 个账号可用，共 37 个。 groq 不可用，预计恢复： 2026-01-31 07:53:00 UTC（被限速）。", "cooling",
		},
		"an older tokenstore does not say when": {
			poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Cooling: 2}), "None of the 2 accounts can serve. groq can’t: its accounts are cooling.",
			"2 个账号均不可用。 groq 不可用：其账号均在冷却。", "expired",
		},
		"all fail alike, though none is blamed": {
			poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 2, Causes: allFail}),
			"None of the 2 accounts can serve. groq can’t until 2026-01-31 07:53:00 UTC (Upstream failing).",
			"2 个账号均不可用。 groq 不可用，预计恢复： 2026-01-31 07:53:00 UTC（上游出错）。", "expired",
		},
		"one model fails": {poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 2, Causes: oneModelFails}), "All 2 accounts can serve.", "全部 2 个账号可用。", "ready"},
		"each for a reason of its own": {
			poolsOf(
				&tokenstorev1.PoolState{Upstream: "a", Parked: 2, NeedsLogin: 2}, &tokenstorev1.PoolState{Upstream: "b", Parked: 2, NeedsLogin: 1},
				&tokenstorev1.PoolState{Upstream: "c", Expired: 1}, &tokenstorev1.PoolState{Upstream: "d", Expired: 1, Disabled: 1},
			),
			"None of the 7 accounts can serve. a can’t: its accounts need a new login. b can’t: its accounts are parked. c can’t: its accounts have expired. 1 more can’t.",
			"7 个账号均不可用。 a 不可用：其账号需要重新登录。 b 不可用：其账号均已搁置。 c 不可用：其账号均已过期。 另有 1 个上游不可用。", "expired",
		},
	} {
		h := headlineOf(c.pools)
		if got := sentence(t, english, h); got != c.english {
			t.Errorf("%s: %q, want %q", name, got, c.english)
		}
		if got := sentence(t, chinese, h); got != c.chinese {
			t.Errorf("%s: %q, want %q", name, got, c.chinese)
		}
		if h.Tone() != c.tone {
			t.Errorf("%s: its tone is %s, want %s", name, h.Tone(), c.tone)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	soon := timestamppb.New(now.Add(time.Hour))
	fresh := lastBackup{known: true, at: now.Add(-time.Hour)}
	type row struct{ Text, Link string }
	for name, c := range map[string]struct {
		waiting waiting
		want    []row
	}{
		"nothing":          {waiting{pools: poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 1, Disabled: 1, Cooling: 1}), upkeep: upkeepFacts{backup: fresh}}, nil},
		"no tokens at all": {waiting{unserved: 1, upkeep: upkeepFacts{backup: lastBackup{known: true}}}, nil},
		"the most urgent first": {
			waiting{
				pools: poolsOf(
					&tokenstorev1.PoolState{Upstream: "groq", Ready: 1, Expiring: 2, NextExpiry: soon, NextExpiringId: "t1"},
					&tokenstorev1.PoolState{Upstream: "simulator-openai", Ready: 1, Parked: 3, NeedsLogin: 1, Expired: 4, Causes: []*tokenstorev1.SharedCause{{Class: "transport", Since: soon}}},
				),
				upkeep: upkeepFacts{low: 3, backup: lastBackup{known: true}}, unserved: 2,
			},
			[]row{
				{"Accounts of simulator-openai fail alike: Upstream out of reach", "/admin/logs?from=2026-01-31T12%3A59%3A00&status=failure&upstream=simulator-openai"},
				{"simulator-openai: 1 account needs a new login", "/admin/tokens?state=parked&upstream=simulator-openai"},
				{"simulator-openai: 2 accounts are parked", "/admin/tokens?state=parked&upstream=simulator-openai"},
				{"simulator-openai: 4 accounts have expired", "/admin/tokens?state=expired&upstream=simulator-openai"},
				{"groq: 2 accounts expire within a week", "/admin/tokens/t1"},
				{"3 accounts have less than a tenth of their quota left", "/admin/quotas"},
				{"2 models that are listed have no account", "/admin/models?state=none"},
				{"You talk to a simulator", "/admin/tokens#add"},
				{"No backup was made yet", "/admin/backup"},
			},
		},
		"a simulator needs no backup": {
			waiting{pools: poolsOf(&tokenstorev1.PoolState{Upstream: "simulator", Ready: 1}), upkeep: upkeepFacts{backup: lastBackup{known: true}}},
			[]row{{"You talk to a simulator", "/admin/tokens#add"}},
		},
		"an old backup": {
			waiting{pools: poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 1}), upkeep: upkeepFacts{backup: lastBackup{known: true, at: now.Add(-backupAge)}}},
			[]row{{"No backup for 30 days", "/admin/backup"}},
		},
		"nobody knows of backups": {waiting{pools: poolsOf(&tokenstorev1.PoolState{Upstream: "groq", Ready: 1})}, nil},
	} {
		c.waiting.now = now
		var got []row
		for _, each := range needsOf(c.waiting) {
			shown, err := newFormat(english, loadTexts(english)).need(each)
			if err != nil {
				t.Error(err)
			}
			got = append(got, row{shown, each.Link})
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Every kind of row has its texts, in both languages.
func TestNeedsHaveTexts(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		catalogue := loadTexts(lang)
		for _, kind := range []string{"alarm", "login", "parked", "expired", "expiring", "quota", "models", "simulator", "backup", "no_backup"} {
			at := catalogue["need_at."+kind]
			if catalogue["need."+kind] == "" || catalogue["need_help."+kind] == "" && at == "" && kind != "alarm" && kind != "expired" && kind != "quota" {
				t.Errorf("%s: %s", lang, kind)
			}
		}
		for _, action := range []string{"failures", "version", "login", "parked", "expired", "expiring", "quota", "why", "add", "backup"} {
			if catalogue["need_action."+action] == "" {
				t.Errorf("%s: need_action.%s", lang, action)
			}
		}
	}
}

func TestTrend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		now, before uint64
		want        string
	}{{5, 0, "–"}, {146, 100, "+46 %"}, {54, 100, "−46 %"}, {1000, 1001, "±0 %"}, {0, 7, "−100 %"}, {90_000, 10, "+900k %"}} {
		if got := trend(c.now, c.before); got != c.want {
			t.Errorf("%d after %d: %s, want %s", c.now, c.before, got, c.want)
		}
	}
}
