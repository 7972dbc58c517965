package web

import (
	"cmp"
	"slices"
	"time"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// furthest is where the outlook ends at the latest, nearest where it ends at the earliest.
	furthest = 31 * 24 * time.Hour
	nearest  = time.Hour
	// mostLanes bounds the upstreams that have a lane of their own, the lane of all others
	// included; mostSplit the lanes where accounts have some of their own.
	mostLanes = 8
	mostSplit = 12
	// slots are the parts of the line: what is alike in one of them is one mark.
	slots = 32
)

// Kinds of what comes.
const (
	comesReset   = "reset"
	comesCooled  = "cooled"
	comesEnabled = "enabled"
	comesDry     = "dry"
	comesBudget  = "budget"
)

// comingKinds are all kinds, in the order in which they are explained.
var comingKinds = []string{comesReset, comesCooled, comesEnabled, comesDry, comesBudget}

// outlook is what comes for the pools, their accounts, and the keys, on one line of time.
type outlook struct {
	from, to time.Time
	Lanes    []lane
	// Later counts what comes after the furthest end of the line.
	Later int
	// Partial: more tokens rest than were asked for. KeysPartial: there are more keys than were.
	Partial, KeysPartial bool
}

// lane is what comes for one upstream, for one of its accounts, for all upstreams that have no
// lane of their own, for the keys, or for one of them.
type lane struct {
	// Upstream is empty for the lane of the others, which Others counts.
	Upstream string
	Others   int
	// Keys tells whether it is of keys.
	Keys bool
	// Account is the name of an account, or of a key, that has a lane of its own.
	Account string
	// lasts is how far the pool reaches at the present rate; zero: nothing is foretold.
	lasts time.Time
	// coming is in order of time.
	coming []coming
}

// coming is one moment, or several that are alike and close together.
type coming struct {
	Kind string
	at   time.Time
	// last is the last moment of several.
	last time.Time
	// Count is how many there are.
	Count int
	// Upstream is empty where they are of several.
	Upstream string
	// TokenID and Name are of the account where it is one; empty where it is a whole pool.
	TokenID, Name string
	// KeyID is of the key where it is one, and Period is day, week or month where all budgets are
	// of one.
	KeyID, Period string
}

// outlookOf places what comes for pools, for tokens that rest and for keys; nil where nothing
// comes.
func outlookOf(pools []quotaPool, rest resting, keys budgets, now time.Time) *outlook {
	from := now.Truncate(time.Minute) // so that the same is drawn for a while
	o := &outlook{from: from, to: from.Add(nearest), Partial: rest.partial, KeysPartial: keys.partial}
	var near []coming
	for _, each := range slices.Concat(comingOf(pools), wakingOf(rest.tokens), keys.coming) {
		switch {
		case each.at.Before(now):
		case each.at.After(from.Add(furthest)):
			o.Later++
		default:
			near = append(near, each)
		}
	}
	if len(near) == 0 {
		return nil
	}
	slices.SortStableFunc(near, func(a, b coming) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(a.Name, b.Name))
	})
	end := near[len(near)-1].at.Add(time.Hour - 1).Truncate(time.Hour)
	if end.After(o.to) {
		o.to = end
	}
	ofKeys, ofPools := parted(near, func(c coming) bool { return c.Kind == comesBudget })
	o.Lanes = lanesOf(ofPools, lasting(pools))
	o.Lanes = append(o.Lanes, keyLanes(ofKeys, mostSplit-len(o.Lanes))...)
	for i := range o.Lanes {
		o.Lanes[i].coming = o.together(o.Lanes[i].coming)
	}
	return o
}

// comingOf is what the pools tell: where quotas of accounts that serve begin anew, and where
// nothing is left.
func comingOf(pools []quotaPool) []coming {
	var all []coming
	for _, pool := range pools {
		for _, account := range pool.Accounts {
			if at := account.ResetsAt; at != nil && account.Serves() {
				all = append(all, one(comesReset, *at, pool.Upstream, account.TokenID, quotaRow{account}.Name()))
			}
		}
		if at := pool.DryAt; at != nil {
			all = append(all, one(comesDry, *at, pool.Upstream, "", ""))
		}
	}
	return all
}

// wakingOf is when tokens that rest are back.
func wakingOf(tokens []*tokenstorev1.Token) []coming {
	var all []coming
	for _, token := range tokens {
		name := cmp.Or(token.GetAlias(), token.GetId())
		switch at := token.GetCoolingUntil(); {
		case token.GetState() == tokenstorev1.TokenState_TOKEN_STATE_COOLING && at != nil:
			all = append(all, one(comesCooled, at.AsTime(), token.GetUpstream(), token.GetId(), name))
		case token.GetState() == tokenstorev1.TokenState_TOKEN_STATE_DISABLED && token.GetDisabledUntil() != nil:
			all = append(all, one(comesEnabled, token.GetDisabledUntil().AsTime(), token.GetUpstream(), token.GetId(), name))
		}
	}
	return all
}

