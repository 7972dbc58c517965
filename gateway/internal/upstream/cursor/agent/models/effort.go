package models

import "slices"

// tiers are the efforts by growing amount. The second name of one is the same amount.
var tiers = [][]string{{"none"}, {"minimal"}, {"low"}, {"medium"}, {"high"}, {"xhigh", "extra-high"}, {"max"}}

// tierOf is an effort's place among tiers; false: the word is none.
func tierOf(effort string) (int, bool) {
	at := slices.IndexFunc(tiers, func(names []string) bool { return slices.Contains(names, effort) })
	return at, at >= 0
}

// nearest finds which of the efforts on offer a wish becomes: itself, else the least of those
// above it, else the largest. `minimal` is `none` before it is more. False: the wish is no
// effort, or none of those on offer is.
func nearest(wish string, offered []string) (string, bool) {
	wanted, isEffort := tierOf(wish)
	if !isEffort {
		return "", false
	}
	least, most, none := -1, -1, -1
	for i, each := range offered {
		tier, ok := tierOf(each)
		switch {
		case !ok:
			continue
		case tier == wanted:
			return each, true
		case tier == 0:
			none = i
		}
		if tier > wanted && (least < 0 || tier < mustTier(offered[least])) {
			least = i
		}
		if most < 0 || tier > mustTier(offered[most]) {
			most = i
		}
	}
	switch {
	case wish == "minimal" && none >= 0:
		return offered[none], true
	case least >= 0:
		return offered[least], true
	case most >= 0:
		return offered[most], true
	}
	return "", false
}

func mustTier(effort string) int {
	tier, _ := tierOf(effort)
	return tier
}
