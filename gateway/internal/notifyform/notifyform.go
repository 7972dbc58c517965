// Package notifyform is the form in which alerts, and who is told of them, are shown, for the admin
// API, the pages and the command line.
package notifyform

import (
	"time"

	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Notifications are who is told of what, and what was told.
type Notifications struct {
	Destinations []Destination `json:"destinations"`
	Alerts       []Alert       `json:"alerts"`
	Silences     []Silence     `json:"silences"`
	Deliveries   []Delivery    `json:"deliveries"`
	// AlertNames are all that there can be.
	AlertNames []string `json:"alert_names"`
}

// Of shows what the tokenstore answers.
func Of(now *tokenstorev1.GetNotificationsResponse) Notifications {
	return Notifications{
		each(now.GetDestinations(), DestinationOf), each(now.GetAlerts(), AlertOf), each(now.GetSilences(), SilenceOf),
		each(now.GetDeliveries(), DeliveryOf), nullable.List(now.GetAlertNames()),
	}
}

// each is a list of what is made of each, never null.
func each[From, To any](all []From, made func(From) To) []To {
	list := make([]To, len(all))
	for i, one := range all {
		list[i] = made(one)
	}
	return list
}

// Alert is something that is wrong, or was until just now.
type Alert struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Severity    string            `json:"severity"`
	Labels      map[string]string `json:"labels"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Since       *time.Time        `json:"since"`
	FiredAt     *time.Time        `json:"fired_at"`
	ResolvedAt  *time.Time        `json:"resolved_at"`
	Silenced    bool              `json:"silenced"`
	// Told are the ids of the destinations that have been told.
	Told []string `json:"told"`
}

// AlertOf shows an alert.
func AlertOf(a *tokenstorev1.Alert) Alert {
	labels := a.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	return Alert{
		a.GetFingerprint(), a.GetName(), a.GetSeverity(), labels, a.GetSummary(), a.GetDescription(), nullable.Time(a.GetSince()), nullable.Time(a.GetFiredAt()),
		nullable.Time(a.GetResolvedAt()), a.GetSilenced(), nullable.List(a.GetTold()),
	}
}

// State is how it stands: over, silenced, fires or waits.
func (a Alert) State() string {
	switch {
	case a.ResolvedAt != nil:
		return "over"
	case a.Silenced:
		return "silenced"
	case a.FiredAt != nil:
		return "fires"
	default:
		return "waits"
	}
}

// Silence keeps alerts from being told for a time.
type Silence struct {
	ID       string     `json:"id"`
	Alert    *string    `json:"alert"`
	Upstream *string    `json:"upstream"`
	Until    *time.Time `json:"until"`
	Comment  string     `json:"comment"`
}

// SilenceOf shows a silence.
func SilenceOf(s *tokenstorev1.Silence) Silence {
	return Silence{s.GetId(), nullable.Text(s.GetAlert()), nullable.Text(s.GetUpstream()), nullable.Time(s.GetUntil()), s.GetComment()}
}

// Delivery is an attempt to tell a destination something.
type Delivery struct {
	ID              string     `json:"id"`
	DestinationID   string     `json:"destination_id"`
	DestinationName string     `json:"destination_name"`
	At              *time.Time `json:"at"`
	Attempt         uint32     `json:"attempt"`
	Outcome         string     `json:"outcome"`
	Detail          *string    `json:"detail"`
	Firing          uint32     `json:"firing"`
	Resolved        uint32     `json:"resolved"`
	Alerts          []string   `json:"alerts"`
}

// DeliveryOf shows an attempt.
func DeliveryOf(d *tokenstorev1.Delivery) Delivery {
	return Delivery{
		d.GetId(), d.GetDestinationId(), d.GetDestinationName(), nullable.Time(d.GetAt()), d.GetAttempt(), d.GetOutcome(), nullable.Text(d.GetDetail()),
		d.GetFiring(), d.GetResolved(), nullable.List(d.GetAlerts()),
	}
}
