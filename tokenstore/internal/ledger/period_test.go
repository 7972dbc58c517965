package ledger_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
)

const (
	day   = tokenstorev1.KeyPeriod_KEY_PERIOD_DAY
	week  = tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK
	month = tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		zone              string
		period            tokenstorev1.KeyPeriod
		at, begins, until string
	}{
		"a day of UTC":                      {"", day, "2026-11-28T23:59:59Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
		"its first moment":                  {"", day, "2026-11-28T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
		"a day elsewhere":                   {"Europe/Berlin", day, "2026-11-28T23:30:00Z", "2026-11-28T23:00:00Z", "2026-11-29T23:00:00Z"},
		"a day of 23 hours":                 {"Europe/Berlin", day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		"a day of 25 hours":                 {"Europe/Berlin", day, "2026-10-25T22:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		"the day after":                     {"Europe/Berlin", day, "2026-10-25T23:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"},
		"New York in spring":                {"America/New_York", day, "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		"New York in autumn":                {"America/New_York", day, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		"a week begins on Monday":           {"", week, "2026-11-29T10:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		"a Monday":                          {"", week, "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"},
		"a week in which clocks change":     {"Europe/Berlin", week, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"},
		"a month":                           {"America/New_York", month, "2026-11-15T00:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"},
		"a December":                        {"Europe/Berlin", month, "2026-12-31T22:59:59Z", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"},
		"a February":                        {"", month, "2028-02-29T23:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		"a day without a midnight":          {"Africa/Cairo", day, "2026-04-24T09:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		"a day whose midnight comes twice":  {"America/Havana", day, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		"a name that the database has not":  {"Atlantis/Centre", day, "2026-11-28T12:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
		"a limit that no calendar counts":   {"", tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, "2026-11-28T12:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		"another that no calendar counts":   {"", tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, "2026-11-28T12:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		"a day that begins before midnight": {"America/Havana", day, "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begins, ends := ledger.Bounds(&tokenstorev1.KeyLimit{Period: test.period, TimeZone: test.zone}, at(t, test.at))
			if !begins.Equal(at(t, test.begins)) || !ends.Equal(at(t, test.until)) {
				t.Errorf("from %s to %s", begins.UTC(), ends.UTC())
			}
		})
	}
}

// Each moment is in its period, and periods follow one another without a gap, in every zone.
func TestPeriodsFollowOneAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := &tokenstorev1.KeyLimit{
			Period:   rapid.SampledFrom([]tokenstorev1.KeyPeriod{day, week, month}).Draw(t, "period"),
			TimeZone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"}).Draw(t, "zone"),
		}
		moment := time.Unix(rapid.Int64Range(1_600_000_000, 2_000_000_000).Draw(t, "moment"), 0)
		begins, ends := ledger.Bounds(limit, moment)
		if moment.Before(begins) || !moment.Before(ends) {
			t.Fatalf("%s is not from %s to %s", moment.UTC(), begins.UTC(), ends.UTC())
		}
		again, until := ledger.Bounds(limit, ends.Add(-time.Second))
		if !again.Equal(begins) || !until.Equal(ends) {
			t.Fatalf("its last second is from %s to %s, not %s to %s", again.UTC(), until.UTC(), begins.UTC(), ends.UTC())
		}
		if next, _ := ledger.Bounds(limit, ends); !next.Equal(ends) {
			t.Fatalf("the next one begins at %s, this one ends at %s", next.UTC(), ends.UTC())
		}
	})
}
