package redisstore

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var putPricesScript = newScript("put_prices")

// maxPriceBytes bounds the record of all prices: each watch of the configuration has it.
const maxPriceBytes = 1 << 20

// priceFields are those of pricesKey that tell which record is there.
var priceFields = []string{"ver", "updated"}

// Prices returns what admins have set. It is shared: nobody changes it. The record is read only
// when it is another one than last time, because every watch asks every few seconds.
func (s *Store) Prices(ctx context.Context) (*tokenstorev1.Prices, error) {
	values, err := s.client.HMGet(ctx, pricesKey(), priceFields...).Result()
	if err != nil {
		return nil, storeError("read the prices", err)
	}
	if known := s.prices.Load(); known != nil && sameHead(known, pricesHead(namedFields(priceFields, values))) {
		return known, nil
	}
	all, err := s.client.HGetAll(ctx, pricesKey()).Result()
	if err != nil {
		return nil, storeError("read the prices", err)
	}
	prices := pricesHead(all)
	record := &tokenstorev1.Prices{}
	if err := proto.Unmarshal([]byte(all["rec"]), record); err != nil {
		return nil, fmt.Errorf("the record of the prices can't be read: %w", err)
	}
	prices.Prices = record.GetPrices()
	s.prices.Store(prices)
	return prices, nil
}

// pricesHead is the list without its prices.
func pricesHead(values fields) *tokenstorev1.Prices {
	return &tokenstorev1.Prices{Version: max(values.count("ver"), 1), UpdatedAt: timestamp(values.time("updated"))}
}

// PutPrices replaces all prices. expected is the version that they must have; 0: any.
func (s *Store) PutPrices(ctx context.Context, prices []*tokenstorev1.Price, expected uint64) (*tokenstorev1.Prices, error) {
	if err := token.CheckPrices(prices); err != nil {
		return nil, invalid(err)
	}
	record, err := proto.Marshal(&tokenstorev1.Prices{Prices: prices})
	if err != nil {
		return nil, fmt.Errorf("encode the prices: %w", err)
	}
	if len(record) > maxPriceBytes {
		return nil, invalid(errors.New("prices: more than 1 MiB of them; leave those out that nobody needs"))
	}
	result, err := putPricesScript.run(ctx, s.client, []string{pricesKey()}, record, expected, configChannel).StringSlice()
	if err != nil {
		return nil, storeError("put the prices", err)
	}
	if result[0] == "conflict" {
		return nil, versionConflict("the list of prices", expected, result[1])
	}
	put := pricesHead(fields{"ver": result[1], "updated": result[2]})
	put.Prices = prices
	return put, s.barrier.Sync(ctx)
}

func sameHead(a, b *tokenstorev1.Prices) bool {
	return a.GetVersion() == b.GetVersion() && proto.Equal(a.GetUpdatedAt(), b.GetUpdatedAt())
}
