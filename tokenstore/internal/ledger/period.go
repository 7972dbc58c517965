package ledger

import (
	"sync"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Bounds returns the period of a limit in which a time lies: from begins until before ends. Both
// are zero where the calendar has no part in it.
func Bounds(limit *tokenstorev1.KeyLimit, at time.Time) (begins, ends time.Time) {
	zone := zoneOf(limit.GetTimeZone())
	year, month, day := at.In(zone).Date()
	switch limit.GetPeriod() {
	case tokenstorev1.KeyPeriod_KEY_PERIOD_DAY:
		return startOfDay(year, month, day, zone), startOfDay(year, month, day+1, zone)
	case tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK:
		monday := day - (int(at.In(zone).Weekday())+6)%7
		return startOfDay(year, month, monday, zone), startOfDay(year, month, monday+7, zone)
	case tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH:
		return startOfDay(year, month, 1, zone), startOfDay(year, month+1, 1, zone)
	default:
		return time.Time{}, time.Time{}
	}
}

// startOfDay is the first moment of a date. That is not always midnight: where clocks are put
// forward at midnight there is none, and where they are put back soon after it there are two.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	midnight := func(of time.Time) time.Time {
		_, offset := of.Zone()
		return time.Date(year, month, day, 0, 0, -offset, 0, time.UTC)
	}
	changed, _ := noon.ZoneBounds()
	if changed.IsZero() {
		return midnight(noon)
	}
	if earlier := midnight(changed.Add(-1)); earlier.Before(changed) && changed.Sub(earlier) < 24*time.Hour {
		return earlier
	}
	if later := midnight(noon); later.After(changed) {
		return later
	}
	return changed.UTC()
}

// zones are the locations that have been asked for, by name: the database has some hundreds.
var zones sync.Map

// zoneOf is the location of a name; one that the database does not have, or no longer, is UTC's.
func zoneOf(name string) *time.Location {
	if name == "" || name == "Local" {
		return time.UTC
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location) //nolint:forcetypeassert // nothing else is in it
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, zone)
	return zone
}
