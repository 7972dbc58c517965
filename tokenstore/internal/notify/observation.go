package notify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Observation is what is known at a moment.
type Observation struct {
	At       time.Time
	Pools    []*tokenstorev1.PoolState
	Replicas []*tokenstorev1.Replica
	// Warnings are what is wrong with a store that serves.
	Warnings []*tokenstorev1.StoreWarning
}

const (
	// maxFindings bounds the alerts that there are at a time; what is more is left out.
	maxFindings = 300
	// shortShare is the share of usable tokens below which a pool is short.
	shortShare = 0.25
	// expiringWithin is how long before its expiry a token is told of.
	expiringWithin = 24 * time.Hour
	// maxDetail bounds an alert's detail, in bytes.
	maxDetail = 500
)

// findings are the alerts that hold at the moment; memory is what was seen before.
func findings(seen Observation, memory *Memory) []Alert {
	memory.note(seen)
	var found []Alert
	for _, pool := range seen.Pools {
		found = append(found, ofPool(pool, seen.At, memory)...)
	}
	for _, warning := range seen.Warnings {
		found = append(found, Alert{
			Name: StoreWarning, Labels: map[string]string{KindLabel: warning.GetKind()}, Detail: shortened(warning.GetText()),
		})
	}
	found = append(found, nearBudgets(seen.Replicas)...)
	if lost, growing := memory.grown(droppedCounter, seen.At); growing {
		found = append(found, Alert{Name: LogDropping, Count: lost})
	}
	if ms, growing := memory.grown(degradedCounter, seen.At); growing {
		found = append(found, Alert{Name: Degraded, Count: max(ms/1000, 1)})
	}
	return found[:min(len(found), maxFindings)]
}

// ofPool are the alerts of one pool.
func ofPool(pool *tokenstorev1.PoolState, now time.Time, memory *Memory) []Alert {
	usable := usableOf(pool)
	enabled := usable + pool.GetCooling() + pool.GetParked() + pool.GetExpired()
	var found []Alert
	add := func(holds bool, a Alert) {
		if holds {
			a.Labels = map[string]string{UpstreamLabel: pool.GetUpstream()}
			found = append(found, a)
		}
	}
	add(usable == 0 && enabled > 0, Alert{Name: PoolDry, Of: uint64(enabled)})
	add(usable > 0 && float64(usable) < shortShare*float64(enabled), Alert{Name: PoolShort, Count: uint64(usable), Of: uint64(enabled)})
	add(usable > 0 && memory.drySoon(pool.GetUpstream(), now), Alert{Name: PoolDrySoon})
	add(len(pool.GetCauses()) > 0, guardAlert(pool.GetCauses()))
	add(pool.GetParked() > 0, Alert{Name: TokenParked, Count: uint64(pool.GetParked())})
	next := pool.GetNextExpiry()
	add(next != nil && next.AsTime().Sub(now) < expiringWithin, Alert{Name: TokenExpiring, At: next.AsTime(), Detail: pool.GetNextExpiringId()})
	add(pool.GetExpired() > 0, Alert{Name: TokenExpired, Count: uint64(pool.GetExpired())})
	add(pool.GetNeedsLogin() > 0, Alert{Name: LoginNeeded, Count: uint64(pool.GetNeedsLogin())})
	return found
}

func usableOf(pool *tokenstorev1.PoolState) uint32 {
	return pool.GetReady() + pool.GetProbing() + pool.GetQuarantined()
}

// guardAlert tells of what a pool's tokens fail for alike. It is known when all of that is.
func guardAlert(causes []*tokenstorev1.SharedCause) Alert {
	classes, known := map[string]bool{}, true
	for _, cause := range causes {
		classes[cause.GetClass()] = true
		known = known && cause.GetAcknowledgedAt() != nil
	}
	return Alert{Name: GuardOpen, Detail: strings.Join(slices.Sorted(maps.Keys(classes)), ", "), Known: known}
}

// nearBudgets are those that any gateway knows of: each knows the keys that it serves.
func nearBudgets(replicas []*tokenstorev1.Replica) []Alert {
	type budget struct{ period, unit string }
	most := map[budget]uint32{}
	for _, replica := range replicas {
		for _, near := range replica.GetNearBudgets() {
			at := budget{near.GetPeriod(), near.GetUnit()}
			most[at] = max(most[at], near.GetKeys())
		}
	}
	var found []Alert
	for at, keys := range most {
		if keys > 0 {
			found = append(found, Alert{Name: BudgetNear, Labels: map[string]string{PeriodLabel: at.period, UnitLabel: at.unit}, Count: uint64(keys)})
		}
	}
	slices.SortFunc(found, func(a, b Alert) int { return cmp.Compare(a.Fingerprint(), b.Fingerprint()) })
	return found
}

func shortened(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxDetail)], "")
}
