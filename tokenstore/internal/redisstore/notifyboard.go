package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/notify"
)

var (
	leadAlertsScript   = newScript("lead_alerts")
	commitAlertsScript = newScript("commit_alerts")
)

// LeadAlerts implements notify.Store.
func (s *Store) LeadAlerts(ctx context.Context, name string) (*notify.Lead, error) {
	keys := []string{alertLeaderKey(), alertBoardKey(), deliveriesDueKey()}
	values, err := leadAlertsScript.run(ctx, s.client, keys, name, notify.LeadFor.Milliseconds()).Slice()
	if err != nil {
		return nil, storeError("judge alerts", err)
	}
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // as promised: another one leads
	}
	reply := &row{values: values}
	lead := &notify.Lead{Name: name, Term: reply.count(0), Now: time.UnixMilli(reply.number(1)), Board: reply.text(2)}
	for i := 3; i < len(values); i++ {
		lead.Busy = append(lead.Busy, reply.text(i))
	}
	return lead, reply.err
}

// CommitAlerts implements notify.Store. Deliveries are on disk when it returns: nobody is told what
// Redis may forget.
func (s *Store) CommitAlerts(ctx context.Context, lead *notify.Lead, board string, deliveries []notify.Delivery) (bool, error) {
	args := []any{lead.Name, lead.Term, board}
	for _, each := range deliveries {
		record, err := encodeDelivery(each)
		if err != nil {
			return false, err
		}
		args = append(args, each.Destination, record)
	}
	keys := []string{alertLeaderKey(), alertBoardKey(), deliveriesKey(), deliveriesDueKey()}
	committed, err := commitAlertsScript.run(ctx, s.client, keys, args...).Bool()
	if err != nil || !committed || len(deliveries) == 0 {
		return committed, storeError("judge alerts", err)
	}
	return true, s.barrier.Sync(ctx)
}

// AlertBoard returns the alerts as they were judged last.
func (s *Store) AlertBoard(ctx context.Context) (notify.Board, error) {
	text, err := s.client.Get(ctx, alertBoardKey()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return notify.Board{}, storeError("read the alerts", err)
	}
	return notify.ReadBoard(text)
}
