package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

var (
	takeDeliveryScript   = newScript("take_delivery")
	settleDeliveryScript = newScript("settle_delivery")
)

const (
	// keepDeliveries is how many attempts are kept, shownDeliveries how many of them are answered.
	keepDeliveries  = 500
	shownDeliveries = 100
)

func encodeDelivery(delivery notify.Delivery) ([]byte, error) {
	record, err := json.Marshal(delivery)
	if err != nil {
		return nil, fmt.Errorf("encode a delivery: %w", err)
	}
	return record, nil
}

// TakeDelivery implements notify.Store.
func (s *Store) TakeDelivery(ctx context.Context) (*notify.Delivery, error) {
	values, err := takeDeliveryScript.run(ctx, s.client, []string{deliveriesKey(), deliveriesDueKey()}, notify.TakenFor.Milliseconds()).StringSlice()
	if err != nil {
		return nil, storeError("take a delivery", err)
	}
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // as promised: none is due
	}
	delivery := &notify.Delivery{}
	if err := json.Unmarshal([]byte(values[0]), delivery); err != nil {
		return nil, fmt.Errorf("a delivery can't be read: %w", err)
	}
	attempt, err := strconv.ParseUint(values[1], 10, 32)
	delivery.Attempt = uint32(attempt)
	return delivery, err
}

// SettleDelivery implements notify.Store. When it returns, Redis won't forget what was delivered.
func (s *Store) SettleDelivery(ctx context.Context, delivery notify.Delivery, settlement notify.Settlement) error {
	entry, err := proto.Marshal(delivery.Record(settlement)) // its time is that of its id
	if err != nil {
		return fmt.Errorf("encode a delivery: %w", err)
	}
	again := ""
	if settlement.Outcome == notify.Failed {
		again = strconv.FormatInt(settlement.Again.Milliseconds(), 10)
	}
	err = settleDeliveryScript.run(ctx, s.client, []string{deliveriesKey(), deliveriesDueKey(), deliveryLogKey()},
		delivery.Destination, delivery.ID, delivery.Attempt, again, entry, keepDeliveries).Err()
	if err != nil || settlement.Outcome == notify.Failed {
		return storeError("settle a delivery", err)
	}
	return s.barrier.Sync(ctx)
}

// NoteDelivery implements notify.Store: nobody has taken what has this id.
func (s *Store) NoteDelivery(ctx context.Context, delivery notify.Delivery, settlement notify.Settlement) error {
	settlement.Again = 0
	return s.SettleDelivery(ctx, delivery, settlement)
}

// Deliveries returns the newest attempts, newest first.
func (s *Store) Deliveries(ctx context.Context) ([]*tokenstorev1.Delivery, error) {
	messages, err := s.client.XRevRangeN(ctx, deliveryLogKey(), "+", "-", shownDeliveries).Result()
	if err != nil {
		return nil, storeError("list deliveries", err)
	}
	deliveries := make([]*tokenstorev1.Delivery, 0, len(messages))
	for _, message := range messages {
		text, _ := message.Values["e"].(string)
		delivery := &tokenstorev1.Delivery{}
		if err := proto.Unmarshal([]byte(text), delivery); err != nil {
			return nil, fmt.Errorf("a delivery can't be read: %w", err)
		}
		delivery.At = timestamppb.New(time.UnixMilli(placeOf(message.ID, "").ms))
		deliveries = append(deliveries, delivery)
	}
	return deliveries, nil
}
