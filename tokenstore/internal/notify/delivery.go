package notify

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Delivery is what a destination is told at a time.
type Delivery struct {
	// ID is the same for all attempts.
	ID string `json:"id"`
	// Destination is its id, Name its name when this was made.
	Destination string    `json:"destination"`
	Name        string    `json:"name"`
	Made        time.Time `json:"made"`
	// Firing are alerts that have begun, Resolved those that are over. Neither: it is a test.
	Firing   []Told `json:"firing,omitempty"`
	Resolved []Told `json:"resolved,omitempty"`
	// Attempt is 1 for the first; who takes a delivery is told it.
	Attempt uint32 `json:"-"`
}

// Told is an alert as it is told.
type Told struct {
	Alert
	Since    time.Time `json:"since"`
	Resolved time.Time `json:"resolved,omitzero"`
}

// NewDelivery makes one of nothing: a test.
func NewDelivery(destination Destination, now time.Time) Delivery {
	return newDelivery(destination, nil, nil, now)
}

func newDelivery(destination Destination, begun, over []*Standing, now time.Time) Delivery {
	return Delivery{
		ID: newID("n"), Destination: destination.GetId(), Name: destination.GetName(), Made: now, Firing: toldOf(begun), Resolved: toldOf(over), Attempt: 1,
	}
}

func toldOf(standing []*Standing) []Told {
	var told []Told
	for _, each := range standing {
		told = append(told, Told{each.Alert, each.Since, each.Resolved})
	}
	return told
}

// newID is a letter for what it is of, and 16 of [0-9a-z].
func newID(of string) string { return of + strings.ToLower(rand.Text()[:16]) }

// Alerts are the names of what it tells, each once.
func (d Delivery) Alerts() []string {
	var names []string
	for _, each := range slices.Concat(d.Firing, d.Resolved) {
		if !slices.Contains(names, each.Name) {
			names = append(names, each.Name)
		}
	}
	return names
}

// Severity is the highest of what fires; Info where nothing does.
func (d Delivery) Severity() Severity {
	highest := Info
	for _, each := range d.Firing {
		if severity := each.Severity(); severity.reaches(highest) {
			highest = severity
		}
	}
	return highest
}

const (
	// SendTimeout bounds one attempt.
	SendTimeout = 10 * time.Second
	// TakenFor is for how long a delivery is its taker's. Then it goes to the next: it is so much
	// longer than an attempt that both never send at a time.
	TakenFor = time.Minute
	// maxAttempts bounds how often one delivery is tried, which takes about an hour.
	maxAttempts = 15
	// Bounds of the pause between attempts.
	firstPause, longestPause = 5 * time.Second, 5 * time.Minute
)

// Record is what is kept and shown of an attempt, without its time.
func (d Delivery) Record(came Settlement) *tokenstorev1.Delivery {
	return &tokenstorev1.Delivery{
		Id: d.ID, DestinationId: d.Destination, DestinationName: d.Name, Attempt: d.Attempt, Outcome: string(came.Outcome), Detail: came.Detail,
		Firing: uint32(len(d.Firing)), Resolved: uint32(len(d.Resolved)), Alerts: d.Alerts(), //nolint:gosec // alerts are few
	}
}

// Outcome is what came of an attempt.
type Outcome string

// All of them.
const (
	Delivered Outcome = "delivered"
	Failed    Outcome = "failed"
	GivenUp   Outcome = "given_up"
)

// Settlement is how an attempt ended.
type Settlement struct {
	Outcome Outcome
	// Detail is why it was not delivered; without anything secret.
	Detail string
	// Again is when the next attempt is made of one that failed.
	Again time.Duration
}

// settle judges an attempt by its error.
func settle(attempt uint32, err error) Settlement {
	if err == nil {
		return Settlement{Outcome: Delivered}
	}
	refusal := refusalOf(err)
	if refusal.Final || attempt >= maxAttempts {
		return Settlement{Outcome: GivenUp, Detail: shortened(err.Error())}
	}
	pause := min(firstPause<<min(attempt-1, 10), longestPause)
	return Settlement{Outcome: Failed, Detail: shortened(err.Error()), Again: min(max(pause, refusal.RetryAfter), longestPause)}
}
