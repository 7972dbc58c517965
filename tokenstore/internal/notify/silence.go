package notify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// MaxSilences bounds those that there are at a time.
	MaxSilences = 100
	// longestSilence is how long one may last.
	longestSilence = 365 * 24 * time.Hour
	// maxComment bounds what is said of one, in bytes.
	maxComment = 200
)

// Silence keeps alerts from being told that were not told before.
type Silence struct{ *tokenstorev1.Silence }

// Check returns everything that is wrong with a silence that begins now.
func (s Silence) Check(now time.Time) error {
	var problems []error
	if name := s.GetAlert(); name != "" && !slices.Contains(Names(), name) {
		problems = append(problems, unknownAlert("alert", name))
	}
	if s.GetUntil() == nil || !s.GetUntil().AsTime().After(now) || s.GetUntil().AsTime().Sub(now) > longestSilence {
		problems = append(problems, errors.New("until: a time within the next year wanted"))
	}
	if len(s.GetComment()) > maxComment {
		problems = append(problems, fmt.Errorf("comment: at most %d bytes", maxComment))
	}
	return errors.Join(problems...)
}

// covers tells whether an alert is silenced by it.
func (s Silence) covers(a Alert) bool {
	return (s.GetAlert() == "" || s.GetAlert() == a.Name) &&
		(s.GetUpstream() == "" || s.GetUpstream() == a.Labels[UpstreamLabel])
}

func unknownAlert(member, name string) error {
	return fmt.Errorf("%s: there is no alert %q; docs/notifications.md lists them", member, name)
}
