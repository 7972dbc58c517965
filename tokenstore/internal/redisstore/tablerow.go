package redisstore

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// tableRow is what a list is chosen and sorted by of one token: there are many, so that it is
// small. Times are ms; 0: none.
type tableRow struct {
	id, upstream       string
	created            int64
	alias, fingerprint string
	// tags are JSON, as tagsIn takes them.
	tags                    string
	state                   tokenstorev1.TokenState
	ending                  int64
	cooling, disabledUntil  int64
	requests, failures, use int64
}

// lines are taken off the front of a text.
type lines string

func (l *lines) next() string {
	line, rest, _ := strings.Cut(string(*l), "\n")
	*l = lines(rest)
	return line
}

func (l *lines) number() int64 { return wholeOf(l.next()) }

// tableRowFrom reads a token's row and its counts, as lua/parts/rows.lua writes them. now is
// Redis's.
func tableRowFrom(row, counts string, now time.Time) tableRow {
	rest := lines(row)
	enabled, disabledUntil, phase := rest.next() == "1", rest.number(), rest.next()
	expires, cooling := rest.number(), rest.number()
	renewable, accessEnds := rest.next() == "1", rest.number()
	enabled = enabled || disabledUntil > 0 && disabledUntil <= now.UnixMilli()
	cooling = min(cooling, now.Add(longestRest).UnixMilli())
	r := tableRow{
		fingerprint: rest.next(), alias: rest.next(), tags: rest.next(),
		state: token.State(enabled, phase, instant(expires), instant(cooling), now), ending: expires, cooling: cooling,
	}
	if !enabled {
		r.disabledUntil = disabledUntil
	}
	if renewable { // it is shown when its access token expires
		r.ending = accessEnds
	}
	requests, counts, _ := strings.Cut(counts, " ")
	failures, use, _ := strings.Cut(counts, " ")
	r.requests, r.failures, r.use = wholeOf(requests), wholeOf(failures), wholeOf(use)
	return r
}

// briefly are tokens with no more of them than their rows have.
func briefly(rows []*tableRow) []*tokenstorev1.Token {
	tokens := make([]*tokenstorev1.Token, len(rows))
	for i, r := range rows {
		tokens[i] = &tokenstorev1.Token{Id: r.id, Upstream: r.upstream, Alias: r.alias, State: r.state, CreatedAt: timestamppb.New(time.UnixMicro(r.created))}
		if r.state == tokenstorev1.TokenState_TOKEN_STATE_COOLING {
			tokens[i].CoolingUntil = timestamppb.New(instant(r.cooling))
		}
		if r.disabledUntil > 0 {
			tokens[i].DisabledUntil = timestamppb.New(instant(r.disabledUntil))
		}
	}
	return tokens
}

// tagsIn are the tags of a record of which the end is given that has them; most have none.
func tagsIn(text string) []string {
	if text == "" {
		return nil
	}
	var r struct{ Tags []string }
	_ = json.Unmarshal([]byte(text), &r) // a damaged one has none
	return r.Tags
}

// wholeOf is fields.number of one value.
func wholeOf(text string) int64 {
	whole, _, _ := strings.Cut(text, ".")
	number, _ := strconv.ParseInt(whole, 10, 64)
	return max(number, 0)
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// choice chooses from rows. It remembers tags: tokens that were added together have the same.
type choice struct {
	Table
	tags map[string][]string
}

// chooses tells whether the filter chooses a token, but for its upstream.
func (c *choice) chooses(r *tableRow) bool {
	if c.State != tokenstorev1.TokenState_TOKEN_STATE_UNSPECIFIED && r.state != c.State {
		return false
	}
	if c.Tag == "" && c.Query == "" {
		return true
	}
	tags, known := c.tags[r.tags]
	if !known {
		tags = tagsIn(r.tags)
		c.tags[r.tags] = tags
	}
	return c.named(tags, r.id, r.alias, r.fingerprint)
}

// stateOrder has the states that an admin has to do with first.
var stateOrder = []tokenstorev1.TokenState{
	tokenstorev1.TokenState_TOKEN_STATE_PARKED, tokenstorev1.TokenState_TOKEN_STATE_EXPIRED, tokenstorev1.TokenState_TOKEN_STATE_COOLING,
	tokenstorev1.TokenState_TOKEN_STATE_PROBING, tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED, tokenstorev1.TokenState_TOKEN_STATE_READY,
	tokenstorev1.TokenState_TOKEN_STATE_DISABLED,
}

// compare sorts by the order; of tokens that are alike in it the one that is newer is first.
func (t Table) compare(a, b *tableRow) int {
	by := t.by(a, b)
	if by == 0 && t.Order == tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED && !t.newestFirst() {
		return cmp.Compare(a.created, b.created)
	}
	return cmp.Or(by, cmp.Compare(b.created, a.created))
}

// by compares by what the list is sorted by.
func (t Table) by(a, b *tableRow) int {
	switch t.Order {
	case tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS:
		return t.texts(strings.ToLower(a.alias), strings.ToLower(b.alias))
	case tokenstorev1.TokenOrder_TOKEN_ORDER_STATE:
		return directed(cmp.Compare(slices.Index(stateOrder, a.state), slices.Index(stateOrder, b.state)), t.Descending)
	case tokenstorev1.TokenOrder_TOKEN_ORDER_EXPIRES:
		return t.numbers(a.ending, b.ending)
	case tokenstorev1.TokenOrder_TOKEN_ORDER_REQUESTS:
		return directed(cmp.Compare(a.requests, b.requests), t.Descending)
	case tokenstorev1.TokenOrder_TOKEN_ORDER_FAILURES:
		return directed(cmp.Compare(a.failures, b.failures), t.Descending)
	case tokenstorev1.TokenOrder_TOKEN_ORDER_LAST_USED:
		return t.numbers(a.use, b.use)
	default:
		return 0
	}
}

// texts compares texts; an empty one is last.
func (t Table) texts(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(b, a)
	}
	return directed(cmp.Compare(a, b), t.Descending)
}

// numbers compares numbers; 0 is last.
func (t Table) numbers(a, b int64) int {
	if a == 0 || b == 0 {
		return cmp.Compare(b, a)
	}
	return directed(cmp.Compare(a, b), t.Descending)
}

func directed(order int, descending bool) int {
	if descending {
		return -order
	}
	return order
}
