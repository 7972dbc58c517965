package catalog

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

// byKey puts the indices of targets into the order in which they serve requests of one key, by
// rendezvous hashing with weights: all gateways agree on it, keys spread by the weights, and
// where a target goes or comes only the keys move that it had or gets.
func (t *tier) byKey(able []int, key string) {
	of := hashOf(key)
	slices.SortStableFunc(able, func(a, b int) int {
		return -cmp.Compare(score(of^t.hashes[a], t.targets[a].Weight), score(of^t.hashes[b], t.targets[b].Weight))
	})
}

// score is the highest with the weight's share of chance.
func score(hash uint64, weight int) float64 {
	const mantissa = 53
	chance := (float64(mixed(hash)>>(64-mantissa)) + 0.5) / (1 << mantissa) // above 0, below 1
	return float64(weight) / -math.Log(chance)
}

// hashOf hashes texts that each end with a byte that is in none of them. It is the same in every
// process.
func hashOf(texts ...string) uint64 {
	hash := fnv.New64a()
	for _, text := range texts {
		_, _ = hash.Write([]byte(text)) // never fails
		_, _ = hash.Write([]byte{0xff})
	}
	return hash.Sum64()
}

// mixed lets each bit depend on all: the finalizer of SplitMix64.
func mixed(hash uint64) uint64 {
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	return hash ^ hash>>31
}
