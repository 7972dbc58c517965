package app

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/account"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/tokens"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// countedModels are those whose requests count against an account's quota, as far
// as nobody says otherwise.
var countedModels = []string{
	"claude-3-5-sonnet-20241022", "claude-3.5-sonnet", "gemini-exp-1206", "gpt-4", "gpt-4-turbo-2024-04-09", "gpt-4o",
	"claude-3.5-haiku", "gpt-4o-128k", "gemini-1.5-flash-500k", "claude-3-haiku-200k", "claude-3-5-sonnet-200k",
}

// counted tells whether the settings want a token's account looked up after a chat
// with this model.
func counted(settings *tokenstorev1.Settings, model string) bool {
	switch settings.GetCheckUsageModelsType() {
	case "all":
		return true
	case "list":
		for id := range strings.SplitSeq(settings.GetCheckUsageModels(), ",") {
			if strings.TrimSpace(id) == model {
				return true
			}
		}
		return false
	case "default":
		return slices.Contains(countedModels, model)
	default: // none, or not known yet
		return false
	}
}

// checkedLeases are leases whose good ends have accounts looked up, in the
// background.
type checkedLeases struct {
	*tokens.Leases
	accounts *account.Service
	settings func() *tokenstorev1.Settings
}

// Settle implements relay.Leases.
func (c checkedLeases) Settle(done *lease.Lease, outcome lease.Outcome) {
	c.Leases.Settle(done, outcome)
	if !outcome.Unused && outcome.Class == "" && counted(c.settings(), outcome.Model) {
		c.accounts.Used(done.TokenID)
	}
}
