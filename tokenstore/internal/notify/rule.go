package notify

import "time"

// Names of alerts.
const (
	PoolDry       = "CarouselPoolDry"
	PoolShort     = "CarouselPoolShort"
	PoolDrySoon   = "CarouselPoolDrySoon"
	GuardOpen     = "CarouselGuardOpen"
	TokenParked   = "CarouselTokenParked"
	TokenExpiring = "CarouselTokenExpiring"
	TokenExpired  = "CarouselTokenExpired"
	LoginNeeded   = "CarouselLoginNeeded"
	StoreDown     = "CarouselStoreDown"
	StoreWarning  = "CarouselStoreWarning"
	Degraded      = "CarouselDegraded"
	LogDropping   = "CarouselLogDropping"
	BudgetNear    = "CarouselBudgetNear"
)

// rule says of alerts of one name how much they matter, and how long one has to last until it
// fires.
type rule struct {
	name     string
	severity Severity
	hold     time.Duration
}

// rules are as in deploy/prometheus/alerts.yml, which a test holds. CarouselDegraded is the
// exception there: it is known only once it is over.
var rules = []rule{
	{PoolDry, Critical, time.Minute},
	{PoolShort, Warning, 10 * time.Minute},
	{PoolDrySoon, Warning, 15 * time.Minute},
	{GuardOpen, Critical, 0},
	{TokenParked, Warning, 5 * time.Minute},
	{TokenExpiring, Warning, 5 * time.Minute},
	{TokenExpired, Warning, 15 * time.Minute},
	{LoginNeeded, Warning, 5 * time.Minute},
	{StoreDown, Critical, 30 * time.Second},
	{StoreWarning, Warning, 2 * time.Minute},
	{Degraded, Critical, 0},
	{LogDropping, Warning, 0},
	{BudgetNear, Info, time.Minute},
}

// LongestHold is the longest that anything has to last until it fires.
const LongestHold = 15 * time.Minute

// Names are those of all alerts, in order.
func Names() []string {
	names := make([]string, len(rules))
	for i, each := range rules {
		names[i] = each.name
	}
	return names
}

// ruleOf returns that of a name; one of a version that knows more rules counts as a warning.
func ruleOf(name string) rule {
	for _, each := range rules {
		if each.name == name {
			return each
		}
	}
	return rule{name: name, severity: Warning}
}
