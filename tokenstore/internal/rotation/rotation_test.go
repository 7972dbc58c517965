package rotation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/rotation"
)

func TestOnlyTheTokensOwnFaultsAndItsProxyTouchIt(t *testing.T) {
	blamed := map[tokenstorev1.Outcome]rotation.Scope{
		tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:        rotation.Token,
		tokenstorev1.Outcome_OUTCOME_QUOTA:             rotation.Token,
		tokenstorev1.Outcome_OUTCOME_AUTH:              rotation.Token,
		tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED: rotation.Model,
		proxy: rotation.Token,
	}
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		if got := rotation.Judge(outcome, rotation.Past{Streak: 3, Cause: outcome, ModelStreak: 3}, 0, 0).Scope; got != blamed[outcome] {
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
			got := rotation.Judge(rateLimit, rotation.Past{Streak: c.streak, Cause: rateLimit}, c.hint, 0)
			if got.CoolFor != c.want || got.Streak != c.streak+1 {
				t.Errorf("got %+v, want %v", got, c.want)
			}
		})
	}
}

func TestALimitOfOneModelIsJudgedByThatModelsPast(t *testing.T) {
	past := rotation.Past{Streak: 5, ModelStreak: 2}
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		past.Cause = outcome
		whole, narrow := rotation.Judge(outcome, past, 0, 0), rotation.JudgeForModel(outcome, past, 0, 0)
		if whole.Scope == rotation.Nothing {
			if narrow != whole {
				t.Errorf("%s: %+v", outcome, narrow)
			}
			continue
		}
		if narrow.Scope != rotation.Model || narrow.Park || narrow.Streak != 3 {
			t.Errorf("%s: %+v", outcome, narrow)
		}
	}
	if got := rotation.JudgeForModel(tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, past, 0, 0).CoolFor; got != 4*time.Second {
		t.Errorf("the third cooling takes %s", got)
	}
}

func TestCoolingStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcome := tokenstorev1.Outcome(rapid.Int32Range(0, 15).Draw(t, "outcome"))
		verdict := rotation.Judge(outcome, past(t),
			time.Duration(rapid.Int64().Draw(t, "hint")), rapid.Float64Range(0, 0.999).Draw(t, "jitter"))
		if verdict.Scope == rotation.Nothing {
			if verdict.CoolFor != 0 {
				t.Fatalf("%+v", verdict)
			}
			return
		}
		if verdict.Park {
			if outcome != auth || verdict.CoolFor != 0 {
				t.Fatalf("%v: %+v", outcome, verdict)
			}
			return
		}
		if verdict.CoolFor < rotation.MinCooling || verdict.CoolFor > rotation.MaxCooling {
			t.Fatalf("%+v", verdict)
		}
	})
}

const (
	auth  = tokenstorev1.Outcome_OUTCOME_AUTH
	proxy = tokenstorev1.Outcome_OUTCOME_PROXY
)

func past(t *rapid.T) rotation.Past {
	return rotation.Past{
		Streak: rapid.IntRange(0, 1000).Draw(t, "streak"), ModelStreak: rapid.IntRange(0, 1000).Draw(t, "model streak"),
		Cause: tokenstorev1.Outcome(rapid.Int32Range(0, 15).Draw(t, "cause")),
	}
}

// A token that is refused is probed three times before it needs a person; whatever
// else happens to it begins the count anew.
func TestParking(t *testing.T) {
	var before rotation.Past
	for i, want := range []rotation.Verdict{
		{Scope: rotation.Token, CoolFor: time.Minute, Streak: 1},
		{Scope: rotation.Token, CoolFor: 2 * time.Minute, Streak: 2},
		{Scope: rotation.Token, CoolFor: 4 * time.Minute, Streak: 3},
		{Scope: rotation.Token, Park: true, Streak: 4},
	} {
		got := rotation.Judge(auth, before, 0, 0)
		if got != want {
			t.Fatalf("refusal %d: %+v, want %+v", i+1, got, want)
		}
		before = rotation.Past{Streak: got.Streak, Cause: auth}
	}
	other := rotation.Past{Streak: 9, Cause: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT}
	if got := rotation.Judge(auth, other, 0, 0); got.Park || got.CoolFor != time.Minute || got.Streak != 1 {
		t.Errorf("after rate limits: %+v", got)
	}
	if got := rotation.Judge(auth, before, time.Second, 0); !got.Park {
		t.Errorf("a hint keeps it from being parked: %+v", got)
	}
}

