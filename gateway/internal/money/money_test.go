package money_test

import (
	"testing"

	"carousel.internal/gateway/internal/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1": "1.00", "1.5": "1.50", "0.000000000001": "0.000000000001", "0.0000375": "0.0000375", "9223372.036854775807": "9223372.036854775807",
		"2.500000000000000": "2.50", "007": "7.00",
	} {
		got, err := money.Parse(text)
		if err != nil || got.String() != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1,50", "1e3", "0.0000000000001", "9223372.036854775808", "99999999999999999999", "$1"} {
		if got, err := money.Parse(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func TestSumsDoNotWrap(t *testing.T) {
	t.Parallel()
	largest := ^money.Pico(0)
	if got := largest.Plus(1); got != largest {
		t.Error(got)
	}
	if got := money.Dollar.Times(1 << 40); got != largest {
		t.Error(got)
	}
	if got := money.Pico(3).Times(-1); got != 0 {
		t.Error(got)
	}
}
