// Package notify decides what people are told of: which alerts there are, since when, and which
// destination is to hear of their beginning and their end. Alerts have the names of the rules in
// deploy/prometheus/alerts.yml, so nobody learns two lists.
//
// Any number of tokenstores may run a Notifier on one store. One at a time leads: it looks, judges,
// and puts what is new on the board together with what is to be delivered, in one step that only
// the leader's term permits. Whoever comes first takes a delivery, for a time; one that dies with
// it leaves it to the next. So each destination is told once, as far as that can be known: where an
// answer was lost, the same delivery is sent again under the same id.
//
// It knows neither Redis nor HTTP: Store and Courier are met elsewhere.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
)

// Severity is how much an alert matters.
type Severity string

// From the least to the most.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities are all, from the least on.
func Severities() []Severity { return []Severity{Info, Warning, Critical} }

// reaches tells whether it matters at least as much as another.
func (s Severity) reaches(least Severity) bool {
	return slices.Index(Severities(), s) >= slices.Index(Severities(), least)
}

// Alert is one thing that is wrong, in facts: Words says it in a language.
type Alert struct {
	// Name is that of a rule.
	Name string `json:"name"`
	// Labels tell alerts of one name apart, such as the upstream.
	Labels map[string]string `json:"labels,omitempty"`
	// Count is how many tokens, keys or log entries it is about; Of, among how many.
	Count uint64 `json:"count,omitempty"`
	Of    uint64 `json:"of,omitempty"`
	// At is the moment that it is about, such as that of an expiry.
	At time.Time `json:"at,omitzero"`
	// Detail is what more is known, such as the class of failures or what the store says of itself.
	Detail string `json:"detail,omitempty"`
	// Known: an admin has said so. Who has not been told yet is not told.
	Known bool `json:"known,omitempty"`
}

// Labels of alerts.
const (
	UpstreamLabel = "upstream"
	KindLabel     = "kind"
	PeriodLabel   = "period"
	UnitLabel     = "unit"
)

// Fingerprint is the same for the same thing, 16 hex digits.
func (a Alert) Fingerprint() string {
	text := []string{a.Name}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		text = append(text, name, a.Labels[name])
	}
	sum := sha256.Sum256([]byte(strings.Join(text, "\n")))
	return hex.EncodeToString(sum[:8])
}

// Severity is that of the alert's rule.
func (a Alert) Severity() Severity { return ruleOf(a.Name).severity }
