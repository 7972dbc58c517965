package redisstore

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// listed is two pools to which anything may happen, whose sorted lists are compared with a sort of
// the whole tokens.
type listed struct {
	*Store
	t       *testing.T
	n       int
	deleted []string
}

func (l *listed) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// whole are all tokens, the newest first.
func (l *listed) whole() []*tokenstorev1.Token {
	tokens, _, err := l.ListTokens(l.t.Context(), TokenFilter{NewestFirst: true}, 1000, "")
	l.must(err)
	return tokens
}

func (l *listed) any(r *rapid.T, ids []string) string {
	if len(ids) == 0 {
		r.Skip("there is none")
	}
	return rapid.SampledFrom(ids).Draw(r, "token")
}

func (l *listed) anyThere(r *rapid.T) string {
	ctx, pipe := l.t.Context(), l.client.Pipeline()
	some, others := pipe.ZRange(ctx, poolIDsKey("cursor"), 0, -1), pipe.ZRange(ctx, poolIDsKey("openai"), 0, -1)
	l.must(sendReads(ctx, pipe))
	return l.any(r, slices.Concat(some.Val(), others.Val()))
}

func (l *listed) create(r *rapid.T) {
	l.n++
	upstream := rapid.SampledFrom([]string{"cursor", "openai"}).Draw(r, "upstream")
	text := fmt.Sprint("T", l.n, "-", rand.Uint64())
	if rapid.Bool().Draw(r, "expires") {
		text = jwtUntil(time.Now().Add(time.Duration(rapid.IntRange(1, 48).Draw(r, "hours"))*time.Hour + time.Duration(l.n)*time.Second))
	}
	one := draft(upstream, text)
	if rapid.IntRange(0, 2).Draw(r, "login") == 0 {
		one = login(fmt.Sprint("u", l.n, rand.Uint64()), "r")
	}
	one.Enabled = rapid.IntRange(0, 4).Draw(r, "enabled") > 0
	one.Alias, one.Tags = l.name(r), l.tags(r)
	made, err := l.CreateToken(l.t.Context(), one)
	l.must(err)
	if rapid.Bool().Draw(r, "trusted") {
		l.must(l.client.HDel(l.t.Context(), tokenKey(made.GetUpstream(), made.GetId()), "phase").Err())
		l.must(standScript.run(l.t.Context(), l.client, []string{poolIDsKey(made.GetUpstream())}, made.GetId()).Err())
	}
}

func (l *listed) name(r *rapid.T) string {
	l.n++
	return rapid.SampledFrom([]string{"", fmt.Sprint("a", l.n), fmt.Sprint("B", l.n), fmt.Sprint("Ä ", l.n)}).Draw(r, "alias")
}

func (l *listed) tags(r *rapid.T) []string {
	return rapid.SampledFrom([][]string{nil, {"x"}, {`"tags":["x"]`, "Y"}}).Draw(r, "tags")
}

func (l *listed) edit(r *rapid.T) {
	until := rapid.SampledFrom([]time.Time{{}, time.UnixMilli(never), time.UnixMilli(ever)}).Draw(r, "until")
	edit := token.Fields{Alias: l.name(r), Tags: l.tags(r), Enabled: until.IsZero() && rapid.Bool().Draw(r, "enabled"), DisabledUntil: until}
	names := []string{token.Alias, token.Tags, token.Enabled}
	if !until.IsZero() {
		names[2] = token.DisabledUntil
	}
	_, err := l.UpdateToken(l.t.Context(), l.anyThere(r), edit, names, 0)
	l.must(err)
}

func (l *listed) remove(r *rapid.T) {
	id := l.anyThere(r)
	l.must(l.DeleteToken(l.t.Context(), id, 0))
	l.deleted = append(l.deleted, id)
}

func (l *listed) restore(r *rapid.T) {
	_, _ = l.RestoreToken(l.t.Context(), l.any(r, l.deleted)) // it may be there, or its alias another's
}

