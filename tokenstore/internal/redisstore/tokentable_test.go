package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

const (
	byAlias    = tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS
	byState    = tokenstorev1.TokenOrder_TOKEN_ORDER_STATE
	byExpiry   = tokenstorev1.TokenOrder_TOKEN_ORDER_EXPIRES
	byRequests = tokenstorev1.TokenOrder_TOKEN_ORDER_REQUESTS
	byFailures = tokenstorev1.TokenOrder_TOKEN_ORDER_FAILURES
	byLastUse  = tokenstorev1.TokenOrder_TOKEN_ORDER_LAST_USED
)

// tablePool has four tokens of cursor, a to d, and e of openai.
func tablePool(t *testing.T, store *Store) {
	t.Helper()
	soon, later := time.Now().Add(time.Hour), time.Now().Add(48*time.Hour)
	for _, each := range []struct {
		alias, secret string
		tags          []string
		fields        []any
	}{
		{"b", "T1", []string{"x"}, []any{"requests", 5, "failures", 1, "last_used", 3000}},
		{"a", jwtUntil(later), nil, []any{"requests", 7, "last_used", 1000}},
		{"", jwtUntil(soon), []string{"x", "y"}, []any{"requests", 1, "failures", 9}},
		{"D", "T4", []string{"team-d"}, []any{"enabled", 0}},
	} {
		d := draft("cursor", each.secret)
		d.Alias, d.Tags = each.alias, each.tags
		id := trusted(t, store, create(t, store, d))
		if err := store.client.HSet(t.Context(), tokenKey("cursor", id), each.fields...).Err(); err != nil {
			t.Fatal(err)
		}
		if err := standScript.run(t.Context(), store.client, []string{poolIDsKey("cursor")}, id).Err(); err != nil {
			t.Fatal(err)
		}
	}
	d := draft("openai", "T5")
	d.Alias = "e"
	create(t, store, d)
}

func TestTokenTable(t *testing.T) {
	t.Parallel()
	everything := TokenFilter{NewestFirst: true}
	cursor := TokenFilter{Upstream: "cursor", NewestFirst: true}
	for name, test := range map[string]struct {
		table Table
		want  []string
	}{
		"as they were created, the newest first": {Table{TokenFilter: everything}, []string{"e", "D", "", "a", "b"}},
		"the oldest first":                       {Table{}, []string{"b", "a", "", "D", "e"}},
		"the other way round":                    {Table{TokenFilter: everything, Descending: true}, []string{"b", "a", "", "D", "e"}},
		"of one upstream":                        {Table{TokenFilter: cursor}, []string{"D", "", "a", "b"}},
		"by alias, who has none last":            {Table{TokenFilter: cursor, Order: byAlias}, []string{"a", "b", "D", ""}},
		"by alias, turned around":                {Table{TokenFilter: cursor, Order: byAlias, Descending: true}, []string{"D", "b", "a", ""}},
		"by expiry":                              {Table{TokenFilter: cursor, Order: byExpiry}, []string{"", "a", "D", "b"}},
		"by expiry, turned around":               {Table{TokenFilter: cursor, Order: byExpiry, Descending: true}, []string{"a", "", "D", "b"}},
		"by requests":                            {Table{TokenFilter: cursor, Order: byRequests, Descending: true}, []string{"a", "b", "", "D"}},
		"by failures":                            {Table{TokenFilter: cursor, Order: byFailures, Descending: true}, []string{"", "b", "D", "a"}},
		"by last use, who has none last":         {Table{TokenFilter: cursor, Order: byLastUse}, []string{"a", "b", "D", ""}},
		"by state":                               {Table{TokenFilter: everything, Order: byState}, []string{"e", "", "a", "b", "D"}},
		"of a state": {
			Table{TokenFilter: TokenFilter{State: tokenstorev1.TokenState_TOKEN_STATE_READY}, Order: byAlias}, []string{"a", "b", ""},
		},
		"with a tag":    {Table{TokenFilter: TokenFilter{Tag: "x"}}, []string{"b", ""}},
		"that is found": {Table{TokenFilter: TokenFilter{Query: "TEAM-d"}, Order: byAlias}, []string{"D"}},
		"of nowhere":    {Table{TokenFilter: TokenFilter{Upstream: "nowhere"}, Order: byAlias}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				tablePool(t, store)
				var whole []string
				for limit := range 3 { // in pages of one, two and three
					whole = nil
					for table := test.table; ; table.Offset += table.Limit {
						table.Limit = limit + 1
						tokens, total, err := store.TokenTable(t.Context(), table)
						if err != nil || total != len(test.want) {
							t.Fatalf("%d tokens, not %d: %v", total, len(test.want), err)
						}
						if len(tokens) == 0 {
							break
						}
						for _, each := range tokens {
							whole = append(whole, each.GetAlias())
						}
					}
					if !slices.Equal(whole, test.want) {
						t.Errorf("pages of %d: got %q, want %q", limit+1, whole, test.want)
					}
				}
			})
		})
	}
}

