package tokens

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxReportText bounds each text of a report, in bytes.
const maxReportText = 4 << 10

// outcomes says how each class of failure is reported.
var outcomes = map[upstream.Class]tokenstorev1.Outcome{
	"":                       tokenstorev1.Outcome_OUTCOME_SUCCESS,
	upstream.CallerFault:     tokenstorev1.Outcome_OUTCOME_CALLER_FAULT,
	upstream.SealRefused:     tokenstorev1.Outcome_OUTCOME_CALLER_FAULT,
	upstream.ClientGone:      tokenstorev1.Outcome_OUTCOME_CLIENT_GONE,
	upstream.Interrupted:     tokenstorev1.Outcome_OUTCOME_CLIENT_GONE, // no token's matter, either
	upstream.Auth:            tokenstorev1.Outcome_OUTCOME_AUTH,
	upstream.ModelNotAllowed: tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED,
	upstream.ModelUnknown:    tokenstorev1.Outcome_OUTCOME_CALLER_FAULT, // no token's fault
	upstream.Quota:           tokenstorev1.Outcome_OUTCOME_QUOTA,
	upstream.RateLimit:       tokenstorev1.Outcome_OUTCOME_RATE_LIMIT,
	upstream.TooLarge:        tokenstorev1.Outcome_OUTCOME_TOO_LARGE,
	upstream.OutdatedClient:  tokenstorev1.Outcome_OUTCOME_OUTDATED_CLIENT,
	upstream.Broken:          tokenstorev1.Outcome_OUTCOME_UPSTREAM,
	upstream.Transport:       tokenstorev1.Outcome_OUTCOME_TRANSPORT,
	upstream.Truncated:       tokenstorev1.Outcome_OUTCOME_TRUNCATED,
	upstream.Region:          tokenstorev1.Outcome_OUTCOME_REGION,
	upstream.Proxy:           tokenstorev1.Outcome_OUTCOME_PROXY,
}

func outcomeOf(class upstream.Class) tokenstorev1.Outcome {
	outcome, known := outcomes[class]
	if !known {
		return tokenstorev1.Outcome_OUTCOME_UPSTREAM
	}
	return outcome
}

// blames tells whether an outcome is the token's own: it will rest, or be parked.
func blames(outcome tokenstorev1.Outcome) bool {
	switch outcome {
	case tokenstorev1.Outcome_OUTCOME_AUTH, tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED, tokenstorev1.Outcome_OUTCOME_QUOTA,
		tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, tokenstorev1.Outcome_OUTCOME_PROXY:
		return true
	default:
		return false
	}
}

// reportOf ends a lease on the wire.
func reportOf(done *lease.Lease, outcome lease.Outcome) *tokenstorev1.Report {
	if outcome.Unused {
		return unusedReport(done)
	}
	return &tokenstorev1.Report{
		LeaseId: done.ID, TokenId: done.TokenID, Outcome: outcomeOf(outcome.Class), Model: reportText(outcome.Model),
		RetryAfter: durationOf(outcome.RetryAfter), Detail: reportText(outcome.Detail), RequestId: outcome.RequestID,
		Upstream: done.Upstream, ModelOnly: outcome.ModelOnly, Group: outcome.Group, GroupWide: outcome.GroupWide,
	}
}

func unusedReport(of *lease.Lease) *tokenstorev1.Report {
	return &tokenstorev1.Report{LeaseId: of.ID, TokenId: of.TokenID, Upstream: of.Upstream, Outcome: tokenstorev1.Outcome_OUTCOME_UNUSED}
}

// reportText is a text that clients or upstreams chose, such that it can travel.
func reportText(text string) string { return encodable(text[:min(len(text), maxReportText)]) }

func durationOf(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}
