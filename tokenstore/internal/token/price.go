package token

import (
	"errors"
	"fmt"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxPrices bounds the prices of a store.
	maxPrices = 10_000
	// maxRate bounds what a token may cost, in pico-dollars: a dollar.
	maxRate = 1_000_000_000_000
	// maxPriceProblems bounds how many problems an error tells.
	maxPriceProblems = 10
)

// priceSources are where prices may have been imported from.
var priceSources = map[string]bool{"": true, "litellm": true, "models.dev": true, "tsv": true}

// CheckPrices answers what is wrong with a list of prices, each problem beginning with the member
// that has it, as the admin API names it. Of many problems it tells the first.
func CheckPrices(prices []*tokenstorev1.Price) error {
	if len(prices) > maxPrices {
		return fmt.Errorf("prices: at most %d wanted, not %d", maxPrices, len(prices))
	}
	var problems []error
	first := map[[2]string]int{}
	for i, price := range prices {
		at := fmt.Sprintf("prices[%d]", i)
		problems = append(problems, checkPrice(at, price)...)
		holds := [2]string{price.GetMatch(), price.GetUpstream()}
		if other, known := first[holds]; known {
			problems = append(problems, fmt.Errorf("%s: has the match and the upstream of prices[%d]", at, other))
		} else {
			first[holds] = i
		}
		if len(problems) >= maxPriceProblems {
			break
		}
	}
	return errors.Join(problems...)
}

func checkPrice(at string, price *tokenstorev1.Price) []error {
	var problems []error
	if err := checkMatch(at+".match", price.GetMatch()); err != nil {
		problems = append(problems, err)
	}
	if price.GetUpstream() != "" && CheckUpstreamName(price.GetUpstream()) != nil {
		problems = append(problems, fmt.Errorf("%s.upstream: the name of an upstream wanted, or none", at))
	}
	if !priceSources[price.GetSource()] {
		problems = append(problems, fmt.Errorf("%s.source: litellm, models.dev or tsv wanted, or none", at))
	}
	listed := false
	for _, rate := range [...]struct {
		name string
		pico *uint64
	}{
		{"input", price.Input},
		{"output", price.Output},
		{"cache_read", price.CacheRead},
		{"cache_write", price.CacheWrite},
		{"cache_write_hour", price.CacheWriteHour},
		{"reasoning", price.Reasoning},
	} {
		listed = listed || rate.pico != nil
		if rate.pico != nil && *rate.pico > maxRate {
			problems = append(problems, fmt.Errorf("%s.%s_per_million: at most 1000000 US dollars", at, rate.name))
		}
	}
	if !listed {
		problems = append(problems, fmt.Errorf("%s: one price at least wanted, such as input_per_million", at))
	}
	return problems
}
