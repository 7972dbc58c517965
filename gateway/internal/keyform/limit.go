package keyform

import (
	"fmt"
	"time"
	_ "time/tzdata" // time zones are known wherever the program runs

	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Limits are the limits of a key that hold at any time; nil: none.
type Limits struct {
	RequestsPerMinute *uint64 `json:"requests_per_minute,omitempty"`
	TokensPerMinute   *uint64 `json:"tokens_per_minute,omitempty"`
	// Parallel are requests at a time.
	Parallel *uint64 `json:"parallel,omitempty"`
}

// Budget is what a key may use in a period of the calendar, or in all.
type Budget struct {
	// Unit is requests, tokens or usd.
	Unit string `json:"unit"`
	// Amount is in the unit; of usd such as 1.50.
	Amount string `json:"amount"`
	// Period is total, day, week or month.
	Period string `json:"period"`
	// TimeZone is a name of the IANA database, for day, week and month; empty: UTC.
	TimeZone string `json:"time_zone,omitempty"`
}

// FieldError says what is wrong with a field, as the admin API names it.
type FieldError struct{ Field, Problem string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func wrong(field, format string, args ...any) *FieldError {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// What a limit is called.
const (
	RequestsPerMinute = "requests_per_minute"
	TokensPerMinute   = "tokens_per_minute"
	Parallel          = "parallel"
	// BudgetLimit is any budget: its unit and its period say which.
	BudgetLimit = "budget"
)

// limitKind is one of the limits that hold at any time.
type limitKind struct {
	name   string
	unit   tokenstorev1.KeyUnit
	period tokenstorev1.KeyPeriod
	of     func(*Limits) **uint64
}

var limitKinds = []limitKind{
	{
		RequestsPerMinute, tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE,
		func(l *Limits) **uint64 { return &l.RequestsPerMinute },
	},
	{
		TokensPerMinute, tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE,
		func(l *Limits) **uint64 { return &l.TokensPerMinute },
	},
	{
		Parallel, tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE,
		func(l *Limits) **uint64 { return &l.Parallel },
	},
}

// kindOf is the kind of a limit; nil where that is a budget.
func kindOf(limit *tokenstorev1.KeyLimit) *limitKind {
	for i := range limitKinds {
		if limitKinds[i].unit == limit.GetUnit() && limitKinds[i].period == limit.GetPeriod() {
			return &limitKinds[i]
		}
	}
	return nil
}

// LimitsOf is the form of a key's limits.
func LimitsOf(stored []*tokenstorev1.KeyLimit) (Limits, []Budget) {
	limits, budgets := Limits{}, []Budget{}
	for _, each := range stored {
		if kind := kindOf(each); kind != nil {
			amount := each.GetAmount()
			*kind.of(&limits) = &amount
			continue
		}
		budgets = append(budgets, Budget{
			Unit: unitNames[each.GetUnit()], Amount: FormatAmount(each.GetUnit(), each.GetAmount()),
			Period: periodNames[each.GetPeriod()], TimeZone: each.GetTimeZone(),
		})
	}
	return limits, budgets
}

// ToStore is LimitsOf reversed. Its errors are FieldErrors.
func ToStore(limits Limits, budgets []Budget) ([]*tokenstorev1.KeyLimit, error) {
	var stored []*tokenstorev1.KeyLimit
	for _, kind := range limitKinds {
		amount := *kind.of(&limits)
		if amount == nil {
			continue
		}
		if *amount < 1 || *amount > maxAmount {
			return nil, wrong("limits."+kind.name, "a whole number from 1 to %d wanted, or none for no limit", uint64(maxAmount))
		}
		stored = append(stored, &tokenstorev1.KeyLimit{Unit: kind.unit, Period: kind.period, Amount: *amount})
	}
	first := map[[2]string]int{}
	for i, each := range budgets {
		field := fmt.Sprintf("budgets[%d]", i)
		budget, err := each.toStore(field)
		if err != nil {
			return nil, err
		}
		what := [2]string{each.Unit, each.Period}
		if other, twice := first[what]; twice {
			return nil, wrong(field, "budgets[%d] is of the same unit and period", other)
		}
		first[what] = i
		stored = append(stored, budget)
	}
	return stored, nil
}

func (b Budget) toStore(field string) (*tokenstorev1.KeyLimit, error) {
	unit, known := units[b.Unit]
	if !known {
		return nil, wrong(field+".unit", "requests, tokens or usd wanted, not %q", shortened(b.Unit))
	}
	period, known := periods[b.Period]
	if !known {
		return nil, wrong(field+".period", "total, day, week or month wanted, not %q", shortened(b.Period))
	}
	amount, err := ParseAmount(unit, b.Amount)
	if err != nil {
		return nil, wrong(field+".amount", "%v", err)
	}
	if b.TimeZone != "" && period == tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL {
		return nil, wrong(field+".time_zone", "a budget in all has no time zone")
	}
	if err := checkTimeZone(b.TimeZone); err != nil {
		return nil, wrong(field+".time_zone", "%v", err)
	}
	return &tokenstorev1.KeyLimit{Unit: unit, Period: period, Amount: amount, TimeZone: b.TimeZone}, nil
}

func checkTimeZone(name string) error {
	if name != "Local" { // this machine's, whatever that is
		if _, err := time.LoadLocation(name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("a name of the IANA time zone database wanted, such as Europe/Berlin, not %q", shortened(name))
}

// shortened is what an error quotes of a text.
func shortened(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// Left is how far a limit is used up. Amounts are in the unit, as a budget's is.
type Left struct {
	// Limit is requests_per_minute, tokens_per_minute, parallel or budget.
	Limit string `json:"limit"`
	Unit  string `json:"unit"`
	// Period is at_once, minute, day, week, month or total.
	Period string `json:"period"`
	Amount string `json:"amount"`
	Used   string `json:"used"`
	// Reserved is set aside for requests under way and to come.
	Reserved string `json:"reserved"`
	Left     string `json:"left"`
	// RenewsAt is null where time changes nothing.
	RenewsAt *time.Time `json:"renews_at"`
	// Share is how much of the amount is left, from 0 to 1.
	Share float64 `json:"-"`
}

// LeftOf is the form of a key's standing.
func LeftOf(standing []*tokenstorev1.KeyStanding) []Left {
	all := make([]Left, 0, len(standing))
	for _, each := range standing {
		limit := each.GetLimit()
		name := BudgetLimit
		if kind := kindOf(limit); kind != nil {
			name = kind.name
		}
		left := leftOf(each)
		text := func(n uint64) string { return FormatAmount(limit.GetUnit(), n) }
		all = append(all, Left{
			Limit: name, Unit: unitNames[limit.GetUnit()], Period: periodNames[limit.GetPeriod()],
			Amount: text(limit.GetAmount()), Used: text(each.GetUsed()), Reserved: text(each.GetReserved()), Left: text(left),
			RenewsAt: nullable.Time(each.GetRenewsAt()), Share: float64(left) / float64(max(limit.GetAmount(), 1)),
		})
	}
	return all
}

// leftOf is what can be used now. Nothing is subtracted that is larger, and no sum is made that
// might have no room.
func leftOf(standing *tokenstorev1.KeyStanding) uint64 {
	left := standing.GetLimit().GetAmount()
	left -= min(left, standing.GetUsed())
	return left - min(left, standing.GetReserved())
}