// Tags are told from what surrounds them in a record, whatever they are.
func TestTagsOfATable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		tags := []string{`"tags":["x"]`, `]}\`, "größe"}
		d := draft("cursor", "T1")
		d.Alias, d.Tags = "tagged", tags
		create(t, store, d)
		for _, tag := range tags {
			for _, filter := range []TokenFilter{{Tag: tag}, {Query: tag}} {
				if tokens, _, err := store.TokenTable(t.Context(), Table{TokenFilter: filter, Limit: 9}); err != nil || len(tokens) != 1 {
					t.Errorf("%+v: %v, %v", filter, tokens, err)
				}
			}
		}
		if tokens, _, err := store.TokenTable(t.Context(), Table{TokenFilter: TokenFilter{Tag: "x"}, Limit: 9}); err != nil || len(tokens) != 0 {
			t.Errorf("%v, %v", tokens, err)
		}
	})
}

func TestATableShowsWholeTokens(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		tablePool(t, store)
		sorted, _, err := store.TokenTable(t.Context(), Table{TokenFilter: TokenFilter{Query: "team-d"}, Order: byAlias, Limit: 9})
		if err != nil || len(sorted) != 1 {
			t.Fatal(sorted, err)
		}
		if sorted[0].GetMaskedSecret() == "" || sorted[0].GetLastError() != "" || !slices.Equal(sorted[0].GetTags(), []string{"team-d"}) {
			t.Errorf("it is %v", sorted[0])
		}
	})
}

// BenchmarkTokenTable is about the first page of 10,000 tokens in ten pools.
func BenchmarkTokenTable(b *testing.B) {
	client := testredis.Start(b)
	store := newStore(b, client)
	var drafts []token.Draft
	for i := range 10 {
		name := fmt.Sprintf("pool-%d", i)
		if _, err := store.SeedUpstream(b.Context(), &tokenstorev1.Upstream{Name: name, Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}); err != nil {
			b.Fatal(err)
		}
		for j := range 1000 {
			d := draft(name, fmt.Sprintf("sk-%d-%d", i, j))
			d.Alias, d.Tags = fmt.Sprintf("t%d-%d", i, j), []string{"batch"}
			drafts = append(drafts, d)
		}
	}
	if _, err := store.ImportTokens(b.Context(), drafts); err != nil {
		b.Fatal(err)
	}
	for name, table := range map[string]Table{
		"created": {TokenFilter: TokenFilter{NewestFirst: true}}, "alias": {Order: byAlias}, "state": {Order: byState}, "last used": {Order: byLastUse},
		"of a state": {TokenFilter: TokenFilter{State: tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED}}, "with a tag": {TokenFilter: TokenFilter{Tag: "batch"}},
		"one pool by alias": {TokenFilter: TokenFilter{Upstream: "pool-3"}, Order: byAlias}, "found": {TokenFilter: TokenFilter{Query: "t3-77"}, Order: byAlias},
	} {
		b.Run(name, func(b *testing.B) {
			table.Limit = 50
			for b.Loop() {
				if _, _, err := store.TokenTable(b.Context(), table); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
