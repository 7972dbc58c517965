package quotaboard_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quotaboard"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// store has pages of accounts, and a log.
type store struct {
	pages   map[string]*tokenstorev1.ListTokenAccountsResponse
	entries map[string]*tokenstorev1.QueryResponse
	asked   []*tokenstorev1.QueryRequest
	err     error
	// strategy is a setting, unless settings can't be had.
	strategy string
	unset    error
}

func (s *store) ListTokenAccounts(_ context.Context, r *tokenstorev1.ListTokenAccountsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error) {
	return s.pages[r.GetUpstream()+r.GetCursor()], nil
}

func (s *store) GetSettings(context.Context, *tokenstorev1.GetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error) {
	return &tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{RotationStrategy: s.strategy}}, s.unset
}

func (s *store) reader() quotaboard.Reader {
	return quotaboard.Reader{Accounts: s, Log: s, Settings: s}
}

func (s *store) Query(_ context.Context, r *tokenstorev1.QueryRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryResponse, error) {
	s.asked = append(s.asked, r)
	return s.entries[r.GetUpstream()], s.err
}

func account(id, upstream string, used, limit uint64) *tokenstorev1.AccountOfToken {
	told := &tokenstorev1.AccountOfToken{Token: &tokenstorev1.Token{Id: id, Upstream: upstream, State: tokenstorev1.TokenState_TOKEN_STATE_READY}}
	if limit > 0 {
		told.Account = &tokenstorev1.TokenAccount{
			AsOf: timestamppb.New(now), QuotaResetsAt: timestamppb.New(now.Add(24 * time.Hour)),
			Quotas: []*tokenstorev1.TokenQuota{{Name: "premium", Requests: used, MaxRequests: proto.Uint64(limit)}},
		}
	}
	return told
}

func entries(n int, oldest time.Duration, more string) *tokenstorev1.QueryResponse {
	answer := &tokenstorev1.QueryResponse{NextCursor: more}
	for i := range n {
		age := oldest / time.Duration(n) * time.Duration(i+1)
		answer.Entries = append(answer.Entries, &tokenstorev1.LogEntry{StartedAt: timestamppb.New(now.Add(-age))})
	}
	return answer
}

func newStore() *store {
	return &store{
		pages: map[string]*tokenstorev1.ListTokenAccountsResponse{
			"":       {Accounts: []*tokenstorev1.AccountOfToken{account("t1", "cursor", 10, 100)}, NextCursor: "c2"},
			"c2":     {Accounts: []*tokenstorev1.AccountOfToken{account("t2", "cursor", 20, 100), account("t3", "vendor", 0, 0)}},
			"second": {Accounts: []*tokenstorev1.AccountOfToken{account("t4", "second", 0, 50)}},
		},
		entries: map[string]*tokenstorev1.QueryResponse{"cursor": entries(85, time.Hour, ""), "second": entries(500, 6*time.Minute, "more")},
	}
}

// All pages are read; the log is asked only of those that tell of quotas.
func TestAllPages(t *testing.T) {
	t.Parallel()
	s := newStore()
	pools, err := s.reader().Read(t.Context(), "", now)
	if err != nil || len(pools) != 2 {
		t.Fatalf("%v, %v", pools, err)
	}
	cursor, vendor := pools[0], pools[1]
	if cursor.Left != 170 || cursor.Limit != 200 || cursor.RatePerHour != 85 || cursor.DryAt == nil || !cursor.DryAt.Equal(now.Add(2*time.Hour)) {
		t.Errorf("cursor %+v", cursor)
	}
	if vendor.Upstream != "vendor" || vendor.RatePerHour != 0 || len(s.asked) != 1 {
		t.Errorf("vendor %+v, asked %v", vendor, s.asked)
	}
	if asked := s.asked[0]; asked.GetStatus() != "success" || !asked.GetOmitPrompts() || !asked.GetTimesOnly() || !asked.GetFrom().AsTime().Equal(now.Add(-time.Hour)) {
		t.Errorf("asked %v", asked)
	}
}

// Of a busy pool the newest requests tell the rate.
func TestABusyPool(t *testing.T) {
	t.Parallel()
	s := newStore()
	pools, err := s.reader().Read(t.Context(), "second", now)
	if err != nil || len(pools) != 1 || math.Abs(pools[0].RatePerHour-5000) > 1 {
		t.Errorf("%+v, %v", pools, err)
	}
}

func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.err = errors.New("away")
	if _, err := s.reader().Read(t.Context(), "", now); !errors.Is(err, s.err) {
		t.Errorf("got %v", err)
	}
}

// How far a pool reaches depends on the strategy: what an account has left when it begins anew is
// lost, and only fill_first hurries to use it.
func TestTheStrategyDecides(t *testing.T) {
	t.Parallel()
	soon, late := account("soon", "cursor", 0, 50), account("late", "cursor", 0, 100)
	soon.Account.QuotaResetsAt, late.Account.QuotaResetsAt = timestamppb.New(now.Add(time.Hour)), timestamppb.New(now.Add(10*time.Hour))
	s := newStore()
	s.pages = map[string]*tokenstorev1.ListTokenAccountsResponse{"": {Accounts: []*tokenstorev1.AccountOfToken{soon, late}}}
	s.entries["cursor"] = entries(50, time.Hour, "")
	for strategy, want := range map[string]time.Duration{"fill_first": 4 * time.Hour, "round_robin": 210 * time.Minute, "": 210 * time.Minute} {
		s.strategy = strategy
		pools, err := s.reader().Read(t.Context(), "", now)
		if err != nil || pools[0].DryAt == nil || !pools[0].DryAt.Equal(now.Add(want)) {
			t.Errorf("%s: dry at %v, want after %s; %v", strategy, pools[0].DryAt, want, err)
		}
	}
	s.unset = errors.New("away")
	if _, err := s.reader().Read(t.Context(), "", now); !errors.Is(err, s.unset) {
		t.Error(err)
	}
}
