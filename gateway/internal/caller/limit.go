package caller

import "time"

// Unit is what a limit counts.
type Unit string

// The units.
const (
	Requests Unit = "requests"
	Tokens   Unit = "tokens"
	// USD are US dollars, counted in money.Pico.
	USD Unit = "usd"
)

// Period is the time in which a limit's amount may be used.
type Period string

// The periods.
const (
	AtOnce Period = "at_once"
	Minute Period = "minute"
	Day    Period = "day"
	Week   Period = "week"
	Month  Period = "month"
	Total  Period = "total"
)

// Limit bounds what a key uses in a period. Those of a day and longer are its budgets.
type Limit struct {
	Unit   Unit
	Period Period
	Amount uint64
	// TimeZone is a name of the IANA database; empty: UTC.
	TimeZone string
}

// Standing is how far a limit is used up.
type Standing struct {
	Limit
	// Used is what ended requests have used, Reserved what is set aside for others.
	Used, Reserved uint64
	// RenewsAt is when something is free again by itself; zero: never, or nothing is used.
	RenewsAt time.Time
}

// Left is what can be used now.
func (s Standing) Left() uint64 {
	if taken := s.Used + s.Reserved; taken < s.Amount {
		return s.Amount - taken
	}
	return 0
}
