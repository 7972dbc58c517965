package leasing

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// refusal words a shortage.
func refusal(demand Demand, shortage Shortage) *rpcerr.Error {
	switch {
	case shortage.Total > 0 && shortage.Cause != "":
		return failing(demand, shortage)
	case demand.Alias != "" || demand.TokenID != "":
		return refusalByName(demand, shortage)
	case shortage.Total == 0:
		return rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKENS, "upstream %q has no tokens; add one", demand.Upstream)
	case shortage.gone() == shortage.Total:
		return rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKENS, "none of the %d tokens of upstream %q can be used: %s",
			shortage.Total, demand.Upstream, excluded(shortage))
	default:
		refused := rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "no token of upstream %q is free: of %d, %s%s",
			demand.Upstream, shortage.Total, excluded(shortage), back(shortage))
		refused.RetryAfter = shortage.retryAfter()
		return refused
	}
}

// excluded lists what excludes the tokens, and of how many.
func excluded(shortage Shortage) string {
	var parts []string
	for _, each := range []struct {
		count int
		why   string
	}{
		{shortage.Capped, "busy"},
		{shortage.Cooling, "cooling"},
		{shortage.Probing + shortage.Quarantined, "being probed"},
		{shortage.Tried, "tried by this request"},
		{shortage.Disabled, "disabled"},
		{shortage.Renewing, "waiting for an access token"},
		{shortage.Expired - shortage.Renewing, "expired"},
		{shortage.Parked, "parked"},
	} {
		if each.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", each.count, each.why))
		}
	}
	return strings.Join(parts, ", ")
}

// back says when the first token is back, where that is known.
func back(shortage Shortage) string {
	switch {
	case shortage.Soonest > 0:
		return fmt.Sprintf("; the first is back in %s", inSeconds(shortage.Soonest))
	case shortage.SoonestTried > 0:
		return fmt.Sprintf("; the first that was tried is back in %s", inSeconds(shortage.SoonestTried))
	default:
		return ""
	}
}

// itsReturn is back for a shortage of one token.
func itsReturn(shortage Shortage) string {
	if wait := cmp.Or(shortage.Soonest, shortage.SoonestTried); wait > 0 {
		return fmt.Sprintf("; it is back in %s", inSeconds(wait))
	}
	return ""
}

// inSeconds rounds up to a second.
func inSeconds(wait time.Duration) time.Duration {
	return (wait + time.Second - 1).Truncate(time.Second)
}

// failing words that all tokens fail alike.
func failing(demand Demand, shortage Shortage) *rpcerr.Error {
	refused := rpcerr.New(tokenstorev1.Reason_REASON_UPSTREAM_FAILING,
		"upstream %q fails alike with all tokens (%s); a request now and then finds out whether that is over", demand.Upstream, shortage.Cause)
	refused.RetryAfter = max(shortage.Soonest, time.Second)
	return refused
}

// refusalByName is refusal for a demand that only one token could serve.
func refusalByName(demand Demand, shortage Shortage) *rpcerr.Error {
	refuse := func(reason tokenstorev1.Reason, problem string) *rpcerr.Error {
		refused := rpcerr.New(reason, "the token %q of upstream %q %s", cmp.Or(demand.Alias, demand.TokenID), demand.Upstream, problem)
		refused.RetryAfter = shortage.retryAfter()
		return refused
	}
	switch {
	case shortage.Total == 0 && demand.TokenID != "":
		return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "upstream %q has no token with the id %q", demand.Upstream, demand.TokenID)
	case shortage.Total == 0:
		return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "upstream %q has no token with the alias %q", demand.Upstream, demand.Alias)
	case shortage.Disabled > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "is disabled")
	case shortage.Renewing > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "waits for an access token")
	case shortage.Expired > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "has expired")
	case shortage.Parked > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "is parked: it was refused again and again")
	case shortage.Cooling > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "is cooling"+itsReturn(shortage))
	case shortage.Capped > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "is busy")
	case shortage.busy() > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "is being probed")
	default:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "has been tried by this request")
	}
}

// worthWaiting tells whether an eligible token will be there before until.
func worthWaiting(refused Answer, until time.Time) bool {
	if refused.Refused == nil {
		return false
	}
	switch refused.Refused.Reason {
	case tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, tokenstorev1.Reason_REASON_UPSTREAM_FAILING:
	default:
		return false
	}
	soonest := refused.Shortage.Soonest
	return refused.Shortage.soon() || soonest > 0 && time.Now().Add(soonest).Before(until)
}
