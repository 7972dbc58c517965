package rotation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/rotation"
)

func TestWhatAGroupShares(t *testing.T) {
	t.Parallel()
	rests := rotation.Verdict{Scope: rotation.Token, CoolFor: time.Minute, Streak: 3}
	parks := rotation.Verdict{Scope: rotation.Token, Park: true, Streak: 4}
	for name, c := range map[string]struct {
		verdict, want rotation.Verdict
		other         rotation.Other
	}{
		"one that is well rests as long":         {verdict: rests, want: rests},
		"one that rests for less":                {verdict: rests, other: rotation.Other{Left: time.Second}, want: rests},
		"one that rests for longer goes on":      {verdict: rests, other: rotation.Other{Left: time.Hour}},
		"one that is switched off is left alone": {verdict: rests, other: rotation.Other{Off: true}},
		"one that is parked stays so":            {verdict: rests, other: rotation.Other{Parked: true}},
		"all are parked":                         {verdict: parks, other: rotation.Other{Left: time.Hour}, want: parks},
		"what says nothing of one, of none":      {},
	} {
		if got := rotation.Shared(c.verdict, c.other); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Nobody of a group is back before the one that spoke for it, nor earlier than it was to be.
func TestNobodyOfAGroupIsBackEarlier(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		verdict := rotation.Verdict{Scope: rotation.Token, CoolFor: time.Duration(rapid.IntRange(1, 1800).Draw(t, "cool")) * time.Second, Streak: 1}
		left := time.Duration(rapid.IntRange(0, 3600).Draw(t, "left")) * time.Second
		got := rotation.Shared(verdict, rotation.Other{Left: left})
		if max(left, got.CoolFor) != max(left, verdict.CoolFor) {
			t.Fatalf("%v left, told %v: %+v", left, verdict.CoolFor, got)
		}
	})
}
