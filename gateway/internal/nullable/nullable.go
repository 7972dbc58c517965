// Package nullable makes values for JSON answers that are null where a message of the
// contract has nothing, and lists that are not.
package nullable

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Text is null where the text is empty.
func Text(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// List is an empty list where there is none: JSON tells that from null.
func List[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Time is null where the time is unset.
func Time(at *timestamppb.Timestamp) *time.Time {
	if at == nil {
		return nil
	}
	t := at.AsTime()
	return &t
}

// Milliseconds is null where the duration is unset, and has three decimals.
func Milliseconds(d *durationpb.Duration) *float64 {
	if d == nil {
		return nil
	}
	milliseconds := float64(d.AsDuration().Microseconds()) / 1000
	return &milliseconds
}
