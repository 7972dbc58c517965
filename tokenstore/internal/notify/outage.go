package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outage tells of a time in which the store can't be used, so that neither the board nor the lead
// can be shared. Who led when it began tells of it, from what it remembers: nobody else can have
// begun to lead since, but where this one alone was cut off, and then too what it says is true.
// When that process ends, nobody tells.
type outage struct {
	// since is when it began; zero while there is none.
	since time.Time
	told  *Told
	// letters are those that were not delivered, or not noted in the store, yet: two a destination
	// and outage at most.
	letters []*letter
}

// letter is a delivery that this process alone knows of.
type letter struct {
	to       Destination
	delivery Delivery
	due      time.Time
	// came is what came of the last attempt; empty before the first.
	came Settlement
}

func (l *letter) done() bool { return l.came.Outcome == Delivered || l.came.Outcome == GivenUp }

// goesOn tells of the outage once it has lasted long enough.
func (o *outage) goesOn(ctx context.Context, n *Notifier, why error) {
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if o.told == nil && now.Sub(o.since) >= min(ruleOf(StoreDown).hold, n.Patience) {
		o.told = &Told{Alert: Alert{Name: StoreDown, Detail: shortened(why.Error())}, Since: o.since}
		for _, destination := range n.to {
			if !destination.GetDisabled() && destination.takes(o.told.Alert) {
				delivery := NewDelivery(destination, now)
				delivery.Firing = []Told{*o.told}
				o.letters = append(o.letters, &letter{to: destination, delivery: delivery})
			}
		}
	}
	o.post(ctx, n)
}

// over tells those who heard of the outage that it has ended, and notes in the store what was told.
func (o *outage) over(ctx context.Context, n *Notifier) {
	if o.told != nil {
		o.told.Resolved = time.Now()
		for _, each := range o.letters {
			switch {
			case each.came.Outcome != Delivered:
				each.came = Settlement{Outcome: GivenUp, Detail: "it was over before anybody could be told"}
			case len(each.delivery.Firing) > 0 && !each.to.GetWithoutRecoveries():
				delivery := NewDelivery(each.to, o.told.Resolved)
				delivery.Resolved = []Told{*o.told}
				o.letters = append(o.letters, &letter{to: each.to, delivery: delivery})
			}
		}
	}
	o.since, o.told = time.Time{}, nil
	o.post(ctx, n)
	var left []*letter
	for _, each := range o.letters {
		if !each.done() {
			left = append(left, each)
			continue
		}
		if err := n.Store.NoteDelivery(ctx, each.delivery, each.came); err != nil {
			n.Log.LogAttrs(ctx, slog.LevelWarn, "a notification was sent, and that could not be noted", slog.String("delivery", each.delivery.ID), slog.Any("error", err))
		}
	}
	o.letters = left
}

// post makes the attempts that are due, all at the same time.
func (o *outage) post(ctx context.Context, n *Notifier) {
	var sending sync.WaitGroup
	for _, each := range o.letters {
		if each.done() || time.Now().Before(each.due) {
			continue
		}
		sending.Go(func() {
			each.came = n.attempt(ctx, each.to, each.delivery)
			each.due = time.Now().Add(each.came.Again)
			if !each.done() {
				each.delivery.Attempt++
			}
		})
	}
	sending.Wait()
}
