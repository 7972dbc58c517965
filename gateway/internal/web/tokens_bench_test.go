package web

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/auth"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pageOfAccounts is the page of the accounts with so many rows, of every state.
func pageOfAccounts(count int) *page {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	data := tokensData{Table: tokenTable{Sort: newestFirst, Page: 1, Size: count}, Columns: tokenColumns.standard(), Upstreams: []string{"cursor"}}
	for i := range count {
		token := &tokenstorev1.Token{
			Id: fmt.Sprintf("t%06d", i), Upstream: "cursor", Alias: fmt.Sprintf("account %d", i), MaskedSecret: "user_…abcd", Tags: []string{"team-a"},
			State: tokenstorev1.TokenState(i % 8), Enabled: i%7 != 0, Requests: uint64(i) * 1000, Failures: uint64(i % 3), Cap: 4,
			CreatedAt: timestamppb.New(at), LastUsedAt: timestamppb.New(at), ExpiresAt: timestamppb.New(at),
		}
		if token.State == tokenstorev1.TokenState_TOKEN_STATE_COOLING {
			token.CoolingUntil, token.LastError = timestamppb.New(at), "status 429"
		}
		data.Rows = append(data.Rows, tokenRow{token})
	}
	total := uint32(10_000)
	data.Total = &total
	return &page{Name: "tokens", Section: "tokens", Path: tokensPath, Session: &auth.Session{}, Now: at, Data: data}
}

func BenchmarkPageOfAccounts(b *testing.B) {
	views, shown := loadedViews, pageOfAccounts(500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := views.render(english, "tokens", "layout", shown); err != nil {
			b.Fatal(err)
		}
	}
}
