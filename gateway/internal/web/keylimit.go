package web

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/keyform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// limitBar is a limit of a key, and how far it is used up, as a bar that is 100 wide.
type limitBar struct {
	// Name is unit.period, such as tokens.minute: a part of a text's key.
	Name string
	// TimeZone is whose calendar the period follows; empty: UTC's.
	TimeZone string
	// Amount, Used, Reserved and Left are for people.
	Amount, Used, Reserved, Left string
	// Known tells whether the store has said how far it is used up.
	Known bool
	// Aside tells whether something is set aside.
	Aside bool
	// Level is the state of a token in whose colour the bar is.
	Level string
	// UsedW is the width of what is used, ReservedW of what is set aside, next to it.
	UsedW, ReservedW string
	RenewsAt         *timestamppb.Timestamp
}

// Shares of the amount that are left, below which the colour of a bar changes.
const (
	littleLeft  = 0.1
	nothingLeft = 0.0
)

// barsOf are the limits of a key, in its order.
func barsOf(key *tokenstorev1.ListedKey) []limitBar {
	standing := key.GetStanding()
	known := len(standing) == len(key.GetKey().GetLimits())
	if !known { // the store does not know, or knows it of the limits that were
		standing = nil
		for _, limit := range key.GetKey().GetLimits() {
			standing = append(standing, &tokenstorev1.KeyStanding{Limit: limit})
		}
	}
	bars := make([]limitBar, 0, len(standing))
	for i, left := range keyform.LeftOf(standing) {
		bars = append(bars, barOf(standing[i], left, known))
	}
	return bars
}

func barOf(standing *tokenstorev1.KeyStanding, left keyform.Left, known bool) limitBar {
	amount := float64(max(standing.GetLimit().GetAmount(), 1))
	used := min(100*float64(standing.GetUsed())/amount, 100)
	reserved := min(100*float64(standing.GetReserved())/amount, 100-used)
	return limitBar{
		Name: left.Unit + "." + left.Period, TimeZone: standing.GetLimit().GetTimeZone(), Known: known, Aside: standing.GetReserved() > 0,
		Amount: amountText(left.Unit, left.Amount), Used: amountText(left.Unit, left.Used), Reserved: amountText(left.Unit, left.Reserved),
		Left: amountText(left.Unit, left.Left), Level: levelOf(left.Share), UsedW: coordinate(used), ReservedW: coordinate(reserved),
		RenewsAt: standing.GetRenewsAt(),
	}
}

func levelOf(share float64) string {
	switch {
	case share <= nothingLeft:
		return "expired"
	case share < littleLeft:
		return "cooling"
	default:
		return "ready"
	}
}

// amountText writes an amount of a unit for people: counts in groups of digits, dollars with at
// most four decimals, cut off, so that nothing is shown that is not there.
func amountText(unit, amount string) string {
	if unit != "usd" {
		count, err := strconv.ParseUint(amount, 10, 64)
		if err != nil {
			return amount
		}
		return number(count)
	}
	const decimals = 4
	whole, fraction, _ := strings.Cut(amount, ".")
	if len(fraction) > decimals {
		fraction = fraction[:decimals]
	}
	for len(fraction) > 2 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	shown := "$" + amountText("", whole) + "." + fraction
	if strings.Trim(shown, "$0.") == "" && strings.Trim(amount, "0.") != "" {
		return "< $0.0001"
	}
	return shown
}
