package notify

import (
	"context"
	"errors"
	"time"
)

// Courier brings a delivery to its destination. An error says why that failed without anything
// secret; it may be a Refusal.
type Courier interface {
	Send(ctx context.Context, destination Destination, delivery Delivery) error
}

// Refusal is a destination's answer that it does not take a delivery.
type Refusal struct {
	Reason string
	// Final: another attempt would be refused, too.
	Final bool
	// RetryAfter is when the destination wants to be asked again; 0: it does not say.
	RetryAfter time.Duration
}

func (r *Refusal) Error() string { return r.Reason }

// refusalOf is what the error says of further attempts.
func refusalOf(err error) Refusal {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return *refusal
	}
	return Refusal{}
}
