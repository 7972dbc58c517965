package pricing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/ondemand"
)

// jsonNumber is a number as JSON writes it.
var jsonNumber = ondemand.Regexp(`^(-?)(\d{1,40})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,3}))?$`)

var errNegative = errors.New("it is below zero")

// scaled reads a decimal number, such as 1.5e-07, times ten to the given power as a rate, without
// a floating-point number in between. What has a fraction even then is taken up to the next whole
// number, so that nothing costs too little, and finer tells so.
func scaled(text string, power int) (rate Rate, finer bool, err error) {
	parts := jsonNumber.Get().FindStringSubmatch(text)
	if parts == nil {
		return Rate{}, false, fmt.Errorf("%.40q is not a number", text)
	}
	exponent, _ := strconv.Atoi(parts[4]) // empty is 0
	digits := strings.TrimLeft(parts[2]+parts[3], "0")
	if digits == "" {
		return RateOf(0), false, nil
	}
	if parts[1] != "" {
		return Rate{}, false, errNegative
	}
	// whole is how many of the digits stand before the point.
	whole := len(digits) - len(parts[3]) + exponent + power
	if whole > len("1000000000000") {
		return Rate{}, false, errTooDear
	}
	digits += strings.Repeat("0", max(0, whole-len(digits)))
	whole = max(whole, 0)
	before, behind := digits[:whole], digits[whole:]
	pico, _ := strconv.ParseUint("0"+before, 10, 64) // at most 13 digits
	if finer = strings.Trim(behind, "0") != ""; finer {
		pico++
	}
	if money.Pico(pico) > maxRate {
		return Rate{}, false, errTooDear
	}
	return RateOf(money.Pico(pico)), finer, nil
}
