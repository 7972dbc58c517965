package grpcapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

const byAlias = tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS

// Whichever way a list is asked for, its cursors lead through all of it, and the total is that of
// the first page.
func TestListsAreCountedAndGoneThrough(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		s := start(t, client)
		tokens := tokenstorev1.NewTokenServiceClient(s.conn)
		for i := range 5 {
			if _, err := tokens.CreateToken(t.Context(), &tokenstorev1.CreateTokenRequest{Secret: fmt.Sprint("T", i), Alias: string(rune('e' - i))}); err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range map[string]struct {
			request *tokenstorev1.ListTokensRequest
			want    []string
			counted bool
			cursor  string
		}{
			"as before":          {&tokenstorev1.ListTokensRequest{}, []string{"e", "d", "c", "b", "a"}, false, ""},
			"counted":            {&tokenstorev1.ListTokensRequest{Counted: true}, []string{"e", "d", "c", "b", "a"}, true, ""},
			"counted, by a text": {&tokenstorev1.ListTokensRequest{Counted: true, Query: "t"}, []string{"e", "d", "c", "b", "a"}, true, ""},
			"sorted":             {&tokenstorev1.ListTokensRequest{Order: byAlias}, []string{"a", "b", "c", "d", "e"}, true, "+"},
			"turned around":      {&tokenstorev1.ListTokensRequest{Order: byAlias, Descending: true}, []string{"e", "d", "c", "b", "a"}, true, "+"},
			"from a place on":    {&tokenstorev1.ListTokensRequest{Order: byAlias, Offset: 3}, []string{"d", "e"}, true, "+"},
		} {
			request := test.request
			request.Limit = 2
			var got []string
			for first := true; first || request.GetCursor() != ""; first = false {
				page, err := tokens.ListTokens(t.Context(), request)
				if err != nil {
					t.Fatal(name, err)
				}
				if first && (page.Total != nil) != test.counted || test.counted && first && page.GetTotal() != 5 {
					t.Errorf("%s: total %v", name, page.Total)
				}
				if cursor := page.GetNextCursor(); strings.HasPrefix(cursor, "+") != (cursor != "" && test.cursor == "+") {
					t.Errorf("%s: cursor %q", name, cursor)
				}
				for _, each := range page.GetTokens() {
					got = append(got, each.GetAlias())
				}
				request.Cursor, request.Offset = page.GetNextCursor(), 0
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %v", name, got)
			}
		}
		for name, bad := range map[string]*tokenstorev1.ListTokensRequest{
			"a cursor of another list": {Order: byAlias, Cursor: "z9"},
			"a place that is none":     {Cursor: "+x"},
			"a cursor and an offset":   {Cursor: "+2", Offset: 2},
			"an offset without end":    {Offset: 4_000_000_000},
			"an order of later":        {Order: 99},
		} {
			_, err := tokens.ListTokens(t.Context(), bad)
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument); t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

func TestUntilWhenATokenIsDisabled(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		s := start(t, client)
		tokens := tokenstorev1.NewTokenServiceClient(s.conn)
		created, err := tokens.CreateToken(t.Context(), &tokenstorev1.CreateTokenRequest{Secret: "T1"})
		if err != nil {
			t.Fatal(err)
		}
		disable := func(until time.Time, enabled bool, paths ...string) (*tokenstorev1.Token, error) {
			updated, err := tokens.UpdateToken(t.Context(), &tokenstorev1.UpdateTokenRequest{
				Id: created.GetToken().GetId(), UpdateMask: mask(paths...), Enabled: enabled, DisabledUntil: timestamppb.New(until),
			})
			return updated.GetToken(), err
		}
		later := time.Now().Add(time.Hour)
		if got, err := disable(later, false, "disabled_until"); err != nil || got.GetEnabled() || got.GetDisabledUntil().AsTime().UnixMilli() != later.UnixMilli() {
			t.Errorf("got %v, %v", got, err)
		}
		for name, bad := range map[string]func() (*tokenstorev1.Token, error){
			"in the past": func() (*tokenstorev1.Token, error) {
				return disable(time.Now().Add(-time.Minute), false, "disabled_until")
			},
			"for years":     func() (*tokenstorev1.Token, error) { return disable(later.AddDate(2, 0, 0), false, "disabled_until") },
			"while enabled": func() (*tokenstorev1.Token, error) { return disable(later, true, "enabled", "disabled_until") },
		} {
			_, err := bad()
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument); t.Failed() {
				t.Fatal(name)
			}
		}
		if got, err := disable(later, true, "enabled"); err != nil || !got.GetEnabled() || got.GetDisabledUntil() != nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// Tokens are listed by their ids, in that order, whatever else is asked for.
func TestTokensAreListedByTheirIDs(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		s := start(t, client)
		tokens := tokenstorev1.NewTokenServiceClient(s.conn)
		var ids []string
		for _, alias := range []string{"a", "b", "c"} {
			made, err := tokens.CreateToken(t.Context(), &tokenstorev1.CreateTokenRequest{Secret: "secret-of-" + alias, Alias: alias})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, made.GetToken().GetId())
		}
		request := &tokenstorev1.ListTokensRequest{Ids: []string{ids[2], "gone", ids[0]}, Limit: 1, Upstream: "another", Counted: true}
		listed, err := tokens.ListTokens(t.Context(), request)
		if err != nil || len(listed.GetTokens()) != 2 || listed.GetTokens()[0].GetAlias() != "c" || listed.GetTokens()[1].GetAlias() != "a" || listed.GetNextCursor() != "" {
			t.Errorf("%v, %v", listed, err)
		}
		_, err = tokens.ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{Ids: make([]string, 1001)})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}
