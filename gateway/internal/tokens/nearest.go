package tokens

import (
	"cmp"
	"hash/fnv"
	"math/bits"
	"slices"
)

// few is how many requests more than the average a token of the reserve may have before
// conversations go on to their next one.
const few = 4

// nearest returns the token at which the demands with a key are to stay: each key has its
// own order of the tokens, in which one more or one less moves nothing else. One that has
// many more requests than the others is passed over. There is at least one.
func nearest(key string, tokens []*hold) *hold {
	slices.SortFunc(tokens, func(a, b *hold) int {
		return cmp.Or(cmp.Compare(closeness(key, b.lease.TokenID), closeness(key, a.lease.TokenID)), cmp.Compare(a.lease.TokenID, b.lease.TokenID))
	})
	used := 0
	for _, each := range tokens {
		used += each.used
	}
	for _, each := range tokens {
		if each.used <= used/len(tokens)+few {
			return each
		}
	}
	return tokens[0]
}

// closeness is the rendezvous weight of a token for a key.
func closeness(key, tokenID string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(key)) // never fails
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write([]byte(tokenID))
	return mixed(hash.Sum64())
}

// mixed spreads the last bytes of what was hashed over all bits.
func mixed(sum uint64) uint64 {
	high, low := bits.Mul64(sum^sum>>32, 0x9e3779b97f4a7c15)
	return high ^ low
}
