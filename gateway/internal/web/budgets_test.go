package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	perMinute = tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE
	perDay    = tokenstorev1.KeyPeriod_KEY_PERIOD_DAY
	perWeek   = tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK
	perMonth  = tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH
	inTotal   = tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL
)

// budget is one that begins anew after so many hours; 0: time changes nothing.
func budget(period tokenstorev1.KeyPeriod, hours float64) *tokenstorev1.KeyStanding {
	standing := &tokenstorev1.KeyStanding{Limit: &tokenstorev1.KeyLimit{Period: period}}
	if hours > 0 {
		standing.RenewsAt = timestamppb.New(inHours(hours))
	}
	return standing
}

func budgeted(name string, standing ...*tokenstorev1.KeyStanding) *tokenstorev1.ListedKey {
	return &tokenstorev1.ListedKey{Key: &tokenstorev1.ClientKey{Id: "id-" + name, Name: name}, Standing: standing}
}

func TestBudgetsOfAKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		standing []*tokenstorev1.KeyStanding
		want     []string
	}{
		"none":                                {nil, nil},
		"each period":                         {[]*tokenstorev1.KeyStanding{budget(perDay, 5), budget(perWeek, 29), budget(perMonth, 101)}, []string{"5 day", "29 week", "101 month"}},
		"two of one day end together":         {[]*tokenstorev1.KeyStanding{budget(perDay, 5), budget(perDay, 5)}, []string{"5 day"}},
		"of another time zone they do not":    {[]*tokenstorev1.KeyStanding{budget(perDay, 5), budget(perDay, 12)}, []string{"5 day", "12 day"}},
		"a day and a week end together":       {[]*tokenstorev1.KeyStanding{budget(perDay, 5), budget(perWeek, 5)}, []string{"5 day", "5 week"}},
		"a minute is no budget, nor is total": {[]*tokenstorev1.KeyStanding{budget(perMinute, 0.01), budget(inTotal, 0)}, nil},
		"nothing is used, nothing renews":     {[]*tokenstorev1.KeyStanding{budget(perDay, 0)}, nil},
	} {
		var got []string
		for _, each := range budgetsOf(budgeted("anna", c.standing...)) {
			if each.Kind != comesBudget || each.KeyID != "id-anna" || each.Name != "anna" || each.Count != 1 {
				t.Errorf("%s: %+v", name, each)
			}
			got = append(got, fmt.Sprintf("%v %s", each.at.Sub(outlookNow.Truncate(time.Minute)).Hours(), each.Period))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// outlookOfKeys is the line of an account and of some keys.
func outlookOfKeys(keys ...*tokenstorev1.ListedKey) *outlook {
	var all budgets
	for _, each := range keys {
		all.coming = append(all.coming, budgetsOf(each)...)
	}
	return outlookOf(nil, resting{tokens: []*tokenstorev1.Token{cools("vendor", "carl", 48)}}, all, outlookNow)
}

// Keys have lanes below those of the upstreams: one each where there are few, else one for all.
func TestLanesOfKeys(t *testing.T) {
	t.Parallel()
	few := outlookOfKeys(budgeted("anna", budget(perDay, 5), budget(perMonth, 100)), budgeted("bob", budget(perDay, 3)))
	if diff := cmp.Diff([]string{"vendor/", "vendor/carl", "/", "/bob", "/anna"}, laneNames(few)); diff != "" || !few.Lanes[2].Keys {
		t.Errorf("%+v: %s", few.Lanes[2], diff)
	}
	if diff := cmp.Diff([]string{"3 budget  bob1", "5 budget  anna1", "48 cooled vendor carl1", "100 budget  anna1"}, told(few)); diff != "" {
		t.Error(diff)
	}
	var keys []*tokenstorev1.ListedKey
	for i := range 30 {
		keys = append(keys, budgeted(fmt.Sprint("k", i), budget(perDay, 5)))
	}
	many := outlookOfKeys(keys...)
	if diff := cmp.Diff([]string{"vendor/", "vendor/carl", "/"}, laneNames(many)); diff != "" {
		t.Error(diff)
	}
	marks := many.Marks()
	if len(marks) != 2 || marks[0].Count != 30 || marks[0].KeyID != "" || marks[0].Name != "" || marks[0].Period != "day" {
		t.Errorf("%+v", marks)
	}
	alone := outlookOf(nil, resting{}, budgets{coming: budgetsOf(budgeted("anna", budget(perDay, 5))), partial: true}, outlookNow)
	if diff := cmp.Diff([]string{"/", "/anna"}, laneNames(alone)); diff != "" || !alone.KeysPartial || alone.to.Sub(alone.from) != 5*time.Hour {
		t.Errorf("%+v: %s", alone, diff)
	}
}
