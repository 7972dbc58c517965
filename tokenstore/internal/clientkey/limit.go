package clientkey

import (
	"errors"
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // time zones are known wherever the program runs

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxAmount is what a limit may have at most.
const maxAmount = 9_000_000_000_000_000_000

// maxLimits is how many pairs of a period and a unit there are in unitsOf.
const maxLimits = 15

// calendar are the periods that a time zone has.
var calendar = []tokenstorev1.KeyPeriod{
	tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK, tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH,
}

// unitsOf are those of which a period may have a limit.
var unitsOf = map[tokenstorev1.KeyPeriod][]tokenstorev1.KeyUnit{
	tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE: {tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS},
	tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE:  {tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyUnit_KEY_UNIT_TOKENS},
	tokenstorev1.KeyPeriod_KEY_PERIOD_DAY:     allUnits,
	tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK:    allUnits,
	tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH:   allUnits,
	tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL:   allUnits,
}

var allUnits = []tokenstorev1.KeyUnit{
	tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, tokenstorev1.KeyUnit_KEY_UNIT_USD,
}

func checkLimits(limits []*tokenstorev1.KeyLimit) []error {
	type what struct {
		unit   tokenstorev1.KeyUnit
		period tokenstorev1.KeyPeriod
	}
	if len(limits) > maxLimits {
		return []error{fmt.Errorf("limits: at most one of each unit and period, which are %d", maxLimits)}
	}
	var problems []error
	first := map[what]int{}
	for i, limit := range limits {
		at := fmt.Sprintf("limits[%d]", i)
		if err := checkLimit(limit); err != nil {
			problems = append(problems, fmt.Errorf("%s%w", at, err))
			continue
		}
		of := what{limit.GetUnit(), limit.GetPeriod()}
		if other, twice := first[of]; twice {
			problems = append(problems, fmt.Errorf("%s: has the unit and the period of limits[%d]", at, other))
			continue // so there are no more problems than limits that can be, and one
		}
		first[of] = i
	}
	return problems
}

// checkLimit returns the first thing that is wrong with a limit, with the field that has it.
func checkLimit(limit *tokenstorev1.KeyLimit) error {
	units, known := unitsOf[limit.GetPeriod()]
	switch {
	case !known:
		return errors.New(".period: it is none")
	case !slices.Contains(units, limit.GetUnit()):
		return errors.New(".unit: the period has no limit of it")
	case limit.GetAmount() < 1 || limit.GetAmount() > maxAmount:
		return fmt.Errorf(".amount: 1 to %d", uint64(maxAmount))
	case limit.GetTimeZone() != "" && !slices.Contains(calendar, limit.GetPeriod()):
		return errors.New(".time_zone: only a day, a week and a month have one")
	case !isTimeZone(limit.GetTimeZone()):
		return errors.New(".time_zone: a name of the IANA time zone database wanted, such as Europe/Berlin")
	default:
		return nil
	}
}

func isTimeZone(name string) bool {
	if name == "Local" { // this machine's, whatever that is
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
