package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func price(match string, input uint64) *tokenstorev1.Price {
	return &tokenstorev1.Price{Match: match, Input: proto.Uint64(input)}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		none, err := store.Prices(ctx)
		if err != nil || len(none.GetPrices()) != 0 || none.GetVersion() != 1 || none.GetUpdatedAt() != nil {
			t.Errorf("at first: %v, %v", none, err)
		}
		all := []*tokenstorev1.Price{
			price("gpt-5", 1_250_000),
			{
				Match: "claude-*", Upstream: "openai", Output: proto.Uint64(0), CacheRead: proto.Uint64(300_000), CacheWrite: proto.Uint64(3_750_000),
				CacheWriteHour: proto.Uint64(6_000_000), Reasoning: proto.Uint64(1_000_000_000_000), Source: "models.dev",
			},
		}
		put, err := store.PutPrices(ctx, all, 1)
		if err != nil || put.GetVersion() != 2 || put.GetUpdatedAt() == nil {
			t.Fatalf("put: %v, %v", put, err)
		}
		got, err := store.Prices(ctx)
		if err != nil || !proto.Equal(got, put) || len(got.GetPrices()) != 2 || !proto.Equal(got.GetPrices()[1], all[1]) {
			t.Errorf("read: %v, %v", got, err)
		}
		if again, err := store.Prices(ctx); err != nil || again != got {
			t.Errorf("what has not changed is read again: %v", err)
		}
		_, err = store.PutPrices(ctx, nil, 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		snapshot, err := store.Snapshot(ctx)
		if err != nil || !proto.Equal(snapshot.GetPrices(), put) {
			t.Errorf("watched: %v, %v", snapshot.GetPrices(), err)
		}

		if put, err = store.PutPrices(ctx, nil, 0); err != nil || put.GetVersion() != 3 {
			t.Errorf("emptied: %v, %v", put, err)
		}
		if got, err = store.Prices(ctx); err != nil || len(got.GetPrices()) != 0 || got.GetVersion() != 3 {
			t.Errorf("empty: %v, %v", got, err)
		}
	})
}

// Another tokenstore's change is seen, also where the data were put back to an earlier version.
func TestPricesOfAnotherStore(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		other := New(store.client, Options{Keys: store.keys, Defaults: store.defaults, Logger: store.log})
		read := func() string {
			t.Helper()
			now, err := store.Prices(ctx)
			if err != nil || len(now.GetPrices()) != 1 {
				t.Fatalf("%v, %v", now, err)
			}
			return now.GetPrices()[0].GetMatch()
		}
		for _, match := range []string{"a", "b"} {
			if _, err := other.PutPrices(ctx, []*tokenstorev1.Price{price(match, 1)}, 0); err != nil {
				t.Fatal(err)
			}
			if got := read(); got != match {
				t.Errorf("%s where %s was put", got, match)
			}
		}
		record, err := proto.Marshal(&tokenstorev1.Prices{Prices: []*tokenstorev1.Price{price("restored", 1)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.client.HSet(ctx, pricesKey(), "rec", record, "updated", 1).Err(); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != "restored" {
			t.Errorf("%s where another record of the same version was put", got)
		}
	})
}

func TestBadPrices(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		many := make([]*tokenstorev1.Price, 10_001)
		large := make([]*tokenstorev1.Price, 10_000)
		for i := range many {
			many[i] = price(fmt.Sprint("m", i), 1)
		}
		for i := range large {
			large[i] = price(fmt.Sprintf("%0190d", i), 1)
		}
		for name, c := range map[string]struct {
			prices []*tokenstorev1.Price
			want   string
		}{
			"no match":        {[]*tokenstorev1.Price{price("", 1)}, "prices[0].match: 1 to 200 bytes"},
			"long match":      {[]*tokenstorev1.Price{price(strings.Repeat("m", 201), 1)}, "prices[0].match: 1 to 200 bytes"},
			"two stars":       {[]*tokenstorev1.Price{price("*-*", 1)}, "at most one `*`"},
			"a space":         {[]*tokenstorev1.Price{price("gpt 5", 1)}, "prices[0].match: no spaces"},
			"no price":        {[]*tokenstorev1.Price{{Match: "m"}}, "prices[0]: one price at least wanted"},
			"too dear":        {[]*tokenstorev1.Price{price("a", 1), price("m", 1_000_000_000_001)}, "prices[1].input_per_million: at most 1000000 US dollars"},
			"bad upstream":    {[]*tokenstorev1.Price{{Match: "m", Upstream: "Not One", Input: proto.Uint64(1)}}, "prices[0].upstream: the name of an upstream wanted"},
			"unknown source":  {[]*tokenstorev1.Price{{Match: "m", Source: "hearsay", Input: proto.Uint64(1)}}, "prices[0].source: litellm, models.dev or tsv wanted"},
			"twice":           {[]*tokenstorev1.Price{price("m", 1), price("n", 1), price("m", 2)}, "prices[2]: has the match and the upstream of prices[0]"},
			"too many":        {many, "prices: at most 10000 wanted, not 10001"},
			"too large":       {large, "prices: more than 1 MiB"},
			"many that can't": {slices.Repeat([]*tokenstorev1.Price{{}}, 10_000), "prices[0].match: 1 to 200 bytes"},
		} {
			_, err := store.PutPrices(t.Context(), c.prices, 0)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := store.PutPrices(t.Context(), many[:10_000], 0); err != nil {
			t.Errorf("10,000: %v", err)
		}
		if _, err := store.PutPrices(t.Context(), []*tokenstorev1.Price{price("m", 1), {Match: "m", Upstream: "openai", Input: proto.Uint64(1)}}, 0); err != nil {
			t.Errorf("alike in match alone: %v", err)
		}
	})
}
