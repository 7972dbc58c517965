package keyform

import (
	"errors"
	"fmt"
	"strconv"

	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxAmount is the largest that a limit may have, as the contract says.
const maxAmount = 9_000_000_000_000_000_000

// The units and periods of budgets, by name.
var (
	units = map[string]tokenstorev1.KeyUnit{
		"requests": tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS,
		"tokens":   tokenstorev1.KeyUnit_KEY_UNIT_TOKENS,
		"usd":      tokenstorev1.KeyUnit_KEY_UNIT_USD,
	}
	periods = map[string]tokenstorev1.KeyPeriod{
		"day":   tokenstorev1.KeyPeriod_KEY_PERIOD_DAY,
		"week":  tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK,
		"month": tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH,
		"total": tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL,
	}
)

var unitNames = reversed(units)

var periodNames = func() map[tokenstorev1.KeyPeriod]string {
	names := reversed(periods)
	names[tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE] = "at_once"
	names[tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE] = "minute"
	return names
}()

func reversed[V comparable](values map[string]V) map[V]string {
	names := make(map[V]string, len(values))
	for name, value := range values {
		names[value] = name
	}
	return names
}

var errCount = errors.New("a whole number of at least 1 wanted, in digits")

// ParseAmount reads an amount of a unit: of US dollars such as 1.50, else digits.
func ParseAmount(unit tokenstorev1.KeyUnit, text string) (uint64, error) {
	var amount uint64
	if unit == tokenstorev1.KeyUnit_KEY_UNIT_USD {
		dollars, err := money.Parse(text)
		if err != nil {
			return 0, err
		}
		if dollars == 0 {
			return 0, errors.New("more than 0 US dollars wanted")
		}
		amount = uint64(dollars)
	} else {
		count, err := strconv.ParseUint(text, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			count = maxAmount + 1
		} else if err != nil || count == 0 {
			return 0, errCount
		}
		amount = count
	}
	if amount > maxAmount {
		return 0, fmt.Errorf("at most %s wanted", FormatAmount(unit, maxAmount))
	}
	return amount, nil
}

// FormatAmount writes an amount of a unit as ParseAmount reads it.
func FormatAmount(unit tokenstorev1.KeyUnit, amount uint64) string {
	if unit == tokenstorev1.KeyUnit_KEY_UNIT_USD {
		return money.Pico(amount).String()
	}
	return strconv.FormatUint(amount, 10)
}
