package notify

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// Board is what is wrong, and who has been told. All tokenstores share it; the leader writes it.
type Board struct {
	// Alerts by fingerprint.
	Alerts map[string]*Standing `json:"alerts,omitempty"`
	Memory Memory               `json:"memory"`
}

// Standing is an alert on the board.
type Standing struct {
	Alert
	// Since is when it was first seen, Fired when it had lasted long enough; zero before.
	Since time.Time `json:"since"`
	Fired time.Time `json:"fired,omitzero"`
	// Missed is since when it is not seen any more, Resolved when that had lasted long enough; zero
	// before.
	Missed   time.Time `json:"missed,omitzero"`
	Resolved time.Time `json:"resolved,omitzero"`
	// Told are the ids of the destinations for which a delivery of it was made.
	Told []string `json:"told,omitempty"`
}

const (
	// clearAfter is how long an alert must not be seen until it is over: one that flickers is told
	// once.
	clearAfter = time.Minute
	// groupFor is how long what is new waits for more to be told with it.
	groupFor = 10 * time.Second
)

// ReadBoard reads what encode wrote; an empty text is an empty board.
func ReadBoard(text string) (Board, error) {
	var board Board
	if text != "" && json.Unmarshal([]byte(text), &board) != nil {
		return Board{}, errors.New("the board of alerts can't be read")
	}
	if board.Alerts == nil {
		board.Alerts = map[string]*Standing{}
	}
	return board, nil
}

func (b Board) encode() (string, error) {
	text, err := json.Marshal(b)
	return string(text), err
}

// look judges an observation. Nothing has to last longer than patience until it fires or is over.
func (b *Board) look(seen Observation, patience time.Duration) {
	now, found := seen.At, map[string]bool{}
	for _, alert := range findings(seen, &b.Memory) {
		of := alert.Fingerprint()
		found[of] = true
		standing := b.Alerts[of]
		if standing == nil {
			standing = &Standing{Since: now}
			b.Alerts[of] = standing
		}
		standing.Alert, standing.Missed, standing.Resolved = alert, time.Time{}, time.Time{}
		if standing.Fired.IsZero() && now.Sub(standing.Since) >= min(ruleOf(alert.Name).hold, patience) {
			standing.Fired = now
		}
	}
	for of, standing := range b.Alerts {
		switch {
		case found[of]:
		case standing.Fired.IsZero():
			delete(b.Alerts, of)
		case standing.Missed.IsZero() && patience > 0:
			standing.Missed = now
		case standing.Resolved.IsZero() && now.Sub(standing.Missed) >= min(clearAfter, patience):
			standing.Resolved = now
		}
	}
}

// deliveries are what the destinations are to be told now; who has one on its way waits. The board
// notes who is told what.
func (b *Board) deliveries(to []Destination, silences []Silence, busy []string, now time.Time, patience time.Duration) []Delivery {
	var made []Delivery
	for _, destination := range to {
		if destination.GetDisabled() || slices.Contains(busy, destination.GetId()) {
			continue
		}
		begun, over := b.news(destination, silences)
		if oldest := oldestOf(begun, over); oldest.IsZero() || now.Sub(oldest) < min(groupFor, patience) {
			continue
		}
		made = append(made, newDelivery(destination, begun, over, now))
		for _, each := range begun {
			each.Told = append(each.Told, destination.GetId())
		}
		for _, each := range over {
			each.Told = slices.DeleteFunc(each.Told, func(id string) bool { return id == destination.GetId() })
		}
	}
	b.sweep(to)
	return made
}

// news are what a destination has not been told: alerts that have begun, and that are over.
func (b *Board) news(destination Destination, silences []Silence) (begun, over []*Standing) {
	for _, of := range slices.Sorted(maps.Keys(b.Alerts)) {
		standing := b.Alerts[of]
		told := slices.Contains(standing.Told, destination.GetId())
		switch {
		case standing.Fired.IsZero():
		case !standing.Resolved.IsZero():
			if told && !destination.GetWithoutRecoveries() {
				over = append(over, standing)
			}
		case !told && destination.takes(standing.Alert) && !standing.Silenced(silences):
			begun = append(begun, standing)
		}
	}
	return begun, over
}

// Silenced tells whether it is not to be told to who was not told yet. The silences are those that
// have not ended.
func (s *Standing) Silenced(silences []Silence) bool {
	return s.Known || slices.ContainsFunc(silences, func(each Silence) bool { return each.covers(s.Alert) })
}

func oldestOf(begun, over []*Standing) time.Time {
	var oldest time.Time
	note := func(at time.Time) {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	for _, each := range begun {
		note(each.Fired)
	}
	for _, each := range over {
		note(each.Resolved)
	}
	return oldest
}

// sweep drops alerts that are over and of which nobody is to be told the end.
func (b *Board) sweep(to []Destination) {
	for of, standing := range b.Alerts {
		standing.Told = slices.DeleteFunc(standing.Told, func(id string) bool {
			return !slices.ContainsFunc(to, func(each Destination) bool {
				return each.GetId() == id && !each.GetDisabled() && (standing.Resolved.IsZero() || !each.GetWithoutRecoveries())
			})
		})
		if !standing.Resolved.IsZero() && len(standing.Told) == 0 {
			delete(b.Alerts, of)
		}
	}
}

// Ordered are the alerts: those that fire first, the newest first.
func (b Board) Ordered() []*Standing {
	return slices.SortedFunc(maps.Values(b.Alerts), func(x, y *Standing) int {
		return cmp.Or(cmp.Compare(x.order(), y.order()), y.Since.Compare(x.Since), cmp.Compare(x.Fingerprint(), y.Fingerprint()))
	})
}

func (s *Standing) order() int {
	switch {
	case !s.Resolved.IsZero():
		return 2
	case s.Fired.IsZero():
		return 1
	default:
		return 0
	}
}