// A token whose proxy is dead rests a little, the longer the proxy is away up to a bound, and
// never needs a person.
func TestATokenRestsWhileItsProxyIsDead(t *testing.T) {
	before := rotation.Past{Streak: 2, Cause: auth}
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		got := rotation.Judge(proxy, before, 0, 0)
		if got != (rotation.Verdict{Scope: rotation.Token, CoolFor: want, Streak: i + 1}) {
			t.Fatalf("rest %d: %+v, want %s", i+1, got, want)
		}
		before = rotation.Past{Streak: got.Streak, Cause: proxy}
	}
	if got := rotation.Judge(auth, before, 0, 0); got.Park || got.Streak != 1 {
		t.Errorf("the proxy's death counts towards parking: %+v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		got := rotation.Judge(proxy, past(t), 0, rapid.Float64Range(0, 0.999).Draw(t, "jitter"))
		if got.Park || got.CoolFor < 5*time.Second || got.CoolFor > 66*time.Second {
			t.Fatalf("%+v", got)
		}
	})
}

func TestAModelCoolsOnItsOwnCount(t *testing.T) {
	const refused = tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED
	got := rotation.Judge(refused, rotation.Past{Streak: 7, Cause: refused, ModelStreak: 1}, 0, 0)
	if want := (rotation.Verdict{Scope: rotation.Model, CoolFor: 10 * time.Minute, Streak: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Whatever says that the upstream, the way to it or the client is at fault may be
// shared; what only the caller or the token has done is not.
func TestShareable(t *testing.T) {
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		var want bool
		switch outcome {
		case tokenstorev1.Outcome_OUTCOME_UPSTREAM, tokenstorev1.Outcome_OUTCOME_TRANSPORT, tokenstorev1.Outcome_OUTCOME_OUTDATED_CLIENT,
			tokenstorev1.Outcome_OUTCOME_REGION, tokenstorev1.Outcome_OUTCOME_TRUNCATED, auth,
			tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED:
			want = true
		default:
		}
		if got := rotation.Shareable(outcome, 0, false); got != want {
			t.Errorf("%v: %v", outcome, got)
		}
	}
	if rotation.Shareable(tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, time.Second, false) {
		t.Error("a limit whose end is known is the token's own")
	}
	if rotation.Shareable(tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, 0, true) {
		t.Error("a limit of a group is the group's own")
	}
}

// The steps are the verdicts on every past there may be.
func TestStepsAreAllVerdicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		judge := rotation.Judge
		if rapid.Bool().Draw(t, "model only") {
			judge = rotation.JudgeForModel
		}
		outcome := tokenstorev1.Outcome(rapid.Int32Range(0, 15).Draw(t, "outcome"))
		hint := time.Duration(rapid.Int64Range(-1, int64(time.Hour)).Draw(t, "hint"))
		if rapid.Bool().Draw(t, "without a hint") {
			hint = 0
		}
		jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
		steps := rotation.Steps(judge, outcome, hint, jitter)
		before := past(t)
		want := judge(outcome, before, hint, jitter)
		streak := before.Streak
		if want.Scope == rotation.Model {
			streak = before.ModelStreak
		} else if before.Cause != outcome {
			streak = 0
		}
		got := steps[min(streak, len(steps)-1)]
		got.Streak = want.Streak
		if got != want || want.Scope != rotation.Nothing && want.Streak != streak+1 {
			t.Fatalf("%v after %+v: %+v, want %+v", outcome, before, got, want)
		}
	})
}
