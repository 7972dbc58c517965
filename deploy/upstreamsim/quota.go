package upstreamsim

import (
	"errors"
	"time"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// unlimitedMax is what accounts without a Quota are told to be their limit.
const unlimitedMax = 500

// Quota is how many chats each Cursor token may have, and what it is told after
// them. The zero Quota has no end.
type Quota struct {
	Limit int64 `json:"limit"`
	// Error is the enum of the refusal; 0 is 10, the usage limit of a paid account.
	// 7 and 9 make the accounts free ones.
	Error int `json:"error"`
	// StartOfMonth is when the counting began that the website tells; the first of the month
	// by default.
	StartOfMonth time.Time `json:"start_of_month,omitzero"`
}

func (q Quota) number() int {
	if q.Error == 0 {
		return int(aiserverv1.ErrorDetails_ERROR_PRO_USER_USAGE_LIMIT)
	}
	return q.Error
}

func (q Quota) max() int64 {
	if q.Limit == 0 {
		return unlimitedMax
	}
	return q.Limit
}

// membership is the plan of accounts with this quota.
func (q Quota) membership() string {
	switch aiserverv1.ErrorDetails_Error(q.number()) { //nolint:gosec // 0 to 999; all others are paid
	case aiserverv1.ErrorDetails_ERROR_FREE_USER_RATE_LIMIT_EXCEEDED, aiserverv1.ErrorDetails_ERROR_FREE_USER_USAGE_LIMIT:
		return "free"
	default:
		return "pro"
	}
}

// quotaOf is the quota of an account: its own, where it is one that logs in.
func (s *Simulator) quotaOf(a *account) Quota {
	quota, own := *s.quota.Load(), s.logins.settingsOf(a)
	set(&quota.Limit, own.Limit)
	if !own.ResetsAt.IsZero() {
		quota.StartOfMonth = own.ResetsAt.AddDate(0, -1, 0)
	}
	return quota
}

// SetQuota changes Options.Quota. What was counted stays.
func (s *Simulator) SetQuota(quota Quota) error {
	if quota.Limit < 0 || quota.Error < 0 || quota.Error > 999 {
		return errors.New("limit must not be negative, and error must be 0 to 999")
	}
	s.quota.Store(&quota)
	return nil
}

// count counts a chat of a token, unless its quota is used up: then it answers the
// enum of the refusal.
func (s *Simulator) count(a *account) (number int, over bool) {
	quota := s.quotaOf(a)
	chats := s.logins.chatsOf(a)
	if used := chats.Add(1); quota.Limit > 0 && used > quota.Limit {
		chats.Add(-1)
		return quota.number(), true
	}
	return 0, false
}
