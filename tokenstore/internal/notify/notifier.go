package notify

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Store keeps what tokenstores share. Its clock is the one that counts.
type Store interface {
	// NotifyDestinations returns all, and ActiveSilences those that have not ended.
	NotifyDestinations(ctx context.Context) ([]Destination, error)
	ActiveSilences(ctx context.Context) ([]Silence, error)
	// LeadAlerts makes the caller the leader for a time, or keeps it that; nil while another one is.
	LeadAlerts(ctx context.Context, name string) (*Lead, error)
	// CommitAlerts replaces the board and adds deliveries, if the lead still holds. No destination
	// has two.
	CommitAlerts(ctx context.Context, lead *Lead, board string, deliveries []Delivery) (bool, error)
	// TakeDelivery gives the caller one that is due, for TakenFor; nil where none is.
	TakeDelivery(ctx context.Context) (*Delivery, error)
	// SettleDelivery ends the attempt, and notes what came of it.
	SettleDelivery(ctx context.Context, delivery Delivery, settlement Settlement) error
	// NoteDelivery notes what came of an attempt with what nobody has taken.
	NoteDelivery(ctx context.Context, delivery Delivery, settlement Settlement) error
}

// Lead is one term of a leader.
type Lead struct {
	Name string
	Term uint64
	// Now is the store's time.
	Now time.Time
	// Board is the text of it, Busy the destinations that have a delivery on its way.
	Board string
	Busy  []string
}

// LeadFor is how long a leader leads that says nothing.
const LeadFor = 30 * time.Second

// How often a tokenstore looks, and how often while there is no destination.
const (
	lookEvery = 5 * time.Second
	idleEvery = 15 * time.Second
)

// Notifier is one tokenstore's part in telling people.
type Notifier struct {
	Store   Store
	Courier Courier
	// Usable returns why the store can't be used; nil while it can.
	Usable func(ctx context.Context) error
	// Observe returns what is known now; its time is the caller's to set.
	Observe func(ctx context.Context) (Observation, error)
	// Patience is how long anything has to last, at most, until it is told.
	Patience time.Duration
	Log      *slog.Logger

	// name is that of this process among those that lead; Turn gives it one. Its own, like all below.
	name string
	// leads: the last turn was this one's as a leader. to are the destinations of it.
	leads  bool
	to     []Destination
	outage outage
}

// Run looks and tells until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pace, err := n.Turn(ctx)
		if err != nil && ctx.Err() == nil {
			n.Log.LogAttrs(ctx, slog.LevelDebug, "alerts could not be judged", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(pace, max(n.Patience, time.Second))):
		}
	}
}

// Turn looks once, tells what is due, and returns when to look again. Run does nothing else.
func (n *Notifier) Turn(ctx context.Context) (time.Duration, error) {
	if n.name == "" {
		n.name = newID("t")
	}
	if err := n.Usable(ctx); err != nil {
		if n.leads {
			n.outage.goesOn(ctx, n, err)
		}
		return lookEvery, nil // it is told
	}
	n.outage.over(ctx, n)
	to, err := n.Store.NotifyDestinations(ctx)
	if err != nil {
		return lookEvery, err
	}
	if !slices.ContainsFunc(to, func(each Destination) bool { return !each.GetDisabled() }) {
		n.leads = false
		return idleEvery, nil
	}
	if err := n.judge(ctx, to); err != nil {
		return lookEvery, err
	}
	return lookEvery, n.deliver(ctx, to)
}

// judge looks what is wrong, if this one leads.
func (n *Notifier) judge(ctx context.Context, to []Destination) error {
	lead, err := n.Store.LeadAlerts(ctx, n.name)
	if err != nil {
		return err
	}
	if n.leads = lead != nil; !n.leads {
		return nil
	}
	n.to = to
	board, err := ReadBoard(lead.Board)
	if err != nil {
		n.Log.LogAttrs(ctx, slog.LevelWarn, "alerts begin anew", slog.Any("error", err))
		board, _ = ReadBoard("")
	}
	silences, err := n.Store.ActiveSilences(ctx)
	if err != nil {
		return err
	}
	seen, err := n.Observe(ctx)
	if err != nil {
		return err
	}
	seen.At = lead.Now
	board.look(seen, n.Patience)
	made := board.deliveries(to, silences, lead.Busy, lead.Now, n.Patience)
	text, err := board.encode()
	if err != nil || text == lead.Board {
		return err
	}
	_, err = n.Store.CommitAlerts(ctx, lead, text, made)
	return err // where the term is over the next leader judges anew
}

// deliver sends what is due, each to its destination at the same time.
func (n *Notifier) deliver(ctx context.Context, to []Destination) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	for range to {
		delivery, err := n.Store.TakeDelivery(ctx)
		if err != nil || delivery == nil {
			return err
		}
		sending.Go(func() { n.send(ctx, to, *delivery) })
	}
	return nil
}

// send makes one attempt and settles it, also while this process stops: what was begun would else
// be sent again.
func (n *Notifier) send(ctx context.Context, to []Destination, delivery Delivery) {
	settlement := Settlement{Outcome: GivenUp, Detail: "the destination was deleted or disabled meanwhile"}
	at := slices.IndexFunc(to, func(each Destination) bool { return each.GetId() == delivery.Destination && !each.GetDisabled() })
	if at >= 0 {
		settlement = n.attempt(ctx, to[at], delivery)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), SendTimeout)
	defer cancel()
	if err := n.Store.SettleDelivery(ctx, delivery, settlement); err != nil {
		n.Log.LogAttrs(ctx, slog.LevelWarn, "a notification was sent, and that could not be noted", slog.String("delivery", delivery.ID), slog.Any("error", err))
	}
}

// attempt sends a delivery and says what came of it, in the log too. Once begun it goes on for up
// to SendTimeout, whoever gives up waiting.
func (n *Notifier) attempt(ctx context.Context, destination Destination, delivery Delivery) Settlement {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), SendTimeout)
	defer cancel()
	settlement := settle(delivery.Attempt, n.Courier.Send(sending, destination, delivery))
	level := slog.LevelInfo
	if settlement.Outcome != Delivered {
		level = slog.LevelWarn
	}
	n.Log.LogAttrs(ctx, level, "notification", slog.String("delivery", delivery.ID), slog.String("destination", destination.GetName()),
		slog.String("kind", destination.GetKind()), slog.Int("firing", len(delivery.Firing)), slog.Int("resolved", len(delivery.Resolved)),
		slog.Uint64("attempt", uint64(delivery.Attempt)), slog.String("outcome", string(settlement.Outcome)), slog.String("detail", settlement.Detail))
	return settlement
}

// Test tells a destination something now, once.
func (n *Notifier) Test(ctx context.Context, destination Destination) (Delivery, Settlement, error) {
	delivery := NewDelivery(destination, time.Now())
	settlement := n.attempt(ctx, destination, delivery)
	if settlement.Outcome == Failed { // nobody tries a test again
		settlement.Outcome = GivenUp
	}
	return delivery, settlement, n.Store.NoteDelivery(ctx, delivery, settlement)
}
