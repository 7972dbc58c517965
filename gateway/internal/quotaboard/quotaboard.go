// Package quotaboard asks the tokenstore for what a board of quotas is made of: accounts as
// they are recorded, how many requests each pool gets at present, and the strategy by which
// accounts are chosen. It asks no upstream.
package quotaboard

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// accountsPerPage is how many accounts a call brings.
	accountsPerPage = 1000
	// ratePeriod is the time of which requests are counted, and maxCounted bounds them: of
	// more, the newest tell the rate.
	ratePeriod = time.Hour
	maxCounted = 500
)

// Accounts are what is recorded of the accounts behind tokens.
type Accounts interface {
	ListTokenAccounts(context.Context, *tokenstorev1.ListTokenAccountsRequest, ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error)
}

// Log is the request log.
type Log interface {
	Query(context.Context, *tokenstorev1.QueryRequest, ...grpc.CallOption) (*tokenstorev1.QueryResponse, error)
}

// Settings has the strategy.
type Settings interface {
	GetSettings(context.Context, *tokenstorev1.GetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error)
}

// Reader reads boards.
type Reader struct {
	Accounts Accounts
	Log      Log
	Settings Settings
}

// Read makes the board of one upstream, or of all where the name is empty. Errors are the
// tokenstore's.
func (r Reader) Read(ctx context.Context, upstreamName string, now time.Time) ([]quota.Pool, error) {
	all, err := list(ctx, r.Accounts, upstreamName)
	if err != nil {
		return nil, err
	}
	demand := quota.Demand{Rates: map[string]float64{}}
	names := limited(all)
	if len(names) > 0 {
		settings, err := r.Settings.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
		if err != nil {
			return nil, err
		}
		demand.Strategy = settings.GetSettings().GetRotationStrategy()
	}
	for name := range names {
		if demand.Rates[name], err = rate(ctx, r.Log, name, now); err != nil {
			return nil, err
		}
	}
	return quota.Board(all, demand, now), nil
}

func list(ctx context.Context, accounts Accounts, upstreamName string) ([]*tokenstorev1.AccountOfToken, error) {
	var all []*tokenstorev1.AccountOfToken
	request := &tokenstorev1.ListTokenAccountsRequest{Upstream: upstreamName, Limit: accountsPerPage}
	for {
		page, err := accounts.ListTokenAccounts(ctx, request)
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetAccounts()...)
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" {
			return all, nil
		}
	}
}

// limited are the upstreams that tell of quotas: what the others get needs no look at the
// log.
func limited(accounts []*tokenstorev1.AccountOfToken) map[string]bool {
	names := map[string]bool{}
	for _, each := range accounts {
		if len(each.GetAccount().GetQuotas()) > 0 {
			names[each.GetToken().GetUpstream()] = true
		}
	}
	return names
}

// rate is how many requests an hour an upstream has answered of late.
func rate(ctx context.Context, log Log, upstreamName string, now time.Time) (float64, error) {
	from := now.Add(-ratePeriod)
	page, err := log.Query(ctx, &tokenstorev1.QueryRequest{
		Upstream: upstreamName, Status: "success", From: timestamppb.New(from), Limit: maxCounted, OmitPrompts: true, TimesOnly: true,
	})
	if err != nil {
		return 0, err
	}
	entries := page.GetEntries()
	if page.GetNextCursor() != "" && len(entries) > 0 { // newest first, and there are more
		from = entries[len(entries)-1].GetStartedAt().AsTime()
	}
	const least = time.Second // clocks differ
	return float64(len(entries)) / max(now.Sub(from), least).Hours(), nil
}
