package web

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestSparkIsDrawn(t *testing.T) {
	t.Parallel()
	if drawn := sparkOf([sparkHours]uint64{}); drawn != nil {
		t.Errorf("nothing is drawn as %v", drawn)
	}
	const want = "M0 8V4h1V7h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V8h1V0h1V8z"
	if got := sparkOf([sparkHours]uint64{0: 335, 1: 1, 23: 670}); got.Sum != 1006 || got.Path != want {
		t.Errorf("%d, drawn as %s", got.Sum, got.Path)
	}
}

// usageAnswers is a tokenstore that answers the same each time, and counts.
type usageAnswers struct {
	rows  []*tokenstorev1.UsageRow
	err   error
	asked int
}

func (u *usageAnswers) QueryUsage(context.Context, *tokenstorev1.QueryUsageRequest, ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error) {
	u.asked++
	return &tokenstorev1.QueryUsageResponse{Rows: u.rows}, u.err
}

// Sparks are looked up once a minute at most, are of the last day, and stay when they can't be had.
func TestSparksAreKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
	row := func(id string, ago time.Duration, n uint64) *tokenstorev1.UsageRow {
		return &tokenstorev1.UsageRow{TokenId: id, Start: timestamppb.New(now.Truncate(time.Hour).Add(-ago)), Sums: &tokenstorev1.UsageSums{Requests: n}}
	}
	store := &usageAnswers{rows: []*tokenstorev1.UsageRow{row("a", 0, 2), row("a", 0, 3), row("a", 23*time.Hour, 1), row("b", 24*time.Hour, 9), row("", 0, 5), row("c", 0, 0)}}
	var all sparks
	for _, c := range []struct {
		after time.Duration
		err   error
		asked int
	}{{0, nil, 1}, {59 * time.Second, nil, 1}, {time.Minute, errors.New("away"), 2}, {61 * time.Second, nil, 2}, {66 * time.Second, nil, 3}, {72 * time.Second, nil, 3}} {
		store.err = c.err
		got := all.read(t.Context(), store, now.Add(c.after))
		if store.asked != c.asked || len(got) != 1 || got["a"] == nil || got["a"].Sum != 6 {
			t.Errorf("after %s: asked %d times, found %v", c.after, store.asked, got)
		}
	}
}

// slowUsage is a tokenstore that answers when it may, unless nobody waits any more.
type slowUsage struct {
	usageAnswers
	called, may chan struct{}
}

func (u *slowUsage) QueryUsage(ctx context.Context, r *tokenstorev1.QueryUsageRequest, _ ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error) {
	close(u.called)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-u.may:
		return u.usageAnswers.QueryUsage(ctx, r)
	}
}

// A reader who looks sparks up for all may go meanwhile, and the others need not wait.
func TestSparksAreForAllReaders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
	store := &slowUsage{called: make(chan struct{}), may: make(chan struct{})}
	store.rows = []*tokenstorev1.UsageRow{{TokenId: "a", Start: timestamppb.New(now.Truncate(time.Hour)), Sums: &tokenstorev1.UsageSums{Requests: 2}}}
	var all sparks
	gone, leave := context.WithCancel(t.Context())
	leave()
	first := make(chan map[string]*spark)
	go func() { first <- all.read(gone, store, now) }()
	<-store.called
	if got := all.read(t.Context(), store, now.Add(time.Second)); got != nil {
		t.Errorf("found %v before there are any", got)
	}
	close(store.may)
	if got := <-first; got["a"] == nil {
		t.Errorf("found %v", got)
	}
	if got := all.read(t.Context(), store, now.Add(2*time.Second)); got["a"] == nil || store.asked != 1 {
		t.Errorf("asked %d times, found %v", store.asked, got)
	}
}
