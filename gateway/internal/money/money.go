// Package money counts US dollars without losing anything: in pico-dollars, in which the price of
// a single token has no fraction.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Pico is an amount in pico-dollars, of which 10^12 are a US dollar. There is none below zero;
// the largest is some 18 million dollars.
type Pico uint64

// Dollar is one.
const Dollar Pico = 1_000_000_000_000

const decimals = 12

var errAmount = errors.New("an amount of US dollars is digits, with at most 12 decimals behind a point, such as 1.50")

// Parse reads an amount of dollars, such as `1.50`.
func Parse(text string) (Pico, error) {
	whole, fraction, pointed := strings.Cut(text, ".")
	if pointed && fraction == "" || !digits(whole) || pointed && !digits(fraction) {
		return 0, fmt.Errorf("%q: %w", shortened(text), errAmount)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > decimals {
		return 0, fmt.Errorf("%q: %w", shortened(text), errAmount)
	}
	dollars, err := strconv.ParseUint(whole, 10, 64)
	high, low := bits.Mul64(dollars, uint64(Dollar))
	parts, _ := strconv.ParseUint(fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	sum, carry := bits.Add64(low, parts, 0)
	if err != nil || high != 0 || carry != 0 || sum > math.MaxInt64 {
		return 0, fmt.Errorf("%q is more than the %s US dollars that can be counted", shortened(text), Pico(math.MaxInt64))
	}
	return Pico(sum), nil
}

func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// shortened is what an error quotes of a text.
func shortened(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// String is the amount in dollars, exact, with at least two decimals.
func (p Pico) String() string {
	fraction := strings.TrimRight(fmt.Sprintf("%012d", uint64(p%Dollar)), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return fmt.Sprintf("%d.%s", uint64(p/Dollar), fraction)
}

// Times is the price of n pieces at p each; what is beyond the largest amount is that.
func (p Pico) Times(n int) Pico {
	high, low := bits.Mul64(uint64(p), uint64(max(n, 0)))
	if high != 0 {
		return math.MaxUint64
	}
	return Pico(low)
}

// Plus is the sum; what is beyond the largest amount is that.
func (p Pico) Plus(q Pico) Pico {
	if sum, carry := bits.Add64(uint64(p), uint64(q), 0); carry == 0 {
		return Pico(sum)
	}
	return math.MaxUint64
}
