package account

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Ask asks the upstream about a token's account now, unless a replica has just done so, and
// records what comes of it, also that the upstream tells nothing of accounts. An error tells
// that nothing was recorded.
func (s *Service) Ask(ctx context.Context, tokenID string) error {
	_, err := s.look(ctx, tokenID, refreshEvery)
	if untold, ok := errors.AsType[*chat.Error](err); ok && untold.Kind == chat.NotFound {
		_, err = s.recordFailure(ctx, tokenID, nil, untold.Message, s.Now())
	}
	return err
}

// look asks the upstream about one token and records the answer, unless a replica
// has just done so.
func (s *Service) look(ctx context.Context, tokenID string, age time.Duration) (*tokenstorev1.TokenAccount, error) {
	before, err := s.recorded(ctx, tokenID)
	if err != nil || s.current(before, age) {
		return before, err
	}
	accounts, credential, err := s.reveal(ctx, tokenID)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	told, failure := accounts.Account(asking, credential, s.Options())
	if ctx.Err() != nil { // this gateway ends: that is no answer
		return nil, ctx.Err()
	}
	now := s.Now()
	account := before
	if failure == nil || !isNothing(told) {
		account = merged(before, told)
		account.AsOf = timestamppb.New(now)
		if err := s.record(ctx, tokenID, account); err != nil {
			return nil, err
		}
	}
	if failure == nil {
		return account, nil
	}
	return s.recordFailure(ctx, tokenID, account, reasonOf(failure, credential), now)
}

// reveal answers what is needed to ask about a token.
func (s *Service) reveal(ctx context.Context, tokenID string) (upstream.Accounts, upstream.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	revealed, err := s.Store.RevealToken(ctx, &tokenstorev1.RevealTokenRequest{Id: tokenID})
	if err != nil {
		return nil, upstream.Credential{}, err
	}
	driver, _ := s.Driver(revealed.GetUpstream())
	accounts, tells := driver.(upstream.Accounts)
	if !tells {
		return nil, upstream.Credential{}, chat.Errorf(chat.NotFound, "upstream %q tells nothing of the accounts behind its tokens", revealed.GetUpstream())
	}
	return accounts, upstream.Credential{
		Secret: secret.New(revealed.GetSecret()), DeviceID: revealed.GetDeviceId(), MACHash: revealed.GetMacHash(),
		Proxy: secret.New(revealed.GetProxy()),
	}, nil
}

func (s *Service) record(ctx context.Context, tokenID string, account *tokenstorev1.TokenAccount) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := s.Store.RecordTokenAccount(ctx, &tokenstorev1.RecordTokenAccountRequest{Id: tokenID, Account: account})
	return err
}

// recordFailure notes what was not told. The store keeps what was told before.
func (s *Service) recordFailure(
	ctx context.Context, tokenID string, known *tokenstorev1.TokenAccount, reason string, now time.Time,
) (*tokenstorev1.TokenAccount, error) {
	failed := &tokenstorev1.TokenAccount{}
	if known != nil {
		failed = proto.CloneOf(known)
	}
	failed.Error, failed.AsOf = reason, timestamppb.New(now)
	return failed, s.record(ctx, tokenID, failed)
}

// reasonOf is a failure for an admin's eyes.
func reasonOf(failure error, credential upstream.Credential) string {
	text := strings.ReplaceAll(failure.Error(), "\n", "; ")
	text = upstream.CleanMessage(upstream.CleanMessage(text, credential.Secret), credential.Proxy)
	return cmp.Or(text, "the upstream did not answer")
}

func isNothing(told upstream.Account) bool {
	return told.UserID == "" && told.Email == "" && told.Name == "" && told.Membership == "" && told.SubscriptionStatus == "" &&
		told.TrialDaysLeft == nil && len(told.Quotas) == 0
}

// merged is what is known now: what was told, and where nothing was, what was known
// before. A trial that is no longer told has ended.
func merged(before *tokenstorev1.TokenAccount, told upstream.Account) *tokenstorev1.TokenAccount {
	account := &tokenstorev1.TokenAccount{
		UserId: cmp.Or(told.UserID, before.GetUserId()), Email: cmp.Or(told.Email, before.GetEmail()), Name: cmp.Or(told.Name, before.GetName()),
		Membership:         cmp.Or(told.Membership, before.GetMembership()),
		SubscriptionStatus: cmp.Or(told.SubscriptionStatus, before.GetSubscriptionStatus()),
		TrialDaysLeft:      told.TrialDaysLeft,
		Quotas:             before.GetQuotas(), QuotaStart: before.GetQuotaStart(), QuotaResetsAt: before.GetQuotaResetsAt(),
	}
	if len(told.Quotas) == 0 {
		return account
	}
	account.Quotas, account.QuotaStart, account.QuotaResetsAt = nil, timestampOf(told.QuotaStart), timestampOf(resetOf(told))
	for _, each := range told.Quotas {
		account.Quotas = append(account.Quotas, &tokenstorev1.TokenQuota{
			Name: each.Name, Requests: each.Requests, MaxRequests: each.MaxRequests, Tokens: each.Tokens, MaxTokens: each.MaxTokens,
		})
	}
	return account
}

// resetOf is when the counting of the quotas begins anew; zero where nobody knows.
func resetOf(told upstream.Account) time.Time {
	if !told.QuotaResetsAt.IsZero() || told.QuotaStart.IsZero() {
		return told.QuotaResetsAt
	}
	return monthAfter(told.QuotaStart)
}

// monthAfter is the same moment of the next month, or of its last day where it is shorter.
func monthAfter(start time.Time) time.Time {
	next := start.AddDate(0, 1, 0)
	if next.Day() != start.Day() { // it has run over into the month after that
		next = next.AddDate(0, 0, -next.Day())
	}
	return next
}

func timestampOf(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}