// use has tokens serve, or fail.
func (l *listed) use(r *rapid.T) {
	upstream := rapid.SampledFrom([]string{"cursor", "openai"}).Draw(r, "upstream")
	taken, _, err := l.Acquire(l.t.Context(), leasing.Wanted{Upstream: upstream, Model: "m", Count: rapid.IntRange(1, 4).Draw(r, "count"), TTL: time.Minute})
	l.must(err)
	for _, lease := range taken {
		report := leasing.Settlement{LeaseRef: lease.LeaseRef, Model: "m"}
		report.Effect = rapid.SampledFrom([]leasing.Effect{leasing.Unused, leasing.Succeeded, leasing.Neutral, leasing.Failed}).Draw(r, "effect")
		if report.Effect == leasing.Failed {
			report.Verdict = &leasing.Verdict{Class: "quota", CoolFor: []time.Duration{rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(r, "cools")}}
		}
		_, err := l.Settle(l.t.Context(), []leasing.Settlement{report})
		l.must(err)
	}
}

func (l *listed) release(r *rapid.T) {
	_, err := l.ReleaseToken(l.t.Context(), l.anyThere(r), "admin")
	l.must(err)
}

// refresh gives a login another access token.
func (l *listed) refresh(r *rapid.T) {
	for _, upstream := range []string{"cursor", "openai"} {
		for _, id := range l.client.ZRange(l.t.Context(), refreshesKey(upstream), 0, -1).Val() {
			redisZ(l.t, l.Store, refreshesKey(upstream), id, 0)
		}
	}
	errands, _, err := l.TakeErrands(l.t.Context(), MaxErrands, MaxErrands, nil)
	l.must(err)
	for _, errand := range errands {
		if errand.Refresh != nil {
			life := time.Duration(rapid.IntRange(1, 48).Draw(r, "hours")) * time.Hour
			_, err = l.GrantRefresh(l.t.Context(), errand.ErrandRef, Granted{Access: secret.New("access"), Expires: time.Now().Add(life)})
			l.must(err)
		}
	}
}

// age makes the data those of a tokenstore of before, which kept no rows.
func (l *listed) age(r *rapid.T) {
	upstream := rapid.SampledFrom([]string{"cursor", "openai"}).Draw(r, "upstream")
	l.must(l.client.Del(l.t.Context(), rowsKey(upstream), countsKey(upstream)).Err())
}

// compare compares a list, in pages, with what a filter and a sort of whole tokens make of them.
func (l *listed) compare(r *rapid.T) {
	table := Table{
		TokenFilter: TokenFilter{
			Upstream: rapid.SampledFrom([]string{"", "", "cursor", "openai"}).Draw(r, "of upstream"),
			State:    tokenstorev1.TokenState(rapid.SampledFrom([]int32{0, 0, 0, 1, 2, 3, 4, 5, 6, 7}).Draw(r, "of state")),
			Tag:      rapid.SampledFrom([]string{"", "", "x"}).Draw(r, "of tag"),
			Query:    rapid.SampledFrom([]string{"", "", "b", "ä", "y"}).Draw(r, "query"),
		},
		Order:      tokenstorev1.TokenOrder(rapid.SampledFrom([]int32{0, 1, 2, 3, 4, 5, 6}).Draw(r, "order")),
		Descending: rapid.Bool().Draw(r, "descending"),
		Limit:      rapid.IntRange(1, 5).Draw(r, "limit"),
	}
	table.NewestFirst, table.Brief = rapid.Bool().Draw(r, "newest first"), rapid.Bool().Draw(r, "brief")
	whole := l.whole()
	want := sortedPlainly(table, slices.Clone(whole))
	var got []string
	for {
		page, total, err := l.TokenTable(l.t.Context(), table)
		if err != nil || total != len(want) {
			r.Fatalf("%+v: %d tokens, want %d: %v", table, total, len(want), err)
		}
		if len(page) == 0 {
			break
		}
		for _, each := range page {
			got = append(got, each.GetId())
			if table.Brief {
				is := whole[slices.IndexFunc(whole, func(other *tokenstorev1.Token) bool { return other.GetId() == each.GetId() })]
				if !isBriefly(each, is) {
					r.Fatalf("%+v: %v, want %v", table, each, is)
				}
			}
		}
		table.Offset += table.Limit
	}
	if !slices.Equal(got, want) {
		r.Fatalf("%+v: %v, want %v", table, got, want)
	}
}

