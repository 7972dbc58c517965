package rotation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/rotation"
)

func TestOnlyTheTokensOwnFaultsTouchIt(t *testing.T) {
	blamed := map[tokenstorev1.Outcome]rotation.Scope{
		tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:        rotation.Token,
		tokenstorev1.Outcome_OUTCOME_QUOTA:             rotation.Token,
		tokenstorev1.Outcome_OUTCOME_AUTH:              rotation.Token,
		tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED: rotation.Model,
	}
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		if got := rotation.Judge(outcome, 3, 0, 0).Scope; got != blamed[outcome] {
			t.Errorf("%s: scope %v, want %v", outcome, got, blamed[outcome])
		}
	}
}

func TestCooling(t *testing.T) {
	const rateLimit = tokenstorev1.Outcome_OUTCOME_RATE_LIMIT
	cases := map[string]struct {
		streak int
		hint   time.Duration
		want   time.Duration
	}{
		"the first is short":                   {0, 0, time.Second},
		"it doubles":                           {3, 0, 8 * time.Second},
		"it ends at the ceiling":               {60, 0, rotation.MaxCooling},
		"a hint is obeyed":                     {5, 42 * time.Second, 42 * time.Second},
		"a hint below the floor is raised":     {0, time.Millisecond, rotation.MinCooling},
		"a hint beyond the ceiling is lowered": {0, 72 * time.Hour, rotation.MaxCooling},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := rotation.Judge(rateLimit, c.streak, c.hint, 0)
			if got.CoolFor != c.want || got.Streak != c.streak+1 {
				t.Errorf("got %+v, want %v", got, c.want)
			}
		})
	}
}

func TestCoolingStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcome := tokenstorev1.Outcome(rapid.Int32Range(0, 14).Draw(t, "outcome"))
		verdict := rotation.Judge(outcome, rapid.IntRange(0, 1000).Draw(t, "streak"),
			time.Duration(rapid.Int64().Draw(t, "hint")), rapid.Float64Range(0, 0.999).Draw(t, "jitter"))
		if verdict.Scope == rotation.Nothing {
			if verdict.CoolFor != 0 {
				t.Fatalf("%+v", verdict)
			}
			return
		}
		if verdict.CoolFor < rotation.MinCooling || verdict.CoolFor > rotation.MaxCooling {
			t.Fatalf("%+v", verdict)
		}
	})
}
