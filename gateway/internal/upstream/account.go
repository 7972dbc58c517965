package upstream

import (
	"context"
	"time"
)

// Accounts is implemented by drivers whose upstream tells of the account behind a
// token.
type Accounts interface {
	// Account asks about a credential's account. It answers what was told, and an
	// error for what was not: there may be both, and a zero Account was not told at
	// all. The error's text is fit for an admin: no secret, no markup. The question
	// is no chat, and says nothing of the token's health.
	Account(ctx context.Context, credential Credential, options Options) (Account, error)
}

// Account is what an upstream tells; what it does not tell is empty.
type Account struct {
	UserID, Email, Name string
	// Membership is the plan: free, free_trial, pro …
	Membership         string
	SubscriptionStatus string
	// TrialDaysLeft is nil where there is no trial.
	TrialDaysLeft *int32
	Quotas        []AccountQuota
	// QuotaStart is when the counting of the quotas began.
	QuotaStart time.Time
	// QuotaResetsAt is when it begins anew; zero where the upstream does not tell, which
	// is taken for a month after QuotaStart.
	QuotaResetsAt time.Time
}

// AccountQuota counts a family of models.
type AccountQuota struct {
	// Name is premium, standard or unknown; fast where the upstream counts only
	// those.
	Name     string
	Requests uint64
	// MaxRequests and MaxTokens are nil where there is no limit, or none is told.
	MaxRequests *uint64
	Tokens      uint64
	MaxTokens   *uint64
}
