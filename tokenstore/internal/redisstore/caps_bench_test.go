package redisstore

import (
	"testing"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

// BenchmarkCaps tells what leases of tokens with a cap cost Redis beside those of tokens without:
// as gateways take them at load, ahead and many at a time, and as they ask for one.
func BenchmarkCaps(b *testing.B) {
	const size = 100
	compare := func(name string, wanted leasing.Wanted) {
		b.Run(name, func(b *testing.B) {
			var variants []variant
			for _, of := range []struct {
				name string
				cap  int
			}{{"uncapped", 0}, {"capped", 10}, {"capped-1", 1}} {
				client := testredis.Start(b)
				p := largePool(b, client, somewhere, size, of.cap)
				variants = append(variants, variant{of.name, client, calling(func() { p.end(leasing.Succeeded, p.take(wanted)...) })})
			}
			alternate(b, variants)
		})
	}
	compare("32 ahead", leasing.Wanted{Ahead: true, Count: 32})
	compare("one", leasing.Wanted{})
}