func one(kind string, at time.Time, upstreamName, tokenID, name string) coming {
	return coming{Kind: kind, at: at, last: at, Count: 1, Upstream: upstreamName, TokenID: tokenID, Name: name}
}

// lasting is how far each pool reaches at the present rate: until it is dry, or else until the last
// account begins anew. Where nobody asks, or no limit is known, nothing is foretold.
func lasting(pools []quotaPool) map[string]time.Time {
	until := map[string]time.Time{}
	for _, pool := range pools {
		switch {
		case pool.DryAt != nil:
			until[pool.Upstream] = *pool.DryAt
		case pool.Unlimited == 0 && pool.Limit > 0 && pool.RatePerHour > 0:
			until[pool.Upstream] = lastReset(pool.Accounts)
		}
	}
	return until
}

// lastReset is when the last of the accounts that serve begins anew; zero where that is not known.
func lastReset(accounts []quota.Account) time.Time {
	var last time.Time
	for _, account := range accounts {
		if at := account.ResetsAt; at != nil && account.Serves() && at.After(last) {
			last = *at
		}
	}
	return last
}

// lanesOf parts what comes, which is in order of time, by upstreams: those where something comes
// first are first. Where there are few accounts, each has a lane below its upstream's.
func lanesOf(all []coming, lasts map[string]time.Time) []lane {
	lanes := partBy(all, func(c coming) string { return c.Upstream })
	for i := range lanes {
		lanes[i].Upstream = lanes[i].coming[0].Upstream
		lanes[i].lasts = lasts[lanes[i].Upstream]
	}
	if len(lanes) > mostLanes {
		return append(lanes[:mostLanes-1:mostLanes-1], others(lanes[mostLanes-1:]))
	}
	if !few(all, mostSplit-len(lanes)) {
		return lanes
	}
	var split []lane
	for _, each := range lanes {
		split = append(split, each.split()...)
	}
	return split
}

// few tells whether what comes is of so many accounts at most.
func few(all []coming, most int) bool {
	accounts := map[string]bool{}
	for _, each := range all {
		if each.TokenID != "" {
			accounts[each.TokenID] = true
		}
		if len(accounts) > most {
			return false
		}
	}
	return true
}

// partBy parts what comes by a name; each part begins with a lane of its own, in their order.
func partBy(all []coming, name func(coming) string) []lane {
	var lanes []lane
	at := map[string]int{}
	for _, each := range all {
		i, known := at[name(each)]
		if !known {
			i = len(lanes)
			at[name(each)], lanes = i, append(lanes, lane{})
		}
		lanes[i].coming = append(lanes[i].coming, each)
	}
	return lanes
}

// parted parts what comes into that which is chosen and the rest.
func parted(all []coming, chosen func(coming) bool) (those, rest []coming) {
	for _, each := range all {
		if chosen(each) {
			those = append(those, each)
		} else {
			rest = append(rest, each)
		}
	}
	return those, rest
}

// others is the lane of several upstreams.
func others(lanes []lane) lane {
	sum := lane{Others: len(lanes)}
	for _, each := range lanes {
		sum.coming = append(sum.coming, each.coming...)
	}
	slices.SortStableFunc(sum.coming, func(a, b coming) int { return a.at.Compare(b.at) })
	return sum
}

// split is the lane of the upstream, with what comes for it as a whole, and those of its accounts.
func (l lane) split() []lane {
	whole := lane{Upstream: l.Upstream, lasts: l.lasts}
	var accounts []coming
	for _, each := range l.coming {
		if each.TokenID == "" {
			whole.coming = append(whole.coming, each)
		} else {
			accounts = append(accounts, each)
		}
	}
	lanes := []lane{whole}
	for _, each := range partBy(accounts, func(c coming) string { return c.TokenID }) {
		each.Upstream, each.Account = l.Upstream, each.coming[0].Name
		lanes = append(lanes, each)
	}
	return lanes
}

// together makes one of what is of one kind and in one slot.
func (o *outlook) together(all []coming) []coming {
	type place struct {
		kind string
		slot int
	}
	var merged []coming
	at := map[place]int{}
	for _, each := range all {
		here := place{each.Kind, int(o.share(each.at) * slots)}
		i, known := at[here]
		if !known {
			at[here], merged = len(merged), append(merged, each)
			continue
		}
		sum := &merged[i]
		sum.Count++
		sum.last = each.at
		if sum.Upstream != each.Upstream {
			sum.Upstream = ""
		}
		if sum.TokenID != each.TokenID || sum.KeyID != each.KeyID {
			sum.TokenID, sum.KeyID, sum.Name = "", "", ""
		}
		if sum.Period != each.Period {
			sum.Period = ""
		}
	}
	return merged
}

// share is where on the line a moment is: 0 is its beginning, 1 its end.
func (o *outlook) share(at time.Time) float64 {
	return min(max(float64(at.Sub(o.from))/float64(o.to.Sub(o.from)), 0), 1)
}
