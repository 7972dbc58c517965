package web

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var outlookNow = time.Date(2026, time.November, 15, 12, 0, 20, 0, time.UTC)

// inHours is a moment so many hours after the full minute.
func inHours(n float64) time.Time {
	return outlookNow.Truncate(time.Minute).Add(time.Duration(n * float64(time.Hour)))
}

// renews is an account that begins anew after so many hours.
func renews(name string, hours float64) quota.Account {
	return quota.Account{TokenID: "id-" + name, Alias: name, ResetsAt: new(inHours(hours))}
}

func cools(upstreamName, name string, hours float64) *tokenstorev1.Token {
	return &tokenstorev1.Token{
		Id: "id-" + name, Alias: name, Upstream: upstreamName,
		State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, CoolingUntil: timestamppb.New(inHours(hours)),
	}
}

func disabled(upstreamName, name string, hours float64) *tokenstorev1.Token {
	return &tokenstorev1.Token{
		Id: "id-" + name, Alias: name, Upstream: upstreamName,
		State: tokenstorev1.TokenState_TOKEN_STATE_DISABLED, DisabledUntil: timestamppb.New(inHours(hours)),
	}
}

// told is what the line has, in order.
func told(o *outlook) []string {
	var all []string
	for _, m := range o.Marks() {
		all = append(all, fmt.Sprintf("%v %s %s %s%d", m.at.Sub(o.from).Hours(), m.Kind, m.Upstream, m.Name, m.Count))
	}
	return all
}

// laneNames are those of the lanes, from the top.
func laneNames(o *outlook) []string {
	var names []string
	for _, l := range o.Lanes {
		names = append(names, l.Upstream+"/"+l.Account)
	}
	return names
}

func TestOutlook(t *testing.T) {
	t.Parallel()
	out := renews("out", 4)
	out.State = tokenstorev1.TokenState_TOKEN_STATE_PARKED
	forGood := disabled("vendor", "good", 1)
	forGood.DisabledUntil = nil
	for name, c := range map[string]struct {
		pools  []quotaPool
		tokens []*tokenstorev1.Token
		says   []string
		lanes  []string
		later  int
		end    float64
	}{
		"all kinds, in order of time": {
			pools:  []quotaPool{{quota.Pool{Upstream: "cursor", DryAt: new(inHours(3)), Accounts: []quota.Account{renews("anna", 30), renews("bob", 9)}}}},
			tokens: []*tokenstorev1.Token{cools("vendor", "carl", 1), disabled("vendor", "dora", 20)},
			says:   []string{"1 cooled vendor carl1", "3 dry cursor 1", "9 reset cursor bob1", "20 enabled vendor dora1", "30 reset cursor anna1"},
			lanes:  []string{"vendor/", "vendor/carl", "vendor/dora", "cursor/", "cursor/bob", "cursor/anna"},
			end:    30,
		},
		"what has passed, and who serves nobody": {
			pools:  []quotaPool{{quota.Pool{Upstream: "cursor", Accounts: []quota.Account{renews("old", -1), out, renews("anna", 5)}}}},
			tokens: []*tokenstorev1.Token{cools("cursor", "late", -0.1), forGood},
			says:   []string{"5 reset cursor anna1"},
			lanes:  []string{"cursor/", "cursor/anna"},
			end:    5,
		},
		"nothing is further away than 31 days": {
			pools: []quotaPool{{quota.Pool{Upstream: "cursor", DryAt: new(inHours(31*24 + 2)), Accounts: []quota.Account{renews("anna", 31*24+1), renews("bob", 31*24)}}}},
			says:  []string{"744 reset cursor bob1"},
			lanes: []string{"cursor/", "cursor/bob"},
			later: 2, end: 31 * 24,
		},
		"the line ends at a full hour": {
			tokens: []*tokenstorev1.Token{cools("vendor", "carl", 2.25)},
			says:   []string{"2.25 cooled vendor carl1"},
			lanes:  []string{"vendor/", "vendor/carl"},
			end:    3,
		},
		"and is an hour long at least": {
			tokens: []*tokenstorev1.Token{cools("vendor", "carl", 0.25)},
			says:   []string{"0.25 cooled vendor carl1"},
			lanes:  []string{"vendor/", "vendor/carl"},
			end:    1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := outlookOf(c.pools, resting{tokens: c.tokens}, budgets{}, outlookNow)
			if diff := cmp.Diff(c.says, told(o)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.lanes, laneNames(o)); diff != "" {
				t.Error(diff)
			}
			if o.Later != c.later || !o.to.Equal(inHours(c.end)) {
				t.Errorf("%d later, until %v", o.Later, o.to)
			}
		})
	}
	if o := outlookOf(nil, resting{}, budgets{}, outlookNow); o != nil {
		t.Errorf("nothing comes, and there is %+v", o)
	}
}

