package redisstore

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// tableRow is what a list is chosen and sorted by of one token: there are many, so that it is
// small, and has what was read alone. Times are ms; 0: none.
type tableRow struct {
	id, upstream       string
	created            int64
	alias, fingerprint string
	tags               []string
	enabled, renewable bool
	// there: the token has a switch, so that it is not gone; where that was read.
	there                   bool
	disabledUntil           int64
	phase                   string
	expires, ends, cooling  int64
	requests, failures, use int64
	// account is sealed.
	account string
	// now is Redis's time when it was read.
	now int64
}

// tableRowFrom reads the values of the named fields.
func tableRowFrom(id string, now int64, names []string, values []any) tableRow {
	r := tableRow{id: id, now: now}
	for i, name := range names {
		text, _ := values[i].(string)
		if text == "" {
			continue
		}
		switch name {
		case "alias":
			r.alias = text
		case "fingerprint":
			r.fingerprint = text
		case "rec":
			r.tags = tagsIn(text)
		case "enabled":
			r.enabled, r.there = text == "1", true
		case "renewable":
			r.renewable = text == "1"
		case "disabled_until":
			r.disabledUntil = wholeOf(text)
		case "phase":
			r.phase = text
		case "expires":
			r.expires = wholeOf(text)
		case "access_ends":
			r.ends = wholeOf(text)
		case "cooling":
			r.cooling = wholeOf(text)
		case "requests":
			r.requests = wholeOf(text)
		case "failures":
			r.failures = wholeOf(text)
		case "account":
			r.account = text
		case "last_used":
			r.use = wholeOf(text)
		}
	}
	if !r.enabled && r.disabledUntil > 0 && r.disabledUntil <= now {
		r.enabled = true
	}
	return r
}

// tagsIn are the tags of a record; most have none.
func tagsIn(text string) []string {
	if !strings.Contains(text, `"tags":`) {
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

func (r *tableRow) state() tokenstorev1.TokenState {
	now := time.UnixMilli(r.now)
	cooling := min(r.cooling, now.Add(longestRest).UnixMilli())
	return token.State(r.enabled, r.phase, instant(r.expires), instant(cooling), now)
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ending is when the token expires as it is shown: of one that is renewed, its access token.
func (r *tableRow) ending() int64 {
	if r.renewable {
		return r.ends
	}
	return r.expires
}

// chooses tells whether the filter chooses a token, but for its upstream.
func (t Table) chooses(r *tableRow) bool {
	if t.State != tokenstorev1.TokenState_TOKEN_STATE_UNSPECIFIED && r.state() != t.State {
		return false
	}
	return t.named(r.tags, r.id, r.alias, r.fingerprint)
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
		return directed(cmp.Compare(slices.Index(stateOrder, a.state()), slices.Index(stateOrder, b.state())), t.Descending)
	case tokenstorev1.TokenOrder_TOKEN_ORDER_EXPIRES:
		return t.numbers(a.ending(), b.ending())
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
