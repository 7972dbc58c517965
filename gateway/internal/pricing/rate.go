package pricing

import (
	"errors"
	"fmt"

	"carousel.internal/gateway/internal/money"
)

// maxRate bounds what a token may cost: a dollar.
const maxRate = money.Dollar

// perMillion is for how many tokens prices are told. So many pico-dollars are a micro-dollar:
// what a token costs in the one is what a million costs in the other.
const perMillion = 1_000_000

// Rate is what a token costs. The zero Rate is not listed.
type Rate struct {
	Pico   money.Pico
	Listed bool
}

// RateOf is a listed rate.
func RateOf(pico money.Pico) Rate { return Rate{Pico: pico, Listed: true} }

// ParseRate reads dollars for a million tokens, such as `0.15`; an empty text is not listed.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	amount, err := money.Parse(text)
	switch {
	case err != nil:
		return Rate{}, err
	case amount%perMillion != 0:
		return Rate{}, fmt.Errorf("%s US dollars for a million tokens are finer than what is counted: at most 6 decimals", amount)
	case amount/perMillion > maxRate:
		return Rate{}, errTooDear
	}
	return RateOf(amount / perMillion), nil
}

var errTooDear = errors.New("more than 1000000 US dollars for a million tokens")

// String is the rate in dollars for a million tokens, exact; empty where it is not listed.
func (r Rate) String() string {
	if !r.Listed {
		return ""
	}
	return r.Pico.Times(perMillion).String()
}

// or is the first of both that is listed.
func (r Rate) or(other Rate) Rate {
	if r.Listed {
		return r
	}
	return other
}
