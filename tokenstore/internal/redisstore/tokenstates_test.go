package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A list of the tokens in a state has exactly those that say that they are in it, however few are
// looked at, and as many as are counted, also before passed times are taken notice of.
func TestListsOfStates(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		past, ahead := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
		for i, fields := range [][]any{
			{"requests", 0},
			{"enabled", 0},
			{"enabled", 0, "disabled_until", ahead},
			{"enabled", 0, "disabled_until", past},
			{"enabled", 0, "disabled_until", past, "phase", "parked"},
			{"enabled", 0, "disabled_until", past, "expires", past},
			{"enabled", 0, "disabled_until", past, "cooling", ahead},
			{"phase", "parked"},
			{"phase", "parked", "expires", past},
			{"phase", "probe"},
			{"phase", "probe", "cooling", ahead},
			{"phase", "probe", "cooling", past},
			{"expires", past},
			{"expires", ahead},
			{"expires", past, "renewable", 1},
			{"expires", past, "cooling", ahead},
			{"cooling", ahead, "phase", "new"},
		} {
			upstream := []string{"cursor", "openai"}[i%2]
			d := draft(upstream, fmt.Sprint("T", i))
			d.Alias = fmt.Sprintf("t%02d", i)
			made := create(t, store, d)
			trusted(t, store, made)
			if err := store.client.HSet(ctx, tokenKey(upstream, made.GetId()), fields...).Err(); err != nil {
				t.Fatal(err)
			}
			if err := standScript.run(ctx, store.client, []string{poolIDsKey(upstream)}, made.GetId()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		all, _, err := store.ListTokens(ctx, TokenFilter{NewestFirst: true}, 100, "")
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		for number := range tokenstorev1.TokenState_name {
			state := tokenstorev1.TokenState(number)
			for _, upstream := range []string{"", "cursor", "openai"} {
				var want, got []string
				for _, each := range all {
					if (upstream == "" || each.GetUpstream() == upstream) && (number == 0 || each.GetState() == state) {
						want = append(want, each.GetAlias())
					}
				}
				for _, order := range []tokenstorev1.TokenOrder{0, byAlias} {
					table := Table{TokenFilter: TokenFilter{Upstream: upstream, State: state, NewestFirst: true}, Order: order, Descending: order == byAlias, Limit: 100}
					tokens, total, err := store.TokenTable(ctx, table)
					got = nil
					for _, each := range tokens {
						got = append(got, each.GetAlias())
					}
					if err != nil || total != len(want) || !slices.Equal(got, want) {
						t.Errorf("%s of %q by %s: %v, of %d, want %v; %v", state, upstream, order, got, total, want, err)
					}
				}
			}
		}
	})
}
