package ondemand_test

import (
	"testing"

	"carousel.internal/gateway/internal/ondemand"
)

func TestAPatternMatchesAsItsExpressionDoes(t *testing.T) {
	t.Parallel()
	digits := ondemand.Regexp(`^\d+$`)
	for text, want := range map[string]bool{"17": true, "": false, "a1": false} {
		if digits.MatchString(text) != want || digits.Get().MatchString(text) != want {
			t.Errorf("%q: %t, want %t", text, !want, want)
		}
	}
}

func TestAWrongPatternIsFoundWhenItIsUsed(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it matched")
		}
	}()
	ondemand.Regexp(`(`).MatchString("")
}

func TestAPatternThatIsNotUsedCostsNothing(t *testing.T) {
	if made := testing.AllocsPerRun(10, func() { ondemand.Regexp(`(?i)\b(quota|balance|credits?)\b.{0,40}`) }); made > 10 {
		t.Errorf("it allocates %.0f times", made)
	}
}
