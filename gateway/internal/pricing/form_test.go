package pricing_test

import (
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/pricing"
)

// What is shown of prices is read again as it was, to the last digit.
func TestFormsThereAndBack(t *testing.T) {
	t.Parallel()
	for _, price := range append(pricing.BuiltIn(), pricing.Price{
		Match: "m-*", Upstream: "vendor", Source: "tsv", Input: pricing.RateOf(1), Output: pricing.RateOf(0),
		CacheRead: pricing.RateOf(2), CacheWrite: pricing.RateOf(3), CacheWriteHour: pricing.RateOf(999_999_999_999), Reasoning: pricing.RateOf(5),
	}) {
		form := pricing.FormsOf([]pricing.Price{price})[0]
		again, err := form.Price()
		if diff := gocmp.Diff(price, again); diff != "" || err != nil {
			t.Errorf("%s: %v %s", price.Match, err, diff)
		}
	}
}

func TestAFormThatIsWrong(t *testing.T) {
	t.Parallel()
	good, bad := "1.5", "-1"
	form := pricing.Form{Match: "m", Input: &good, CacheWriteHour: &bad}
	_, err := form.Price()
	if wrong, named := errors.AsType[*pricing.FieldError](err); !named || wrong.Field != "cache_write_hour_per_million" {
		t.Errorf("%v", err)
	}
}
