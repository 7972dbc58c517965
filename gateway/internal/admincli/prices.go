package admincli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/pricing"
)

// isOf tells whether a price is the one that a command line names.
func isOf(p pricing.Form, match, upstream string) bool {
	return p.Match == match && p.Upstream == upstream
}

type priceList struct {
	Prices  []pricing.Form `json:"prices"`
	BuiltIn []pricing.Form `json:"built_in"`
	Version uint64         `json:"version"`
}

func (s *session) prices() *cobra.Command {
	return group("prices", "What models cost, in US dollars for a million tokens", s.listPrices(), s.setPrice(), s.removePrice(), s.importPrices())
}

func (s *session) listPrices() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the prices that are set and imported, or those that are built in",
		Example: s.examples("prices list", "prices list --built-in -o csv"),
	}
	builtIn := c.Flags().Bool("built-in", false, "those that are built in")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "prices", nil)
		member := "prices"
		if *builtIn {
			member = "built_in"
		}
		return showAs(s, answer, err, member, func(list priceList) error {
			if *builtIn {
				return s.printPrices(list.BuiltIn)
			}
			return s.printPrices(list.Prices)
		})
	})
}

func (s *session) printPrices(prices []pricing.Form) error {
	rows := s.table("MODEL", "UPSTREAM", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE", "FOR AN HOUR", "REASONING", "SOURCE")
	for _, p := range prices {
		rows.row(p.Match, p.Upstream, text(p.Input), text(p.Output), text(p.CacheRead), text(p.CacheWrite), text(p.CacheWriteHour), text(p.Reasoning), p.Source)
	}
	return rows.flush()
}

// changePrices replaces the list by what change makes of it, unless it was changed meanwhile.
func (s *session) changePrices(ctx context.Context, change func([]pricing.Form) ([]pricing.Form, error)) error {
	list, err := read[priceList](s.api.get(ctx, "prices", nil))
	if err != nil {
		return err
	}
	prices, err := change(list.Prices)
	if err != nil {
		return err
	}
	answer, err := s.api.sendIf(ctx, http.MethodPut, "prices", list.Version, map[string]any{"prices": prices})
	if err != nil {
		return err
	}
	return s.show(answer, "prices", func() error { return nil })
}

func (s *session) setPrice() *cobra.Command {
	c := &cobra.Command{
		Use: "set MODEL|PATTERN", Short: "Set the price of a model", Args: exactly(1),
		Long: `Sets the price of a model, in US dollars for a million tokens. What is not named has no price of
its own.`,
		Example: s.examples("prices set 'my-model-*' --input 3 --output 15 --cache-read 0.30 --cache-write 3.75"),
	}
	upstream := c.Flags().String("upstream", "", "only at the upstream `NAME`")
	var set pricing.Form
	for _, rate := range []struct {
		name, of string
		into     **string
	}{
		{"input", "input", &set.Input},
		{"output", "output", &set.Output},
		{"cache-read", "input that is read from a cache", &set.CacheRead},
		{"cache-write", "input that is written to a cache", &set.CacheWrite},
		{"cache-write-hour", "input that is written to a cache for an hour", &set.CacheWriteHour},
		{"reasoning", "thinking", &set.Reasoning},
	} {
		c.Flags().Func(rate.name, "`USD` for a million tokens of "+rate.of, func(value string) error {
			*rate.into = &value
			return nil
		})
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		set.Match, set.Upstream = args[0], *upstream
		err := s.changePrices(ctx, func(prices []pricing.Form) ([]pricing.Form, error) {
			prices = slices.DeleteFunc(prices, func(p pricing.Form) bool { return isOf(p, set.Match, set.Upstream) })
			return append(prices, set), nil
		})
		if err == nil {
			s.say("the price of %s is set", strconv.Quote(args[0]))
		}
		return err
	})
}

func (s *session) removePrice() *cobra.Command {
	c := &cobra.Command{
		Use: "remove MODEL|PATTERN", Short: "Take a price away that was set or imported", Args: exactly(1),
		Example: s.examples("prices remove 'my-model-*'"),
	}
	upstream := c.Flags().String("upstream", "", "the one at the upstream `NAME`")
	return s.runs(c, func(ctx context.Context, args []string) error {
		err := s.changePrices(ctx, func(prices []pricing.Form) ([]pricing.Form, error) {
			left := slices.DeleteFunc(slices.Clone(prices), func(p pricing.Form) bool { return isOf(p, args[0], *upstream) })
			if len(left) == len(prices) {
				return nil, fmt.Errorf("no price of %s is set or imported; `prices list` shows them with their upstreams", strconv.Quote(args[0]))
			}
			return left, nil
		})
		if err == nil {
			s.say("the price of %s is removed", strconv.Quote(args[0]))
		}
		return err
	})
}
