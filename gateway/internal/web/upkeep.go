package web

import (
	"context"
	"sync"
	"time"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// upkeepLife is for how long what was read of the upkeep is shown.
	upkeepLife = time.Minute
	// accountsRead is how many accounts of an upstream are looked at, and actionsRead how many
	// of the admins' last actions.
	accountsRead = 1000
	actionsRead  = 1000
)

// upkeep is what changes slowly, and costs too much to be asked for each time that Home is
// shown. Whoever comes while it is being read waits, no longer than a call may take.
type upkeep struct {
	mu    sync.Mutex
	asOf  time.Time
	known upkeepFacts
}

type upkeepFacts struct {
	// low counts the accounts that have less than a tenth of their quota left.
	low    uint64
	backup lastBackup
}

// lastBackup is when a backup was made last; the zero time: never. It is not known where the
// actions that were looked at do not go back far enough.
type lastBackup struct {
	known bool
	at    time.Time
}

func (u *upkeep) read(ctx context.Context, s *Site, now time.Time) (upkeepFacts, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if age := now.Sub(u.asOf); age >= 0 && age < upkeepLife {
		return u.known, nil
	}
	low, err := s.lowAccounts(ctx, now)
	if err != nil {
		return u.known, err
	}
	made, err := s.lastBackup(ctx, now)
	if err != nil {
		return u.known, err
	}
	u.known, u.asOf = upkeepFacts{low, made}, now
	return u.known, nil
}

// forget has the next reader ask again.
func (u *upkeep) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asOf = time.Time{}
}

// lowAccounts counts the accounts that have little left, of the upstreams that tell.
func (s *Site) lowAccounts(ctx context.Context, now time.Time) (uint64, error) {
	names, err := s.upstreamNames(ctx)
	if err != nil {
		return 0, err
	}
	var low uint64
	for _, name := range filter(names, s.HasAccounts) {
		page, err := s.Tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{Upstream: name, Limit: accountsRead})
		if err != nil {
			return 0, err
		}
		for _, board := range quota.Board(page.GetAccounts(), quota.Demand{}, now) {
			for _, account := range board.Accounts {
				if account.Low(now) {
					low++
				}
			}
		}
	}
	return low, nil
}

func (s *Site) lastBackup(ctx context.Context, now time.Time) (lastBackup, error) {
	page, err := s.Audit.ListAudit(ctx, &tokenstorev1.ListAuditRequest{Limit: actionsRead})
	if err != nil {
		return lastBackup{}, err
	}
	made := lastBackup{known: page.GetNextCursor() == ""}
	for _, each := range page.GetEntries() { // newest first
		at := each.GetAt().AsTime()
		if each.GetAction() == "backup made" {
			return lastBackup{known: true, at: at}, nil
		}
		made.known = made.known || now.Sub(at) >= backupAge
	}
	return made, nil
}
