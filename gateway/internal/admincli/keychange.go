package admincli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"carousel.internal/gateway/internal/keyform"
)

// keyChange are the flags that say what a key is.
type keyChange struct {
	flags                  *pflag.FlagSet
	name, expires          *string
	tags, models, networks words
	scopes                 words
	perMinute, tokens      *uint64
	parallel               *uint64
	budgets                budgets
}

func newKeyChange(flags *pflag.FlagSet) *keyChange {
	c := &keyChange{
		flags: flags, name: flags.String("name", "", "what you call it (`NAME`)"),
		expires:   flags.String("expires", "", "`END`: a length of time (30d, 12h), a date, with which it ends in UTC, an RFC 3339 time, or never"),
		perMinute: flags.Uint64("rpm", 0, "`N` requests a minute at most; 0: no limit"), tokens: flags.Uint64("tpm", 0, "`N` model tokens a minute at most; 0: no limit"),
		parallel: flags.Uint64("parallel", 0, "`N` requests at a time at most; 0: no limit"),
	}
	flags.Var(&c.tags, "tag", "a `TAG` of yours, may be repeated; empty: none")
	flags.Var(&c.models, "model", "a `NAME|PATTERN` of models that it may use, may be repeated; empty: all")
	flags.Var(&c.networks, "network", "a network (`CIDR`) that it may be used from, may be repeated; empty: all")
	flags.Var(&c.scopes, "scope", "a `SCOPE` at /mcp, pool:read or pool:write, may be repeated; empty: none")
	flags.Var(&c.budgets, "budget", "`UNIT:AMOUNT/PERIOD[@ZONE]`, such as usd:10/month@Europe/Berlin, tokens:5000000/day or requests:1000/total; may be repeated; empty: none")
	return c
}

// body has what was named on the command line, and nothing else.
func (c *keyChange) body(now time.Time) (map[string]any, error) {
	body, limits := map[string]any{}, map[string]any{}
	limit := func(name string, amount uint64) {
		limits[name] = nil // 0 takes it away
		if amount > 0 {
			limits[name] = amount
		}
		body["limits"] = limits
	}
	var failed error
	c.flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "name":
			body["name"] = *c.name
		case "expires":
			at, err := endOf(*c.expires, now)
			if err != nil {
				failed = misuse("--expires: %w", err)
			}
			body["expires_at"] = at
		case "tag":
			body["tags"] = append([]string{}, c.tags...)
		case "model":
			body["models"] = append([]string{}, c.models...)
		case "network":
			body["networks"] = append([]string{}, c.networks...)
		case "scope":
			body["scopes"] = append([]string{}, c.scopes...)
		case "rpm":
			limit(keyform.RequestsPerMinute, *c.perMinute)
		case "tpm":
			limit(keyform.TokensPerMinute, *c.tokens)
		case "parallel":
			limit(keyform.Parallel, *c.parallel)
		case "budget":
			body["budgets"] = append([]keyform.Budget{}, c.budgets...)
		}
	})
	return body, failed
}

// budgets collects flags such as usd:10/month@Europe/Berlin; an empty one is none.
type budgets []keyform.Budget

func (b *budgets) String() string { return "" }

func (b *budgets) Type() string { return "BUDGET" }

func (b *budgets) Set(text string) error {
	if text == "" {
		return nil
	}
	rule, zone, _ := strings.Cut(text, "@")
	unit, rest, hasAmount := strings.Cut(rule, ":")
	amount, period, hasPeriod := strings.Cut(rest, "/")
	if !hasAmount || !hasPeriod {
		return fmt.Errorf("UNIT:AMOUNT/PERIOD[@ZONE] wanted, such as usd:10/month@Europe/Berlin, not %q", text)
	}
	*b = append(*b, keyform.Budget{Unit: unit, Amount: amount, Period: period, TimeZone: zone})
	return nil
}

var errEnd = errors.New("a length of time such as 30d or 12h wanted, or a date such as 2026-12-31, a time such as 2026-12-31T12:00:00Z, or never")

// endOf reads when a key expires: after a length of time, at a time, or with a day of UTC. It is
// null for never.
func endOf(text string, now time.Time) (any, error) {
	if text == "never" {
		return nil, nil //nolint:nilnil // null in JSON
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).Format(time.RFC3339), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Format(time.RFC3339), nil
	}
	length, err := lengthOf(text)
	if err != nil {
		return nil, errEnd
	}
	return now.Add(length).UTC().Format(time.RFC3339), nil
}

var errLength = errors.New("a length of time such as 30m, 12h or 30d wanted")

// lengthOf reads a length of time, which may be in days.
func lengthOf(text string) (time.Duration, error) {
	const day, most = 24 * time.Hour, 100_000
	if number, inDays := strings.CutSuffix(text, "d"); inDays {
		days, err := strconv.ParseUint(number, 10, 32)
		if err != nil || days == 0 || days > most {
			return 0, errLength
		}
		return time.Duration(days) * day, nil
	}
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		return 0, errLength
	}
	return length, nil
}
