package web

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// mostBudgeted bounds the keys that are asked for their budgets: the newest.
const mostBudgeted = 200

// budgets are when those of keys begin anew.
type budgets struct {
	coming []coming
	// partial: there are more keys than were asked for.
	partial bool
}

// budgetPeriods are those of a calendar, by the names that the texts have for them.
var budgetPeriods = map[tokenstorev1.KeyPeriod]string{
	tokenstorev1.KeyPeriod_KEY_PERIOD_DAY:   "day",
	tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK:  "week",
	tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH: "month",
}

// budgets asks how far the keys that are in use have come with their budgets.
func (s *Site) budgets(ctx context.Context) (budgets, error) {
	answer, err := s.Keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{State: tokenstorev1.KeyState_KEY_STATE_ACTIVE, Limit: mostBudgeted})
	if err != nil {
		return budgets{}, err
	}
	all := budgets{partial: answer.GetNextCursor() != ""}
	for _, each := range answer.GetKeys() {
		all.coming = append(all.coming, budgetsOf(each)...)
	}
	return all, nil
}

// budgetsOf is when the budgets of a key begin anew, each period in its time zone. Of budgets with
// one end one is enough.
func budgetsOf(key *tokenstorev1.ListedKey) []coming {
	var all []coming
	told := map[coming]bool{}
	for _, each := range key.GetStanding() {
		period := budgetPeriods[each.GetLimit().GetPeriod()]
		if period == "" || each.GetRenewsAt() == nil {
			continue
		}
		at := each.GetRenewsAt().AsTime()
		one := coming{Kind: comesBudget, at: at, last: at, Count: 1, KeyID: key.GetKey().GetId(), Name: key.GetKey().GetName(), Period: period}
		if !told[one] {
			told[one] = true
			all = append(all, one)
		}
	}
	return all
}

// keyLanes are the lane of all keys, and below it one for each where there are so few that most
// lanes are enough.
func keyLanes(all []coming, most int) []lane {
	if len(all) == 0 {
		return nil
	}
	keys := partBy(all, func(c coming) string { return c.KeyID })
	if len(keys) >= most {
		return []lane{{Keys: true, coming: all}}
	}
	for i := range keys {
		keys[i].Keys, keys[i].Account = true, keys[i].coming[0].Name
	}
	return append([]lane{{Keys: true}}, keys...)
}