// isBriefly tells whether a brief list has told what it promises of a token. A rest ends at the
// latest a while from now, so that it may end later than it did before.
func isBriefly(told, is *tokenstorev1.Token) bool {
	promised := func(t *tokenstorev1.Token) *tokenstorev1.Token {
		return &tokenstorev1.Token{
			Id: t.GetId(), Upstream: t.GetUpstream(), Alias: t.GetAlias(), State: t.GetState(), CreatedAt: t.GetCreatedAt(), DisabledUntil: t.GetDisabledUntil(),
		}
	}
	ends, ended := told.GetCoolingUntil(), is.GetCoolingUntil()
	return proto.Equal(promised(told), promised(is)) && (ends == nil) == (ended == nil) && !ends.AsTime().Before(ended.AsTime())
}

// sortedPlainly filters and sorts tokens, which are given the newest first.
func sortedPlainly(table Table, tokens []*tokenstorev1.Token) (ids []string) {
	tokens = slices.DeleteFunc(tokens, func(each *tokenstorev1.Token) bool { return !table.match(each) })
	if table.Order == tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED && table.NewestFirst == table.Descending {
		slices.Reverse(tokens)
	}
	// valueOf is what a token is sorted by, and whether it has that.
	valueOf := func(each *tokenstorev1.Token) (text string, number int64, has bool) {
		moment := func(at *timestamppb.Timestamp) (string, int64, bool) { return "", at.AsTime().UnixMilli(), at != nil }
		switch table.Order {
		case byAlias:
			return strings.ToLower(each.GetAlias()), 0, each.GetAlias() != ""
		case byState:
			return "", int64(slices.Index(stateOrder, each.GetState())), true
		case byExpiry:
			return moment(each.GetExpiresAt())
		case byRequests:
			return "", int64(each.GetRequests()), true
		case byFailures:
			return "", int64(each.GetFailures()), true
		case byLastUse:
			return moment(each.GetLastUsedAt())
		}
		return "", 0, true
	}
	slices.SortStableFunc(tokens, func(a, b *tokenstorev1.Token) int {
		textA, numberA, hasA := valueOf(a)
		textB, numberB, hasB := valueOf(b)
		switch order := cmp.Or(cmp.Compare(textA, textB), cmp.Compare(numberA, numberB)); {
		case hasA != hasB && hasA:
			return -1
		case hasA != hasB:
			return 1
		case table.Descending:
			return -order
		default:
			return order
		}
	})
	for _, each := range tokens {
		ids = append(ids, each.GetId())
	}
	return ids
}

// Whatever happens to tokens: a list is what a filter and a sort of the whole tokens make of them.
func TestListsAreWhatTokensSay(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := legacyStore(t, client)
	calmly(store)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		store.homes = homes{}
		seed(t, store)
		l := &listed{Store: store, t: t}
		r.Repeat(map[string]func(*rapid.T){
			"": l.compare, "create": l.create, "create more": l.create, "edit": l.edit, "delete": l.remove, "restore": l.restore,
			"use": l.use, "use more": l.use, "release": l.release, "refresh": l.refresh, "age": l.age,
		})
	})
}

// What a tokenstore of before has changed, which kept no rows, is listed as it is once one of this
// version starts.
func TestAStartRenewsTheRows(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		id := create(t, store, draft("cursor", "T1")).GetId()
		if _, _, err := store.TokenTable(t.Context(), Table{Order: byAlias, Limit: 9}); err != nil {
			t.Fatal(err)
		}
		if err := store.client.HSet(t.Context(), tokenKey("cursor", id), "alias", "renamed").Err(); err != nil {
			t.Fatal(err)
		}
		newStore(t, store.client)
		if found, total, err := store.TokenTable(t.Context(), Table{TokenFilter: TokenFilter{Query: "renamed"}, Limit: 9}); err != nil || total != 1 || len(found) != 1 {
			t.Errorf("%v of %d, %v", found, total, err)
		}
	})
}