// Accounts that begin anew together are one sign; many accounts have no lanes of their own.
func TestOutlookOfManyAccounts(t *testing.T) {
	t.Parallel()
	var accounts []quota.Account
	for i := range 5000 {
		accounts = append(accounts, renews(fmt.Sprint(i), 1+float64(i)*0.1))
	}
	o := outlookOf([]quotaPool{{quota.Pool{Upstream: "cursor", Accounts: accounts}}}, resting{}, budgets{}, outlookNow)
	marks, count := o.Marks(), 0
	for _, m := range marks {
		count += m.Count
		if m.Name != "" || m.TokenID != "" || m.Last() == nil {
			t.Errorf("one of many accounts is named: %+v", m.coming)
		}
	}
	if len(o.Lanes) != 1 || len(marks) > slots+1 || count != 5000 {
		t.Errorf("%d lanes, %d signs of %d accounts", len(o.Lanes), len(marks), count)
	}
}

// The upstreams where something comes last share a lane.
func TestOutlookOfManyUpstreams(t *testing.T) {
	t.Parallel()
	var tokens []*tokenstorev1.Token
	for i := range 20 {
		tokens = append(tokens, cools(fmt.Sprintf("u%02d", i), fmt.Sprint("t", i), float64(20-i)))
	}
	o := outlookOf(nil, resting{tokens: tokens}, budgets{}, outlookNow)
	want := []string{"u19/", "u18/", "u17/", "u16/", "u15/", "u14/", "u13/", "/"}
	if diff := cmp.Diff(want, laneNames(o)); diff != "" {
		t.Error(diff)
	}
	if last := o.Lanes[len(o.Lanes)-1]; last.Others != 13 || len(last.coming) != 13 {
		t.Errorf("the others are %d, with %d", last.Others, len(last.coming))
	}
}

// How far a pool reaches is drawn only where the rate tells.
func TestRunway(t *testing.T) {
	t.Parallel()
	full := coordinate(chartWidth)
	for name, c := range map[string]struct {
		pool quota.Pool
		want string
	}{
		"dry at half of the time":   {quota.Pool{DryAt: new(inHours(5)), Limit: 10, RatePerHour: 1}, "M0 31H300"},
		"lasts until it is anew":    {quota.Pool{Limit: 10, RatePerHour: 1}, "M0 31H" + full},
		"nobody asks":               {quota.Pool{Limit: 10}, ""},
		"no limit is known":         {quota.Pool{RatePerHour: 1}, ""},
		"some have no limit":        {quota.Pool{Limit: 10, RatePerHour: 1, Unlimited: 1}, ""},
		"dry beyond the line's end": {quota.Pool{DryAt: new(inHours(40 * 24)), Limit: 10, RatePerHour: 1}, "M0 31H" + full},
	} {
		c.pool.Upstream, c.pool.Accounts = "cursor", []quota.Account{renews("anna", 10)}
		if got := outlookOf([]quotaPool{{c.pool}}, resting{}, budgets{}, outlookNow).Runway(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// All that is drawn is within the picture, and each sign in its lane.
func TestOutlookStaysInside(t *testing.T) {
	t.Parallel()
	o := kitOutlook()
	for _, m := range o.Marks() {
		x, _ := strconv.ParseFloat(m.X, 64)
		y, _ := strconv.ParseFloat(m.Y, 64)
		if x < 0 || x > chartWidth || y <= 0 || y >= o.height() {
			t.Errorf("%s is at %s, %s", m.Kind, m.X, m.Y)
		}
	}
	ticks := o.Ticks()
	if len(ticks) != outlookTicks || !ticks[0].AsTime().Equal(o.from) || !ticks[outlookTicks-1].AsTime().Equal(o.to) {
		t.Errorf("the axis has %v", ticks)
	}
	if diff := cmp.Diff(comingKinds, o.Kinds()); diff != "" {
		t.Errorf("the page of all components lacks a kind: %s", diff)
	}
}

// Each kind of what comes has its words.
func TestKindsOfWhatComesHaveTexts(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		for _, kind := range comingKinds {
			if loadTexts(lang)["coming."+kind] == "" {
				t.Errorf("%s: coming.%s", lang, kind)
			}
		}
	}
}
